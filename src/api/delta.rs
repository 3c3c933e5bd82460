//! `?delta=1`: only what has changed in an answer since the index that the client has seen.
//!
//! Blocks as every read with an index. Where the earlier answer is no longer known the whole one is given, and says so;
//! that is never wrong, only larger. `docs/watching.md` tells users.

use std::sync::Arc;

use crate::api::answers::answer::{JSON, add_index_headers, wait_for_change};
use crate::api::answers::body_history::{Events, Rendering};
use crate::api::context::call::{Call, HandlerResult};
use crate::api::context::error::{ApiError, CLIENT_GONE};
use crate::api::context::params::{ReadParams, boolean};
use crate::api::difference::{FullAnswer, ListDifference, ListedInstance, ServiceQuery, key};
use crate::api::panic;
use crate::api::selection::near_first;
use crate::catalog::instance::Instance;
use crate::catalog::panic::Panic;
use crate::catalog::service_log::Aspect;
use crate::catalog::topic::Topic;
use crate::http::{Body, Query, Response, SharedBody};
use crate::registry::Registry;
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
pub fn answer(call: &mut Call<'_, '_>, viewpoint: &ServiceQuery<'_>, params: &ReadParams) -> HandlerResult {
    let registry = &*call.api.registry;
    let (views, topics) = (call.views(), registry.topics());
    views.follow(viewpoint.name);
    let topic = match viewpoint.aspect {
        Aspect::Health => Topic::Health(viewpoint.name.clone()),
        Aspect::Catalog => Topic::Service(viewpoint.name.clone()),
    };
    // A whole answer may show a change whose topic is about to move, and has that change's index then.
    let index =
        || topics.index(&topic).max(views.changed(viewpoint.name, viewpoint.aspect).unwrap_or_default());
    if params.index > 0 && !wait_for_change(call, &topic, params, index)? {
        return Ok(Response::new(CLIENT_GONE));
    }
    let since = known_since(registry, viewpoint, params.index);
    let until = index();
    let variant = panic::variant(viewpoint.threshold);
    let variant = format!("delta {variant} {} {until}", since.unwrap_or_default());
    let meter = call.meter;
    let rendering = call.api.answers.history.get_or_try(call.key(&variant), || {
        let difference = since.filter(|since| *since <= until);
        let difference = difference.and_then(|since| viewpoint.between(views, since, until));
        let rendering = match difference {
            Some(difference) => render_difference(call, viewpoint, params, difference, until),
            None => render_whole(call, viewpoint, params, until),
        };
        (!meter.is_exhausted()).then_some(rendering)
    });
    let rendering = rendering.ok_or_else(ApiError::unfinished)?;
    let mut response = Response::new(200).with_body(Body::Shared(rendering.body));
    if let Some(panic) = &rendering.panic {
        response.headers.add(panic::HEADER, panic);
    }
    add_index_headers(&mut response, rendering.index, params.consistency);
    response.headers.add("Content-Type", JSON);
    Ok(response)
}

/// The index from which the client can be told what has changed: the one it asks with, unless that is none or its
/// answer was judged by a threshold that no longer holds.
pub fn known_since(registry: &Registry, viewpoint: &ServiceQuery<'_>, asked: u64) -> Option<u64> {
    let judged_otherwise = registry.panic_thresholds().changed_at(viewpoint.name);
    (asked > 0 && (viewpoint.aspect == Aspect::Catalog || asked > judged_otherwise)).then_some(asked)
}

fn render_difference(
    call: &Call<'_, '_>,
    viewpoint: &ServiceQuery<'_>,
    params: &ReadParams,
    difference: ListDifference,
    index: u64,
) -> Rendering {
    let ListDifference { removed, changed, panic } = difference;
    let changed: Vec<Arc<Instance>> = changed.into_iter().map(|it| it.instance).collect();
    render(call, viewpoint, params, false, (changed, removed, panic), index)
}

fn render_whole(
    call: &Call<'_, '_>,
    viewpoint: &ServiceQuery<'_>,
    params: &ReadParams,
    until: u64,
) -> Rendering {
    let (FullAnswer { instances, panic }, changed) = viewpoint.now(call.views());
    let index = until.max(changed.unwrap_or_default());
    render(call, viewpoint, params, true, (instances, Vec::new(), panic), index)
}

type Parts = (Vec<Arc<Instance>>, Vec<Arc<Instance>>, Option<Panic>);

fn render(
    call: &Call<'_, '_>,
    viewpoint: &ServiceQuery<'_>,
    params: &ReadParams,
    full: bool,
    (mut changed, removed, panic): Parts,
    index: u64,
) -> Rendering {
    let own = call.api.registry.own_node();
    near_first(&mut changed, params, own, |instance| &instance.node);
    let (aspect, datacenter) = (viewpoint.aspect, own.datacenter.as_str());
    let changed = changed.iter().map(|instance| ListedInstance { instance, aspect, datacenter }).collect();
    let removed = removed.iter().map(|instance| key(instance)).collect();
    let body = json::within(call.meter, &Delta { index, full, changed, removed }, params.pretty);
    Rendering {
        body: SharedBody::new(body),
        index,
        panic: panic.map(|panic| panic.summary().into()),
        events: Events::default(),
    }
}
