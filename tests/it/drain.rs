//! Drains of the built program: weights fall in every answer and watchers hear of each step, then the instance is out,
//! then gone if asked; over a kill too, and never when cancelled.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for a step of a drain of seconds.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(60);

/// Steps of ten that a watcher must have seen. A machine that stalls for a second has it miss one, as is allowed.
const STEPS_SEEN_MIN: usize = 6;

fn put(client: &mut Client, target: &str, body: &Value) -> Answer {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer
}

/// Two instances of `web`, of which `web-1` will drain. It has weight 10, so each of ten steps shows.
fn start() -> Process {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    for id in ["web-1", "web-2"] {
        let weights = json!({"Passing": 10, "Warning": 2});
        let body = json!({"Name": "web", "ID": id, "Port": 80, "Weights": weights});
        put(&mut client, "/v1/agent/service/register", &body);
    }
    process
}

fn drain(client: &mut Client, query: &str) -> Value {
    put(client, &format!("/v1/muster/drain/web-1?{query}"), &Value::Null).json()
}

fn get(client: &mut Client, target: &str) -> Value {
    client.get(target).expect("an answer").json()
}

/// The weight of `web-1` in `/v1/health/service/web`; `None` when it is not there.
fn weight(body: &Value) -> Option<u64> {
    let mut entries = body.as_array().into_iter().flatten();
    let found = entries.find(|entry| entry["Service"]["ID"] == "web-1")?;
    found["Service"]["Weights"]["Passing"].as_u64()
}

/// Follows `?passing` by blocking queries until `web-1` is out of it, and gives the weights it was seen with.
fn follow_until_out(client: &mut Client) -> Vec<u64> {
    let begun = Instant::now();
    let (mut seen, mut index) = (Vec::new(), 0);
    loop {
        assert!(begun.elapsed() < EVENT_WAIT_MAX, "web-1 leaves; it was seen with {seen:?}");
        let target = format!("/v1/health/service/web?passing&wait=30s&index={index}");
        let answer = client.get(&target).expect("an answer");
        index = answer.index().expect("an index");
        match weight(&answer.json()) {
            Some(weight) if seen.last() == Some(&weight) => {}
            Some(weight) => seen.push(weight),
            None => return seen,
        }
    }
}

/// Whether these weights fall from `first` at most, and to 0 only by leaving.
fn is_a_fall(seen: &[u64], first: u64) -> bool {
    let falls = seen.windows(2).all(|pair| pair[0] > pair[1]);
    falls && seen.first().is_some_and(|it| *it <= first) && seen.last().is_some_and(|it| *it >= 1)
}

fn wait_until(client: &mut Client, target: &str, accept: impl Fn(&Value) -> bool) -> Value {
    let request = Request::new("GET", target);
    let answer = ask_until(client, &request, Instant::now() + EVENT_WAIT_MAX, |it| accept(&it.json()));
    let body = answer.expect("an answer").json();
    assert!(accept(&body), "{target}: {body}");
    body
}

#[test]
fn weights_fall_step_by_step_and_watchers_hear_of_each() {
    let process = start();
    let mut client = process.client();
    let begun = drain(&mut client, "deadline=10s&reason=a%20deploy&deregister=true");
    let shown = (&begun["State"], &begun["SharePercent"], &begun["Reason"], &begun["Node"]);
    assert_eq!(shown, (&json!("draining"), &json!(100), &json!("a deploy"), &json!("node-one")), "{begun}");

    let seen = follow_until_out(&mut client);
    assert!(is_a_fall(&seen, 10) && seen.len() >= STEPS_SEEN_MIN, "{seen:?}");
    let entry = get(&mut client, "/v1/health/service/web")[0].clone();
    assert_eq!(entry["Service"]["Weights"], json!({"Passing": 0, "Warning": 0}), "{entry}");
    let check = entry["Checks"].as_array().and_then(|checks| checks.last()).expect("a check").clone();
    let shown = (&check["CheckID"], &check["Status"], &check["Type"], &check["Notes"]);
    let expected = (&json!("_service_drain:web-1"), &json!("critical"), &json!("drain"), &json!("a deploy"));
    assert_eq!(shown, expected, "{check}");
    wait_until(&mut client, "/v1/agent/services", |services| services.get("web-1").is_none());
    assert_eq!(get(&mut client, "/v1/muster/drain"), json!([]), "it drains no more");
    assert_eq!(get(&mut client, "/v1/agent/checks"), json!({}), "its check has gone with it");
}

