//! A stream event by event: what is told, how it is resumed, and how it ends.

use serde_json::{Value, json};

use super::subscriber::{Event, Subscriber};
use super::{metric, put, register, report, wait_until};
use crate::support::process::Process;

const CHANGES: [&str; 4] = ["snapshot", "add", "update", "remove"];

/// The kind of an event and the ids of the instances in it.
fn told(event: &Event) -> (String, Vec<String>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let entries = event.data["Entries"].as_array().cloned().unwrap_or_default();
    let entries = entries.iter().chain(event.data.get("Entry"));
    let ids = entries.filter_map(|entry| text(&entry["Service"]["ID"])).chain(text(&event.data["ID"]));
    (event.kind.clone(), ids.collect())
}

fn expected(kind: &str, ids: &[&str]) -> (String, Vec<String>) {
    (kind.to_owned(), ids.iter().map(|id| (*id).to_owned()).collect())
}

#[test]
fn a_stream_tells_of_every_kind_of_change() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let mut stream =
        Subscriber::open(process.address, "service=web&service=db&passing", None).expect("a stream");
    let header = |name: &str| {
        let mut headers = stream.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    };
    assert_eq!(header("Content-Type"), Some("text/event-stream"));
    assert_eq!((header("Cache-Control"), header("X-Accel-Buffering")), (Some("no-cache"), Some("no")));
    // Both are told of, also the one that is not there; which first depends on which changed last.
    let mut first = [stream.next_of(&CHANGES), stream.next_of(&CHANGES)];
    assert!(first[0].id.is_none() && first[1].id.is_some(), "only the last one of a round can be resumed at");
    assert!(stream.retry_ms.is_some_and(|retry_ms| (500..1_000).contains(&retry_ms)));
    first.sort_by_key(|event| event.data["Service"].to_string());
    assert_eq!(told(&first[0]), expected("snapshot", &[]));
    assert_eq!(told(&first[1]), expected("snapshot", &["a"]));
    let plain = client.get("/v1/health/service/web?passing").expect("an answer");
    assert_eq!(first[1].data["Entries"], plain.json(), "entries are those of the plain answer");

    register(&mut client, "db", "d", 5);
    assert_eq!(told(&stream.next_of(&CHANGES)), expected("add", &["d"]));
    report(&mut client, "warn", "a");
    let removed = stream.next_of(&CHANGES);
    assert_eq!(told(&removed), expected("remove", &["a"]));
    assert_eq!(removed.data["Node"], "node-one");
    report(&mut client, "pass", "a");
    assert_eq!(told(&stream.next_of(&CHANGES)), expected("add", &["a"]));
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "db", "ID": "d", "Port": 6}));
    let updated = stream.next_of(&CHANGES);
    assert_eq!(told(&updated), expected("update", &["d"]));
    assert_eq!(updated.data["Entry"]["Service"]["Port"], 6);
    assert_eq!(updated.id, updated.data["Index"].as_u64());
    put(&mut client, "/v1/agent/service/deregister/d", &Value::Null);
    assert_eq!(told(&stream.next_of(&CHANGES)), expected("remove", &["d"]));
    let kinds = ["snapshot", "add", "update", "remove"];
    let counted =
        kinds.map(|kind| metric(&mut client, &format!("muster_stream_events_total{{kind=\"{kind}\"}}")));
    assert_eq!(counted, [2.0, 2.0, 1.0, 2.0]);
}

