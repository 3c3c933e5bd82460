//! Whether rows that somebody else may have written are records that this registry could hold: row by row, in memory
//! that depends on how many records there are and not on what is in them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};

use crate::base::stdx::stop::StopFlag;
use crate::base::sys::budget::{self, Budget};
use crate::base::sys::limits;
use crate::config::validated::Config;
use crate::core::acl::row::{self, SharedSeal};
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state as catalog;
use crate::core::catalog::weight;
use crate::core::kernel::state::Bounds;
use crate::core::kv::state as kv;
use crate::core::model::acl::{AclRecord, AclRefusal};
use crate::core::model::limits::{CHECKS_PER_SERVICE_MAX, INDEX_MAX, SERVICES_PER_NODE_MAX};
use crate::core::model::validate::{Violation, checks, keys, nodes, services, transitions};
use crate::core::model::{Check, CommandRefusal, Indexes, NodeKey, Origin, Pair, RecordKind, hold};
use crate::node::probe::TargetRules;
use crate::node::registry::checking::programs::{self, Armed};
use crate::node::registry::defined_ids;
use crate::node::registry::health_checkpoint::HealthCheckpoint;
use crate::node::registry::history::{HistoryEntry, TRANSITIONS_MAX};
use crate::node::registry::hot_queries;
use crate::node::registry::rows;
use crate::node::registry::sealed::left_sealed;
use crate::node::registry::silences;
use crate::node::registry::snapshot::{decoded, redaction};
use crate::store::change::Table;
use crate::store::rows::RowFilter;
use crate::store::snapshot::decode;
use crate::store::snapshot::format::LINE_BYTES_MAX;

/// The part of the memory that one row may be of where no setting says how long rows are, as one over this: what is
/// made of a row of numbers takes sixteen times as much.
const MEMORY_PARTS: u64 = 64;

const SECRETS_LEFT_OUT: &str =
    "its secrets were left out; take a snapshot with them on the machine of the agent: muster snapshot save";

/// What rows are held against.
#[derive(Clone)]
pub struct RowRules {
    /// The longest row, in bytes.
    pub row_bytes_max: usize,
    /// The most that all rows together may have, in bytes.
    pub bytes_max: u64,
    /// How much the registry may hold.
    pub bounds: Bounds,
    /// Which programs checks may run; `None` where that is not known and nothing is going to be run.
    pub programs: Option<Armed>,
    /// Whom checks may be sent to; `None` as well.
    pub targets: Option<TargetRules>,
    /// Whether the records come anew. Those that were acknowledged, perhaps before there was such a rule, may have
    /// checks that are larger than any run takes, whose runs say what is wrong, and names that not everybody sees.
    pub are_new: bool,
    /// What opens secrets of access control; [`left_sealed`] for who passes them on as they are.
    pub seal: SharedSeal,
    /// Where what is held until it is in the registry is taken from.
    pub account: &'static Budget,
    /// Asked when nobody wants to know any more.
    pub stop: StopFlag,
}

impl RowRules {
    /// How much is read at all.
    pub fn decoded(&self) -> decode::DecodeBounds {
        decode::DecodeBounds { line_bytes_max: self.row_bytes_max, bytes_max: self.bytes_max }
    }

    /// What an agent of this configuration takes. Which programs it runs is not known by that.
    pub fn of(config: &Config) -> RowRules {
        let limits = &config.limits;
        RowRules {
            row_bytes_max: row_bytes_max(limits.body_bytes_max),
            bytes_max: limits.snapshot_bytes_max as u64,
            bounds: Bounds {
                catalog: catalog::CatalogBounds {
                    nodes_max: limits.nodes_max,
                    instances_max: limits.services_max,
                    checks_max: limits.checks_max,
                    bytes_max: limits.catalog_bytes_max,
                },
                kv_bytes_max: limits.kv_bytes_max,
                acl_bytes_max: limits.acl_bytes_max,
            },
            programs: None,
            targets: Some(TargetRules::new(config.targets())),
            are_new: true,
            seal: left_sealed(),
            account: budget::process(),
            stop: StopFlag::default(),
        }
    }
}

impl Default for RowRules {
    /// What can be said of rows that are only looked at. Reads `/proc`, so it is not for a coroutine.
    fn default() -> Self {
        let part = usize::try_from(limits::memory_bytes_max() / MEMORY_PARTS).unwrap_or(usize::MAX);
        RowRules {
            row_bytes_max: LINE_BYTES_MAX.min(part.max(row_bytes_max(1 << 20))),
            bytes_max: u64::MAX,
            bounds: Bounds::default(),
            programs: None,
            targets: None,
            are_new: false,
            seal: left_sealed(),
            account: budget::process(),
            stop: StopFlag::default(),
        }
    }
}

