//! Facts and the words for them, as tables.

use std::sync::Arc;
use std::time::Duration;

use crate::core::catalog::instance::Instance;
use crate::core::discovery::query::ExclusionReason;
use crate::core::health::CheckDiagnostics;
use crate::core::model::{
    Cause, Check, CheckDefinition, Node, Origin, Probe, Service, Status, Subject, Transition, hold,
};
use crate::node::registry::checking::scheduler::SpeedClass;
use crate::surface::muster::explain::facts::{CheckFacts, Departed, Facts};
use crate::surface::muster::explain::sentences;

/// 2026-01-02T15:04:05Z.
const NOW_MS: u64 = 1_767_366_245_000;

fn check(id: &str, status: Status, status_cause: Cause, output: &str) -> Check {
    Check {
        id: id.into(),
        service_id: "web-1".into(),
        kind: "http".into(),
        status,
        status_cause,
        output: output.into(),
        status_since_ms: NOW_MS - 90_000,
        origin: Origin::Agent,
        ..Check::default()
    }
}

fn probed(probe: Probe, check: Check) -> Check {
    let kind = probe.kind().into();
    Check {
        kind,
        definition: CheckDefinition { probe: Some(probe), ..CheckDefinition::clone(&check.definition) }
            .into(),
        ..check
    }
}

fn known(check: Check) -> CheckFacts {
    CheckFacts { check: Arc::new(check), insight: None, overdue: None, last: None }
}

fn run(check: Check, insight: CheckDiagnostics) -> CheckFacts {
    CheckFacts { insight: Some(insight), ..known(check) }
}

/// Insight of a check that has run a second ago and runs again in three.
fn insight() -> CheckDiagnostics {
    CheckDiagnostics {
        next_run_in: Some(Duration::from_secs(3)),
        observed_ago: Some(Duration::from_secs(1)),
        failures_before_critical: 3,
        success_before_passing: 1,
        ..CheckDiagnostics::default()
    }
}

fn said(checks: Vec<CheckFacts>) -> String {
    let service = Service { id: "web-1".into(), name: "web".into(), ..Service::default() };
    let node = Node { name: "n1".into(), ..Node::default() };
    let facts =
        Facts { now_ms: NOW_MS, node: Arc::new(node), service: Arc::new(service), checks, kept_by: None };
    let sentence = sentences::instance(&facts);
    let begin = "Instance \"web-1\" of service \"web\" on node \"n1\" is ";
    sentence.strip_prefix(begin).unwrap_or_else(|| panic!("{sentence}")).to_owned()
}

