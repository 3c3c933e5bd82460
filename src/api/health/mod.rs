//! Health: checks, and the instances that pass them.
//!
//! <https://developer.hashicorp.com/consul/api-docs/health>

use crate::api::answers::answer::{Headers, IndexedRead, Rendered, indexed, indexed_variant, list_of};
use crate::api::context::call::{Call, HandlerResult};
use crate::api::context::metered_views::MeteredViews;
use crate::api::context::params::ReadParams;
use crate::api::delta;
use crate::api::difference::ServiceQuery;
use crate::api::health_query::HealthQuery;
use crate::api::panic;
use crate::api::selection::{self, has_meta, near_first, passes};
use crate::catalog::instance::{CheckView, Instance};
use crate::catalog::node_record::NodeRecord;
use crate::catalog::panic::Panic;
use crate::catalog::service_log::Aspect;
use crate::catalog::topic::Topic;
use crate::model::Status;
use crate::stdx::text::Text;
use crate::wire::json;
use crate::wire::select;
use crate::wire::show::{HealthCheck, HealthEntry};

/// `GET /v1/health/service/:service[?passing]`: what clients discover services by.
pub fn service(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let name = call.required("Missing service name")?.folded();
    let question = HealthQuery::read(call, &params, &name)?;
    if delta::is_asked(call.query()?)? {
        return changes(call, &params, &name, &question);
    }
    let (registry, views, meter) = (&*call.api.registry, call.views(), call.meter);
    let topic = Topic::Health(name.clone());
    let read = IndexedRead { topic, params: params.clone(), headers: Headers::WithCache };
    let mut answer = indexed_variant(call, read, &panic::variant(question.threshold), |before| {
        let (mut instances, index) = views.dated_instances(&name, Aspect::Health);
        let panic = question.panic(&instances, meter);
        instances.retain(|instance| {
            meter.spend(question.units(instance)) && question.objection(instance, panic.as_ref()).is_none()
        });
        near_first(&mut instances, &params, registry.own_node(), |instance| &instance.node);
        let datacenter = &registry.own_node().datacenter;
        let list = list_of(
            meter,
            &instances,
            params.pretty,
            before,
            |found| HealthEntry::new(&found.node, &found.service, &found.checks, datacenter),
            |entry| question.filter_objection(entry, meter).is_none(),
        );
        Ok(Rendered { header: panic.map(|panic| (panic::HEADER, panic.summary())), index, ..list })
    })?;
    if question.threshold.is_some() && answer.headers.get(panic::HEADER).is_some() {
        call.api.counters.answers_in_panic.inc();
    }
    answer.headers.add("X-Consul-Query-Backend", "blocking-query");
    Ok(answer)
}

/// The same with `&delta=1`: what has changed of it.
fn changes(
    call: &mut Call<'_, '_>,
    params: &ReadParams,
    name: &Text,
    question: &HealthQuery,
) -> HandlerResult {
    let (registry, meter) = (call.api.registry.clone(), call.meter);
    let wants = |instance: &Instance, panic: Option<&Panic>| {
        let Instance { node, service, checks } = instance;
        let entry = || HealthEntry::new(node, service, checks, &registry.own_node().datacenter);
        meter.spend(question.units(instance))
            && question.objection(instance, panic).is_none()
            && question.filter_objection(&entry(), meter).is_none()
    };
    let threshold = question.threshold;
    delta::answer(call, &ServiceQuery { name, aspect: Aspect::Health, threshold, wants: &wants }, params)
}

/// `GET /v1/health/node/:node`
pub fn node(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let name = call.required("Missing node name")?.folded();
    let topic = Topic::NodeChecks(name.clone());
    checks_of(call, params, topic, |views| {
        views.node(&name, joining, NodeRecord::check_views).unwrap_or_default()
    })
}

/// `GET /v1/health/checks/:service`
pub fn checks(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let name = call.required("Missing service name")?.folded();
    let topic = Topic::ServiceChecks(name.clone());
    checks_of(call, params, topic, |views| {
        let instances = views.instances(&name);
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
pub fn joining(record: &NodeRecord) -> usize {
    4 * record.checks().len()
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
        let units = 1 + params.node_meta.len() as u64 / 8;
        checks.retain(|view| meter.spend(units) && has_meta(view.node.meta.as_ref(), &params.node_meta));
        near_first(&mut checks, &params, registry.own_node(), |view| &view.node);
        let affordable = checks.iter().take_while(|_| !meter.is_exhausted());
        let shown =
            affordable.map(|view| HealthCheck::new(&view.check, &view.node.name, view.service.as_deref()));
        let wanted = shown.filter(|check| passes(filter.as_deref(), check, meter));
        Ok(json::list_within(meter, wanted, params.pretty))
    })
}