#[test]
fn every_answer_shows_the_weights_of_the_moment() {
    let process = start();
    let mut client = process.client();
    drain(&mut client, "deadline=20s");
    // Steps every two seconds: time enough to look around.
    let list = wait_until(&mut client, "/v1/muster/drain", |list| list[0]["WeightsShown"]["Passing"] == 9);
    assert_eq!(list[0]["SharePercent"], 90, "{list}");
    assert_eq!(list[0]["Weights"]["Passing"], 10, "{list}");
    let rows = [
        ("/v1/health/service/web", "/0/Service/Weights"),
        ("/v1/catalog/service/web", "/0/ServiceWeights"),
        ("/v1/catalog/node/node-one", "/Services/web-1/Weights"),
        ("/v1/agent/services", "/web-1/Weights"),
        ("/v1/agent/service/web-1", "/Weights"),
        ("/v1/agent/health/service/id/web-1", "/Service/Weights"),
        ("/v1/muster/drain/web-1", "/WeightsShown"),
    ];
    for (target, pointer) in rows {
        let body = get(&mut client, target);
        assert_eq!(body.pointer(pointer), Some(&json!({"Passing": 9, "Warning": 2})), "{target}: {body}");
    }
    let filtered = get(&mut client, "/v1/health/service/web?filter=Service.Weights.Passing%20==%209");
    assert_eq!(filtered.as_array().map(Vec::len), Some(1), "filters see what is shown: {filtered}");
    assert_eq!(get(&mut client, "/v1/health/service/web")[1]["Service"]["Weights"]["Passing"], 10);
}

#[test]
fn a_cancelled_drain_leaves_nothing_behind() {
    let process = start();
    let mut client = process.client();
    let before = get(&mut client, "/v1/agent/services");
    drain(&mut client, "deadline=10s&deregister=true");
    wait_until(&mut client, "/v1/health/service/web?passing", |body| weight(body) == Some(9));
    put(&mut client, "/v1/muster/drain/web-1?enable=false", &Value::Null);
    assert_eq!(get(&mut client, "/v1/agent/services"), before, "the weights are back");
    assert_eq!(client.get("/v1/muster/drain/web-1").expect("an answer").status, 404);

    drain(&mut client, "deadline=1s");
    wait_until(&mut client, "/v1/health/service/web?passing", |body| weight(body).is_none());
    put(&mut client, "/v1/muster/drain/web-1?enable=false", &Value::Null);
    assert_eq!(weight(&get(&mut client, "/v1/health/service/web?passing")), Some(10));
    assert_eq!(get(&mut client, "/v1/agent/checks"), json!({}));
    put(&mut client, "/v1/muster/drain/web-1?enable=false", &Value::Null);
}

#[test]
fn asking_again_changes_nothing_and_another_deadline_goes_on_from_here() {
    let process = start();
    let mut client = process.client();
    let begun = drain(&mut client, "deadline=10s");
    let index = client.get("/v1/health/service/web").expect("an answer").index();
    let again = drain(&mut client, "deadline=10s");
    assert_eq!((&again["Until"], &again["Started"]), (&begun["Until"], &begun["Started"]));
    assert_eq!(client.get("/v1/health/service/web").expect("an answer").index(), index, "nobody is woken");
    wait_until(&mut client, "/v1/health/service/web", |body| weight(body) <= Some(8));
    let longer = drain(&mut client, "deadline=1h");
    let share = longer["SharePercent"].as_u64().expect("a share");
    assert!((1..=80).contains(&share), "it goes on from the share it had: {longer}");
    let body = json!({"Name": "web", "ID": "web-1", "Port": 81, "Weights": {"Passing": 100, "Warning": 1}});
    put(&mut client, "/v1/agent/service/register?replace-existing-checks", &body);
    let shown = weight(&get(&mut client, "/v1/health/service/web"));
    assert_eq!(shown, Some(share), "registered again it still drains, with its new weights");
}

#[test]
fn a_drain_goes_on_over_a_kill() {
    let mut process = start();
    let mut client = process.client();
    drain(&mut client, "deadline=10s");
    wait_until(&mut client, "/v1/health/service/web", |body| weight(body) <= Some(9));
    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    let listed = get(&mut client, "/v1/muster/drain/web-1");
    assert_eq!(listed["State"], "draining", "{listed}");
    let seen = follow_until_out(&mut client);
    assert!(is_a_fall(&seen, 9), "{seen:?}");

    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    assert_eq!(weight(&get(&mut client, "/v1/health/service/web?passing")), None, "it stays out");
    assert_eq!(get(&mut client, "/v1/muster/drain/web-1")["State"], "drained");
}

