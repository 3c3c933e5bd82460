//! Who may do what: policies, roles and tokens as readers see them, and what each token gives.
//!
//! What a token gives is worked out when it is first shown, and kept until it, a role or a policy changes: a change
//! counts for the next request. Tokens that give the same share one [`Authorizer`] and one number.

pub mod denials;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::config::acl::{AclSettings, AgentTokens};
use crate::core::acl::authorizer::Authorizer;
use crate::core::acl::change::AclChange;
use crate::core::acl::parse;
use crate::core::acl::resolve::{Place, Resolved};
use crate::core::acl::resource::{Access, DefaultPolicy, Disposition, Matching, Resource};
use crate::core::acl::rights_numbers::RightsNumbers;
use crate::core::acl::rules::{AccessRule, Rules};
use crate::core::acl::state::AclState;
use crate::core::model::acl::{
    ANONYMOUS_ACCESSOR, ANONYMOUS_SECRET, AclKind, AclRecord, Grants, MANAGEMENT_ID, Policy, Token,
    TokenSecret,
};
use crate::node::registry::access::denials::Denials;

/// What whoever shows a token may do.
#[derive(Debug)]
pub struct TokenRights {
    /// Decides.
    pub authorizer: Arc<Authorizer>,
    /// The same for tokens that give the same, and for no others; 1 or above.
    pub number: u64,
    /// By what people and logs know the token.
    pub accessor: Text,
    /// Whether what it does not give is only noted, and let pass.
    pub is_permissive: bool,
    /// Whether it is known to the agent alone, and no token to anybody else.
    pub is_of_agent: bool,
    /// By what it is found again.
    secret: TokenSecret,
    expires_ms: Option<u64>,
    denials: Arc<Denials>,
}

impl TokenRights {
    /// Notes that this was denied, or would have been.
    pub fn note_denial(&self, resource: Resource, name: &str, access: Access) {
        self.denials.note(&self.accessor, Some((resource, access)), name, Clock.unix_ms());
    }
}

#[cfg(test)]
impl TokenRights {
    /// Those of a token that gives everything but these.
    pub fn hiding(hidden: &[(Resource, &str)]) -> TokenRights {
        let deny = |(resource, name): &(Resource, &str)| {
            AccessRule::of(*resource, Matching::Exact, name, Disposition::Deny)
        };
        let rules = Rules::from(hidden.iter().map(deny).collect::<Vec<_>>());
        let authorizer = Arc::new(Authorizer::of([&rules], DefaultPolicy::Allow));
        let (accessor, secret) = ("some".into(), TokenSecret::new("secret"));
        TokenRights {
            authorizer,
            number: 1,
            accessor,
            is_permissive: false,
            is_of_agent: false,
            secret,
            expires_ms: None,
            denials: Arc::default(),
        }
    }
}

/// Who may do what.
#[derive(Debug)]
pub struct AccessControl {
    settings: AclSettings,
    place: Place,
    own_node: Text,
    /// The agent's own tokens, which may be set while it runs.
    tokens: RwLock<AgentTokens>,
    state: RwLock<AclState>,
    /// What tokens give, by their secrets; changed only while `state` is locked, so nothing old gets in behind a
    /// change.
    known: RwLock<HashMap<Text, Arc<TokenRights>>>,
    denials: Arc<Denials>,
    resolver: Mutex<Resolver>,
    /// The index of the last change of what somebody may do.
    changed_at: AtomicU64,
}

/// One of the tokens that the agent itself has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentTokenKind {
    /// See [`AgentTokens::default`].
    Default,
    /// See [`AgentTokens::agent`].
    Agent,
    /// See [`AgentTokens::agent_recovery`].
    AgentRecovery,
    /// See [`AgentTokens::replication`].
    Replication,
}

/// What is kept to work out rights.
#[derive(Debug, Default)]
struct Resolver {
    numbers: RightsNumbers,
    /// The rules of policies, as of the index at which each was changed; `None` for what cannot be read any more.
    rules: HashMap<Text, (u64, Option<Arc<Rules>>)>,
}

