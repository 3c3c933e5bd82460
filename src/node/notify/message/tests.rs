//! Signatures, verdicts on answers, and sentences.

use std::time::Duration;

use super::*;
use crate::config::webhooks::Hidden;
use crate::node::notify::context::Overall;
use crate::node::notify::event::{After, Before, EventCheck, EventNode, EventService};

fn event() -> Event {
    Event {
        id: "40e4a748-7-0-abc".to_owned(),
        index: 7,
        time: "2026-01-01T00:00:00.000Z".to_owned(),
        time_ms: 1_767_225_600_000,
        datacenter: "dc1".into(),
        node: EventNode { name: "n1".into(), address: "10.0.0.1".into() },
        service: Some(EventService {
            id: "web-1".into(),
            name: "web".into(),
            tags: vec!["live".into()],
            address: "".into(),
            port: 80,
            meta: Default::default(),
        }),
        check: EventCheck { id: "service:web-1".into(), name: "alive".into() },
        before: Some(Before { status: Status::Passing, since_ms: 5 }),
        after: Some(After { status: Status::Critical, output: "connection <refused>\nagain".into() }),
        by: "".into(),
        request_id: "".into(),
        cause: "probe".to_owned(),
        instance: Overall { before: Some(Status::Passing), after: Some(Status::Critical) },
        services: Vec::new(),
    }
}

fn webhook(headers: &[(&str, &str)], secret: Option<&str>) -> Webhook {
    Webhook {
        name: "hook".to_owned(),
        url: Hidden("http://receiver.example/x".to_owned()),
        format: WebhookFormat::Json,
        filter: None,
        services: Vec::new(),
        nodes: Vec::new(),
        tags: Vec::new(),
        statuses: Vec::new(),
        secret: secret.map(|secret| Hidden(secret.to_owned())),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Hidden((*value).to_owned())))
            .collect(),
        timeout: Duration::from_secs(1),
        queue_max: 100,
        give_up_after: Duration::from_secs(60),
        tls_skip_verify: false,
        tls_server_name: String::new(),
    }
}

/// The expected value is what `printf '1700000000.{}' | openssl dgst -sha256 -hmac key` prints.
#[test]
fn the_signature_is_of_timestamp_and_body() {
    let expected = "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
    assert_eq!(signature(b"key", "1700000000", b"{}"), expected);
}

#[test]
fn requests_carry_id_signature_and_the_operators_headers() {
    let post =
        of_event(&webhook(&[("content-type", "text/x"), ("X-Team", "ops")], Some("s")), &event(), 1_500);
    let value = |name: &str| {
        let named = post.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
    };
    assert_eq!(value("Content-Type"), "text/x");
    assert_eq!(value("X-Team"), "ops");
    assert_eq!((value("Idempotency-Key"), value("X-Muster-Event-Id")), (event().id, event().id));
    assert_eq!(value("X-Muster-Timestamp"), "1");
    assert_eq!(value("X-Muster-Signature"), signature(b"s", "1", &post.body));
    let plain = of_event(&webhook(&[], None), &event(), 1_500);
    assert!(
        plain.headers.iter().all(|(name, _)| name != "X-Muster-Signature" && name != "X-Muster-Timestamp")
    );
    assert_eq!(serde_json::from_slice::<Event>(&plain.body).unwrap(), event());
}

#[test]
fn answers_are_judged_by_whether_they_speak_of_the_event() {
    let answer = |status| Ok(HttpResponse { status, retry_after: None, body: "because\n".to_owned() });
    for status in [200, 201, 202, 204, 299] {
        assert_eq!(outcome_of(answer(status)), DeliveryOutcome::Delivered, "{status}");
    }
    for status in [400, 410, 413, 415, 422] {
        let reason = format!("the receiver answered {status}: because");
        assert_eq!(outcome_of(answer(status)), DeliveryOutcome::Refused { reason }, "{status}");
    }
    for status in [301, 302, 307, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504] {
        let reason = format!("the receiver answered {status}: because");
        assert_eq!(
            outcome_of(answer(status)),
            DeliveryOutcome::Failed { reason, retry_after: None },
            "{status}"
        );
    }
    let lost = outcome_of(Err("dial tcp: refused".to_owned()));
    assert_eq!(lost, DeliveryOutcome::Failed { reason: "dial tcp: refused".to_owned(), retry_after: None });
}

#[test]
fn sentences_say_who_what_and_why() {
    let of_node = Event { service: None, ..event() };
    let passes = After { status: Status::Passing, output: "fine".into() };
    let was_critical = Some(Before { status: Status::Critical, since_ms: 0 });
    let back = Event { before: was_critical.clone(), after: Some(passes), ..event() };
    let away = Overall { before: Some(Status::Critical), after: None };
    let lost = Event { before: was_critical, after: None, cause: "deregistration".to_owned(), ..event() };
    let gone = Event { instance: away, ..lost.clone() };
    let of_maintenance = |id: &str| EventCheck { id: id.into(), name: "Service Maintenance Mode".into() };
    let by = "10.0.0.9:4711".into();
    let on = Event {
        check: of_maintenance("_service_maintenance:web-1"),
        by,
        cause: "registration".to_owned(),
        ..event()
    };
    let off = Event { after: None, by: "".into(), ..on.clone() };
    let node_on = Event { service: None, check: of_maintenance("_node_maintenance"), ..on.clone() };
    let gone_from_it = Event { instance: away, before: lost.before.clone(), ..off.clone() };
    let begins = Event { before: None, ..event() };
    let rows = [
        (
            event(),
            "*web* (`web-1` on n1): check \"alive\" is *critical*, was passing (probe)\n> connection \
             &lt;refused&gt;\n> again",
        ),
        (
            of_node,
            "node *n1*: check \"alive\" is *critical*, was passing (probe)\n> connection &lt;refused&gt;\n> again",
        ),
        (back, "*web* (`web-1` on n1): check \"alive\" is *passing*, was critical (probe)"),
        (gone, "*web* (`web-1` on n1) is gone; its check \"alive\" was critical (deregistration)"),
        (lost, "*web* (`web-1` on n1) stays; its former check \"alive\" was critical (deregistration)"),
        (on, "*web* (`web-1` on n1): maintenance mode was switched on by 10.0.0.9:4711"),
        (off, "*web* (`web-1` on n1): maintenance mode was switched off"),
        (node_on, "node *n1*: maintenance mode was switched on by 10.0.0.9:4711"),
        (
            gone_from_it,
            "*web* (`web-1` on n1) is gone; its check \"Service Maintenance Mode\" was critical (registration)",
        ),
        (
            begins,
            "*web* (`web-1` on n1): check \"alive\" is *critical* (probe)\n> connection &lt;refused&gt;\n> again",
        ),
    ];
    for (event, expected) in rows {
        assert_eq!(sentence(&event), expected);
    }
}