/// Nobody kept the time while muster was away: the first answer afterwards shows where the drain is by then.
#[test]
fn what_passed_while_muster_was_away_is_done_before_the_first_answer() {
    for (query, is_there) in [("deadline=2s", true), ("deadline=1s&deregister=true", false)] {
        let mut process = start();
        drain(&mut process.client(), query);
        process.kill();
        // How long muster is away is what this is about.
        std::thread::sleep(Duration::from_millis(2_200));
        process.start_again().expect("muster starts again");
        let mut client = process.client();
        let entries = get(&mut client, "/v1/health/service/web");
        assert_eq!(weight(&entries), is_there.then_some(0), "{query}: {entries}");
        assert_eq!(weight(&get(&mut client, "/v1/health/service/web?passing")), None, "{query}");
    }
}

#[test]
fn an_instance_of_another_node_drains_too() {
    let process = start();
    let mut client = process.client();
    let service = json!({"Service": "web", "ID": "web-9"});
    let body = json!({"Node": "Far", "Address": "10.1.1.1", "Service": service});
    put(&mut client, "/v1/catalog/register", &body);
    let begun = put(&mut client, "/v1/muster/drain/web-9?node=far&deadline=1s&deregister=true", &Value::Null);
    assert_eq!(begun.json()["Node"], "Far");
    wait_until(&mut client, "/v1/catalog/service/web", |body| body.as_array().map(Vec::len) == Some(2));
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let process = start();
    let mut client = process.client();
    let long = "x".repeat(513);
    let rows = [
        ("/v1/muster/drain/nobody?deadline=1s".to_owned(), 404, "nobody"),
        ("/v1/muster/drain/web?deadline=1s".to_owned(), 404, "give its id"),
        ("/v1/muster/drain/web-1?deadline=1s&node=nowhere".to_owned(), 404, "nowhere"),
        ("/v1/muster/drain/consul?deadline=1s".to_owned(), 400, "muster itself"),
        ("/v1/muster/drain/?deadline=1s".to_owned(), 400, "missing"),
        ("/v1/muster/drain/web-1".to_owned(), 400, "deadline is missing"),
        ("/v1/muster/drain/web-1?deadline=999ms".to_owned(), 400, "1s to 24h"),
        ("/v1/muster/drain/web-1?deadline=24h1ms".to_owned(), 400, "1s to 24h"),
        ("/v1/muster/drain/web-1?deadline=-5s".to_owned(), 400, "1s to 24h"),
        ("/v1/muster/drain/web-1?deadline=soon".to_owned(), 400, "1s to 24h"),
        ("/v1/muster/drain/web-1?deadline=1s&deregister=maybe".to_owned(), 400, "deregister"),
        ("/v1/muster/drain/web-1?deadline=1s&enable=maybe".to_owned(), 400, "enable"),
        (format!("/v1/muster/drain/web-1?deadline=1s&reason={long}"), 400, "512 bytes"),
        ("/v1/muster/drain/web-1?deadline=1s&reason=a%0Ab".to_owned(), 400, "control"),
    ];
    for (target, status, said) in rows {
        let answer = client.put(&target, "").expect("an answer");
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        assert!(answer.text().contains(said), "{target}: {}", answer.text());
    }
    assert_eq!(get(&mut client, "/v1/muster/drain"), json!([]), "and nothing drains");
    let last = "/v1/muster/drain/web-1?deadline=24h&reason=".to_owned() + &long[1..];
    assert_eq!(client.put(&last, "").expect("an answer").status, 200, "the bounds are allowed");
    let options = client.request(&Request::new("DELETE", "/v1/muster/drain/web-1")).expect("an answer");
    assert_eq!((options.status, options.header("Allow")), (405, Some("OPTIONS,GET,HEAD,PUT,POST")));
}

/// Maintenance mode, of an instance and of the node, beside registrations and restarts.
#[test]
fn maintenance_stays_until_it_is_switched_off() {
    let mut process = start();
    let mut client = process.client();
    put(&mut client, "/v1/agent/service/maintenance/web-1?enable=true&reason=disk", &Value::Null);
    let body = json!({"Name": "web", "ID": "web-1", "Port": 80});
    put(&mut client, "/v1/agent/service/register?replace-existing-checks", &body);
    let out = |client: &mut Client| weight(&get(client, "/v1/health/service/web?passing")).is_none();
    assert!(out(&mut client), "a registration does not end maintenance");
    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    assert!(out(&mut client), "nor does a restart");
    put(&mut client, "/v1/agent/service/maintenance/web-1?enable=false", &Value::Null);
    assert!(!out(&mut client));

    put(&mut client, "/v1/agent/maintenance?enable=true&reason=reboot", &Value::Null);
    assert_eq!(get(&mut client, "/v1/health/service/web?passing"), json!([]), "the node takes all along");
    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    assert_eq!(get(&mut client, "/v1/health/service/web?passing"), json!([]));
    put(&mut client, "/v1/agent/maintenance?enable=false", &Value::Null);
    assert_eq!(get(&mut client, "/v1/health/service/web?passing").as_array().map(Vec::len), Some(2));
}
