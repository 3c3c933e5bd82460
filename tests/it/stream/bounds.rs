//! What streams may not do: be too many, ask nonsense, or hold the server up.

use serde_json::{Value, json};

use super::subscriber::Subscriber;
use super::{metric, put, register, report, wait_until};
use crate::support::process::Process;

/// Streams that all hear of one change.
const CROWD: usize = 300;

#[test]
fn one_stream_too_many_is_told_so() {
    let process = Process::muster(&["--limits-streams-max", "2", "--limits-blocking-queries-max", "1"]);
    let process = process.expect("muster starts");
    let mut client = process.client();
    let open = |query: &str| Subscriber::open(process.address, query, None);
    let (first, _second) =
        (open("service=a&service=b").expect("a stream"), open("service=a").expect("another"));
    let refused = open("service=a").err().expect("no place");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("2 streams are open"), "{}", refused.text());
    assert!(refused.header("Retry-After").is_some());
    assert_eq!(metric(&mut client, "muster_streams"), 2.0);
    // Streams take no place of a blocking query, and the other way round.
    let index = client.get("/v1/health/service/a").expect("an answer").index().expect("an index");
    let answer = client.get(&format!("/v1/health/service/a?wait=1ms&index={index}")).expect("an answer");
    assert_eq!(answer.status, 200);
    drop(first);
    wait_until("its place is free", || metric(&mut client, "muster_streams") == 1.0);
    assert!(open("service=c").is_ok());
}

#[test]
fn nonsense_is_refused_with_a_sentence() {
    let process = Process::muster(&[]).expect("muster starts");
    let many: String = (0..65).map(|number| format!("service=s{number}&")).collect();
    let rows = [
        ("", "needs names of services"),
        ("service=", "needs names of services"),
        ("service=a%0ab", "needs names of services"),
        (&many, "65 services are too many"),
        ("service=a&passing=perhaps", "?passing"),
        ("service=a&filter=%28", "boolean expression"),
        ("service=a&bookmark=0s", "1s to 5m"),
        ("service=a&bookmark=soon", "1s to 5m"),
        ("service=a&passing&panic_threshold=100", "1 to 99"),
        ("service=a&index=x", "Invalid index"),
        ("service=a&dc=elsewhere", "No path to datacenter"),
    ];
    for (query, said) in rows {
        let refused = Subscriber::open(process.address, query, None).err().expect(query);
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.text().to_lowercase().contains(&said.to_lowercase()), "{query}: {}", refused.text());
    }
    let most: String = (0..64).map(|number| format!("service=s{number}&")).collect();
    let mut stream =
        Subscriber::open(process.address, &format!("{most}service=S0"), None).expect("64, one twice");
    (0..64).for_each(|_| assert_eq!(stream.next_of(&["snapshot", "bookmark"]).kind, "snapshot"));
    let mut client = process.client();
    let head = client.request(&crate::support::client::Request::new("HEAD", "/v1/muster/stream?service=a"));
    assert_eq!(head.expect("an answer").status, 200);
    wait_until("a head alone is no stream", || metric(&mut client, "muster_streams") == 1.0);
}

#[test]
fn a_crowd_hears_of_every_change() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let mut crowd: Vec<Subscriber> = (0..CROWD)
        .map(|_| Subscriber::open(process.address, "service=web&passing", None).expect("a stream"))
        .collect();
    crowd.iter_mut().for_each(|stream| drop(stream.next_of(&["snapshot"])));
    for (word, kind) in [("fail", "remove"), ("pass", "add")] {
        report(&mut client, word, "a");
        for stream in &mut crowd {
            assert_eq!(stream.next_of(&["add", "update", "remove", "snapshot"]).kind, kind);
        }
    }
    // All leave at once, and nothing of them stays.
    drop(crowd);
    wait_until("they are gone", || metric(&mut client, "muster_streams") == 0.0);
    let watching = metric(&mut client, "muster_blocking_queries");
    assert_eq!(watching, 0.0, "streams are not counted as blocking queries");
}

/// Instances with so much metadata that the buffers of a socket do not take them all.
const HEAVY_INSTANCES: usize = 600;
const PAIRS: usize = 50;

#[test]
fn a_reader_that_does_not_read_is_cut_and_the_rest_hear_on() {
    let process =
        Process::muster(&["--store", "memory", "--limits-write-timeout", "1s"]).expect("muster starts");
    let mut client = process.client();
    for number in 0..HEAVY_INSTANCES {
        let meta: Vec<(String, String)> =
            (0..PAIRS).map(|at| (format!("key-{at}"), "x".repeat(400))).collect();
        let meta: Value = meta.into_iter().map(|(key, value)| (key, json!(value))).collect();
        let body = json!({"Name": "web", "ID": format!("web-{number}"), "Meta": meta});
        put(&mut client, "/v1/agent/service/register", &body);
    }
    let deaf = Subscriber::open(process.address, "service=web", None).expect("a stream");
    let mut small =
        Subscriber::open(process.address, "service=web&filter=Service.Port+%3D%3D+7", None).expect("one");
    small.next_of(&["snapshot"]);
    wait_until("it is cut", || metric(&mut client, "muster_streams_cut_total") == 1.0);
    register(&mut client, "web", "seven", 7);
    assert_eq!(small.next_of(&["add", "snapshot"]).kind, "add");
    drop(deaf);
}
