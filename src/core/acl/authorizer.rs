//! Decides what somebody may do, by all the rules that he has.

use std::collections::btree_map::Entry;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::core::acl::resource::{Access, DefaultPolicy, Disposition, Matching, Resource};
use crate::core::acl::rules::{self, AccessRule, Rules};
use crate::core::acl::segment_table::{FoundRule, Grant, MergedRules, SegmentTable};

const RESOURCES: usize = Resource::ALL.len();

/// The rights of somebody: the rules of his policies, roles and identities as one, and the default policy.
///
/// For a name counts its own rule, and else the rule for the longest prefix of it; a deny for a longer prefix beats a
/// write for a shorter one, and the reverse. Of rules of the same segment a deny wins, then what gives more. A service
/// whose intentions no rule names has those to read if the service may be read, and none if not. Where no rule speaks,
/// the default policy does.
///
/// To decide takes no memory and, of `n` rules of the resource, time by `log n`, by the length of the name and by the
/// number of its prefixes that have rules. Two are equal if they decide by the same rules, whosever these are.
#[derive(Debug)]
pub struct Authorizer {
    tables: [SegmentTable; RESOURCES],
    reaches: [[Reach; Access::ALL.len()]; RESOURCES],
    default_policy: DefaultPolicy,
}

/// Whether something is allowed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessDecision<'a> {
    /// Whether it is.
    pub is_allowed: bool,
    /// By what.
    pub ground: Ground<'a>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground<'a> {
    /// A rule.
    Rule(AppliedRule<'a>),
    /// The default policy, for no rule speaks of it.
    Default(DefaultPolicy),
}

/// A rule that decided. Where several say the same of its segment, it is that of the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedRule<'a> {
    /// Of which kind.
    pub resource: Resource,
    /// Which of its kind.
    pub matching: Matching,
    /// Its name, or how it begins.
    pub segment: &'a str,
    /// How much.
    pub disposition: Disposition,
    /// The position of the [`Rules`] it stands in, among those that the authorizer was made of.
    pub policy: usize,
}

impl fmt::Display for AppliedRule<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        rules::write_rule(formatter, self.resource, self.matching, self.segment, self.disposition)
    }
}

/// How far an access reaches among all names of a resource, those that are not there included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is refused for each: a list of them is empty.
    Nothing,
    /// It may be allowed for some: a list of them is looked through.
    Part,
    /// It is allowed for each: a list of them is whole.
    Everything,
}

impl Authorizer {
    /// That of the rules of `policies`, in an order that only [`AppliedRule::policy`] tells.
    pub fn of<'r>(
        policies: impl IntoIterator<Item = &'r Rules>,
        default_policy: DefaultPolicy,
    ) -> Authorizer {
        let mut merged: [MergedRules; RESOURCES] = Default::default();
        for (rules, policy) in policies.into_iter().zip(0..) {
            for AccessRule { resource, matching, segment, disposition } in &rules.rules {
                let grant = Grant { disposition: *disposition, policy };
                match merged[*resource as usize].entry((segment.clone(), *matching)) {
                    Entry::Vacant(vacant) => drop(vacant.insert(grant)),
                    Entry::Occupied(mut known) => {
                        let both = known.get().disposition.merged(*disposition);
                        if both != known.get().disposition {
                            known.insert(grant);
                        }
                    }
                }
            }
        }
        add_intentions_that_follow(&mut merged);
        let tables = merged.map(SegmentTable::of);
        let reaches = std::array::from_fn(|at| {
            Access::ALL.map(|access| reach(&tables[at], default_policy.allows(Resource::ALL[at]), access))
        });
        Authorizer { tables, reaches, default_policy }
    }

    /// Whether `access` to the one of that name is allowed; the name of what there is but one is of no account.
    pub fn decide(&self, resource: Resource, name: &str, access: Access) -> AccessDecision<'_> {
        self.decision(resource, self.tables[resource as usize].find(name), access)
    }

    /// Whether all keys that begin with `prefix` may be written, those that are not there included: the rule for the
    /// longest prefix that covers it allows it, and so does every rule below.
    pub fn decide_key_tree(&self, prefix: &str) -> AccessDecision<'_> {
        let rule = self.tables[Resource::Key as usize].find_for_tree(prefix);
        self.decision(Resource::Key, rule, Access::Write)
    }

    /// Whether a list of these has anything for him, and whether all of it. A route that reads a list of what nobody
    /// hides gives the whole answer, which is kept once for all whom it reaches.
    pub fn reach(&self, resource: Resource, access: Access) -> Reach {
        self.reaches[resource as usize][access as usize]
    }

    fn decision<'a>(
        &self,
        resource: Resource,
        rule: Option<FoundRule<'a>>,
        access: Access,
    ) -> AccessDecision<'a> {
        let Some((matching, segment, Grant { disposition, policy })) = rule else {
            let is_allowed = self.default_policy.allows(resource);
            return AccessDecision { is_allowed, ground: Ground::Default(self.default_policy) };
        };
        let matching = if resource.is_sole() { Matching::Sole } else { matching };
        let rule = AppliedRule { resource, matching, segment, disposition, policy: policy as usize };
        AccessDecision { is_allowed: disposition.allows(access), ground: Ground::Rule(rule) }
    }

    /// What it decides by, in one order and without whose rules they are.
    fn content(&self) -> impl Iterator<Item = (Resource, Matching, &str, Disposition)> {
        Resource::ALL.into_iter().zip(&self.tables).flat_map(|(resource, table)| {
            let rules = table.rules();
            rules.map(move |(matching, segment, grant)| (resource, matching, segment, grant.disposition))
        })
    }
}

/// Gives each rule of a service without intentions of its own those that follow from it.
fn add_intentions_that_follow(merged: &mut [MergedRules; RESOURCES]) {
    let services = std::mem::take(&mut merged[Resource::Service as usize]);
    for (key, grant) in &services {
        let disposition = grant.disposition.min(Disposition::Read);
        merged[Resource::Intention as usize].entry(key.clone()).or_insert(Grant { disposition, ..*grant });
    }
    merged[Resource::Service as usize] = services;
}

fn reach(table: &SegmentTable, is_default_allowed: bool, access: Access) -> Reach {
    let allowed = |(.., grant): FoundRule<'_>| grant.disposition.allows(access);
    // The rule for all names is the one that counts for the empty one, where no rule is for that alone.
    let for_all =
        table.rules().find(|(matching, segment, _)| segment.is_empty() && *matching == Matching::Prefix);
    let is_rest_allowed = for_all.map_or(is_default_allowed, allowed);
    let (mut any, mut all) = (is_rest_allowed, is_rest_allowed);
    for rule in table.rules() {
        any |= allowed(rule);
        all &= allowed(rule);
    }
    match (any, all) {
        (false, _) => Reach::Nothing,
        (true, false) => Reach::Part,
        (true, true) => Reach::Everything,
    }
}

impl PartialEq for Authorizer {
    fn eq(&self, other: &Authorizer) -> bool {
        self.default_policy == other.default_policy && self.content().eq(other.content())
    }
}

impl Eq for Authorizer {}

impl Hash for Authorizer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.default_policy.hash(state);
        self.content().for_each(|rule| rule.hash(state));
    }
}
