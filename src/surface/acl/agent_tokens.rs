//! The tokens that the agent itself has.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent#update-acl-tokens>

use crate::node::registry::access::AgentTokenKind;
use crate::surface::acl::on;
use crate::surface::answers::answer::empty;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::wire::body::acl::AgentTokenBody;
use crate::wire::decode::from_bytes;

/// The names of a token, those of older and newer versions of Consul among them.
const NAMES: &[(&str, AgentTokenKind)] = &[
    ("default", AgentTokenKind::Default),
    ("acl_token", AgentTokenKind::Default),
    ("agent", AgentTokenKind::Agent),
    ("acl_agent_token", AgentTokenKind::Agent),
    ("agent_master", AgentTokenKind::AgentRecovery),
    ("acl_agent_master_token", AgentTokenKind::AgentRecovery),
    ("agent_recovery", AgentTokenKind::AgentRecovery),
    ("replication", AgentTokenKind::Replication),
    ("acl_replication_token", AgentTokenKind::Replication),
];

/// `PUT /v1/agent/token/:name`; an empty token takes away the one that there is.
pub fn set(call: &mut Call<'_, '_>) -> HandlerResult {
    let access = on(call)?;
    let body: AgentTokenBody = from_bytes(call.body()?)
        .map_err(|error| ApiError::bad_request(format!("Request decode failed: {error}")))?;
    let name = &*call.argument;
    let Some((_, kind)) = NAMES.iter().find(|(known, _)| *known == name) else {
        return Err(ApiError::not_found(format!("Token \"{name}\" is unknown")));
    };
    access.set_agent_token(*kind, Some(body.secret).filter(|secret| !secret.reveal().is_empty()));
    empty()
}
