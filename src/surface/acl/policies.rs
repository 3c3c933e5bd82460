//! Policies.
//!
//! <https://developer.hashicorp.com/consul/api-docs/acl/policies>

use std::sync::Arc;

use crate::core::acl::parse;
use crate::core::acl::state::AclState;
use crate::core::catalog::topic::Topic;
use crate::core::model::acl::{AclKind, AclRecord, Policy};
use crate::core::model::validate::acl;
use crate::net::http::Method;
use crate::surface::acl::{decode, id_of, new_uuid, on, read, refused, remove, set};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::wire::body::acl::PolicyBody;
use crate::wire::intake;
use crate::wire::json;
use crate::wire::show::{AclPolicy, AclPolicyListed};

/// What is told of a path without an id.
const MISSING_ID: &str = "Bad request: Missing policy ID";

/// `GET /v1/acl/policies`
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let params = call.read_params()?;
    let meter = call.meter;
    read(call, &Topic::Policies, &params, |_, access| {
        let policies: Vec<Arc<Policy>> = access.read(|state| {
            let all = state.of_kind(AclKind::Policy).filter_map(policy);
            all.take_while(|_| meter.spend(1)).cloned().collect()
        });
        let shown = policies.iter().take_while(|_| meter.spend(1)).map(|it| AclPolicyListed::new(it));
        Ok(Some(json::list_within(meter, shown, params.pretty)))
    })
}

/// `PUT /v1/acl/policy`
pub fn create(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let body: PolicyBody = decode(call, "Policy")?;
    if !body.id.is_empty() {
        return Err(ApiError::bad_request("Bad request: Cannot specify the ID when creating a new policy"));
    }
    let policy = intake::acl::policy(body).map_err(refused)?;
    write(call, Policy { id: new_uuid(), ..policy }, true)
}

/// `GET`, `PUT` and `DELETE /v1/acl/policy/:id`
pub fn one(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    match call.request().method() {
        Method::Get | Method::Head => {
            let params = call.read_params()?;
            let id = id_of(call, "policy", MISSING_ID).map_err(on_read)?;
            read(call, &Topic::Policies, &params, |_, access| {
                let found = access.read(|state| state.get(AclKind::Policy, &id).and_then(policy).cloned());
                Ok(found.map(|policy| json::to_vec(&AclPolicy::new(&policy), params.pretty)))
            })
        }
        Method::Delete => remove(call, AclKind::Policy, id_of(call, "policy", MISSING_ID)?),
        _ if call.argument.is_empty() => create(call),
        _ => update(call),
    }
}

/// `GET /v1/acl/policy/name/:name`
pub fn by_name(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let params = call.read_params()?;
    let name = call.required("Bad request: Missing policy Name")?;
    read(call, &Topic::Policies, &params, |_, access| {
        let found = access.read(|state| state.by_name(AclKind::Policy, &name).and_then(policy).cloned());
        Ok(found.map(|policy| json::to_vec(&AclPolicy::new(&policy), params.pretty)))
    })
}

fn update(call: &mut Call<'_, '_>) -> HandlerResult {
    let id = call.argument.clone();
    let body: PolicyBody = decode(call, "Policy")?;
    if !body.id.is_empty() && body.id.folded() != id.folded() {
        return Err(ApiError::bad_request("Bad request: Policy ID in URL and payload do not match"));
    }
    let policy = intake::acl::policy(body).map_err(refused)?;
    if !acl::is_uuid(&id) {
        return Err(ApiError::new(500, "Policy ID invalid UUID"));
    }
    write(call, Policy { id: id.folded(), ..policy }, false)
}

fn write(call: &Call<'_, '_>, written: Policy, is_new: bool) -> HandlerResult {
    parse::parse(&written.rules).map_err(|error| ApiError::new(500, error.to_string()))?;
    let show = |_: &AclState, record: &AclRecord| policy(record).cloned();
    let policy = set(call, AclRecord::Policy(Arc::new(written)), is_new, show)?;
    answer::json(call, &policy.as_deref().map(AclPolicy::new))
}

/// A refusal, as reads give it.
pub(super) fn on_read(error: ApiError) -> ApiError {
    if error.status == 500 { error.on_indexed_read() } else { error }
}

fn policy(record: &AclRecord) -> Option<&Arc<Policy>> {
    match record {
        AclRecord::Policy(policy) => Some(policy),
        _ => None,
    }
}
