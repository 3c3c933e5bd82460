//! Facts in words. Whole sentences that name what they speak of, so that each can be read, and sent on, alone.

use std::time::Duration;

use crate::core::catalog::instance::Instance;
use crate::core::discovery::query::ExclusionReason;
use crate::core::health::CheckPhase;
use crate::core::model::{Caller, Cause, Check, Origin, Probe, Status, Transition, hold};
use crate::node::registry::checking::scheduler::SpeedClass;
use crate::surface::muster::drain;
use crate::surface::muster::explain::facts::{CheckFacts, Departed, Facts};
use crate::surface::muster::times::{between, span, told};

/// Bytes of an output that a sentence quotes; the whole of it stands beside.
const QUOTED_BYTES_MAX: usize = 200;

/// Where an instance stands, why, and what comes next.
pub fn instance(facts: &Facts) -> String {
    let (service, since_ms) = (&facts.service, facts.since_ms());
    let name = format!(
        "Instance {:?} of service {:?} on node {:?}",
        &*service.id, &*service.name, &*facts.node.name
    );
    let since = match since_ms {
        0 => String::new(),
        _ => format!(" since {} ({})", told(since_ms), span(between(since_ms, facts.now_ms))),
    };
    let drain = drain::sentence(service, facts.now_ms);
    let Some(deciding) = facts.deciding() else {
        let why = match facts.checks.len() {
            0 => "it has no checks, and so always passes".to_owned(),
            1 => format!("its only check, {:?}, passes", &*facts.checks[0].check.id),
            count => format!("all {count} checks that bear on it pass"),
        };
        let mut sentences = vec![format!("{name} is in ?passing{since}: {why}.")];
        sentences.extend(facts.checks.iter().filter_map(unwritten));
        sentences.extend(drain);
        return sentences.join(" ");
    };
    let mut sentences = match &facts.kept_by {
        None => vec![format!("{name} is out of ?passing{since}: {}.", failing(deciding))],
        Some(panic) => vec![
            format!("{name} is in ?passing, though it should be out{since}: {}.", failing(deciding)),
            panic.sentence(),
        ],
    };
    let is_other = |it: &&CheckFacts| !std::ptr::eq(*it, deciding) && it.check.status != Status::Passing;
    let others = facts.checks.iter().filter(is_other);
    let (switched, failed): (Vec<_>, Vec<_>) = others.partition(|it| hold::is_maintenance(&it.check));
    sentences.extend(switched.iter().map(|it| format!("Besides, {}.", failing(it))));
    match failed.len() {
        0 => {}
        1 => sentences.push("One more of its checks fails too.".to_owned()),
        more => sentences.push(format!("{more} more of its checks fail too.")),
    }
    sentences.extend(drain);
    sentences.extend([deciding].into_iter().chain(switched).flat_map(|it| next(it, facts.now_ms)));
    sentences.join(" ")
}

/// What comes next for one check, as things are.
pub fn next(facts: &CheckFacts, now_ms: u64) -> Vec<String> {
    let CheckFacts { check, insight, .. } = facts;
    let id = &*check.id;
    let mut next = Vec::new();
    match &**check {
        check if hold::is_maintenance(check) => {
            let of = if check.is_node_level() { "node" } else { "instance" };
            next.push(format!("Maintenance mode of the {of} lasts until it is switched off."));
        }
        check if hold::is_drained(check) => next.push("That ends when the drain is cancelled.".to_owned()),
        _ => {}
    }
    let Some(insight) = insight else { return next };
    if let Some(damped_for) = insight.damped_for {
        let (left, penalty) = (span(damped_for), insight.penalty);
        let held_back =
            insight.held_back.map_or_else(String::new, |status| format!("; it is {status} by itself"));
        next.push(format!(
            "Flap damping keeps check {id:?} from passing for another {left} (penalty {penalty}){held_back}."
        ));
    }
    let unwritten = unwritten(facts);
    let is_counted =
        unwritten.is_none() && check.status != Status::Critical && insight.observed_ago.is_some();
    next.extend(unwritten);
    if is_counted && insight.failures_in_a_row > 0 {
        let (failures, enough) = (insight.failures_in_a_row, insight.failures_before_critical);
        next.push(format!(
            "Check {id:?} has failed {}: at {enough} in a row it turns critical.",
            times(failures)
        ));
    }
    let needed = match insight.success_before_passing {
        0 | 1 => String::new(),
        enough => {
            format!("; it passes after {enough} good results in a row, {} so far", insight.successes_in_a_row)
        }
    };
    let needed = if check.status == Status::Passing { String::new() } else { needed };
    match insight.next_run_in {
        _ if facts.overdue.is_some() => next.extend(facts.overdue.map(|overdue| waiting(id, overdue))),
        _ if insight.is_running => next.push(format!("Check {id:?} is being run at this moment{needed}.")),
        Some(next_run_in) => {
            let pace = insight.phase.map_or("", pace);
            next.push(format!("Check {id:?} is run next in {}{pace}{needed}.", span(next_run_in)));
        }
        None => {}
    }
    if let Some(Probe::Ttl { .. }) = &check.definition.probe {
        match insight.ttl_over_in {
            Some(left) if check.status != Status::Critical => {
                next.push(format!(
                    "Check {id:?} turns critical in {} unless the instance reports.",
                    span(left)
                ));
            }
            _ => next.push(format!("Check {id:?} waits for the instance to report.")),
        }
    }
    if let Some(reaped_in) = insight.reaped_in {
        let at_ms = now_ms.saturating_add(u64::try_from(reaped_in.as_millis()).unwrap_or(u64::MAX));
        let (left, at) = (span(reaped_in), told(at_ms));
        next.push(format!(
            "The instance is deregistered in {left} (at {at}) unless check {id:?} recovers before."
        ));
    }
    next
}

