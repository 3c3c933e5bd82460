//! Webhooks of the built program: what is told, to whom, in which order and how often, whatever the receiver does and
//! whenever muster is killed.

mod alertmanager;
mod kills;
mod queue;
mod receiver;
mod scene;

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use receiver::{Reply, Told};
use scene::{Scene, outputs, put, register, report};

#[test]
fn a_change_is_told_once_with_all_there_is_to_say() {
    let mut scene = Scene::start("");
    let mut client = scene.client();
    register(&mut client, "web-1");
    report(&mut client, "web-1", "critical", "disk full");
    let event = scene.receiver.wait_for(1)[0].json();
    assert_eq!(event["before"]["status"], "passing", "{event}");
    assert_eq!(event["after"], json!({"status": "critical", "output": "disk full"}), "{event}");
    assert_eq!(event["instance"], json!({"before": "passing", "after": "critical"}), "{event}");
    assert_eq!(event["service"]["tags"], json!(["live"]), "{event}");
    assert_eq!((&event["node"]["name"], &event["cause"]), (&json!("node-one"), &json!("report")), "{event}");

    // Neither the same status again, nor the same registration, a reload or a restart is a change.
    report(&mut client, "web-1", "critical", "disk full still");
    scene.reload();
    scene.wait_until_idle();
    scene.process.stop().expect("it ends");
    scene.process.start_again().expect("muster starts again");
    scene.kill();
    let mut client = scene.client();
    report(&mut client, "web-1", "passing", "room again");
    scene.receiver.wait_for(2);
    put(&mut client, "/v1/agent/service/deregister/web-1", &Value::Null);
    register(&mut client, "web-2");
    report(&mut client, "web-2", "critical", "gone next");
    put(&mut client, "/v1/agent/service/deregister/web-2", &Value::Null);
    scene.receiver.wait_for(4);
    scene.wait_until_idle();
    let told = scene.receiver.told();
    let ids: Vec<_> = told.iter().map(|it| it.header("Idempotency-Key").map(str::to_owned)).collect();
    assert_eq!(told.len(), 4, "{ids:?}");
    assert_eq!(outputs(&told, "web-1"), ["disk full", "room again"], "what was well ends unsaid");
    assert_eq!(outputs(&told, "web-2"), ["gone next", "gone"], "what failed ends aloud");
    let last = told[3].json();
    assert_eq!((&last["after"], &last["cause"]), (&Value::Null, &json!("deregistration")), "{last}");
    assert_eq!(last["instance"], json!({"before": "critical", "after": null}), "{last}");
    for it in &told {
        let event = it.json();
        assert_eq!(event["id"].as_str(), it.header("X-Muster-Event-Id"));
        assert_eq!(event["id"].as_str(), it.header("Idempotency-Key"));
    }
}

/// The function that the documentation gives to receivers, run by Python: nothing of muster's own takes part.
#[test]
fn the_documented_function_accepts_what_is_signed_and_nothing_else() {
    let secret = tempfile::NamedTempFile::new().expect("a temporary file");
    secret.as_file().write_all(b"correct horse\n").expect("it can be written");
    let scene = Scene::start(&format!("secret_file = {:?}", secret.path()));
    let mut client = scene.client();
    register(&mut client, "web-1");
    report(&mut client, "web-1", "critical", "disk \"full\" ü");
    let told = &scene.receiver.wait_for(1)[0];
    assert!(is_accepted("correct horse", told));
    assert!(!is_accepted("correct horsf", told), "another secret");
    let mut forged = told.clone();
    forged.body[10] ^= 1;
    assert!(!is_accepted("correct horse", &forged), "another body");
    let mut replayed = told.clone();
    let timestamp =
        replayed.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("X-Muster-Timestamp"));
    let timestamp = timestamp.expect("a timestamp");
    timestamp.1 = (timestamp.1.parse::<u64>().expect("a number") + 1).to_string();
    assert!(!is_accepted("correct horse", &replayed), "another time");
}

