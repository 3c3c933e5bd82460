//! The settings of access control.

use crate::config::acl::{AclSettings, AgentTokens};
use crate::config::kind::SettingValue;
use crate::config::redis_url::Secret;
use crate::config::validated::Values;
use crate::core::acl::resource::DefaultPolicy;
use crate::core::model::acl::TokenSecret;

impl Values {
    pub(super) fn acl(&self) -> AclSettings {
        let secret = |key: &'static str| match self.value(key) {
            SettingValue::Secret(Secret(text)) if !text.is_empty() => Some(TokenSecret::new(text.as_str())),
            _ => None,
        };
        AclSettings {
            enabled: take!(self, Boolean, "acl_enabled"),
            is_permissive: take!(self, Boolean, "acl_permissive"),
            default_policy: match take!(self, Text, "acl_default_policy").as_str() {
                "deny" => DefaultPolicy::Deny,
                _ => DefaultPolicy::Allow,
            },
            tokens: AgentTokens {
                initial_management: secret("acl_initial_management_token"),
                agent_recovery: secret("acl_agent_recovery_token"),
                default: secret("acl_default_token"),
                agent: secret("acl_agent_token"),
                replication: None,
            },
            key_lists_need_list: take!(self, Boolean, "acl_enable_key_list_policy"),
            key_file: Some(take!(self, Path, "acl_key_file")).filter(|path| !path.as_os_str().is_empty()),
        }
    }
}