/// The longest row of a registry whose requests may have bodies of `body_bytes_max`. A record's row is hardly longer
/// than the body that made it; it is let be twice as long, and that much more for what muster adds.
pub fn row_bytes_max(body_bytes_max: usize) -> usize {
    const ADDED_BYTES_MAX: usize = 64 << 10;
    body_bytes_max.saturating_mul(2).saturating_add(ADDED_BYTES_MAX)
}

/// Judges the rows that a Redis gives of a registry at `index`. Whose agent they are of is not known yet, and of a
/// check's definition only the program is: how often a file has it run may depend on the instance.
///
/// What settings bound is let through: it may have been taken under others, and what was acknowledged is not lost for
/// that.
pub fn judge(rules: RowRules, index: u64) -> RowFilter {
    let programs = rules.programs.clone().unwrap_or_default();
    let rules = RowRules {
        row_bytes_max: rules.row_bytes_max.max(RowRules::default().row_bytes_max),
        ..RowRules::default()
    };
    let (mut validator, mut reader) = (RowValidator::new(rules, None, index), rows::RowReader::default());
    Box::new(move |table, key, value| {
        if value.len() > validator.rules.row_bytes_max {
            return Err(format!("it has {} bytes, more than a request may bring", value.len()));
        }
        match table {
            Table::Meta => {
                HealthCheckpoint::default().absorb(key, value)?;
                silences::SavedSilences::default().absorb(key, value)?;
                hot_queries::read(key, value)?;
                defined_ids::read(key, value).map(drop)
            }
            Table::Kv => validator.pair(&*rows::pair(key, value)?).map(drop).map_err(RowFault::sentence),
            Table::Acl => {
                let record = row::decode_sealed(key, value)?;
                validator.acl(&record).map(drop).map_err(RowFault::sentence)
            }
            Table::History => validator.transition(key, &rows::transition(key, value)?),
            Table::Nodes | Table::Services | Table::Checks => {
                let record = reader.change(table, key, value)?.ok_or("it is no record")?;
                if let CatalogChange::Check { after: Some(check), .. } = &record
                    && !programs.allows_program_of(check)
                {
                    return Err(programs::refusal(check));
                }
                validator.record(&decoded::in_its_place(record)?).map(drop).map_err(RowFault::sentence)
            }
            Table::Deliveries | Table::DeadLetters => Err("a registry has no such row".to_owned()),
        }
    })
}

/// Why a row is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// It breaks a rule, in a sentence.
    Rule(String),
    /// With it there is more than the registry may hold.
    Full(CommandRefusal),
}

impl RowFault {
    fn sentence(self) -> String {
        match self {
            RowFault::Rule(sentence) => sentence,
            RowFault::Full(refusal) => refusal.to_string(),
        }
    }
}

impl From<String> for RowFault {
    fn from(sentence: String) -> RowFault {
        RowFault::Rule(sentence)
    }
}

/// Judges rows in their order, what is referred to first.
pub struct RowValidator {
    rules: RowRules,
    /// The node whose agent the rows are of; `None` where any may be that.
    own: Option<NodeKey>,
    /// The index that the rows are of.
    index: u64,
    hasher: RandomState,
    /// Instances on each node.
    nodes: HashMap<u64, usize>,
    /// Checks of each instance, and of each node itself; those of an instance come after it.
    services: HashMap<u64, usize>,
    checks_of_nodes: HashMap<u64, usize>,
    checks: usize,
    /// Slots and places of transitions.
    transitions: HashSet<u64>,
    places: HashSet<(u64, u32)>,
    /// Bytes that all records take, and all pairs.
    bytes: usize,
    kv_bytes: usize,
    /// Bytes that all policies, roles and tokens take, and the names there are.
    acl_bytes: usize,
    acl_names: HashSet<u64>,
}

impl RowValidator {
    /// Judges the rows of a registry at `index` whose agent's node is `own`.
    pub fn new(rules: RowRules, own: Option<NodeKey>, index: u64) -> RowValidator {
        let (hasher, nodes, services, checks_of_nodes, checks) = Default::default();
        let (transitions, places, bytes, kv_bytes, acl_bytes, acl_names) = Default::default();
        RowValidator {
            rules,
            own,
            index,
            hasher,
            nodes,
            services,
            checks_of_nodes,
            checks,
            transitions,
            places,
            bytes,
            kv_bytes,
            acl_bytes,
            acl_names,
        }
    }