#[test]
fn where_an_instance_stands_is_said_with_the_check_that_decides() {
    use Cause::{Alias, Damping, Probe as Probed, Registration, Report, Ttl};
    use Status::{Critical, Passing, Warning};
    let since = "since 2026-01-02T15:02:35.000Z (1m30s)";
    let ttl = |check| probed(Probe::Ttl { ttl: Duration::from_secs(30) }, check);
    let tcp = |check| probed(Probe::Tcp { address: "a:1".into(), tls: None }, check);
    let held = |hold: Check| Check { status_since_ms: NOW_MS - 90_000, ..hold };
    let drained = Service { id: "web-1".into(), ..Service::default() };
    let of_node = |check: Check| Check { service_id: "".into(), ..check };
    let never_run = CheckDiagnostics { observed_ago: None, ..insight() };
    let unwritten = CheckDiagnostics { failures_in_a_row: 4, ..insight() };
    let rows: Vec<(Vec<CheckFacts>, &str)> = vec![
        (vec![], "in ?passing: it has no checks, and so always passes."),
        (
            vec![known(check("a", Passing, Probed, "fine"))],
            "in ?passing SINCE: its only check, \"a\", passes.",
        ),
        (
            vec![known(check("a", Passing, Probed, "")), known(check("b", Passing, Probed, ""))],
            "in ?passing SINCE: all 2 checks that bear on it pass.",
        ),
        (
            // The disk is full, say.
            vec![
                run(tcp(check("a", Passing, Probed, "")), unwritten.clone()),
                known(check("b", Passing, Probed, "")),
            ],
            "in ?passing SINCE: all 2 checks that bear on it pass. The last 4 runs of check \"a\" failed, and that it is \
             critical is not written yet: /readyz says whether writes are taken.",
        ),
        (
            vec![run(
                tcp(check("a", Passing, Probed, "")),
                CheckDiagnostics { observed_ago: None, ..unwritten },
            )],
            "in ?passing SINCE: its only check, \"a\", passes.",
        ),
        (
            vec![known(check("a", Critical, Probed, "connection refused"))],
            "out of ?passing SINCE: check \"a\" is critical, as its last runs found: \"connection refused\".",
        ),
        (
            vec![known(check("a", Warning, Report, " two\n lines ")), known(check("b", Critical, Ttl, ""))],
            "out of ?passing SINCE: check \"b\" is critical, because the instance was silent for longer than its TTL. \
             One more of its checks fails too.",
        ),
        (
            vec![known(check("a", Warning, Report, " two\n lines "))],
            "out of ?passing SINCE: check \"a\" is warning, as the instance reported: \"two lines\".",
        ),
        (
            vec![run(tcp(check("a", Critical, Registration, "")), never_run.clone())],
            "out of ?passing SINCE: check \"a\" is critical, as it was registered: it has not been run yet. \
             Check \"a\" is run next in 3s.",
        ),
        (
            vec![run(tcp(check("a", Critical, Registration, "no")), never_run.clone())],
            "out of ?passing SINCE: check \"a\" is critical, as it has been since it was registered: \"no\". \
             Check \"a\" is run next in 3s.",
        ),
        (
            vec![run(tcp(check("a", Critical, Registration, "no")), insight())],
            "out of ?passing SINCE: check \"a\" is critical, as it has been since it was registered: \"no\". \
             Check \"a\" is run next in 3s.",
        ),
        (
            vec![run(ttl(check("a", Critical, Registration, "")), CheckDiagnostics::default())],
            "out of ?passing SINCE: check \"a\" is critical, as it was registered: the instance has not reported yet. \
             Check \"a\" waits for the instance to report.",
        ),
        (
            vec![known(Check { origin: Origin::Catalog, ..check("a", Critical, Registration, "") })],
            "out of ?passing SINCE: check \"a\" is critical, as whoever registered it says.",
        ),
        (
            vec![known(of_node(check("n", Critical, Alias, "")))],
            "out of ?passing SINCE: the node's check \"n\" is critical, as is what it stands for.",
        ),
        (
            vec![
                known(check("a", Critical, Probed, "down")),
                known(held(hold::service_maintenance(&"web-1".into(), "new disk".into()))),
            ],
            "out of ?passing SINCE: maintenance mode is on: \"new disk\". One more of its checks fails too. \
             Maintenance mode of the instance lasts until it is switched off.",
        ),
        (
            vec![
                known(held(hold::node_maintenance("new rack".into()))),
                known(check("a", Critical, Probed, "down")),
                known(held(hold::service_maintenance(&"web-1".into(), "new disk".into()))),
            ],
            "out of ?passing SINCE: maintenance mode is on: \"new disk\". Besides, maintenance mode is on for the \
             whole node: \"new rack\". One more of its checks fails too. Maintenance mode of the instance lasts until \
             it is switched off. Maintenance mode of the node lasts until it is switched off.",
        ),
        (
            vec![known(held(hold::node_maintenance("".into())))],
            "out of ?passing SINCE: maintenance mode is on for the whole node. \
             Maintenance mode of the node lasts until it is switched off.",
        ),
        (
            vec![known(held(hold::drained(&drained, &"".into())))],
            "out of ?passing SINCE: its drain is over. That ends when the drain is cancelled.",
        ),
        (
            vec![run(
                check("a", Critical, Damping, ""),
                CheckDiagnostics { damped_for: Some(Duration::from_secs(20)), penalty: 2300, ..insight() },
            )],
            "out of ?passing SINCE: check \"a\" is critical, because it changed too often. \
             Flap damping keeps check \"a\" from passing for another 20s (penalty 2300). \
             Check \"a\" is run next in 3s.",
        ),
        (
            vec![run(
                check("a", Critical, Probed, ""),
                CheckDiagnostics {
                    success_before_passing: 2,
                    is_running: true,
                    reaped_in: Some(Duration::from_secs(57)),
                    ..insight()
                },
            )],
            "out of ?passing SINCE: check \"a\" is critical, as its last runs found. \
             Check \"a\" is being run at this moment; it passes after 2 good results in a row, 0 so far. \
             The instance is deregistered in 57s (at 2026-01-02T15:05:02.000Z) unless check \"a\" recovers before.",
        ),
    ];
    for (checks, expected) in rows {
        assert_eq!(said(checks), expected.replace("SINCE", since));
    }
    let long = said(vec![known(check("a", Critical, Probed, &"ä".repeat(300)))]);
    assert!(long.ends_with(&format!(": \"{}…\".", "ä".repeat(100))), "{long}");
}

