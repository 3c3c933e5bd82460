//! The JSON of what is explained. Keys as in Consul's answers; times are RFC 3339, `null` where there is none.

use std::time::Duration;

use serde::Serialize;

use crate::base::stdx::calendar::rfc3339_if_known;
use crate::core::catalog::instance::Instance;
use crate::core::discovery::panic::Panic;
use crate::core::discovery::query::{ExclusionReason, ServiceQuery};
use crate::core::health::CheckPhase;
use crate::core::model::{Check, Status};
use crate::surface::muster::explain::facts::{CheckFacts, Facts, deciding};
use crate::surface::muster::explain::sentences;
use crate::surface::muster::history::{TransitionJson, ago_ms};
use crate::wire::show::drain::DrainEntry;

/// One instance, explained.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Explained<'a> {
    sentence: String,
    node: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    /// Whether it is in `?passing`.
    passing: bool,
    /// Whether it is so only because its service is in panic.
    kept_by_panic: bool,
    status: &'static str,
    since: Option<String>,
    /// The check that keeps it out.
    deciding_check: Option<&'a str>,
    cause: Option<&'static str>,
    /// What comes next, check by check.
    next: Vec<String>,
    maintenance: Option<Switched<'a>>,
    drain: Option<DrainEntry<'a>>,
    checks: Vec<ExplainedCheck<'a>>,
}

/// Maintenance mode of an instance or its node.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Switched<'a> {
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    reason: &'a str,
    since: Option<String>,
}

/// One check, explained. What muster does not run has `null` where a run would tell.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ExplainedCheck<'a> {
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    name: &'a str,
    #[serde(rename = "Type")]
    kind: &'a str,
    /// Whether it is of the whole node.
    of_node: bool,
    status: &'static str,
    since: Option<String>,
    cause: &'static str,
    output: &'a str,
    last_probe: Option<String>,
    next_probe: Option<String>,
    running: bool,
    /// Since when its next run waits for a place.
    overdue_since: Option<String>,
    /// What its runs are about: `starting`, `steady`, `confirming`, `dead` or `backing-off`.
    phase: Option<&'static str>,
    #[serde(rename = "TTLOver")]
    ttl_over: Option<String>,
    failures_in_a_row: Option<u32>,
    failures_before_critical: Option<u32>,
    successes_in_a_row: Option<u32>,
    success_before_passing: Option<u32>,
    /// When the instance is deregistered if this check stays as it is.
    deregistered_at: Option<String>,
    damped_until: Option<String>,
    damping_penalty: Option<u32>,
    /// The better status that flap damping holds back.
    held_back: Option<&'static str>,
    last_transition: Option<TransitionJson<'a>>,
}

