//! Health: checks, and the instances that pass them.
//!
//! <https://developer.hashicorp.com/consul/api-docs/health>

use crate::core::catalog::instance::{CheckView, Instance};
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::topic::Topic;
use crate::core::discovery::near::near_first;
use crate::core::discovery::query::{SelectedInstances, has_meta, passes};
use crate::core::model::{NodeKey, ServiceKey, Status};
use crate::surface::answers::answer::{Headers, IndexedRead, Rendered, indexed, indexed_variant, list_of};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::metered_views::MeteredViews;
use crate::surface::context::params::ReadParams;
use crate::surface::context::sight::VisibleNode;
use crate::surface::delta;
use crate::surface::{panic, selection, service_query};
use crate::wire::json;
use crate::wire::select;
use crate::wire::show::{HealthCheck, HealthEntry};

/// `GET /v1/health/service/:service[?passing]`: what clients discover services by.
pub fn service(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let key = ServiceKey::of(&call.required("Missing service name")?);
    let query = service_query::read(call, &params, key, Aspect::Health)?;
    if delta::is_asked(call.query()?)? {
        return delta::answer(call, &query, &params);
    }
    let (views, meter, pretty) = (call.views(), call.meter, params.pretty);
    let topic = Topic::Health(query.service.clone());
    let read = IndexedRead { topic, params, headers: Headers::WithCache };
    let mut answer = indexed_variant(call, read, &panic::variant(query.panic), |before| {
        let (instances, index) = views.dated_instances(&query.service, query.aspect);
        let SelectedInstances { instances, panic } = query.select_unfiltered(instances, meter);
        let list = list_of(
            meter,
            &instances,
            pretty,
            before,
            |found| HealthEntry::new(&found.node, &found.service, &found.checks, &query.datacenter),
            |entry| passes(query.filter.as_deref(), entry, meter),
        );
        Ok(Rendered { header: panic.map(|panic| (panic::HEADER, panic.summary())), index, ..list })
    })?;
    if query.panic.is_some() && answer.headers.get(panic::HEADER).is_some() {
        call.api.counters.answers_in_panic.inc();
    }
    answer.headers.add("X-Consul-Query-Backend", "blocking-query");
    Ok(answer)
}

/// `GET /v1/health/node/:node`
pub fn node(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let key = NodeKey::of(&call.required("Missing node name")?);
    let topic = Topic::NodeChecks(key.clone());
    checks_of(call, params, topic, |views| {
        views.node(&key, joining, |node| node.check_views()).unwrap_or_default()
    })
}

/// `GET /v1/health/checks/:service`
pub fn checks(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let key = ServiceKey::of(&call.required("Missing service name")?);
    let topic = Topic::ServiceChecks(key.clone());
    checks_of(call, params, topic, |views| {
        let instances = views.instances(&key);
        let units = |instance: &Instance| 1 + instance.checks.len() as u64;
        let views = instances.iter().take_while(|instance| views.meter().spend(units(instance)));
        let views = views.flat_map(|instance| instance.check_views());
        let mut checks: Vec<CheckView> = views.filter(|view| view.service.is_some()).collect();
        checks.sort_by_cached_key(CheckView::position);
        checks
    })
}

/// `GET /v1/health/state/:state`
pub fn state(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let word = call.required("Missing check state")?;
    let status = match word.as_str() {
        "any" => None,
        word => Some(Status::parse(word)),
    };
    // No check is ever in a state that is none; such a question waits for nothing in particular.
    let topic = Topic::State(status.flatten());
    checks_of(call, params, topic, |views| match status {
        None => views.checks(None),
        Some(None) => Vec::new(),
        Some(status) => views.checks(status),
    })
}

/// At how many records it comes to look to join the checks of a node and put them in order.
pub fn joining(node: VisibleNode<'_>) -> usize {
    4 * node.records()
}

fn checks_of(
    call: &mut Call<'_, '_>,
    params: ReadParams,
    topic: Topic,
    pick: impl FnOnce(MeteredViews<'_>) -> Vec<CheckView>,
) -> HandlerResult {
    let filter = selection::indexed_filter(call, &params, &select::CHECK)?;
    let (registry, views, meter) = (&*call.api.registry, call.views(), call.meter);
    let read = IndexedRead { topic, params: params.clone(), headers: Headers::WithoutCache };
    indexed(call, read, || {
        let mut checks = pick(views);
        checks.retain(|view| has_meta(view.node.meta.as_ref(), &params.node_meta, meter));
        near_first(&mut checks, params.near_node(registry.own_node()).as_ref(), |view| &view.node);
        let affordable = checks.iter().take_while(|_| !meter.is_exhausted());
        let shown =
            affordable.map(|view| HealthCheck::new(&view.check, &view.node.name, view.service.as_deref()));
        let wanted = shown.filter(|check| passes(filter.as_deref(), check, meter));
        Ok(json::list_within(meter, wanted, params.pretty))
    })
}
