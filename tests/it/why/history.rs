//! The history: complete, in order, bounded, and there after a kill.

use serde_json::{Value, json};

use super::target::Target;
use super::{beat, follow, get, put, register, statuses, told};
use crate::support::process::Process;

#[test]
fn transitions_are_told_with_their_causes_and_survive_a_kill() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web-1", "web", &[]);
    let target = "/v1/muster/history/check/web-1-beat";
    assert_eq!(told(&get(&mut client, target)), Vec::<String>::new(), "a registration is no transition");
    beat(&mut client, "pass", "web-1-beat", "fine");
    beat(&mut client, "warn", "web-1-beat", "hot");
    beat(&mut client, "fail", "web-1-beat", "down");
    put(&mut client, "/v1/agent/service/maintenance/web-1?enable=true&reason=moving", &Value::Null);
    put(&mut client, "/v1/agent/service/maintenance/web-1?enable=false", &Value::Null);

    let of_check = ["warning -> critical report", "passing -> warning report", "critical -> passing report"];
    let history = get(&mut client, target);
    assert_eq!(told(&history), of_check, "{history}");
    assert_eq!(history["Transitions"][0]["Output"], "down");
    assert_eq!((&history["Status"], &history["Registered"]), (&json!("critical"), &json!(true)));
    assert_eq!(history["LastTransition"], history["Transitions"][0]["Time"]);
    let of_service = get(&mut client, "/v1/muster/history/service/web-1");
    let with_maintenance = ["critical -> none deregistration", "none -> critical registration"];
    assert_eq!(told(&of_service), [&with_maintenance[..], &of_check[..]].concat(), "{of_service}");
    assert_eq!(of_service["Transitions"][1]["Output"], "moving");

    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    let again = get(&mut client, target);
    assert_eq!(again["Transitions"], history["Transitions"], "what was told is told again");
    let second = history["Transitions"][1]["Index"].as_u64().expect("an index");
    let since = get(&mut client, &format!("{target}?since={second}"));
    assert_eq!(told(&since), of_check[..1]);
    assert_eq!(told(&get(&mut client, &format!("{target}?limit=2"))), of_check[..2]);

    put(&mut client, "/v1/agent/service/deregister/web-1", &Value::Null);
    let gone = get(&mut client, target);
    assert_eq!(told(&gone)[0], "critical -> none deregistration", "{gone}");
    assert_eq!((&gone["Status"], &gone["Registered"]), (&Value::Null, &json!(false)));
    let of_node = get(&mut client, "/v1/muster/history/node/NODE-ONE?limit=1");
    assert_eq!((told(&of_node), &of_node["Node"]), (told(&gone)[..1].to_vec(), &json!("node-one")));
    for (target, status) in [
        ("/v1/muster/history/check/nothing", 404),
        ("/v1/muster/history/check/web-1-beat?node=nowhere", 404),
        ("/v1/muster/history/service/nothing", 404),
        ("/v1/muster/history/node/nowhere", 404),
        ("/v1/muster/history/check/", 400),
        ("/v1/muster/history/check/web-1-beat?limit=many", 400),
        ("/v1/muster/history/check/web-1-beat?since=-1", 400),
    ] {
        let answer = client.get(target).expect("an answer");
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
}

#[test]
fn a_reader_can_wait_for_the_next_transition() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web-1", "web", &[]);
    let first = client.get("/v1/muster/history/check/web-1-beat").expect("an answer");
    let index = first.index().expect("an index");
    let waiting = std::thread::spawn({
        let mut client = process.client();
        move || get(&mut client, &format!("/v1/muster/history/check/web-1-beat?index={index}&wait=60s"))
    });
    beat(&mut client, "pass", "web-1-beat", "fine");
    assert_eq!(told(&waiting.join().expect("it is answered")), ["critical -> passing report"]);
}

#[test]
fn a_probe_is_the_cause_and_a_reaping_the_end() {
    let target = Target::new(true);
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    let check = json!({"CheckID": "alive", "HTTP": target.url(), "Interval": "1s", "Timeout": "5s",
        "DeregisterCriticalServiceAfter": "2s"});
    put(&mut client, "/v1/agent/service/register", &json!({"ID": "web-1", "Name": "web", "Check": check}));
    follow(&mut client, "web", |answer| statuses(answer) == ["passing"]);
    target.set_well(false);
    follow(&mut client, "web", |answer| statuses(answer).is_empty());
    let history = get(&mut client, "/v1/muster/history/check/alive");
    let expected = ["critical -> none reaping", "passing -> critical probe", "critical -> passing probe"];
    assert_eq!(told(&history), expected, "{history}");
    let output = history["Transitions"][1]["Output"].as_str().unwrap_or_default();
    assert!(output.contains("503") && !output.contains("secret"), "{output}");
    let answer = client.get("/v1/muster/explain/web-1").expect("an answer");
    assert_eq!(answer.status, 404);
    let sentence = answer.text();
    assert!(sentence.contains("\"alive\" had been critical for 2") && sentence.contains("503"), "{sentence}");
}
