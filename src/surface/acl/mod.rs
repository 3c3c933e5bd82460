//! Access control: policies, roles and tokens, and what their holders may do.
//!
//! Each noun has a file. What they have in common is here: nothing is answered while access control is off, reads say
//! at which index they are, and secrets are shown to who may change what they open. No answer of this chapter is kept.
//!
//! <https://developer.hashicorp.com/consul/api-docs/acl>

pub mod agent_tokens;
pub mod authorize;
pub mod bootstrap;
pub mod policies;
pub mod roles;
pub mod tokens;
mod links;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::resource::{Access, Resource};
use crate::core::acl::state::AclState;
use crate::core::catalog::topic::Topic;
use crate::core::model::acl::{AclKind, AclRecord, AclRefusal, AclWrite, Token, TokenSecret};
use crate::core::model::validate::{Violation, acl};
use crate::core::model::{Command, CommandRefusal};
use crate::net::http::Response;
use crate::node::registry::access::AccessControl;
use crate::node::registry::error::WriteError;
use crate::surface::answers::answer::{self, Headers, wait_for_change};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::params::ReadParams;
use crate::surface::context::rights::shown_token;
use crate::wire::decode::from_bytes;
use crate::wire::decode::read::ReadJson;

/// What of Consul's chapter is not served, by the beginning of its path.
const ABSENT: &[(&str, &str)] = &[
    ("auth-method", "auth methods"),
    ("binding-rule", "binding rules"),
    ("login", "logins"),
    ("logout", "logins"),
    ("rules", "translation of rules of Consul before 1.4"),
    ("templated-polic", "templated policies"),
];

/// Paths of the chapter that no other row has.
pub fn rest(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    match ABSENT.iter().find(|(path, _)| call.argument.starts_with(path)) {
        Some((_, what)) => {
            Err(ApiError::new(501, format!("muster has no {what}: give out tokens with policies or roles")))
        }
        None => Err(ApiError::not_found("")),
    }
}

/// Access control, where it is on.
fn on<'a>(call: &Call<'a, '_>) -> Result<&'a AccessControl, ApiError> {
    let access = call.api.registry.access();
    match access.settings().enabled {
        true => Ok(access),
        false => Err(ApiError::new(401, "ACL support disabled")),
    }
}

/// Whether the caller may do that, by the rights of the token that he shows.
fn may(call: &Call<'_, '_>, resource: Resource, name: &str, access: Access) -> bool {
    call.rights.include(resource, name, access)
}

/// The token that the caller shows, if it is one and still counts.
fn caller_token(call: &Call<'_, '_>) -> Result<Option<Arc<Token>>, ApiError> {
    let now_ms = call.api.clock.unix_ms();
    let access = on(call)?;
    let shown = shown_token(call.request()).map(TokenSecret::new);
    let Some(secret) = shown.or_else(|| access.agent_tokens().default) else { return Ok(None) };
    let token = access.read(|state| state.token(&secret).cloned());
    Ok(token.filter(|token| !token.has_expired(now_ms)))
}

/// Answers a read, when its topic has moved where that is asked for; `None` for what is not there.
fn read(
    call: &mut Call<'_, '_>,
    topic: &Topic,
    params: &ReadParams,
    body: impl FnOnce(&Call<'_, '_>, &AccessControl) -> Result<Option<Vec<u8>>, ApiError>,
) -> HandlerResult {
    let topics = call.api.registry.topics();
    if params.index > 0 && !wait_for_change(call, topic, params, || topics.index(topic))? {
        return Ok(Response::new(CLIENT_GONE));
    }
    let access = on(call)?;
    let index = topics.index(topic);
    let body = body(call, access)?;
    if call.meter.is_exhausted() {
        return Err(ApiError::unfinished());
    }
    let mut response = body.map_or_else(|| unknown().into(), |body| answer::json_bytes(200, body));
    Headers::OfPairs.add(&mut response, index, params.consistency);
    Ok(response)
}

/// Consul's answer to whoever asks for a policy or a token that is not there, or shows such a token.
fn unknown() -> ApiError {
    ApiError::new(403, "ACL not found")
}

/// The body, of what the sentence calls `what`.
fn decode<T: ReadJson>(call: &Call<'_, '_>, what: &str) -> Result<T, ApiError> {
    from_bytes(call.body()?)
        .map_err(|error| ApiError::bad_request(format!("Bad request: {what} decoding failed: {error}")))
}

/// The id in the path, as records have it.
fn id_of(call: &Call<'_, '_>, kind: &str, missing: &'static str) -> Result<Text, ApiError> {
    let id = call.required(missing)?.folded();
    acl::check_id(kind, &id).map_err(refused)?;
    Ok(id)
}

/// What Consul has a status of its own for servers' faults for, though it is the caller's: clients look for it.
fn refused(violation: Violation) -> ApiError {
    ApiError::new(500, violation.to_string())
}

/// Has a record written: what is there now.
fn write(call: &Call<'_, '_>, write: AclWrite) -> Result<u64, ApiError> {
    let written = call.try_write(Command::WriteAcl(Box::new(write)))?.map_err(|error| match &error {
        WriteError::Refused(CommandRefusal::Acl(AclRefusal::Bootstrapped { .. })) => {
            ApiError::new(403, error.to_string())
        }
        WriteError::Refused(CommandRefusal::Acl(AclRefusal::TooLarge { .. })) => {
            ApiError { retry_after_seconds: Some(60), ..ApiError::new(507, error.to_string()) }
        }
        _ => error.into(),
    })?;
    Ok(written.index)
}

/// Creates or replaces a record, and shows what is there then.
fn set<T>(
    call: &Call<'_, '_>,
    record: AclRecord,
    is_new: bool,
    show: impl FnOnce(&AclState, &AclRecord) -> T,
) -> Result<T, ApiError> {
    let (access, kind, id) = (on(call)?, record.kind(), record.id());
    write(call, if is_new { AclWrite::Create(record.clone()) } else { AclWrite::Replace(record.clone()) })?;
    // Another may have removed it meanwhile.
    Ok(access.read(|state| show(state, state.get(kind, &id).unwrap_or(&record))))
}

/// Removes a record. Of one that is not there the same is answered.
fn remove(call: &Call<'_, '_>, kind: AclKind, id: Text) -> HandlerResult {
    write(call, AclWrite::Delete { kind, id })?;
    answer::yes(call)
}

/// A new id, or a new secret: 122 bits of the operating system's chance.
fn new_uuid() -> Text {
    uuid::Uuid::new_v4().to_string().into()
}