fn is_accepted(secret: &str, told: &Told) -> bool {
    let document = include_str!("../../docs/webhooks.md");
    let (_, code) = document.split_once("```python\n").expect("a function in Python");
    let (code, _) = code.split_once("```").expect("its end");
    let program = format!(
        "{code}\nimport json, sys\nit = json.load(sys.stdin)\n\
         headers = dict((k.title(), v) for k, v in it['headers'])\n\
         print(is_from_muster(it['secret'].encode(), headers, bytes(it['body'])))"
    );
    let mut python = Command::new("python3");
    python.args(["-c", &program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = python.spawn().expect("python3 runs");
    let input = json!({"secret": secret, "headers": told.headers, "body": told.body}).to_string();
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the function runs");
    String::from_utf8_lossy(&output.stdout).trim() == "True"
}

#[test]
fn webhooks_hear_only_what_they_ask_for() {
    let rows: [(&str, &[&str]); 7] = [
        ("statuses = [\"warning\"]", &["warn", "bad"]),
        ("statuses = [\"passing\"]", &["warn", "good"]),
        ("services = [\"WEB\"]", &["warn", "bad", "good"]),
        ("services = [\"api\"]", &[]),
        ("tags = [\"live\", \"eu\"]", &[]),
        ("filter = 'Service.Port == 80 and Checks.Status == \"critical\"'", &["bad", "good"]),
        ("nodes = [\"elsewhere\"]", &[]),
    ];
    for (keys, expected) in rows {
        let scene = Scene::start(keys);
        let all = format!("{}{}", scene.table(keys), scene.table("").replace("\"hook\"", "\"all\""));
        scene.configure(&all.replacen("secret-path", "some", 1));
        scene.reload();
        let mut client = scene.client();
        register(&mut client, "web-1");
        for (status, output) in [("warning", "warn"), ("critical", "bad"), ("passing", "good")] {
            report(&mut client, "web-1", status, output);
        }
        let count = 3 + expected.len();
        let told = scene.receiver.wait_for(count);
        scene.wait_until_idle();
        let told_some: Vec<_> = told.into_iter().filter(|it| it.target == "/some").collect();
        assert_eq!(outputs(&told_some, "web-1"), *expected, "{keys}");
        assert_eq!(scene.receiver.told().len(), count, "{keys}");
    }
}

#[test]
fn a_chat_is_told_in_sentences() {
    let scene = Scene::start("format = \"slack\"");
    let mut client = scene.client();
    register(&mut client, "web-1");
    report(&mut client, "web-1", "critical", "disk <full>");
    let said = scene.receiver.wait_for(1)[0].json();
    let expected = "*web* (`web-1` on node-one): check \"Service 'web' check\" is *critical*, was passing (report)\n\
                    > disk &lt;full&gt;";
    assert_eq!(said, json!({"text": expected}));
}

/// A check of the node concerns every instance on it, and has a lane of its own. Whom it concerns is looked up when it is
/// taken, a moment after it happened.
#[test]
fn checks_of_the_node_are_told_as_the_nodes() {
    let scene = Scene::start("services = [\"web\"]");
    let mut client = scene.client();
    let check = json!({"ID": "disk", "Name": "disk", "TTL": "10h", "Status": "passing"});
    put(&mut client, "/v1/agent/check/register", &check);
    put(&mut client, "/v1/agent/check/update/disk", &json!({"Status": "critical", "Output": "nobody cares"}));
    // What comes after it and is told shows that it was taken.
    let elsewhere = |status: &str| {
        let check = json!({"CheckID": "c9", "Name": "c9", "Status": status, "ServiceID": "web-9"});
        let service = json!({"ID": "web-9", "Service": "web"});
        json!({"Node": "other", "Address": "10.0.0.9", "Service": service, "Check": check})
    };
    put(&mut client, "/v1/catalog/register", &elsewhere("passing"));
    put(&mut client, "/v1/catalog/register", &elsewhere("critical"));
    scene.receiver.wait_for(1);
    register(&mut client, "web-1");
    put(&mut client, "/v1/agent/check/update/disk", &json!({"Status": "warning", "Output": "half full"}));
    let event = scene.receiver.wait_for(2)[1].json();
    assert_eq!((&event["service"], &event["services"]), (&Value::Null, &json!(["consul", "web"])), "{event}");
    assert_eq!(event["after"]["output"], "half full", "{event}");
    scene.wait_until_idle();
    assert_eq!(scene.receiver.told().len(), 2, "before there was an instance nobody was concerned");
}

/// What is secret shows nowhere: neither in answers nor metrics nor the log, not even when nothing works.
#[test]
fn secrets_stay_secret() {
    let secret = tempfile::NamedTempFile::new().expect("a temporary file");
    secret.as_file().write_all(b"key-of-the-hook").expect("it can be written");
    let keys = format!(
        "secret_file = {:?}\nheaders = {{ Authorization = \"Bearer token-of-the-hook\" }}",
        secret.path()
    );
    let scene = Scene::start(&keys);
    scene.receiver.always(Reply::Status(500));
    let mut client = scene.client();
    register(&mut client, "web-1");
    report(&mut client, "web-1", "critical", "bad");
    let told = &scene.receiver.wait_for(3)[0];
    assert_eq!(told.header("Authorization"), Some("Bearer token-of-the-hook"));
    scene.wait_for_state(|state| state["Health"] == "failing");
    let answers = ["/v1/muster/webhooks", "/metrics", "/v1/agent/metrics", "/v1/agent/self"];
    let mut shown: HashMap<&str, String> = HashMap::new();
    for target in answers {
        shown.insert(target, client.get(target).expect("an answer").text());
    }
    shown.insert("the log", scene.process.log());
    assert!(shown["/v1/muster/webhooks"].contains("not today"), "the complaint shows: {shown:?}");
    assert_eq!(shown["the log"].matches("does not get through").count(), 1, "the log tells once: {shown:?}");
    for (place, text) in &shown {
        for secret in ["key-of-the-hook", "token-of-the-hook", "secret-path"] {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
}

#[test]
fn addresses_that_checks_may_not_reach_are_refused_for_webhooks_too() {
    let scene = Scene::start("");
    let (own, there) = (scene.process.address, scene.receiver.address.to_string());
    for (at, words) in
        [("169.254.169.254", "refused: link-local"), (&*own.to_string(), "muster itself listens there")]
    {
        scene.configure(&scene.table("").replace(&there, at));
        let answer = scene.client().put("/v1/agent/reload", "").expect("an answer");
        assert!(answer.status != 200 && answer.text().contains(words), "{at}: {}", answer.text());
        assert!(!answer.text().contains("secret-path"), "{}", answer.text());
    }
    // What a name stands for is known only when it is told.
    scene.configure(&scene.table("").replace(&there, &format!("localhost:{}", own.port())));
    scene.reload();
    let mut client = scene.client();
    register(&mut client, "web-1");
    report(&mut client, "web-1", "critical", "bad");
    scene.wait_for_state(|state| {
        state["LastError"].as_str().is_some_and(|sentence| sentence.contains("muster itself listens there"))
    });
    assert_eq!(scene.receiver.told().len(), 0);
}
