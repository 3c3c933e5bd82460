//! Why an instance is in `?passing` or not: for one instance with everything that bears on it, and for one query with
//! every instance of its service.
//!
//! [`mod@facts`] are what the registry knows at one moment; [`sentences`] and [`shapes`] turn them into words and JSON
//! and know nothing else, so a table of facts tests them.

pub mod facts;
pub mod sentences;
pub mod shapes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::discovery::panic::{self, Panic};
use crate::core::discovery::query::ExclusionReason;
use crate::core::model::limits::CHECKS_PER_SERVICE_MAX;
use crate::core::model::{Check, NodeKey, Origin, ServiceKey, Transition};
use crate::node::registry::Registry;
use crate::node::registry::history::Of;
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::muster::explain::facts::{CheckFacts, Departed, Facts, deciding};
use crate::surface::muster::explain::shapes::{Explained, ExplainedQuery};
use crate::surface::muster::history::node_asked;
use crate::surface::service_query;
use crate::wire::json;

/// Transitions looked at for the one that tells of an instance's end: one of each check it may have had.
const REMEMBERED_MAX: usize = CHECKS_PER_SERVICE_MAX;

/// What finding out about one check costs, in units: a look at its timers, at its history and at its output.
const FACTS_UNITS: u64 = 4;

/// Ends of instances that one answer tells of: a service of hundreds is told by its newest few.
const OTHERS_MAX: usize = 5;

/// `GET /v1/muster/explain/:service_id[?node=]`
pub fn instance(call: &mut Call<'_, '_>) -> HandlerResult {
    let service_id = call.required("ServiceID missing: ask for /v1/muster/explain/SERVICE_ID")?;
    let params = call.read_params()?;
    let node = node_asked(call)?;
    let Some(facts) = facts(call, &node, &service_id) else {
        let names_node = call.query()?.first("node").is_some_and(|node| !node.is_empty());
        let mut departed = departed(call, &node, &service_id);
        if departed.is_none() && !names_node {
            departed = departed_anywhere(call, &service_id);
        }
        return Err(ApiError::not_found(sentences::unknown(&service_id, node.as_str(), departed.as_ref())));
    };
    Ok(answer::json_bytes(200, json::to_vec(&Explained::new(&facts), params.pretty)))
}

/// `GET /v1/muster/explain?service=…`, with the parameters of `/v1/health/service` besides.
pub fn query(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let name: Text = call.query()?.first("service").unwrap_or_default().into();
    if name.is_empty() {
        let sentence = "which service? ask for /v1/muster/explain?service=NAME with the parameters of a \
                        /v1/health/service query, or for /v1/muster/explain/SERVICE_ID";
        return Err(ApiError::bad_request(sentence));
    }
    let question = service_query::read(call, &params, ServiceKey::of(&name), Aspect::Health)?;
    let meter = call.meter;
    let instances = call.views().instances(&question.service);
    let panic = question.judge(&instances, meter);
    let affordable = instances.iter().take_while(|found| meter.spend(2 + question.units(found)));
    let judged = affordable.map(|found| {
        let objection = question.exclusion(found, panic.as_ref(), meter);
        let failing = deciding(&found.checks).filter(|_| objection == Some(ExclusionReason::Failing));
        let failing = failing.filter(|_| meter.spend(FACTS_UNITS));
        let failing = failing.map(|check| check_facts(call, &NodeKey::of(&found.node.name), check));
        (Instance::clone(found), objection, failing)
    });
    let judged: Vec<(Instance, Option<ExclusionReason<'_>>, Option<CheckFacts>)> = judged.collect();
    let answer = ExplainedQuery::new(&name, &question, panic.as_ref(), &judged);
    Ok(answer::json_bytes(200, json::within(meter, &answer, params.pretty)))
}

/// What is known of an instance now; `None` when it is not registered.
fn facts(call: &Call<'_, '_>, node: &NodeKey, service_id: &Text) -> Option<Facts> {
    let instance = call.views().instance(node, service_id)?;
    let checks = instance.checks.iter().map(|check| check_facts(call, node, check)).collect();
    let kept_by = panic_by_default(call, &instance);
    let now_ms = call.api.clock.unix_ms();
    Some(Facts { now_ms, checks, kept_by, node: instance.node, service: instance.service })
}

/// That a check fails that keeps its instance out of `?passing`, and why.
pub fn failing(call: &Call<'_, '_>, node: &NodeKey, check: &Arc<Check>) -> String {
    sentences::failing(&check_facts(call, node, check))
}

/// What is known of one check now, in the catalog and beside it.
fn check_facts(call: &Call<'_, '_>, node: &NodeKey, check: &Arc<Check>) -> CheckFacts {
    let registry = &*call.api.registry;
    let of = Of::CheckOf(node, &check.service_id, &check.id);
    CheckFacts {
        insight: registry.insight(node, &check.id),
        overdue: registry.overdue(node, &check.id),
        last: call.views().newest(&of, 0, 1).pop(),
        check: freshened(registry, node, check),
    }
}

/// The panic that keeps the instance though it fails, by the threshold that is configured for its service.
fn panic_by_default(call: &Call<'_, '_>, instance: &Instance) -> Option<Panic> {
    let key = ServiceKey::of(&instance.service.name);
    let settings = call.api.registry.panic_thresholds().of(&key)?;
    let panic = panic::judge_within(call.meter, &call.views().instances(&key), settings);
    panic.filter(|panic| panic.keeps(instance))
}

/// The check with its freshest output, which may not be in the catalog yet.
fn freshened(registry: &Registry, node: &NodeKey, check: &Arc<Check>) -> Arc<Check> {
    let is_own = check.origin == Origin::Agent && *node == registry.own_node().key();
    let output = is_own.then(|| registry.fresh_output(&check.id)).flatten();
    match output.filter(|output| *output != check.output) {
        Some(output) => Check { output, ..Check::clone(check) }.into(),
        None => check.clone(),
    }
}

/// What is remembered of instances on whatever node that had this id, or whose service has this name.
fn departed_anywhere(call: &Call<'_, '_>, named: &Text) -> Option<Departed> {
    let mut others: Vec<Arc<Transition>> = Vec::new();
    for ended in call.views().newest_named(named, 0, REMEMBERED_MAX) {
        let is_new = |other: &Arc<Transition>| {
            (&other.subject.node, &other.subject.service_id)
                != (&ended.subject.node, &ended.subject.service_id)
        };
        if ended.to.is_none() && others.len() < OTHERS_MAX && others.iter().all(is_new) {
            others.push(ended);
        }
    }
    let is_any = !others.is_empty();
    is_any.then_some(Departed { last: None, elsewhere: None, others })
}

/// What is remembered of an instance that is not registered on the node, and where else its id is.
fn departed(call: &Call<'_, '_>, node: &NodeKey, service_id: &Text) -> Option<Departed> {
    let of = Of::Service(node, service_id);
    let of = call.views().newest(&of, 0, REMEMBERED_MAX);
    let elsewhere = call.views().node_of_instance(service_id);
    let last = of.first().filter(|last| last.to.is_none());
    // Of the checks that went together, the worst tells why.
    let worst = last.map(|last| {
        let together = of.iter().filter(|it| it.index == last.index && it.to.is_none());
        together.max_by_key(|it| (it.from, std::cmp::Reverse(it.from_since_ms))).unwrap_or(last).clone()
    });
    let departed =
        Departed { last: worst, elsewhere: elsewhere.map(|node| node.name.clone()), others: Vec::new() };
    (departed.last.is_some() || departed.elsewhere.is_some()).then_some(departed)
}
