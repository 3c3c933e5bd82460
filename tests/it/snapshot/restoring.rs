//! From one agent's snapshot to another agent's registry, with everything that can be wrong with it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    address, deregister, register, restore, said, services, snapshot, succeeds, text, with_operators,
};
use crate::differential::find_consul;
use crate::support::client::{Request, ask_until};
use crate::support::process::Process;

/// How long an answer that must come may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn an_agent_is_lost_and_another_takes_its_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("everything");
    let expected = vec![("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)];
    let index = {
        let (lost, admin) = with_operators(&[]);
        let mut client = lost.client();
        register(&mut client, "a", "web", 1);
        register(&mut client, "b", "web", 2);
        register(&mut client, "c", "db", 3);
        let saved = succeeds(&["snapshot", "save", text(&file), "-http-addr", &admin]);
        assert!(saved.contains("4 services") && saved.contains("read it back"), "{saved}");
        client.get("/v1/health/service/db").expect("an answer").index().expect("an index")
    };
    assert!(succeeds(&["snapshot", "verify", text(&file)]).contains("is whole"));
    let inspected: Value =
        serde_json::from_str(&succeeds(&["snapshot", "inspect", "--json", text(&file)])).expect("JSON");
    assert_eq!((&inspected["rows"]["services"], &inspected["rows"]["checks"]), (&4.into(), &4.into()));

    let mut second = Process::muster(&[]).expect("it starts");
    let there = address(&second);
    let mut client = second.client();
    register(&mut client, "stranger", "web", 9);
    let rehearsed = succeeds(&["snapshot", "restore", text(&file), "-dry-run", "-http-addr", &there]);
    assert!(
        rehearsed.contains("3 services added: ") && rehearsed.contains("1 service removed: "),
        "{rehearsed}"
    );
    assert_eq!(services(&mut client), [("stranger".to_owned(), 9)], "nothing has changed");
    let restored = succeeds(&["snapshot", "restore", text(&file), "-http-addr", &there]);
    assert!(restored.contains("3 services added: "), "{restored}");
    assert_eq!(services(&mut client), expected);
    let passing = client.get("/v1/health/service/web?passing").expect("an answer");
    assert_eq!(passing.json().as_array().map(Vec::len), Some(2), "with their statuses");
    assert!(passing.index().expect("an index") > index, "the index goes on from where clients have seen it");
    assert!(succeeds(&["snapshot", "restore", text(&file), "-http-addr", &there]).contains("nothing"));

    second.kill();
    second.start_again().expect("it starts again");
    assert_eq!(services(&mut second.client()), expected, "and it is durable");
}

#[test]
fn who_watches_what_changes_is_woken_and_nobody_else() {
    let muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    register(&mut client, "same", "same", 1);
    register(&mut client, "other", "other", 1);
    let bytes = snapshot(&mut client);
    register(&mut client, "other", "other", 2);
    let mut park = |name: &str| {
        let path = format!("/v1/health/service/{name}");
        let index = client.get(&path).expect("an answer").index().expect("an index");
        let mut parked = muster.client();
        parked.send(&Request::new("GET", &format!("{path}?index={index}&wait=60s"))).expect("it is sent");
        (parked, index)
    };
    let ((mut same, index), (mut other, _)) = (park("same"), park("other"));
    // Both wait: the gauge counts them.
    let mut watcher = muster.client();
    let both =
        |answer: &crate::support::client::Answer| answer.text().contains("\nmuster_blocking_queries 2\n");
    let seen = ask_until(&mut watcher, &Request::new("GET", "/metrics"), Instant::now() + PATIENCE, both);
    assert!(both(&seen.expect("an answer")));

    let (status, told) = restore(&mut watcher, "/v1/snapshot?dry-run", &bytes);
    assert_eq!(status, 200, "{told}");
    assert!(
        !other.answered_within(Duration::from_millis(300)).expect("it is open"),
        "a rehearsal wakes nobody"
    );
    let (status, told) = restore(&mut watcher, "/v1/snapshot", &bytes);
    assert_eq!(status, 200, "{told}");
    assert!(other.answered_within(PATIENCE).expect("it is open"), "what changed wakes");
    let answer = other.receive().expect("an answer").json();
    assert_eq!(answer[0]["Service"]["Port"], 1);
    assert!(!same.answered_within(Duration::from_millis(300)).expect("it is open"), "what did not does not");
    register(&mut watcher, "same", "same", 7);
    let answer = same.receive().expect("an answer");
    assert!(answer.index() > Some(index));
    assert_eq!(answer.json()[0]["Service"]["Port"], 7);
}

#[test]
fn what_cannot_be_restored_is_refused_with_the_remedy_and_changes_nothing() {
    let muster = Process::muster(&["-limits-snapshot-bytes-max", "100KiB"]).expect("it starts");
    let mut client = muster.client();
    register(&mut client, "kept", "kept", 1);
    let whole = snapshot(&mut client);
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let rows: [(&str, Vec<u8>, u16, &str); 5] = [
        ("nothing", Vec::new(), 400, "cut off"),
        ("half of it", whole[..middle].to_vec(), 400, "cut off"),
        ("a flipped bit", flipped, 400, "use another copy"),
        ("something else", b"{\"ID\":\"web\"}".to_vec(), 400, "no snapshot of muster's"),
        ("too much", vec![b'x'; 200 << 10], 413, "larger than this server accepts"),
    ];
    for (name, body, expected, words) in rows {
        for target in ["/v1/snapshot", "/v1/snapshot?dry-run"] {
            let (status, sentence) = restore(&mut muster.client(), target, &body);
            assert_eq!(status, expected, "{name}: {sentence}");
            assert!(sentence.contains(words), "{name}: {sentence}");
        }
    }
    assert_eq!(services(&mut client), [("kept".to_owned(), 1)]);
    assert_eq!(snapshot(&mut client).len(), whole.len());

    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("cut");
    fs::write(&file, &whole[..middle]).expect("it can be written");
    for command in ["verify", "inspect", "restore"] {
        let (code, sentence) = said(&["snapshot", command, text(&file)]);
        assert!(code == 1 && sentence.contains("cut off"), "{command}: {code} {sentence}");
    }
    let (code, sentence) = said(&["snapshot", "save", text(&file), "-http-addr", "127.0.0.1:1"]);
    assert!(code == 3 && fs::read(&file).expect("it is there").len() == middle, "{code} {sentence}");
    deregister(&mut client, "kept");
}

#[test]
fn a_snapshot_of_consuls_is_told_apart() {
    let consul = match find_consul() {
        Ok(binary) => Process::consul(&binary).expect("Consul starts"),
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no Consul: {reason}"),
        Err(reason) => return eprintln!("skipped: no Consul to take a snapshot of: {reason}"),
    };
    let bytes = snapshot(&mut consul.client());
    let muster = Process::muster(&["-dev"]).expect("it starts");
    let (status, sentence) = restore(&mut muster.client(), "/v1/snapshot", &bytes);
    assert!(status == 400 && sentence.contains("muster import --from"), "{status} {sentence}");
}
