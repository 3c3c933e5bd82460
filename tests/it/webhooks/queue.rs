//! What waits: instances beside each other, dead letters, bounds, and queues of webhooks that are gone for a while.

use serde_json::{Value, json};

use super::receiver::Reply;
use super::scene::{Scene, outputs, put, register, report};

/// Changes an instance `count` times, from passing to critical and back.
fn flip(scene: &Scene, id: &str, count: usize) -> Vec<String> {
    let mut client = scene.client();
    let outputs: Vec<String> = (1..=count).map(|number| format!("{id} {number}")).collect();
    for (status, output) in ["critical", "passing"].iter().cycle().zip(&outputs) {
        report(&mut client, id, status, output);
    }
    outputs
}

#[test]
fn one_instance_that_cannot_be_told_of_does_not_hold_up_others() {
    let scene = Scene::start("timeout = \"60s\"");
    for id in ["web-1", "web-2"] {
        register(&mut scene.client(), id);
    }
    scene.receiver.judge(|event| match event["service"]["id"].as_str() {
        Some("web-1") => Reply::Hang,
        _ => Reply::Status(200),
    });
    let (first, second) = (flip(&scene, "web-1", 3), flip(&scene, "web-2", 20));
    let told = scene.receiver.wait("all of web-2", |told| outputs(told, "web-2").len() == 20);
    assert_eq!(outputs(&told, "web-2"), second);
    let hanging = told.iter().filter(|it| it.json()["service"]["id"] == "web-1").count();
    assert_eq!(hanging, 1, "the first of web-1 hangs, and what comes after waits for it");
    scene.wait_for_state(|state| (&state["Pending"], &state["InFlight"]) == (&json!(3), &json!(1)));
    drop(first);
}

#[test]
fn what_is_refused_is_a_dead_letter_that_can_be_sent_again() {
    let mut scene = Scene::start("");
    scene.receiver.judge(|event| match event["after"]["output"].as_str() {
        Some("web-1 2") => Reply::Status(422),
        _ => Reply::Status(200),
    });
    register(&mut scene.client(), "web-1");
    flip(&scene, "web-1", 3);
    scene.receiver.wait_for(3);
    scene.wait_until_idle();
    // The dead survive, too.
    scene.kill();
    let mut client = scene.client();
    let dead = client.get("/v1/muster/webhooks/dead/hook").expect("an answer").json();
    assert_eq!(dead.as_array().map(Vec::len), Some(1), "{dead}");
    assert_eq!(dead[0]["Event"]["after"]["output"], "web-1 2", "{dead}");
    assert!(dead[0]["Reason"].as_str().is_some_and(|reason| reason.contains("422: not today")), "{dead}");

    scene.receiver.always(Reply::Status(200));
    let rows = [("?id=nobody", 0), ("", 1), ("", 0)];
    for (query, expected) in rows {
        let answer = put(&mut client, &format!("/v1/muster/webhooks/retry/hook{query}"), &Value::Null);
        assert_eq!(answer["Retried"], expected, "{query}");
    }
    let told = scene.receiver.wait_for(4);
    assert_eq!(told[3].json()["id"], dead[0]["ID"], "the same event under the same id");
    let state = scene.wait_until_idle();
    assert_eq!(state["DeadLetters"], 0, "{state}");
    assert_eq!(client.get("/v1/muster/webhooks/dead/nobody").expect("an answer").status, 404);
}