    /// Takes a record for good. Gives what it weighs.
    ///
    /// # Errors
    /// The rule that it breaks; it counts as not there then.
    pub fn record(&mut self, record: &CatalogChange) -> Result<usize, RowFault> {
        match record {
            CatalogChange::Node { key, after: Some(node), .. } => {
                if self.rules.are_new { nodes::check_new(node) } else { nodes::check_held(node) }
                    .map_err(sentence)?;
                self.check_indexes(node.indexes)?;
                self.nodes.insert(self.short(key), 0);
                self.check_room()?;
            }
            CatalogChange::Service { node, id, after: Some(service), .. } => {
                let are_new = self.rules.are_new;
                if are_new { services::check_new(service) } else { services::check_held(service) }
                    .map_err(sentence)?;
                self.check_place(node, service.origin)?;
                self.check_indexes(service.indexes)?;
                let (of_node, own) = (self.short(node), self.short((node, id)));
                let on_node = self.nodes.entry(of_node).or_default();
                // The agent's own is none that somebody registered.
                *on_node += usize::from(service.origin != Origin::Server);
                if *on_node > SERVICES_PER_NODE_MAX {
                    return Err(too_many("service instances on one node", SERVICES_PER_NODE_MAX));
                }
                self.services.insert(own, 0);
                self.check_room()?;
            }
            CatalogChange::Check { node, after: Some(check), .. } => {
                if self.rules.are_new {
                    checks::check_new(check).and_then(|()| checks::check_size(check)).map_err(sentence)?;
                } else {
                    checks::check_held(check).map_err(sentence)?;
                }
                self.check_place(node, check.origin)?;
                self.check_indexes(check.indexes)?;
                // Before its program is compared: what lacks a part is like no other.
                if redaction::is_redacted(check) {
                    return Err(RowFault::Rule(SECRETS_LEFT_OUT.to_owned()));
                }
                self.check_program(check)?;
                self.check_target(check)?;
                self.count_check(node, check)?;
                self.check_room()?;
            }
            CatalogChange::Node { .. } | CatalogChange::Service { .. } | CatalogChange::Check { .. } => {}
        }
        let weight = weight::of_record(record);
        self.bytes = self.bytes.saturating_add(weight);
        let bytes_max = self.rules.bounds.catalog.bytes_max;
        if self.bytes > bytes_max {
            Err(RowFault::Full(CommandRefusal::TooLarge { bytes_max }))
        } else {
            Ok(weight)
        }
    }

    /// Takes a record of access control for good, which may be sealed. Gives what it weighs.
    ///
    /// # Errors
    /// As [`RowValidator::record`].
    pub fn acl(&mut self, record: &AclRecord) -> Result<usize, RowFault> {
        self.check_there(record.indexes())?;
        if redaction::lacks_secret(record) {
            return Err(RowFault::Rule(SECRETS_LEFT_OUT.to_owned()));
        }
        let name = record.name().to_lowercase();
        if !name.is_empty() && !self.acl_names.insert(self.short((record.kind(), &name))) {
            return Err(RowFault::Rule(format!("another one is called {:?} as well", record.name())));
        }
        let (weight, bytes_max) = (record.weight(), self.rules.bounds.acl_bytes_max);
        self.acl_bytes = self.acl_bytes.saturating_add(weight);
        match self.acl_bytes > bytes_max {
            true => Err(RowFault::Full(AclRefusal::TooLarge { bytes_max }.into())),
            false => Ok(weight),
        }
    }

    /// Takes a pair for good. Gives what it weighs.
    ///
    /// # Errors
    /// As [`RowValidator::record`].
    pub fn pair(&mut self, pair: &Pair) -> Result<usize, RowFault> {
        keys::check(&pair.key).map_err(sentence)?;
        self.check_there(pair.indexes)?;
        if !pair.session.is_empty() || pair.lock_index > INDEX_MAX {
            return Err(RowFault::Rule(
                "it is locked, and there are no sessions here that could hold it".to_owned(),
            ));
        }
        let (weight, bytes_max) = (kv::weight(pair), self.rules.bounds.kv_bytes_max);
        self.kv_bytes = self.kv_bytes.saturating_add(weight);
        match self.kv_bytes > bytes_max {
            true => Err(RowFault::Full(CommandRefusal::PairsTooLarge { bytes_max })),
            false => Ok(weight),
        }
    }