impl<'a> Explained<'a> {
    /// What the facts come to.
    pub fn new(facts: &'a Facts) -> Explained<'a> {
        let deciding = facts.deciding();
        // The one that decides comes first.
        let is_other = |it: &&CheckFacts| deciding.is_none_or(|deciding| !std::ptr::eq(*it, deciding));
        let drain = facts.service.drain.as_deref();
        let in_order = deciding.into_iter().chain(facts.checks.iter().filter(is_other));
        Explained {
            sentence: sentences::instance(facts),
            node: &facts.node.name,
            service_id: &facts.service.id,
            service_name: &facts.service.name,
            passing: facts.is_in(),
            kept_by_panic: facts.kept_by.is_some(),
            status: facts.status().as_str(),
            since: rfc3339_if_known(facts.since_ms()),
            deciding_check: deciding.map(|it| &*it.check.id),
            cause: deciding.map(|it| it.check.status_cause.as_str()),
            next: in_order.flat_map(|it| sentences::next(it, facts.now_ms)).collect(),
            maintenance: facts.maintenance().map(Switched::new),
            drain: drain.map(|drain| DrainEntry::new(&facts.node.name, &facts.service, drain, facts.now_ms)),
            checks: facts.checks.iter().map(|it| ExplainedCheck::new(it, facts.now_ms)).collect(),
        }
    }
}

impl<'a> Switched<'a> {
    fn new(check: &'a Check) -> Switched<'a> {
        Switched { check_id: &check.id, reason: &check.notes, since: rfc3339_if_known(check.status_since_ms) }
    }
}

impl<'a> ExplainedCheck<'a> {
    fn new(facts: &'a CheckFacts, now_ms: u64) -> ExplainedCheck<'a> {
        let CheckFacts { check, insight, overdue, last } = facts;
        let insight = insight.as_ref();
        let in_future = |left: Option<Duration>| {
            let left_ms = u64::try_from(left?.as_millis()).unwrap_or(u64::MAX);
            rfc3339_if_known(now_ms.saturating_add(left_ms))
        };
        let is_run = insight.is_some_and(|it| it.next_run_in.is_some() || it.is_running);
        let counted = insight.filter(|_| is_run);
        ExplainedCheck {
            check_id: &check.id,
            name: &check.name,
            kind: &check.kind,
            of_node: check.is_node_level(),
            status: check.status.as_str(),
            since: rfc3339_if_known(check.status_since_ms),
            cause: check.status_cause.as_str(),
            output: &check.output,
            last_probe: insight.and_then(|it| rfc3339_if_known(ago_ms(now_ms, it.observed_ago?))),
            next_probe: in_future(insight.and_then(|it| it.next_run_in)),
            running: insight.is_some_and(|it| it.is_running) && overdue.is_none(),
            overdue_since: overdue.and_then(|(waits, _)| rfc3339_if_known(ago_ms(now_ms, waits))),
            phase: insight.and_then(|it| it.phase).map(CheckPhase::as_str),
            ttl_over: in_future(insight.and_then(|it| it.ttl_over_in)),
            failures_in_a_row: counted.map(|it| it.failures_in_a_row),
            failures_before_critical: counted.map(|it| it.failures_before_critical),
            successes_in_a_row: counted.map(|it| it.successes_in_a_row),
            success_before_passing: counted.map(|it| it.success_before_passing),
            deregistered_at: in_future(insight.and_then(|it| it.reaped_in)),
            damped_until: in_future(insight.and_then(|it| it.damped_for)),
            damping_penalty: check.definition.damping.and(insight).map(|it| it.penalty),
            held_back: insight.and_then(|it| it.held_back).map(Status::as_str),
            last_transition: last.as_deref().map(TransitionJson::new),
        }
    }
}

/// One query, explained.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExplainedQuery<'a> {
    sentence: String,
    service: &'a str,
    passing: bool,
    included: usize,
    instances: Vec<Judged<'a>>,
}

/// One instance and whether it is in the query's answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Judged<'a> {
    node: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    status: &'static str,
    included: bool,
    /// The first reason why not, or why it is in though it fails; `null` when it is in as it should be.
    reason: Option<String>,
    /// What kind of reason: `tag`, `node-meta`, `passing`, `filter` or, of one that is in, `panic`.
    because: Option<&'static str>,
    /// The check that keeps it out of `?passing`, whether that was asked for or not.
    deciding_check: Option<&'a str>,
}

impl<'a> ExplainedQuery<'a> {
    /// What the query comes to; `judged` are the instances of the service, each with what speaks against it, and with
    /// the check that does.
    pub fn new(
        service: &'a str,
        question: &ServiceQuery,
        panic: Option<&'a Panic>,
        judged: &'a [(Instance, Option<ExclusionReason<'a>>, Option<CheckFacts>)],
    ) -> ExplainedQuery<'a> {
        let instances: Vec<Judged> = judged
            .iter()
            .map(|(instance, objection, failing)| Judged::new(instance, *objection, failing.as_ref(), panic))
            .collect();
        let included = instances.iter().filter(|judged| judged.included).count();
        ExplainedQuery {
            sentence: sentences::query(service, question.passing_only, included, instances.len()),
            service,
            passing: question.passing_only,
            included,
            instances,
        }
    }
}

impl<'a> Judged<'a> {
    fn new(
        instance: &'a Instance,
        objection: Option<ExclusionReason<'a>>,
        failing: Option<&CheckFacts>,
        panic: Option<&Panic>,
    ) -> Judged<'a> {
        let kept_by = panic.filter(|panic| objection.is_none() && panic.keeps(instance));
        Judged {
            node: &instance.node.name,
            service_id: &instance.service.id,
            status: instance.status().as_str(),
            included: objection.is_none(),
            reason: match objection {
                Some(objection) => Some(sentences::objection(objection, instance, failing)),
                None => kept_by.map(Panic::sentence),
            },
            because: match objection {
                Some(ExclusionReason::Tag(_)) => Some("tag"),
                Some(ExclusionReason::NodeMeta(..)) => Some("node-meta"),
                Some(ExclusionReason::Failing) => Some("passing"),
                Some(ExclusionReason::Filter) => Some("filter"),
                None => kept_by.map(|_| "panic"),
            },
            deciding_check: deciding(&instance.checks).map(|check| &*check.id),
        }
    }
}
