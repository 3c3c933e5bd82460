//! Tokens.
//!
//! <https://developer.hashicorp.com/consul/api-docs/acl/tokens>

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::resource::{Access, Resource};
use crate::core::acl::state::AclState;
use crate::core::catalog::topic::Topic;
use crate::core::model::acl::{ANONYMOUS_ACCESSOR, AclKind, AclRecord, Grants, Token, TokenSecret};
use crate::core::model::validate::acl;
use crate::net::http::{Method, Query};
use crate::surface::acl::{
    caller_token, decode, id_of, links, may, new_uuid, on, policies, read, refused, remove, set, unknown,
};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::wire::body::acl::TokenBody;
use crate::wire::intake;
use crate::wire::json;
use crate::wire::show::{AclToken, LinkNames};

/// What is told of a path without an id.
const MISSING_ID: &str = "Bad request: Missing token ID";

/// What follows the accessor of the token that is to be cloned.
const CLONE: &str = "/clone";

/// A token and what its links are called.
pub(super) type Named = (Arc<Token>, LinkNames);

/// `GET /v1/acl/tokens[?policy=…|role=…|authmethod=…]`, by their secrets and without them.
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let params = call.read_params()?;
    let (meter, now_ms) = (call.meter, call.api.clock.unix_ms());
    let only = Only::of(call.query()?)?;
    read(call, &Topic::Tokens, &params, |_, access| {
        let mut tokens: Vec<Named> = access.read(|state| {
            let all = state.of_kind(AclKind::Token).filter_map(|record| {
                let token = token(record)?;
                meter.spend(1 + links::count(&token.grants)).then_some(token)
            });
            all.filter(|token| !token.has_expired(now_ms) && only.is_met_by(token))
                .take_while(|_| !meter.is_exhausted())
                .map(|token| (token.clone(), links::names(state, &token.grants)))
                .collect()
        });
        tokens.sort_unstable_by(|(left, _), (right, _)| left.secret.cmp(&right.secret));
        let shown = tokens.iter().take_while(|_| meter.spend(1));
        let shown = shown.map(|(token, names)| AclToken::listed(token, names));
        Ok(Some(json::list_within(meter, shown, params.pretty)))
    })
}

/// Which tokens of a list are wanted.
enum Only {
    All,
    WithPolicy(Text),
    WithRole(Text),
    OfMethod(Text),
}

impl Only {
    fn of(query: &Query) -> Result<Only, ApiError> {
        let given = |name| query.first(name).filter(|it| !it.is_empty()).map(|it| Text::from(it).folded());
        Ok(match (given("policy"), given("role"), given("authmethod")) {
            (None, None, None) => Only::All,
            (Some(id), None, None) => Only::WithPolicy(id),
            (None, Some(id), None) => Only::WithRole(id),
            (None, None, Some(name)) => Only::OfMethod(name),
            _ => {
                let sentence = "can only filter by one of policy, role, or methodName at a time";
                return Err(ApiError::new(500, sentence).on_indexed_read());
            }
        })
    }

    fn is_met_by(&self, token: &Token) -> bool {
        match self {
            Only::All => true,
            Only::WithPolicy(id) => token.grants.policies.contains(id),
            Only::WithRole(id) => token.grants.roles.contains(id),
            Only::OfMethod(name) => token.auth_method.folded() == *name,
        }
    }
}

/// `GET /v1/acl/token/self`: the caller's own.
pub fn own(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let params = call.read_params()?;
    read(call, &Topic::Tokens, &params, |call, access| {
        let Some(token) = caller_token(call)? else { return Ok(None) };
        let names = access.read(|state| links::names(state, &token.grants));
        // Who shows a secret knows it. The meter pays for nothing here, for what is made in a lane is shared by all who
        // have the same rights.
        Ok(Some(json::to_vec(&AclToken::full(&token, &names), params.pretty)))
    })
}