#[test]
fn a_stream_is_resumed_where_it_was_or_begins_anew() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let (mut client, address) = (process.client(), process.address);
    register(&mut client, "web", "a", 1);
    register(&mut client, "web", "b", 2);
    let mut stream = Subscriber::open(address, "service=web", None).expect("a stream");
    let snapshot = stream.next_of(&CHANGES);
    let id = snapshot.id.expect("an id");
    drop(stream);
    report(&mut client, "fail", "a");
    put(&mut client, "/v1/agent/service/deregister/b", &Value::Null);

    // What was missed is told as one difference, whichever way the index is said.
    let by_query = Subscriber::open(address, &format!("service=web&index={id}"), None);
    for stream in [Subscriber::open(address, "service=web", Some(id)), by_query] {
        let mut stream = stream.expect("a stream");
        let events = [stream.next_of(&CHANGES), stream.next_of(&CHANGES)];
        assert_eq!(events.each_ref().map(told), [expected("remove", &["b"]), expected("update", &["a"])]);
        assert!(events[0].id.is_none() && events[1].id.is_some());
    }
    // Nothing was missed: a bookmark says so at once.
    let now = client.get("/v1/health/service/web").expect("an answer").index().expect("an index");
    let mut stream = Subscriber::open(address, "service=web", Some(now)).expect("a stream");
    let event = stream.next().expect("the stream goes on").expect("it has not ended");
    assert!(event.kind == "bookmark" && event.id >= Some(now), "{event:?}");
    // Indexes from before the log, from the future, and what is no index at all.
    for index in [1, u64::MAX] {
        let mut stream = Subscriber::open(address, "service=web", Some(index)).expect("a stream");
        assert_eq!(told(&stream.next_of(&["snapshot", "bookmark"])), expected("snapshot", &["a"]), "{index}");
    }
    let starts = |client: &mut _| {
        let kinds = ["new", "resumed", "reset"];
        kinds.map(|kind| metric(client, &format!("muster_stream_starts_total{{kind=\"{kind}\"}}")))
    };
    assert_eq!(starts(&mut client), [1.0, 3.0, 2.0]);

    // Nobody knows after a restart what was missed, so everything is told.
    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    report(&mut client, "pass", "a");
    let mut stream = Subscriber::open(address, "service=web", Some(now)).expect("a stream");
    assert_eq!(told(&stream.next_of(&["snapshot", "bookmark", "update"])), expected("snapshot", &["a"]));
    assert_eq!(starts(&mut client), [0.0, 0.0, 1.0]);
}

#[test]
fn a_store_that_forgets_does_not_take_an_old_index_for_a_new_one() {
    let mut process = Process::muster(&["--store", "memory"]).expect("muster starts");
    let (mut client, address) = (process.client(), process.address);
    register(&mut client, "web", "a", 1);
    let mut stream = Subscriber::open(address, "service=web", None).expect("a stream");
    let id = stream.next_of(&CHANGES).id.expect("an id");
    process.kill();
    process.start_again().expect("muster starts again");
    let mut client = process.client();
    let _follower = Subscriber::open(address, "service=web", None).expect("a stream");
    (0..20).for_each(|port| register(&mut client, "web", "b", port));
    let now = client.get("/v1/health/service/web").expect("an answer").index().expect("an index");
    assert!(now > id, "an index never goes back");
    let mut stream = Subscriber::open(address, "service=web", Some(id)).expect("a stream");
    assert_eq!(told(&stream.next_of(&CHANGES)), expected("snapshot", &["b"]));
    let delta = client.get(&format!("/v1/health/service/web?delta&index={id}")).expect("an answer");
    assert_eq!(delta.json()["Full"], json!(true));
}

#[test]
fn a_quiet_stream_says_how_far_it_is() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let mut stream = Subscriber::open(process.address, "service=web&bookmark=1s", None).expect("a stream");
    let snapshot = stream.next_of(&CHANGES).id;
    register(&mut client, "other", "x", 1);
    let other = client.get("/v1/health/service/other").expect("an answer").index();
    let mut bookmark = stream.next_of(&["bookmark"]);
    while bookmark.id < other {
        bookmark = stream.next_of(&["bookmark"]);
    }
    assert!(bookmark.id > snapshot && bookmark.data["Index"].as_u64() == bookmark.id, "{bookmark:?}");
    let mut stream = Subscriber::open(process.address, "service=web", bookmark.id).expect("a stream");
    assert_eq!(
        stream.next().expect("it goes on").expect("it has not ended").kind,
        "bookmark",
        "nothing missed"
    );
}

#[test]
fn an_orderly_end_ends_streams_in_order() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let mut stream = Subscriber::open(process.address, "service=web", None).expect("a stream");
    stream.next_of(&CHANGES);
    wait_until("it is counted", || metric(&mut client, "muster_streams") == 1.0);
    drop(client);
    process.stop().expect("it ends in order");
    let last = stream.next().expect("it goes on").expect("a last event");
    assert_eq!(last.kind, "bookmark");
    assert_eq!(stream.next().expect("not cut"), None);
}
