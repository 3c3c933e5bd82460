//! Whoever ends the process over HTTP: nobody, unless it is allowed; and who asked stands in the log.

use std::time::Duration;

use super::{ask, log_until, server};
use crate::support::client::Request;
use crate::support::process::Process;

fn leave() -> Request {
    Request::new("PUT", "/v1/agent/leave").header("X-Request-Id", "who-it-was")
}

#[test]
fn nobody_ends_the_process_unless_that_is_allowed() {
    let mut server = server(&[]);
    for method in ["PUT", "POST"] {
        let answer = ask(&server, &Request { method: method.to_owned(), ..leave() });
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains("enable_leave"), "{}", answer.text());
    }
    assert!(server.ended_within(Duration::from_millis(300)).is_none(), "it goes on");
    assert_eq!(server.client().get("/livez").expect("an answer").status, 200);
    let is_told =
        |log: &str| log.lines().any(|it| it.contains("/v1/agent/leave") && it.contains("who-it-was"));
    let log = log_until(&server, is_told);
    assert!(is_told(&log), "{log}");
}

#[test]
fn where_it_is_allowed_the_process_ends_and_says_who_asked() {
    let mut server = Process::muster(&["-enable-leave"]).expect("muster starts");
    assert_eq!(ask(&server, &leave()).status, 200);
    let status = server.ended_within(Duration::from_secs(30)).expect("it ends");
    assert!(status.success(), "{status}");
    let log = server.log();
    let line = log.lines().find(|it| it.contains("ending on request")).unwrap_or_default();
    assert!(line.contains("who-it-was") && line.contains("peer=127.0.0.1:"), "{log}");
}

/// What reconfigures or replaces is not refused, but everybody can see who did it.
#[test]
fn who_reloads_restores_and_maintains_stands_in_the_log() {
    let server = server(&[]);
    let picture = server.client().get("/v1/snapshot").expect("an answer").body;
    let requests = [
        ("a-reload", Request::new("PUT", "/v1/agent/reload"), "reloading"),
        ("a-hold", Request::new("PUT", "/v1/agent/maintenance?enable=true"), "maintenance of node"),
        ("an-end", Request::new("PUT", "/v1/agent/maintenance?enable=false"), "maintenance of node"),
        ("a-drain", Request::new("PUT", "/v1/muster/drain/web?deadline=1h"), "begins to drain"),
        ("a-restore", Request::new("PUT", "/v1/snapshot").body(picture), "a snapshot was restored"),
    ];
    for (id, request, said) in requests {
        let answer = ask(&server, &request.header("X-Request-Id", id));
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        let log = log_until(&server, |log| log.contains(id));
        let line = log.lines().find(|it| it.contains(id)).unwrap_or_else(|| panic!("{id}: {log}"));
        assert!(line.contains(said) && line.contains("peer=127.0.0.1:"), "{line}");
    }
}

#[test]
fn the_unit_starts_it_again_whatever_ended_it() {
    let unit = include_str!("../../../deploy/systemd/muster.service");
    assert!(unit.lines().any(|line| line == "Restart=always"), "{unit}");
}