/// `PUT /v1/acl/token`
pub fn create(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let body: TokenBody = decode(call, "Token")?;
    let accessor = match body.accessor.is_empty() {
        true => new_uuid(),
        false => accessor(&body.accessor)?,
    };
    let secret = match body.secret.reveal().is_empty() {
        true => TokenSecret::new(new_uuid()),
        false if acl::is_uuid(body.secret.reveal()) => body.secret.clone(),
        false => return fault("Invalid Token: SecretID is not a valid UUID"),
    };
    if acl::is_reserved(&accessor) || acl::is_reserved(secret.reveal()) {
        return fault(
            "Invalid Token: UUIDs with the prefix \"00000000-0000-0000-0000-0000000000\" are reserved",
        );
    }
    if !body.auth_method.is_empty() {
        return fault("AuthMethod field is disallowed outside of Login");
    }
    let created_ms = call.api.clock.unix_ms();
    let token = Token {
        accessor,
        secret,
        is_local: body.is_local == Some(true),
        expires_ms: acl::expiry(created_ms, body.ttl.0, body.expires.0).map_err(refused)?,
        created_ms,
        ..Token::default()
    };
    write(call, with_grants(call, token, body)?, true)
}

/// `GET`, `PUT` and `DELETE /v1/acl/token/:accessor`, and `PUT /v1/acl/token/:accessor/clone`
pub fn one(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    match call.request().method() {
        Method::Get | Method::Head => show(call),
        Method::Delete => delete(call),
        _ if call.argument.is_empty() => create(call),
        _ => match call.argument.strip_suffix(CLONE).map(Text::from) {
            Some(accessor) => clone(call, &accessor),
            None => update(call),
        },
    }
}

fn show(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let accessor = id_of(call, "token", MISSING_ID).map_err(policies::on_read)?;
    let is_seen = may(call, Resource::Acl, "", Access::Write);
    read(call, &Topic::Tokens, &params, |call, _| {
        let Some((token, names)) = present(call, &accessor)? else { return Ok(None) };
        let shown = if is_seen { AclToken::full(&token, &names) } else { AclToken::hidden(&token, &names) };
        Ok(Some(json::to_vec(&shown, params.pretty)))
    })
}

fn update(call: &Call<'_, '_>) -> HandlerResult {
    let body: TokenBody = decode(call, "Token")?;
    let is_other = body.accessor.folded() != call.argument.folded();
    if !body.accessor.is_empty() && is_other {
        let sentence = "Bad request: Token Accessor ID in URL and payload do not match";
        return Err(ApiError::bad_request(sentence));
    }
    let accessor = accessor(&call.argument)?;
    let Some((before, _)) = present(call, &accessor)? else {
        return fault(format!("Cannot find token \"{accessor}\""));
    };
    // What may not be changed is compared where it is written, at which nothing else has come between.
    let given = |text: &Text, before: &Text| if text.is_empty() { before.clone() } else { text.clone() };
    let expires_ms = match body.expires.0 {
        _ if body.ttl.0.nanoseconds != 0 => {
            return fault(format!("Cannot change expiration time of {accessor}"));
        }
        Some(expires_ms) => Some(u64::try_from(expires_ms).unwrap_or_default()),
        None => before.expires_ms,
    };
    let token = Token {
        accessor,
        secret: TokenSecret::new(given(body.secret.reveal(), before.secret.reveal())),
        is_local: body.is_local.unwrap_or(before.is_local),
        auth_method: given(&body.auth_method, &before.auth_method),
        expires_ms,
        created_ms: before.created_ms,
        ..Token::default()
    };
    write(call, with_grants(call, token, body)?, false)
}

