//! Who may do what: the policies, roles and tokens as readers see them, and what each token gives.

use parking_lot::RwLock;

use crate::config::acl::{AclSettings, AgentTokens};
use crate::core::acl::change::AclChange;
use crate::core::acl::state::AclState;
use crate::core::model::acl::TokenSecret;

/// Who may do what.
#[derive(Debug)]
pub struct AccessControl {
    settings: AclSettings,
    /// As they were configured, or set since.
    agent_tokens: RwLock<AgentTokens>,
    state: RwLock<AclState>,
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

impl AccessControl {
    /// What `state` says, as far as it counts by these settings.
    pub fn new(settings: AclSettings, state: AclState) -> AccessControl {
        let agent_tokens = RwLock::new(settings.tokens.clone());
        AccessControl { settings, agent_tokens, state: RwLock::new(state) }
    }

    /// As it is configured.
    pub fn settings(&self) -> &AclSettings {
        &self.settings
    }

    /// The tokens that the agent itself has.
    pub fn agent_tokens(&self) -> AgentTokens {
        self.agent_tokens.read().clone()
    }

    /// Has the agent have another token, or none, from now on.
    pub fn set_agent_token(&self, kind: AgentTokenKind, secret: Option<TokenSecret>) {
        let tokens = &mut *self.agent_tokens.write();
        *match kind {
            AgentTokenKind::Default => &mut tokens.default,
            AgentTokenKind::Agent => &mut tokens.agent,
            AgentTokenKind::AgentRecovery => &mut tokens.agent_recovery,
            AgentTokenKind::Replication => &mut tokens.replication,
        } = secret;
    }

    /// Looks at the policies, roles and tokens; briefly, for the writer waits.
    pub fn read<T>(&self, look: impl FnOnce(&AclState) -> T) -> T {
        look(&self.state.read())
    }

    /// Takes over what has changed.
    pub(super) fn absorb(&self, changes: &[AclChange]) {
        if changes.is_empty() {
            return;
        }
        let mut state = self.state.write();
        changes.iter().for_each(|change| state.absorb(change));
    }
}
