//! `?delta=1` one answer at a time: what it holds, when everything, how it blocks, what it costs.

use serde_json::{Value, json};

use super::{metric, put, register, report};
use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

fn ask(client: &mut Client, target: &str) -> Answer {
    let answer = client.get(target).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer
}

/// What an answer holds: whether everything, the ids that changed, and those that are gone.
fn held(answer: &Answer) -> (bool, Vec<String>, Vec<String>) {
    let json = answer.json();
    assert_eq!(json["Index"].as_u64(), answer.index());
    let ids = |list: &Value, pointer: &str| {
        let ids = list.as_array().expect("a list").iter();
        ids.map(|it| it.pointer(pointer).and_then(Value::as_str).expect("an id").to_owned()).collect()
    };
    let changed = ids(&json["Changed"], "/Service/ID");
    (json["Full"] == true, changed, ids(&json["Removed"], "/ID"))
}

fn names(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn an_answer_holds_what_has_changed_and_waits_for_it() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    register(&mut client, "web", "b", 2);
    let path = "/v1/health/service/Web?passing&delta";
    let whole = ask(&mut client, path);
    assert_eq!(held(&whole), (true, names(&["a", "b"]), vec![]));
    let plain = ask(&mut client, "/v1/health/service/web?passing");
    assert_eq!(whole.json()["Changed"], plain.json(), "entries are those of the plain answer");
    assert_eq!(whole.index(), plain.index());

    type Change = fn(&mut Client);
    let rows: [(Change, &[&str], &[&str]); 5] = [
        (|client| register(client, "web", "c", 3), &["c"], &[]),
        (|client| report(client, "fail", "a"), &[], &["a"]),
        (|client| report(client, "pass", "a"), &["a"], &[]),
        (|client| register(client, "web", "b", 22), &["b"], &[]),
        (|client| put(client, "/v1/agent/service/deregister/c", &Value::Null), &[], &["c"]),
    ];
    let mut watcher = process.client();
    let mut index = whole.index().expect("an index");
    for (change, changed, removed) in rows {
        watcher.send(&Request::new("GET", &format!("{path}&wait=50s&index={index}"))).expect("a connection");
        super::wait_until("it waits", || metric(&mut client, "muster_blocking_queries") == 1.0);
        change(&mut client);
        let mut answer = watcher.receive().expect("an answer");
        // A registration with a check is two changes at times; what is told adds up.
        let (mut seen_changed, mut seen_removed) = (held(&answer).1, held(&answer).2);
        while seen_changed != names(changed) || seen_removed != names(removed) {
            index = answer.index().expect("an index");
            answer = ask(&mut watcher, &format!("{path}&wait=50s&index={index}"));
            (seen_changed, seen_removed) = (held(&answer).1, held(&answer).2);
        }
        assert!(!held(&answer).0, "only the difference");
        index = answer.index().expect("an index");
    }
    let nothing = ask(&mut watcher, &format!("{path}&wait=1ms&index={index}"));
    assert_eq!((held(&nothing), nothing.index()), ((false, vec![], vec![]), Some(index)));
    assert_eq!(metric(&mut client, "muster_blocking_queries"), 0.0);
}

#[test]
fn what_is_not_known_any_more_is_answered_with_everything() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let plain = ask(&mut client, "/v1/health/service/web").index().expect("an index");
    let ahead = u64::MAX;
    for (target, full) in [
        (format!("/v1/health/service/web?delta=1&index={}", plain - 1), true),
        (format!("/v1/health/service/web?delta=1&index={ahead}"), true),
        ("/v1/health/service/web?delta=true&index=0".to_owned(), true),
        // An index that a plain answer gave is as good as one of a delta.
        (format!("/v1/health/service/web?delta=1&wait=1ms&index={plain}"), false),
        (format!("/v1/catalog/service/web?delta=1&wait=1ms&index={plain}"), false),
    ] {
        let json = ask(&mut client, &target).json();
        let changed = json["Changed"].as_array().map(Vec::len);
        assert_eq!((json["Full"] == true, changed), (full, Some(usize::from(full))), "{target}: {json}");
    }
    report(&mut client, "fail", "a");
    let json = ask(&mut client, &format!("/v1/health/service/web?delta=1&index={plain}")).json();
    assert_eq!((&json["Full"], json["Changed"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    // The catalog shows no checks, so nothing has changed in it.
    let json = ask(&mut client, &format!("/v1/catalog/service/web?delta=1&wait=1ms&index={plain}")).json();
    assert_eq!((&json["Full"], json["Changed"].as_array().map(Vec::len)), (&json!(false), Some(0)));

    let plain = ask(&mut client, "/v1/health/service/web?delta=0");
    assert!(plain.json().is_array(), "no delta");
    let refused = client.get("/v1/health/service/web?delta=perhaps").expect("an answer");
    assert_eq!((refused.status, refused.text().as_str()), (400, "Invalid value for ?delta"));
}

/// The size of a deploy target, and what one change of it may cost on the wire.
const MANY: usize = 2_800;
const BYTES_MAX: usize = 2_048;

#[test]
fn one_change_in_a_large_service_is_small_on_the_wire() {
    let process = Process::muster(&["--store", "memory"]).expect("muster starts");
    let address = process.address;
    std::thread::scope(|scope| {
        for share in 0..8 {
            scope.spawn(move || {
                let mut client = Client::new(address);
                for number in (share..MANY).step_by(8) {
                    let id = format!("web-{number:04}");
                    let service = json!({
                        "Service": "web", "ID": id, "Address": "10.1.2.3", "Port": 8080,
                        "Tags": ["primary", "v42", "eu-central"], "Meta": {"version": "1.2.3", "shard": "17"},
                    });
                    let check = json!({
                        "CheckID": format!("check-{id}"), "Name": "alive", "ServiceID": id, "Status": "passing",
                        "Output": "HTTP GET http://10.1.2.3:8080/health: 200 OK Output: ok",
                    });
                    let body = json!({
                        "Node": format!("node-{}", number % 100), "Address": "10.0.0.1", "Service": service, "Check": check,
                    });
                    put(&mut client, "/v1/catalog/register", &body);
                }
            });
        }
    });
    let mut client = process.client();
    let whole = ask(&mut client, "/v1/health/service/web?passing&delta=1");
    assert!(whole.body.len() > MANY * 500, "{} bytes", whole.body.len());
    let index = whole.index().expect("an index");
    let check = json!({
        "CheckID": "check-web-1000", "Name": "alive", "ServiceID": "web-1000", "Status": "passing",
        "Output": "HTTP GET http://10.1.2.3:8080/health: 200 OK Output: fine",
    });
    let body = json!({"Node": "node-0", "Address": "10.0.0.1", "Check": check});
    put(&mut client, "/v1/catalog/register", &body);
    let answer = ask(&mut client, &format!("/v1/health/service/web?passing&delta=1&index={index}"));
    let head: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let bytes = "HTTP/1.1 200 OK\r\n\r\n".len() + head + answer.body.len();
    assert_eq!(held(&answer), (false, names(&["web-1000"]), vec![]));
    assert!(bytes < BYTES_MAX, "{bytes} bytes: {}", answer.text());
}
