//! Keys come along: in snapshots, to new machines, and from a Consul.

use std::process::Command;

use serde_json::json;

use super::{ask, keys, put, raw, start};
use crate::differential::find_consul;
use crate::support::client::{Client, Request};
use crate::support::process::{Process, muster_binary};

fn snapshot(client: &mut Client) -> Vec<u8> {
    let answer = client.request(&Request::new("GET", "/v1/snapshot")).expect("an answer");
    assert_eq!(answer.status, 200);
    answer.body
}

#[test]
fn a_restoration_brings_keys_back_and_takes_others_away() {
    let (_server, mut client) = start(&[]);
    put(&mut client, "a/kept?flags=3", "one");
    put(&mut client, "a/changed", "two");
    let (taken, kept) = (snapshot(&mut client), ask(&mut client, "GET", "a/kept", b"").json());
    put(&mut client, "a/changed", "three");
    put(&mut client, "a/new", "four");
    let index = ask(&mut client, "GET", "a/?keys", b"").index();
    let request = |target: &str| Request::new("PUT", target).body(taken.clone());
    let rehearsed = client.request(&request("/v1/snapshot?dry-run")).expect("an answer").json();
    let expected = json!({
        "Added": {"Count": 0, "First": []},
        "Changed": {"Count": 1, "First": ["a/changed"]},
        "Removed": {"Count": 1, "First": ["a/new"]},
    });
    assert_eq!(rehearsed["Changes"]["Keys"], expected);
    assert_eq!(raw(&mut client, "a/changed"), "three", "nothing is done yet");
    let answer = client.request(&request("/v1/snapshot")).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(keys(&mut client, ""), json!(["a/changed", "a/kept"]));
    assert_eq!(raw(&mut client, "a/changed"), "two");
    assert_eq!(ask(&mut client, "GET", "a/kept", b"").json(), kept);
    assert!(ask(&mut client, "GET", "a/?keys", b"").index() > index);

    // Another machine, which has never seen them.
    let (mut other, mut client) = start(&[]);
    put(&mut client, "other", "v");
    let answer = client.request(&request("/v1/snapshot")).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    other.kill();
    other.start_again().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(keys(&mut other.client(), ""), json!(["a/changed", "a/kept"]));
}

#[test]
fn a_consuls_keys_are_imported_and_compared() {
    let consul = match find_consul() {
        Ok(binary) => Process::consul(&binary).unwrap_or_else(|error| panic!("{error}")),
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{reason}"),
        Err(reason) => return println!("1 test skipped: {reason}"),
    };
    let (server, mut client) = start(&[]);
    let mut source = consul.client();
    for (target, value) in [("a/b?flags=9", "one"), ("a/c", ""), ("z%20%C3%A9?flags=1", "two")] {
        put(&mut source, target, value);
    }
    put(&mut client, "a/c", "else");
    put(&mut client, "own", "stays");
    let muster = |command: &str| {
        let (from, to) = (format!("http://{}", consul.address), format!("http://{}", server.address));
        let arguments = match command {
            "import" => vec![command.to_owned(), "--from".into(), from, "--http-addr".into(), to],
            _ => vec![command.to_owned(), from, to],
        };
        let output = Command::new(muster_binary()).args(arguments).output().expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = muster("import");
    assert!(code == Some(0) && said.contains("3 keys"), "{said}");
    assert_eq!(keys(&mut client, ""), json!(["a/b", "a/c", "own", "z é"]));
    assert_eq!(ask(&mut client, "GET", "a/b", b"").json()[0]["Flags"], json!(9));
    assert_eq!(raw(&mut client, "a/c"), "");
    let (_, said) = muster("compare");
    assert!(said.contains("key own | is missing | is there") && !said.contains("key a/"), "{said}");
    let (_, said) = muster("import");
    assert!(said.contains("0 keys written"), "{said}");
}