/// That a check has failed often enough to be critical, and is not: what was found is no change before it is written.
fn unwritten(facts: &CheckFacts) -> Option<String> {
    let CheckFacts { check, insight, .. } = facts;
    let insight = insight.as_ref().filter(|insight| insight.observed_ago.is_some())?;
    let failures = insight.failures_in_a_row;
    if check.status == Status::Critical || failures < insight.failures_before_critical.max(1) {
        return None;
    }
    let runs = if failures == 1 { "last run".to_owned() } else { format!("last {failures} runs") };
    Some(format!(
        "The {runs} of check {:?} failed, and that it is critical is not written yet: /readyz says whether writes are \
         taken.",
        &*check.id
    ))
}

/// That there is no such instance on the node, and how it ended if that is remembered.
pub fn unknown(service_id: &str, node: &str, departed: Option<&Departed>) -> String {
    let mut sentence = format!("no instance {service_id:?} is registered on node {node}");
    let Some(Departed { last, elsewhere, others }) = departed else {
        return format!("{sentence}, and none is remembered");
    };
    if let Some(last) = last {
        sentence = format!("{sentence}: {}", ended(last));
    }
    for other in others {
        let (id, name) = (other.subject.service_id.as_str(), other.service_name.as_str());
        let ended = ended(other);
        let ended = ended.strip_prefix("it ").unwrap_or(&ended);
        sentence =
            format!("{sentence}; instance {id:?} of service {name:?} on node {} {ended}", other.subject.node);
    }
    match elsewhere {
        Some(other) => format!("{sentence}; one of that id is on node {other}: add ?node={other}"),
        None => sentence,
    }
}

/// How an instance came to be gone, by the last transition of the check that tells most.
fn ended(last: &Transition) -> String {
    let stood = match last.from_since_ms {
        0 => String::new(),
        since_ms => format!(" for {}", span(between(since_ms, last.time_ms))),
    };
    let check = &*last.subject.check_id;
    let why = match last.cause {
        Cause::Reaping => format!("check {check:?} had been critical{stood}, longer than it may be"),
        Cause::Drain => "its drain was over".to_owned(),
        Cause::Restore => "a snapshot was restored that it is not in".to_owned(),
        Cause::Registration => "a new registration left it out".to_owned(),
        _ => match last.from {
            Some(from) if !check.is_empty() => {
                format!(
                    "{} asked for that, while check {check:?} had been {from}{stood}",
                    asker(&last.caller)
                )
            }
            _ => format!("{} asked for that", asker(&last.caller)),
        },
    };
    format!("it was deregistered at {}, because {why}{}", told(last.time_ms), quoted(&last.output))
}

/// `, switched on by SOMEBODY`, where that is remembered.
fn switched_by(facts: &CheckFacts) -> String {
    let caller = facts.last.as_ref().map(|last| &last.caller).filter(|caller| !caller.by.is_empty());
    caller.map(|caller| format!(", switched on by {}", asker(caller))).unwrap_or_default()
}

/// Who asked, as far as that is known.
fn asker(caller: &Caller) -> String {
    match (caller.by.as_str(), caller.request_id.as_str()) {
        ("", _) => "somebody".to_owned(),
        (by, "") => by.to_owned(),
        (by, id) => format!("{by} (request {id})"),
    }
}

/// Why an instance is not in the answer to a query; `deciding` is the check that keeps it out of `?passing`.
pub fn objection(
    objection: ExclusionReason<'_>,
    instance: &Instance,
    deciding: Option<&CheckFacts>,
) -> String {
    match objection {
        ExclusionReason::Tag(tag) => format!("it does not have the tag {tag:?}"),
        ExclusionReason::NodeMeta(key, value) => {
            match instance.node.meta.as_ref().and_then(|meta| meta.get(key)) {
                Some(other) => {
                    format!("the metadata of its node has {key:?} = {:?}, not {value:?}", &**other)
                }
                None => format!("the metadata of its node has no {key:?}, which should be {value:?}"),
            }
        }
        ExclusionReason::Failing => deciding.map_or("one of its checks fails".to_owned(), failing),
        ExclusionReason::Filter => "the filter does not match it".to_owned(),
    }
}