#[test]
fn at_the_bound_the_oldest_die_and_are_counted() {
    let mut scene = Scene::start("queue_max = 100");
    scene.receiver.go();
    let ids = ["web-1", "web-2", "web-3"];
    for id in ids {
        register(&mut scene.client(), id);
        flip(&scene, id, 50);
    }
    let state = scene.wait_for_state(|state| state["DeadLetters"].as_u64() >= Some(50));
    assert_eq!((&state["Pending"], &state["Health"]), (&json!(100), &json!("failing")), "{state}");
    let mut client = scene.client();
    let dead = client.get("/v1/muster/webhooks/dead/hook").expect("an answer").json();
    assert!(dead[0]["Reason"].as_str().is_some_and(|it| it.contains("queue_max")), "{}", dead[0]);
    let metrics = client.get("/metrics").expect("an answer").text();
    for line in ["muster_webhook_pending{webhook=\"hook\"} 100", "dead_letters_total{webhook=\"hook\"} 50"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    scene.kill();
    let state = scene.wait_for_state(|state| state["Pending"] == 100);
    assert_eq!(state["DeadLetters"], 50, "bounds hold over a restart: {state}");
    let answer = put(&mut scene.client(), "/v1/muster/webhooks/discard/hook", &Value::Null);
    assert_eq!(answer["Discarded"], 150);
    scene.wait_for_state(|state| (&state["Pending"], &state["DeadLetters"]) == (&json!(0), &json!(0)));
}

#[test]
fn a_queue_waits_for_its_webhook_to_come_back() {
    let mut scene = Scene::start("");
    scene.receiver.go();
    register(&mut scene.client(), "web-1");
    let expected = flip(&scene, "web-1", 5);
    scene.wait_for_state(|state| state["Pending"] == 5);
    scene.configure("");
    scene.reload();
    let removed = |state: &Value| state["Health"] == "removed" && state["Pending"] == 5;
    scene.wait_for_state(removed);
    // What happens while nobody asks is told to nobody.
    flip(&scene, "web-1", 1);
    scene.kill();
    scene.wait_for_state(removed);
    report(&mut scene.client(), "web-1", "passing", "unheard");
    scene.receiver.come();
    scene.configure(&scene.table("queue_max = 500"));
    scene.reload();
    scene.receiver.wait_for(5);
    let more = flip(&scene, "web-1", 2);
    let told = scene.receiver.wait_for(7);
    assert_eq!(outputs(&told, "web-1"), [expected, more].concat());

    // Under another name it is another one; the old one is dropped on demand.
    scene.receiver.go();
    flip(&scene, "web-1", 1);
    scene.wait_for_state(|state| state["Pending"] == 1);
    scene.configure(&scene.table("").replace("\"hook\"", "\"other\""));
    scene.reload();
    scene.wait_for_state(|state| state["Health"] == "removed" && state["Pending"] == 1);
    put(&mut scene.client(), "/v1/muster/webhooks/discard/hook", &Value::Null);
    scene.wait_for_state(Value::is_null);
}

#[test]
fn without_a_disk_webhooks_work_from_memory() {
    let scene = Scene::start("");
    scene.configure(&format!("store = \"memory\"\n{}", scene.table("")));
    let mut scene = scene;
    scene.kill();
    register(&mut scene.client(), "web-1");
    let expected = flip(&scene, "web-1", 4);
    let told = scene.receiver.wait_for(4);
    assert_eq!(outputs(&told, "web-1"), expected);
    let answer = scene.client().get("/v1/muster/webhooks").expect("an answer").json();
    assert_eq!(answer["DiskError"], Value::Null, "{answer}");
}

/// Whoever asked for what is critical is not told of each new instance that it passes: nobody said that it did not.
#[test]
fn a_new_instance_that_begins_to_pass_is_no_recovery() {
    let mut scene = Scene::start("statuses = [\"critical\"]");
    let mut client = scene.client();
    // Registered without a status, it begins as critical.
    let body = json!({"Name": "web", "ID": "web-1", "Check": {"TTL": "10h"}});
    put(&mut client, "/v1/agent/service/register", &body);
    report(&mut client, "web-1", "passing", "up");
    // A registration that came over a kill is one still.
    put(
        &mut client,
        "/v1/agent/service/register",
        &json!({"Name": "web", "ID": "web-2", "Check": {"TTL": "10h"}}),
    );
    scene.kill();
    let mut client = scene.client();
    report(&mut client, "web-2", "passing", "up");
    report(&mut client, "web-1", "critical", "down");
    report(&mut client, "web-1", "passing", "up again");
    scene.receiver.wait_for(2);
    scene.wait_until_idle();
    let told = scene.receiver.told();
    assert_eq!(outputs(&told, "web-1"), ["down", "up again"]);
    assert_eq!(outputs(&told, "web-2"), Vec::<String>::new());
    let event = told[0].json();
    assert!(event["by"].as_str().is_some_and(|by| by.starts_with("127.0.0.1:")), "who reported it: {event}");
    assert!(event["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{event}");
}

/// A receiver that takes nothing at all gets its webhook called failing, also where it refuses rather than fails.
#[test]
fn a_webhook_whose_every_delivery_is_refused_is_not_healthy() {
    let scene = Scene::start("");
    scene.receiver.always(Reply::Status(400));
    register(&mut scene.client(), "web-1");
    flip(&scene, "web-1", 2);
    scene.receiver.wait_for(2);
    scene.wait_for_state(|state| state["Health"] == "failing" && state["DeadLetters"] == 2);
    scene.receiver.always(Reply::Status(200));
    flip(&scene, "web-1", 1);
    scene.wait_for_state(|state| state["Health"] == "healthy");
}
