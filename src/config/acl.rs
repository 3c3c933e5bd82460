//! Access control as it is configured.

use std::path::PathBuf;

use crate::core::acl::resource::DefaultPolicy;
use crate::core::model::acl::TokenSecret;

/// Access control as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclSettings {
    /// Whether callers are told apart; otherwise everybody may do everything.
    pub enabled: bool,
    /// Whether what is not allowed is only noted, and let pass: to find out what would be denied before it is.
    pub is_permissive: bool,
    /// What counts where no rule speaks.
    pub default_policy: DefaultPolicy,
    /// The tokens that the agent itself has.
    pub tokens: AgentTokens,
    /// Whether to list keys takes a right of its own.
    pub key_lists_need_list: bool,
    /// The file with the keys that seal secrets, if it is not that in the data directory.
    pub key_file: Option<PathBuf>,
}

/// The tokens that an agent itself has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentTokens {
    /// One that is to be there from the first start on, and may do everything.
    pub initial_management: Option<TokenSecret>,
    /// One that may manage this agent, also while nothing else is known.
    pub agent_recovery: Option<TokenSecret>,
    /// What whoever shows no token is taken to show.
    pub default: Option<TokenSecret>,
    /// With which the agent does its own work.
    pub agent: Option<TokenSecret>,
    /// Taken for Consul's sake, and of no account.
    pub replication: Option<TokenSecret>,
}

impl Default for AclSettings {
    fn default() -> AclSettings {
        AclSettings {
            enabled: false,
            is_permissive: false,
            default_policy: DefaultPolicy::Allow,
            tokens: AgentTokens::default(),
            key_lists_need_list: false,
            key_file: None,
        }
    }
}