/// How many instances a query's answer has, of how many.
pub fn query(service: &str, passing: bool, included: usize, all: usize) -> String {
    let what = if passing { "the ?passing answer" } else { "the answer" };
    match (included, all) {
        (_, 0) => format!("No instance of service {service:?} is registered, so {what} is empty."),
        (1, 1) => format!("The one instance of service {service:?} is in {what}."),
        (0, 1) => format!("The one instance of service {service:?} is not in {what}."),
        (included, all) if included == all => {
            format!("All {all} instances of service {service:?} are in {what}.")
        }
        (0, all) => format!("None of the {all} instances of service {service:?} is in {what}."),
        (1, all) => format!("1 of the {all} instances of service {service:?} is in {what}."),
        (included, all) => format!("{included} of the {all} instances of service {service:?} are in {what}."),
    }
}

/// That a check fails, and what brought that about.
pub fn failing(facts: &CheckFacts) -> String {
    let CheckFacts { check, insight, .. } = facts;
    let has_run = insight.as_ref().is_none_or(|insight| insight.observed_ago.is_some());
    let what = match &**check {
        check if hold::is_drained(check) => return "its drain is over".to_owned(),
        check if hold::is_maintenance(check) && check.is_node_level() => {
            "maintenance mode is on for the whole node".to_owned()
        }
        check if hold::is_maintenance(check) => "maintenance mode is on".to_owned(),
        check => {
            let of = if check.is_node_level() { "the node's check" } else { "check" };
            format!("{of} {:?} is {}, {}", &*check.id, check.status, cause(check, has_run))
        }
    };
    let by = if hold::is_maintenance(check) { switched_by(facts) } else { String::new() };
    format!("{what}{}{by}", quoted(said(check)))
}

/// What brought a check's status about. `has_run`: it has had a result or a report since this start.
fn cause(check: &Check, has_run: bool) -> &'static str {
    // What it said outlives a restart, and a restoration before one.
    let has_run = has_run || !check.output.is_empty();
    match (check.status_cause, &check.definition.probe) {
        (Cause::Registration, Some(Probe::Ttl { .. })) if check.origin == Origin::Agent => {
            if has_run {
                "as it has been since it was registered"
            } else {
                "as it was registered: the instance has not reported yet"
            }
        }
        (Cause::Registration, Some(_)) if check.origin == Origin::Agent => {
            if has_run {
                "as it has been since it was registered"
            } else {
                "as it was registered: it has not been run yet"
            }
        }
        (Cause::Registration, _) => "as whoever registered it says",
        (Cause::Probe, _) => "as its last runs found",
        (Cause::Ttl, _) => "because the instance was silent for longer than its TTL",
        (Cause::Report, _) => "as the instance reported",
        (Cause::Alias, _) => "as is what it stands for",
        (Cause::Damping, _) => "because it changed too often",
        (Cause::Drain, _) => "because its drain is over",
        (Cause::Deregistration | Cause::Reaping, _) => "because it is going",
        (Cause::Restore, _) => "as in the snapshot that was restored",
    }
}

/// What there is to quote: the output, or of what somebody switched on the reason given.
fn said(check: &Check) -> &str {
    if check.output.is_empty() && hold::is_hold(check) { &check.notes } else { &check.output }
}

/// `: "what was said"` on one line, or nothing.
fn quoted(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let line = words.join(" ");
    match line.len() {
        0 => String::new(),
        1..=QUOTED_BYTES_MAX => format!(": \"{line}\""),
        _ => format!(": \"{}…\"", &line[..line.floor_char_boundary(QUOTED_BYTES_MAX)]),
    }
}

/// Why a check is not run at its interval at present.
fn pace(phase: CheckPhase) -> &'static str {
    match phase {
        CheckPhase::Steady | CheckPhase::Dead => "",
        CheckPhase::Starting => ", quickly while it is starting",
        CheckPhase::Confirming => ", at once to confirm its failure",
        CheckPhase::BackingOff => ", more rarely the longer it is critical",
    }
}

/// That a check's run is late, and what it waits for.
fn waiting(id: &str, (waits, class): (Duration, SpeedClass)) -> String {
    let why = match class {
        SpeedClass::Silent => {
            "its target did not answer the last time, and those share a quarter of the places for probes"
        }
        SpeedClass::New => "too many targets are asked for the first time now",
        SpeedClass::Quick | SpeedClass::Slow => "too many targets that answer are asked now",
        SpeedClass::Program => "too many programs of checks are running",
    };
    let waits = span(waits);
    format!(
        "Check {id:?} has been waiting for its turn for {waits}: {why} (muster_probes_overdue says how many wait)."
    )
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times in a row") }
}
