//! Whether a caller has what a request has to have before it is looked at.
//!
//! What its body names is decided when a command is made of it, in `write_permission`, and what is left out of answers
//! when they are made: see [`sight`](crate::surface::context::sight).

use crate::core::acl::resource::{Access, Resource};
use crate::net::http::Method;
use crate::surface::context::call::Call;
use crate::surface::context::error::ApiError;
use crate::surface::context::rights::Rights;
use crate::surface::dispatch::permission::{Permission, Requirement, Segment};

/// Whether the caller has what the row of the table asks for.
///
/// # Errors
/// 403: he lacks that, or what he shows is no token.
pub fn check(call: &Call<'_, '_>) -> Result<(), ApiError> {
    let needs = match (call.route.permission, call.rights) {
        (Permission::Public, _) | (_, Rights::Everything) => return Ok(()),
        (Permission::Needs(_), Rights::Unknown) => return Err(ApiError::unknown_token()),
        (Permission::Needs(needs), Rights::Of(_)) => needs,
    };
    needs.iter().try_for_each(|need| has(call, *need))
}

fn has(call: &Call<'_, '_>, need: Requirement) -> Result<(), ApiError> {
    let reads = matches!(call.request().method(), Method::Get | Method::Head);
    match need {
        Requirement::Need(resource, segment, access) => has_of(call, segment, resource, access),
        Requirement::NeedByMethod(resource, segment) => {
            has_of(call, segment, resource, if reads { Access::Read } else { Access::Write })
        }
        Requirement::NeedOfKeys(_) if reads => {
            let query = call.query()?;
            let lists = call.api.registry.access().settings().key_lists_need_list;
            match query.has("keys") || query.has("recurse") {
                true if !lists => Ok(()),
                true => call.rights.require(Resource::Key, &call.argument, Access::List),
                false => call.rights.require(Resource::Key, &call.argument, Access::Read),
            }
        }
        // What is to become of them says the command.
        Requirement::NeedOfKeys(_) => Ok(()),
        Requirement::NeedOfCheck(Segment::PathId, access) => {
            let own = call.api.registry.own_node();
            let owner = call.api.registry.views().node(&own.key(), |record| {
                let check = record.checks().get(&call.argument)?;
                let service = record.services().get(&check.service_id);
                Some(service.map(|service| service.name.clone()))
            });
            match owner.flatten() {
                None => Ok(()),
                Some(None) => call.rights.require(Resource::Node, &own.name, access),
                Some(Some(service)) => call.rights.require(Resource::Service, &service, access),
            }
        }
        Requirement::NeedOfCheck(..) => Ok(()),
    }
}

fn has_of(call: &Call<'_, '_>, segment: Segment, resource: Resource, access: Access) -> Result<(), ApiError> {
    let own = call.api.registry.own_node();
    match segment {
        Segment::Sole => call.rights.require(resource, "", access),
        Segment::OwnNode => call.rights.require(resource, &own.name, access),
        Segment::Path => call.rights.require(resource, &call.argument, access),
        Segment::PathId => {
            let views = call.api.registry.views();
            let service = views.node(&own.key(), |record| record.services().get(&call.argument).cloned());
            // What is not there is no secret, and the handler says so.
            let service = service.flatten();
            service.map_or(Ok(()), |service| call.rights.require(resource, &service.name, access))
        }
        Segment::Body | Segment::Entries => Ok(()),
    }
}