    /// Takes a transition for good, which is filed under `key`.
    ///
    /// # Errors
    /// As [`RowValidator::record`].
    pub fn transition(&mut self, key: &str, entry: &HistoryEntry) -> Result<(), String> {
        transitions::check(&entry.transition).map_err(sentence)?;
        let index = entry.transition.index;
        self.check_indexes(Indexes { create: index, modify: index })?;
        if rows::transition_key(entry) != key
            || NodeKey::of(entry.transition.subject.node.text()) != entry.transition.subject.node
        {
            return Err("its key is not written as muster does".to_owned());
        }
        if !self.transitions.insert(self.short(key)) {
            return Err("its key is there twice".to_owned());
        }
        if !self.places.insert(entry.transition.place()) {
            return Err(format!("another transition has its place at index {index}"));
        }
        match self.transitions.len() {
            0..=TRANSITIONS_MAX => Ok(()),
            _ => Err(format!("more than {TRANSITIONS_MAX} transitions, which no registry remembers")),
        }
    }

    /// Files a check with its instance or its node. A hold is muster's own, and counts with neither.
    fn count_check(&mut self, node: &NodeKey, check: &Check) -> Result<(), RowFault> {
        let of = &check.service_id;
        let counted = if of.is_empty() {
            self.checks_of_nodes.entry(self.hasher.hash_one(node)).or_default()
        } else {
            let counted = self.services.get_mut(&self.hasher.hash_one((node, of)));
            counted.ok_or_else(|| format!("its instance {:?} is missing", of.as_str()))?
        };
        if hold::is_hold(check) {
            return Ok(());
        }
        *counted += 1;
        self.checks += 1;
        if *counted > CHECKS_PER_SERVICE_MAX {
            return Err(too_many("checks on one instance", CHECKS_PER_SERVICE_MAX));
        }
        Ok(())
    }

    fn short(&self, of: impl Hash) -> u64 {
        self.hasher.hash_one(of)
    }

    /// What an agent keeps is on its own node, and nowhere else.
    fn check_place(&self, node: &NodeKey, origin: Origin) -> Result<(), String> {
        let is_own = self.own.as_ref() == Some(node);
        if !is_own && !self.nodes.contains_key(&self.short(node)) {
            return Err(format!("its node {:?} is missing", node.as_str()));
        }
        if !is_own && self.own.is_some() && origin != Origin::Catalog {
            return Err("it is kept by an agent, and on another node than that agent's".to_owned());
        }
        Ok(())
    }

    fn check_indexes(&self, indexes: Indexes) -> Result<(), String> {
        let index = self.index.min(INDEX_MAX);
        match indexes.modify {
            modify if modify > index => Err(format!("its index {modify} is above {index}, that of all")),
            _ => Ok(()),
        }
    }

    /// As [`RowValidator::check_indexes`], of what came to be by a command.
    fn check_there(&self, indexes: Indexes) -> Result<(), String> {
        match indexes {
            Indexes { create: 0, .. } | Indexes { modify: 0, .. } => {
                Err("its index is 0, which nothing that is there has".to_owned())
            }
            indexes => self.check_indexes(indexes),
        }
    }

    fn check_target(&self, check: &Check) -> Result<(), String> {
        let probe = check.definition.probe.as_ref().filter(|_| check.origin == Origin::Agent);
        let rules = self.rules.targets.as_ref();
        let refusal = rules.zip(probe).and_then(|(rules, probe)| rules.lasting_refusal(probe));
        refusal.map_or(Ok(()), |refusal| Err(format!("Invalid check: {refusal}")))
    }

    fn check_program(&self, check: &Check) -> Result<(), String> {
        let is_allowed = self.rules.programs.as_ref().is_none_or(|armed| armed.allows(check));
        if is_allowed { Ok(()) } else { Err(programs::refusal(check)) }
    }

    fn check_room(&self) -> Result<(), String> {
        let catalog::CatalogBounds { nodes_max, instances_max, checks_max, .. } = self.rules.bounds.catalog;
        // Beside the node, the service and the check that every agent has.
        let counted = [
            (self.nodes.len(), nodes_max, RecordKind::Nodes),
            (self.services.len(), instances_max, RecordKind::Instances),
            (self.checks, checks_max, RecordKind::Checks),
        ];
        match counted.into_iter().find(|(count, max, _)| *count > max.saturating_add(1)) {
            Some((_, max, of)) => {
                let (what, setting) = (of.word(), of.setting());
                Err(format!("there are more than the {max} {what} that {setting} allows here"))
            }
            None => Ok(()),
        }
    }
}

fn too_many(what: &'static str, max: usize) -> RowFault {
    RowFault::Rule(CommandRefusal::TooMany { what, max }.to_string())
}

fn sentence(violation: Violation) -> String {
    violation.to_string()
}