#[test]
fn what_comes_next_is_said_of_checks_that_pass_too() {
    let ttl = Probe::Ttl { ttl: Duration::from_secs(30) };
    let passing = check("a", Status::Passing, Cause::Probe, "");
    let waiting = Some((Duration::from_secs(12), SpeedClass::Silent));
    let rows: [(CheckFacts, &[&str]); 7] = [
        (
            CheckFacts {
                overdue: waiting,
                ..run(passing.clone(), CheckDiagnostics { is_running: true, ..insight() })
            },
            &[
                "Check \"a\" has been waiting for its turn for 12s: its target did not answer the last time, and those \
               share a quarter of the places for probes (muster_probes_overdue says how many wait).",
            ],
        ),
        (known(passing.clone()), &[]),
        (run(passing.clone(), insight()), &["Check \"a\" is run next in 3s."]),
        (
            run(
                passing.clone(),
                CheckDiagnostics { failures_in_a_row: 1, success_before_passing: 2, ..insight() },
            ),
            &[
                "Check \"a\" has failed once: at 3 in a row it turns critical.",
                "Check \"a\" is run next in 3s.",
            ],
        ),
        (
            run(passing.clone(), CheckDiagnostics { failures_in_a_row: 2, is_running: true, ..insight() }),
            &[
                "Check \"a\" has failed 2 times in a row: at 3 in a row it turns critical.",
                "Check \"a\" is being run at this moment.",
            ],
        ),
        (
            run(passing.clone(), CheckDiagnostics { failures_in_a_row: 3, ..insight() }),
            &[
                "The last 3 runs of check \"a\" failed, and that it is critical is not written yet: \
                 /readyz says whether writes are taken.",
                "Check \"a\" is run next in 3s.",
            ],
        ),
        (
            run(
                probed(ttl, passing),
                CheckDiagnostics {
                    ttl_over_in: Some(Duration::from_millis(12_345)),
                    ..CheckDiagnostics::default()
                },
            ),
            &["Check \"a\" turns critical in 12s unless the instance reports."],
        ),
    ];
    for (facts, expected) in rows {
        assert_eq!(sentences::next(&facts, NOW_MS), expected);
    }
}

