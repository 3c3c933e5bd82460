//! `?delta=1`: only what has changed in an answer since the index that the client has seen.
//!
//! Blocks as every read with an index. Where the earlier answer is no longer known the whole one is given, and says so;
//! that is never wrong, only larger. `docs/watching.md` tells users.

use std::sync::Arc;

use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::topic::Topic;
use crate::core::discovery::difference::ListDifference;
use crate::core::discovery::query::{SelectedInstances, ServiceQuery};
use crate::net::http::{Body, Query, Response, SharedBody};
use crate::node::registry::Registry;
use crate::surface::answers::answer::{JSON, add_index_headers, wait_for_change};
use crate::surface::answers::body_history::{Events, Rendering};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::params::{ReadParams, boolean};
use crate::surface::listed::{ListedInstance, key};
use crate::surface::panic;
use crate::wire::json;
use crate::wire::show::Delta;

/// Whether the client wants only what has changed: `delta`, `delta=1` or another true value.
///
/// # Errors
/// 400 for what is no boolean.
pub fn is_asked(query: &Query) -> Result<bool, ApiError> {
    match query.first("delta") {
        None => Ok(false),
        Some("") => Ok(true),
        Some(word) => boolean(word).ok_or_else(|| ApiError::bad_request("Invalid value for ?delta")),
    }
}

/// Answers a read of one service's instances with what has changed.
///
/// # Errors
/// 503 when too many blocking queries wait.
pub fn answer(call: &mut Call<'_, '_>, query: &ServiceQuery, params: &ReadParams) -> HandlerResult {
    let registry = &*call.api.registry;
    let (views, topics) = (call.views(), registry.topics());
    views.follow(&query.service);
    let topic = match query.aspect {
        Aspect::Health => Topic::Health(query.service.clone()),
        Aspect::Catalog => Topic::Service(query.service.clone()),
    };
    // A whole answer may show a change whose topic is about to move, and has that change's index then.
    let index = || topics.index(&topic).max(views.changed(&query.service, query.aspect).unwrap_or_default());
    if params.index > 0 && !wait_for_change(call, &topic, params, index)? {
        return Ok(Response::new(CLIENT_GONE));
    }
    let since = known_since(registry, query, params.index);
    let until = index();
    let variant = panic::variant(query.panic);
    let variant = format!("delta {variant} {} {until}", since.unwrap_or_default());
    let meter = call.meter;
    let rendering = call.api.answers.history.get_or_try(call.key(&variant), || {
        let difference = since.filter(|since| *since <= until);
        let difference = difference.and_then(|since| views.difference(query, since, until));
        let rendering = match difference {
            Some(difference) => render_difference(call, query, params, difference, until),
            None => render_whole(call, query, params, until),
        };
        (!meter.is_exhausted()).then_some(rendering)
    });
    let rendering = rendering.ok_or_else(ApiError::unfinished)?;
    call.hides.set(rendering.hides);
    let mut response = Response::new(200).with_body(Body::Shared(rendering.body));
    if let Some(panic) = &rendering.panic {
        response.headers.add(panic::HEADER, panic);
    }
    add_index_headers(&mut response, rendering.index, params.consistency);
    response.headers.add("Content-Type", JSON);
    Ok(response)
}

/// The index from which the client can be told what has changed: the one it asks with, unless that is none, its answer
/// was judged by a threshold that no longer holds, or other things might be seen then.
pub fn known_since(registry: &Registry, query: &ServiceQuery, asked: u64) -> Option<u64> {
    let judged_otherwise = registry.panic_thresholds().changed_at(&query.service);
    let is_judged_alike = query.aspect == Aspect::Catalog || asked > judged_otherwise;
    (asked > 0 && is_judged_alike && registry.access().sees_as_at(asked)).then_some(asked)
}

fn render_difference(
    call: &Call<'_, '_>,
    query: &ServiceQuery,
    params: &ReadParams,
    ListDifference { removed, changed, panic }: ListDifference,
    index: u64,
) -> Rendering {
    let instances = changed.into_iter().map(|it| it.instance).collect();
    render(call, query, params, Some(removed), SelectedInstances { instances, panic }, index)
}

fn render_whole(call: &Call<'_, '_>, query: &ServiceQuery, params: &ReadParams, until: u64) -> Rendering {
    let (selected, changed) = call.views().select(query);
    render(call, query, params, None, selected, until.max(changed.unwrap_or_default()))
}

/// Writes out what has changed, or without `removed` everything.
fn render(
    call: &Call<'_, '_>,
    query: &ServiceQuery,
    params: &ReadParams,
    removed: Option<Vec<Arc<Instance>>>,
    SelectedInstances { instances, panic }: SelectedInstances,
    index: u64,
) -> Rendering {
    let (aspect, datacenter) = (query.aspect, query.datacenter.as_str());
    let listed = |instance| ListedInstance { instance, aspect, datacenter };
    let (full, removed) = (removed.is_none(), removed.unwrap_or_default());
    let changed = instances.iter().map(|instance| listed(instance)).collect();
    let removed = removed.iter().map(|instance| key(instance)).collect();
    let body = json::within(call.meter, &Delta { index, full, changed, removed }, params.pretty);
    Rendering {
        body: SharedBody::new(body),
        index,
        panic: panic.map(|panic| panic.summary().into()),
        hides: call.hides.get(),
        events: Events::default(),
    }
}