impl AccessControl {
    /// What `state` says at `index`, as far as it counts by these settings on the agent's node in its datacenter.
    pub fn new(
        settings: AclSettings,
        (own_node, datacenter): (&Text, &Text),
        state: AclState,
        index: u64,
    ) -> AccessControl {
        AccessControl {
            place: Place { datacenter: datacenter.clone(), default_policy: settings.default_policy },
            own_node: own_node.clone(),
            tokens: RwLock::new(settings.tokens.clone()),
            settings,
            state: RwLock::new(state),
            known: RwLock::default(),
            denials: Arc::default(),
            resolver: Mutex::default(),
            changed_at: AtomicU64::new(index),
        }
    }

    /// As it is configured.
    pub fn settings(&self) -> &AclSettings {
        &self.settings
    }

    /// What counts where no rule speaks, in Consul's word.
    pub fn default_policy_word(&self) -> &'static str {
        match (self.settings.enabled, self.settings.default_policy) {
            (true, DefaultPolicy::Deny) => "deny",
            _ => "allow",
        }
    }

    /// `off`, `permissive` or `enforcing`.
    pub fn mode_word(&self) -> &'static str {
        match (self.settings.enabled, self.settings.is_permissive) {
            (false, _) => "off",
            (true, true) => "permissive",
            (true, false) => "enforcing",
        }
    }

    /// The token with that accessor, or that of whoever shows none, with what it gives and whose rules say so.
    pub fn explained(&self, accessor: Option<&str>) -> Option<(Arc<Token>, Resolved)> {
        let state = self.state.read();
        let id = Text::from(accessor.unwrap_or(ANONYMOUS_ACCESSOR));
        let Some(AclRecord::Token(token)) = state.get(AclKind::Token, &id) else { return None };
        let rules = &mut self.resolver.lock().rules;
        let resolved = self.place.resolve(&state, token, |policy| rules_of(rules, policy));
        Some((token.clone(), resolved))
    }

    /// Whether callers are told apart.
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled
    }

    /// The token that is to be there from the first start on, if it is not: it may do everything.
    pub(super) fn missing_management(&self, now_ms: u64) -> Option<Token> {
        let secret = self.settings.tokens.initial_management.as_ref().filter(|_| self.settings.enabled)?;
        let is_there = self.read(|state| state.token(secret).is_some());
        (!is_there).then(|| Token {
            accessor: Uuid::new_v4().to_string().into(),
            secret: secret.clone(),
            description: "Initial Management Token".into(),
            grants: Grants { policies: vec![MANAGEMENT_ID.into()], ..Grants::default() },
            created_ms: now_ms,
            ..Token::default()
        })
    }

    /// The tokens that the agent itself has.
    pub fn agent_tokens(&self) -> AgentTokens {
        self.tokens.read().clone()
    }

    /// Has the agent have another token, or none, from now on.
    pub fn set_agent_token(&self, kind: AgentTokenKind, secret: Option<TokenSecret>) {
        // So that nobody is just finding out what the one before gives.
        let _state = self.state.write();
        let tokens = &mut *self.tokens.write();
        *match kind {
            AgentTokenKind::Default => &mut tokens.default,
            AgentTokenKind::Agent => &mut tokens.agent,
            AgentTokenKind::AgentRecovery => &mut tokens.agent_recovery,
            AgentTokenKind::Replication => &mut tokens.replication,
        } = secret;
        // The one before may have been known.
        self.known.write().clear();
    }

    /// What was denied of late.
    pub fn denials(&self) -> &Denials {
        &self.denials
    }

    /// Looks at the policies, roles and tokens; briefly, for the writer waits.
    pub fn read<T>(&self, look: impl FnOnce(&AclState) -> T) -> T {
        look(&self.state.read())
    }

    /// Whether everybody sees now what he saw at `index`: otherwise an answer from then may show what is hidden by now,
    /// or hide what is shown, and what has changed since would not say so.
    pub fn sees_as_at(&self, index: u64) -> bool {
        !self.settings.enabled || index >= self.changed_at.load(Ordering::Acquire)
    }

    /// What whoever shows `secret`, or nothing, may do at `now_ms` of Unix time; `None` if there is no such token, or
    /// its time is over.
    pub fn rights(&self, secret: Option<&str>, now_ms: u64) -> Option<Arc<TokenRights>> {
        if let Some(secret) = secret {
            return self.rights_of(secret, now_ms);
        }
        let default = self.tokens.read().default.clone();
        self.rights_of(default.as_ref().map_or(ANONYMOUS_SECRET, |secret| secret.reveal()), now_ms)
    }

    /// What whoever showed what gave these rights may do by now. See [`AccessControl::rights`].
    pub fn renewed(&self, rights: &TokenRights, now_ms: u64) -> Option<Arc<TokenRights>> {
        self.rights_of(rights.secret.reveal(), now_ms)
    }

    fn rights_of(&self, secret: &str, now_ms: u64) -> Option<Arc<TokenRights>> {
        let has_expired = |rights: &TokenRights| rights.expires_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if let Some(known) = self.known.read().get(secret) {
            return (!has_expired(known)).then(|| known.clone());
        }
        let secret = TokenSecret::new(secret);
        let state = self.state.read();
        let found = state.token(&secret);
        let (authorizer, accessor, expires_ms) = match found {
            Some(token) => (self.of_token(&state, token), token.accessor.clone(), token.expires_ms),
            None if self.tokens.read().agent_recovery.as_ref() == Some(&secret) => {
                (self.of_recovery(), "agent-recovery".into(), None)
            }
            None => return None,
        };
        let (authorizer, number) = self.resolver.lock().numbers.number(Arc::new(authorizer));
        let rights = Arc::new(TokenRights {
            authorizer,
            number,
            accessor,
            is_permissive: self.settings.is_permissive,
            is_of_agent: found.is_none(),
            secret,
            expires_ms,
            denials: self.denials.clone(),
        });
        self.known.write().insert(rights.secret.reveal().clone(), rights.clone());
        drop(state);
        (!has_expired(&rights)).then_some(rights)
    }

    fn of_token(&self, state: &AclState, token: &Token) -> Authorizer {
        let rules = &mut self.resolver.lock().rules;
        self.place.resolve(state, token, |policy| rules_of(rules, policy)).authorizer
    }

    /// What manages this agent, whatever else is known.
    fn of_recovery(&self) -> Authorizer {
        let rules = Rules::from(vec![
            AccessRule::of(Resource::Agent, Matching::Exact, &self.own_node, Disposition::Write),
            AccessRule::of(Resource::Node, Matching::Prefix, "", Disposition::Read),
        ]);
        Authorizer::of([&rules], self.place.default_policy)
    }

    /// Takes over what has changed.
    pub(super) fn absorb(&self, changes: &[AclChange]) {
        if changes.is_empty() {
            return;
        }
        let mut state = self.state.write();
        let mut known = self.known.write();
        for change in changes {
            state.absorb(change);
            match (&change.before, change.kind) {
                // Nobody has shown it yet.
                (None, AclKind::Token) | (_, AclKind::Bootstrap) => continue,
                (Some(AclRecord::Token(token)), _) => drop(known.remove(token.secret.reveal())),
                _ => known.clear(),
            }
            if change.kind == AclKind::Policy {
                self.resolver.lock().rules.remove(&change.id);
            }
            self.changed_at.fetch_max(change.index, Ordering::AcqRel);
        }
    }
}

fn rules_of(
    known: &mut HashMap<Text, (u64, Option<Arc<Rules>>)>,
    policy: &Arc<Policy>,
) -> Option<Arc<Rules>> {
    let modify = policy.indexes.modify;
    match known.get(&policy.id) {
        Some((at, rules)) if *at == modify => rules.clone(),
        _ => {
            let rules = parse::parse(&policy.rules).ok().map(Arc::new);
            known.insert(policy.id.clone(), (modify, rules.clone()));
            rules
        }
    }
}