fn clone(call: &Call<'_, '_>, accessor: &Text) -> HandlerResult {
    let body: TokenBody = decode(call, "Token")?;
    let accessor = accessor.folded();
    acl::check_id("token", &accessor).map_err(refused)?;
    let (before, names) = present(call, &accessor)?.ok_or_else(unknown)?;
    if !before.auth_method.is_empty() {
        return fault("Cannot clone a token created from an auth method");
    }
    let there = |links: Vec<(Text, Text)>| links.into_iter().map(|(id, _)| id).collect();
    let grants = Grants {
        policies: there(names.policies),
        roles: there(names.roles),
        services: before.grants.services.clone(),
        nodes: before.grants.nodes.clone(),
    };
    let description = Some(body.description).filter(|it| !it.is_empty());
    let token = Token {
        accessor: new_uuid(),
        secret: TokenSecret::new(new_uuid()),
        description: description.unwrap_or_else(|| before.description.clone()),
        grants,
        is_local: before.is_local,
        expires_ms: before.expires_ms,
        created_ms: call.api.clock.unix_ms(),
        ..Token::default()
    };
    write(call, token, true)
}

fn delete(call: &Call<'_, '_>) -> HandlerResult {
    let accessor = call.required(MISSING_ID)?.folded();
    if !acl::is_uuid(&accessor) {
        return fault("Accessor ID is missing or an invalid UUID");
    }
    let is_own = caller_token(call)?.is_some_and(|token| token.accessor == accessor);
    if is_own && accessor.as_str() != ANONYMOUS_ACCESSOR {
        return fault("Deletion of the request's authorization token is not permitted");
    }
    remove(call, AclKind::Token, accessor)
}

/// The token with what a body gives it.
fn with_grants(call: &Call<'_, '_>, token: Token, body: TokenBody) -> Result<Token, ApiError> {
    let (policies, roles) = on(call)?.read(|state| {
        let policies = links::resolve(state, AclKind::Token, AclKind::Policy, &body.policies)?;
        Ok::<_, ApiError>((policies, links::resolve(state, AclKind::Token, AclKind::Role, &body.roles)?))
    })?;
    let identities =
        intake::acl::identities(body.services, body.nodes, &body.templated, "token", token.is_local);
    let grants = Grants { policies, roles, ..identities.map_err(refused)? };
    acl::check_grants(&grants, "token", token.is_local).map_err(refused)?;
    if !body.rules.is_empty() {
        return fault("Rules cannot be specified for this token");
    }
    Ok(Token { description: body.description, grants, ..token })
}

fn write(call: &Call<'_, '_>, token: Token, is_new: bool) -> HandlerResult {
    let written = set(call, AclRecord::Token(Arc::new(token)), is_new, named)?;
    answer::json(call, &written.as_ref().map(|(token, names)| AclToken::full(token, names)))
}

/// An accessor as records have it, of a token that is to be there or to be made.
fn accessor(given: &Text) -> Result<Text, ApiError> {
    let lookup = |fault| ApiError::new(500, format!("Failed acl token lookup by accessor: {fault}"));
    acl::check_id("token", given).map_err(lookup)?;
    if !acl::is_uuid(given) {
        return fault("AccessorID is not a valid UUID");
    }
    Ok(given.folded())
}

/// The token with that accessor, if it is there and its time is not over.
fn present(call: &Call<'_, '_>, accessor: &Text) -> Result<Option<Named>, ApiError> {
    let now_ms = call.api.clock.unix_ms();
    let find = |state: &AclState| named(state, state.get(AclKind::Token, accessor)?);
    Ok(on(call)?.read(find).filter(|(token, _)| !token.has_expired(now_ms)))
}

fn token(record: &AclRecord) -> Option<&Arc<Token>> {
    match record {
        AclRecord::Token(token) => Some(token),
        _ => None,
    }
}

pub(super) fn named(state: &AclState, record: &AclRecord) -> Option<Named> {
    token(record).map(|token| (token.clone(), links::names(state, &token.grants)))
}

/// A refusal with the status that Consul has for it.
fn fault<T>(sentence: impl Into<Cow<'static, str>>) -> Result<T, ApiError> {
    Err(ApiError::new(500, sentence))
}
