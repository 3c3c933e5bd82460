//! Roles.
//!
//! <https://developer.hashicorp.com/consul/api-docs/acl/roles>

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::state::AclState;
use crate::core::catalog::topic::Topic;
use crate::core::model::acl::{AclKind, AclRecord, Grants, Role};
use crate::core::model::validate::acl;
use crate::net::http::{Method, Response};
use crate::surface::acl::{decode, id_of, links, new_uuid, on, policies, read, refused, remove, set};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::wire::body::acl::RoleBody;
use crate::wire::intake;
use crate::wire::json;
use crate::wire::show::{AclRole, LinkNames};

/// What is told of a path without an id.
const MISSING_ID: &str = "Bad request: Missing role ID";

/// A role and what its links are called.
type Named = (Arc<Role>, LinkNames);

/// `GET /v1/acl/roles[?policy=…]`
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let params = call.read_params()?;
    let meter = call.meter;
    let policy = call.query()?.first("policy").filter(|it| !it.is_empty()).map(|it| Text::from(it).folded());
    read(call, &Topic::Roles, &params, |_, access| {
        let roles: Vec<Named> = access.read(|state| {
            let all = state.of_kind(AclKind::Role).filter_map(|record| {
                let role = role(record)?;
                meter.spend(1 + links::count(&role.grants)).then_some(role)
            });
            let wanted = all.filter(|it| policy.as_ref().is_none_or(|id| it.grants.policies.contains(id)));
            wanted
                .take_while(|_| !meter.is_exhausted())
                .map(|it| (it.clone(), links::names(state, &it.grants)))
                .collect()
        });
        let shown =
            roles.iter().take_while(|_| meter.spend(1)).map(|(role, names)| AclRole::new(role, names));
        Ok(Some(json::list_within(meter, shown, params.pretty)))
    })
}

/// `PUT /v1/acl/role`
pub fn create(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    let body: RoleBody = decode(call, "Role")?;
    if !body.id.is_empty() {
        return Err(mismatch());
    }
    write(call, body, new_uuid(), true)
}

/// `GET`, `PUT` and `DELETE /v1/acl/role/:id`
pub fn one(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    match call.request().method() {
        Method::Get | Method::Head => {
            call.read_params()?;
            let id = id_of(call, "role", MISSING_ID).map_err(policies::on_read)?;
            show(call, |state| state.get(AclKind::Role, &id))
        }
        Method::Delete => remove(call, AclKind::Role, id_of(call, "role", MISSING_ID)?),
        _ if call.argument.is_empty() => create(call),
        _ => update(call),
    }
}

/// `GET /v1/acl/role/name/:name`
pub fn by_name(call: &mut Call<'_, '_>) -> HandlerResult {
    on(call)?;
    call.read_params()?;
    let name = call.required("Bad request: Missing role Name")?;
    show(call, |state| state.by_name(AclKind::Role, &name))
}

fn show(call: &mut Call<'_, '_>, find: impl FnOnce(&AclState) -> Option<&AclRecord>) -> HandlerResult {
    let params = call.read_params()?;
    read(call, &Topic::Roles, &params, |_, access| {
        let found = access.read(|state| find(state).and_then(|record| named(state, record)));
        // Unlike that of a policy or a token.
        let (role, names) = found.ok_or_else(|| ApiError::not_found(""))?;
        Ok(Some(json::to_vec(&AclRole::new(&role, &names), params.pretty)))
    })
    .or_else(|error| if error.status == 404 { Ok(Response::new(404)) } else { Err(error) })
}

fn update(call: &mut Call<'_, '_>) -> HandlerResult {
    let id = call.argument.clone();
    let body: RoleBody = decode(call, "Role")?;
    if !body.id.is_empty() && body.id.folded() != id.folded() {
        return Err(mismatch());
    }
    write(call, body, id.folded(), false)
}

fn mismatch() -> ApiError {
    ApiError::bad_request("Bad request: Role ID in URL and payload do not match")
}

fn write(call: &Call<'_, '_>, body: RoleBody, id: Text, is_new: bool) -> HandlerResult {
    acl::check_role_name(&body.name).map_err(refused)?;
    if !acl::is_uuid(&id) {
        return Err(ApiError::new(500, "Role ID invalid UUID"));
    }
    let policies =
        on(call)?.read(|state| links::resolve(state, AclKind::Role, AclKind::Policy, &body.policies))?;
    let identities = intake::acl::identities(body.services, body.nodes, &body.templated, "role", false);
    let grants = Grants { policies, ..identities.map_err(refused)? };
    acl::check_grants(&grants, "role", false).map_err(refused)?;
    let role = Role { id, name: body.name, description: body.description, grants, ..Role::default() };
    let written = set(call, AclRecord::Role(Arc::new(role)), is_new, named)?;
    answer::json(call, &written.as_ref().map(|(role, names)| AclRole::new(role, names)))
}

fn role(record: &AclRecord) -> Option<&Arc<Role>> {
    match record {
        AclRecord::Role(role) => Some(role),
        _ => None,
    }
}

fn named(state: &AclState, record: &AclRecord) -> Option<Named> {
    role(record).map(|role| (role.clone(), links::names(state, &role.grants)))
}
