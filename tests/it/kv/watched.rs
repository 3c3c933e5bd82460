//! Who watches a key or a prefix hears of it, and of nothing else.

use std::thread;
use std::time::Duration;

use super::{ask, put, start};
use crate::support::client::{Client, Request};

/// Long enough for an answer that is due at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn wait_for(client: &mut Client, target: &str, index: u64) {
    let sign = if target.contains('?') { '&' } else { '?' };
    let request = Request::new("GET", &format!("/v1/kv/{target}{sign}index={index}&wait=60s"));
    client.send(&request).expect("it is sent");
}

#[test]
fn who_waits_for_what_is_not_there_is_left_in_peace() {
    let (server, mut writer) = start(&[]);
    put(&mut writer, "other/0", "v");
    for target in ["none", "none/?recurse", "none/?keys"] {
        let mut client = server.client();
        let index = ask(&mut client, "GET", target, b"").index().expect("an index");
        // What happens elsewhere makes the index no older: the question may wait all the same.
        put(&mut writer, "other/1", target);
        wait_for(&mut client, target, index);
        put(&mut writer, "other/2", target);
        assert!(!client.answered_within(Duration::from_millis(300)).expect("it is open"), "{target}");
        put(&mut writer, "none/x", "v");
        put(&mut writer, "none", "v");
        assert!(client.answered_within(PATIENCE).expect("it is open"), "{target}");
        let answer = client.receive().expect("an answer");
        assert!(answer.index() > Some(index), "{target}");
        ask(&mut writer, "DELETE", "none?recurse", b"");
    }
}

#[test]
fn each_change_wakes_the_beginnings_of_its_key() {
    let (server, mut writer) = start(&[]);
    put(&mut writer, "a/b/c", "v");
    let targets = ["?recurse", "a?keys", "a/?recurse", "a/b/?recurse", "a/b/c", "a/b/c?raw", "a/b/c?recurse"];
    for round in ["PUT", "DELETE", "PUT"] {
        let waiting = targets.map(|target| {
            let mut client = server.client();
            let index = ask(&mut client, "GET", target, b"").index().expect("an index");
            wait_for(&mut client, target, index);
            (client, index)
        });
        let mut bystander = server.client();
        put(&mut writer, "b/x", round);
        let index = ask(&mut bystander, "GET", "b/?recurse", b"").index().expect("an index");
        wait_for(&mut bystander, "b/?recurse", index);
        ask(&mut writer, round, "a/b/c", round.as_bytes());
        for ((mut client, index), target) in waiting.into_iter().zip(targets) {
            assert!(client.answered_within(PATIENCE).expect("it is open"), "{round} {target}");
            assert!(client.receive().expect("an answer").index() > Some(index), "{round} {target}");
        }
        assert!(!bystander.answered_within(Duration::from_millis(200)).expect("it is open"), "{round}");
    }
}

/// A thousand follow one prefix while it changes: none misses the last change.
#[test]
fn no_follower_misses_the_last_change() {
    let (server, mut writer) = start(&[]);
    put(&mut writer, "p/x", "0");
    let server = &server;
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(move || {
                let (mut client, mut index) = (server.client(), 0);
                loop {
                    let answer = ask(&mut client, "GET", &format!("p/?recurse&index={index}&wait=60s"), b"");
                    assert!(answer.index() > Some(index) || index == 0, "answered for nothing");
                    index = answer.index().expect("an index");
                    // "end" in base64.
                    if answer.json()[0]["Value"] == "ZW5k" {
                        return;
                    }
                }
            });
        }
        for number in 0..100 {
            put(&mut writer, "p/x", &number.to_string());
        }
        put(&mut writer, "p/x", "end");
    });
}