#[test]
fn what_is_gone_is_said_with_how_it_went() {
    let gone = |check_id: &str, cause, from| {
        let subject = Subject { node: "n1".into(), service_id: "web-1".into(), check_id: check_id.into() };
        Some(Arc::new(Transition {
            index: 1,
            position: 0,
            time_ms: NOW_MS,
            subject: Arc::new(subject),
            service_name: "web".into(),
            check_name: "".into(),
            from: Some(from),
            from_since_ms: if check_id.is_empty() { 0 } else { NOW_MS - 63_000 },
            to: None,
            cause,
            is_first: false,
            caller: Default::default(),
            output: if check_id.is_empty() { "".into() } else { "refused".into() },
        }))
    };
    let departed = |last, elsewhere: Option<&str>| {
        Some(Departed { last, elsewhere: elsewhere.map(Into::into), others: Vec::new() })
    };
    let begin = "no instance \"web-1\" is registered on node n1";
    let at = "it was deregistered at 2026-01-02T15:04:05.000Z, because";
    let rows = [
        (None, ", and none is remembered".to_owned()),
        (departed(None, Some("n2")), "; one of that id is on node n2: add ?node=n2".to_owned()),
        (
            departed(gone("a", Cause::Reaping, Status::Critical), None),
            format!(": {at} check \"a\" had been critical for 1m3s, longer than it may be: \"refused\""),
        ),
        (
            departed(gone("a", Cause::Deregistration, Status::Passing), Some("n2")),
            format!(
                ": {at} somebody asked for that, while check \"a\" had been passing for 1m3s: \"refused\"; \
                 one of that id is on node n2: add ?node=n2"
            ),
        ),
        (
            departed(gone("", Cause::Deregistration, Status::Passing), None),
            format!(": {at} somebody asked for that"),
        ),
        (
            departed(gone("a", Cause::Drain, Status::Critical), None),
            format!(": {at} its drain was over: \"refused\""),
        ),
        (
            departed(gone("a", Cause::Registration, Status::Passing), None),
            format!(": {at} a new registration left it out: \"refused\""),
        ),
    ];
    for (departed, expected) in rows {
        assert_eq!(sentences::unknown("web-1", "n1", departed.as_ref()), format!("{begin}{expected}"));
    }
}

#[test]
fn an_answer_is_counted_in_words() {
    let rows = [
        (false, 0, 0, "No instance of service \"web\" is registered, so the answer is empty."),
        (true, 1, 1, "The one instance of service \"web\" is in the ?passing answer."),
        (true, 0, 1, "The one instance of service \"web\" is not in the ?passing answer."),
        (false, 2, 2, "All 2 instances of service \"web\" are in the answer."),
        (true, 0, 2, "None of the 2 instances of service \"web\" is in the ?passing answer."),
        (true, 1, 3, "1 of the 3 instances of service \"web\" is in the ?passing answer."),
        (true, 2, 3, "2 of the 3 instances of service \"web\" are in the ?passing answer."),
    ];
    for (passing, included, all, expected) in rows {
        assert_eq!(sentences::query("web", passing, included, all), expected);
    }
}

#[test]
fn a_query_says_of_a_check_what_is_said_of_its_instance() {
    let ttl = Probe::Ttl { ttl: Duration::from_secs(30) };
    let silent = probed(ttl, check("beat", Status::Critical, Cause::Registration, ""));
    let insight = CheckDiagnostics { observed_ago: None, next_run_in: None, ..insight() };
    let maintenance = hold::service_maintenance(&"web-1".into(), "upgrade".into());
    let rows = [
        (run(silent, insight), "as it was registered: the instance has not reported yet"),
        (known(maintenance), "maintenance mode is on: \"upgrade\""),
        (known(check("a", Status::Critical, Cause::Probe, "refused")), "as its last runs found: \"refused\""),
    ];
    for (facts, expected) in rows {
        let instance = Instance {
            node: Arc::new(Node::default()),
            service: Arc::new(Service::default()),
            checks: Box::new([facts.check.clone()]),
        };
        let reason = sentences::objection(ExclusionReason::Failing, &instance, Some(&facts));
        assert!(reason.contains(expected), "{reason}");
        assert!(
            said(vec![facts]).contains(&format!(": {reason}.")),
            "the instance's has the same words: {reason}"
        );
    }
}
