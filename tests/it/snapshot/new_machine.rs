//! A machine that is new, and a snapshot: nobody sees less than all of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::made_up::{self, THEIRS, check, program, service};
use super::{register, said, services, snapshot, succeeds, text, with_operators};
use crate::support::network;
use crate::support::process::Process;

#[test]
fn an_agent_starts_on_a_snapshot() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let (file, index) = {
        let (lost, admin) = with_operators(&[]);
        let mut client = lost.client();
        register(&mut client, "a", "web", 1);
        register(&mut client, "b", "db", 2);
        succeeds(&["snapshot", "save", text(&at("everything")), "-http-addr", &admin]);
        (at("everything"), client.get("/v1/health/service/db").expect("an answer").index().expect("an index"))
    };
    let expected = [("a".to_owned(), 1), ("b".to_owned(), 2)];
    let made = succeeds(&["store", "restore", text(&file), "--into", text(&at("made"))]);
    assert!(made.contains("start muster with --data-dir"), "{made}");
    let (code, sentence) = said(&["store", "restore", text(&file), "--into", text(&at("made"))]);
    assert!(code == 1 && sentence.contains("is there already"), "{code} {sentence}");
    let restored = Process::muster_on(&at("made"), &[]).expect("it starts");
    assert_eq!(services(&mut restored.client()), expected);
    let passing = restored.client().get("/v1/health/service/web?passing").expect("an answer");
    assert_eq!(passing.json().as_array().map(Vec::len), Some(1), "with its status: {}", passing.text());
    assert!(passing.index() >= Some(index), "the index does not go back");
    drop(restored);

    let begin = |name: &str, file: &str| Process::muster_on(&at(name), &["--restore", file]);
    let mut first = begin("begun", text(&file)).expect("it starts");
    assert_eq!(services(&mut first.client()), expected, "with its first answer");
    let note = format!("restored {} of index ", file.display());
    assert!(first.log().contains(&note), "{}", first.log());
    register(&mut first.client(), "c", "web", 3);
    first.stop().expect("it ends");
    let again = begin("begun", text(&file)).expect("it starts again");
    assert_eq!(services(&mut again.client()).len(), 3, "a directory that is there is not restored over");
    assert!(again.log().contains("is not restored"), "{}", again.log());
    drop(again);
    let below =
        begin("deep/er/data", text(&file)).expect("it starts where nothing is yet, as without a snapshot");
    assert_eq!(services(&mut below.client()), expected);
    drop(below);
    fs::write(at("cut"), &fs::read(&file).expect("it is there")[..300]).expect("it can be written");
    for file in ["cut", "nowhere"] {
        let Err(said) = begin("never", text(&at(file))) else { panic!("it starts on {file}") };
        assert!(said.contains("is not restored") && !at("never").exists(), "{said}");
    }
    let (code, sentence) = said(&["agent", "--dev", "--restore", text(&file)]);
    assert!(code == 1 && sentence.contains("--restore needs a data directory"), "{code} {sentence}");
}

#[test]
fn a_directory_that_is_there_and_empty_is_filled() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let (lost, admin) = with_operators(&[]);
    register(&mut lost.client(), "a", "web", 1);
    succeeds(&["snapshot", "save", text(&at("everything")), "-http-addr", &admin]);
    let (file, expected) = (at("everything"), [("a".to_owned(), 1)]);
    let begin = |data: &Path| Process::muster_on(data, &["--restore", text(&file)]);

    // As systemd makes it, and as `mkfs` and an agent that was never there leave it.
    for (name, entries) in [("empty", &[][..]), ("volume", &["lost+found", "LOCK"])] {
        fs::create_dir(at(name)).expect("a directory can be made");
        for entry in entries {
            let path = at(name).join(entry);
            let made = if *entry == "LOCK" { fs::write(path, "") } else { fs::create_dir(path) };
            made.expect("an entry can be made");
        }
        let begun = begin(&at(name)).expect("it starts");
        assert_eq!(services(&mut begun.client()), expected, "{name}");
        assert!(!at(name).join("restoring").exists());
    }
    fs::create_dir(at("made")).expect("a directory can be made");
    succeeds(&["store", "restore", text(&file), "--into", text(&at("made"))]);
    let made = Process::muster_on(&at("made"), &[]).expect("it starts");
    assert_eq!(services(&mut made.client()), expected);

    fs::create_dir(at("theirs")).expect("a directory can be made");
    fs::write(at("theirs").join("notes.txt"), "theirs").expect("a file can be made");
    let words =
        "is there already, and \"notes.txt\" in it: give a directory that is not there, or an empty one";
    let Err(refusal) = begin(&at("theirs")) else { panic!("it starts beside notes") };
    assert!(refusal.contains(words), "{refusal}");
    let (code, refusal) = said(&["store", "restore", text(&file), "--into", text(&at("theirs"))]);
    assert!(code == 1 && refusal.contains(words), "{refusal}");
    assert_eq!(fs::read_dir(at("theirs")).expect("it lists").count(), 1, "nothing was written");

    // Another is mounted there, so that it can be neither replaced nor renamed.
    network::or_skipped(network::apart(&[], "", || {
        fs::create_dir(at("mounted")).expect("a directory can be made");
        let mount = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(at("mounted")).status();
        assert!(mount.expect("mount runs").success());
        let begun = begin(&at("mounted")).expect("it starts");
        assert_eq!(services(&mut begun.client()), expected);
    }));
}

#[test]
fn a_restoration_that_was_killed_leaves_an_empty_start_that_says_so() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    // As a kill between two of its steps leaves it: some parts in their places, and the identity not.
    drop(Process::muster_on(&data, &[]).expect("it starts"));
    fs::create_dir(data.join("restoring")).expect("a directory can be made");
    fs::rename(data.join("identity.json"), data.join("restoring/identity.json")).expect("it can be moved");
    let muster = Process::muster_on(&data, &[]).expect("it starts");
    assert!(muster.log().contains("was not finished"), "{}", muster.log());
    assert!(services(&mut muster.client()).is_empty() && !data.join("restoring").exists());
}

#[test]
fn a_program_that_was_restored_is_kept_and_not_run() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    let touch = |name: &str| format!("echo run >> {}", at(name).display());
    let definition = program(1, &["/bin/sh", "-c", &touch("evil")]);
    let rows = [
        service(THEIRS, "web", json!({ "port": 8 })),
        check(THEIRS, "evil", json!({ "definition": definition, "kind": "script" })),
    ];
    fs::write(at("made-up"), made_up::snapshot(9, &rows)).expect("it can be written");
    let (code, sentence) = said(&["store", "restore", text(&at("made-up")), "--into", text(&at("data"))]);
    assert!(code == 1 && sentence.contains("the node of the agent"), "{code} {sentence}");
    // The agent is called otherwise here, and knows its node by the id.
    let (table, key, mut its_node) = made_up::node(THEIRS);
    its_node["id"] = json!(made_up::THEIR_ID);
    let rows: Vec<_> = [(table, key, its_node)].into_iter().chain(rows).collect();
    fs::write(at("made-up"), made_up::snapshot(9, &rows)).expect("it can be written");
    succeeds(&["store", "restore", text(&at("made-up")), "--into", text(&at("data"))]);
    fs::create_dir(at("files")).expect("a directory can be made");
    let own =
        json!({ "id": "own", "name": "own", "args": ["/bin/sh", "-c", touch("own")], "interval": "1s" });
    fs::write(at("files/own.json"), json!({ "checks": [own] }).to_string()).expect("it can be written");
    let arguments = ["--config-dir", text(&at("files")), "--enable-local-script-checks"].map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let muster = Process::muster_on(&at("data"), &arguments).expect("it starts");
    let begun = Instant::now();
    while fs::read_to_string(at("own")).map_or(0, |text| text.lines().count()) < 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the check of the file is run");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!at("evil").exists(), "{}", muster.log());
    assert!(muster.log().contains("no definition file holds it like that"), "{}", muster.log());
    assert_eq!(
        muster.client().get("/v1/agent/checks").expect("an answer").json()["evil"]["Status"],
        "critical"
    );
}

#[test]
fn links_in_a_data_directory_are_not_followed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    fs::write(at("precious"), "precious").expect("it can be written");
    for (name, is_hard) in [("soft", false), ("hard", true)] {
        fs::create_dir(at(name)).expect("a directory can be made");
        let lock = at(name).join("LOCK");
        let made = if is_hard { fs::hard_link(at("precious"), lock) } else { symlink(at("precious"), lock) };
        made.expect("a link can be made");
        let Err(said) = Process::muster_on(&at(name), &[]) else { panic!("it starts on a {name} link") };
        assert!(said.contains("LOCK"), "{said}");
    }
    // What is made anew takes the link's place, and leaves alone what that led to.
    for name in ["identity.json.unfinished", "witness", "room.trial"] {
        let data = at(&format!("data-{name}"));
        fs::create_dir(&data).expect("a directory can be made");
        if name != "witness" {
            symlink(at("precious"), data.join(name)).expect("a link can be made");
        }
        let mut muster = Process::muster_on(&data, &[]).expect("it starts");
        muster.stop().expect("it ends");
        if name == "witness" {
            fs::rename(data.join(name), at("witness")).expect("it can be moved");
            symlink(at("witness"), data.join(name)).expect("a link can be made");
            let Err(said) = Process::muster_on(&data, &[]) else { panic!("it follows a link") };
            assert!(said.contains("witness"), "{said}");
        }
    }
    assert_eq!(fs::read(at("precious")).expect("it is there"), b"precious");
    // Nor are directories, whatever is in what they lead to.
    fs::create_dir(at("theirs")).expect("a directory can be made");
    let data = at("data-directories");
    for name in ["snapshots", "rows"] {
        Process::muster_on(&data, &[]).expect("it starts").stop().expect("it ends");
        let is_moved = fs::rename(data.join(name), at("moved")).is_ok();
        symlink(at(if is_moved { "moved" } else { "theirs" }), data.join(name)).expect("a link can be made");
        let Err(said) = Process::muster_on(&data, &[]) else { panic!("it follows {name}") };
        assert!(said.contains(name) && said.contains("none is followed"), "{said}");
        let _ = fs::remove_file(data.join(name));
    }
    assert_eq!(fs::read_dir(at("theirs")).expect("it is there").count(), 0, "nothing was made there");
}

#[test]
fn slow_snapshots_keep_no_other_from_being_saved_or_restored() {
    let muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    register(&mut client, "kept", "kept", 1);
    let bytes = snapshot(&mut client);
    let slow: Vec<std::net::TcpStream> = (0..8)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(muster.address).expect("it takes a connection");
            let head = format!(
                "PUT /v1/snapshot HTTP/1.1\r\nHost: {}\r\nContent-Length: 1000\r\n\r\n",
                muster.address
            );
            std::io::Write::write_all(&mut stream, head.as_bytes()).expect("it can be sent");
            std::io::Write::write_all(&mut stream, &bytes[..100]).expect("it can be sent");
            stream
        })
        .collect();
    // All of them are being received: the gauge counts their connections.
    let metrics =
        |client: &mut crate::support::client::Client| client.get("/metrics").expect("an answer").text();
    let begun = Instant::now();
    while !metrics(&mut client).lines().any(|line| line == "muster_http_connections 9") {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", metrics(&mut client));
    }
    for _ in 0..3 {
        assert_eq!(client.get("/v1/snapshot").expect("an answer").status, 200);
        let (status, sentence) = super::restore(&mut client, "/v1/snapshot", &bytes);
        assert_eq!(status, 200, "{sentence}");
    }
    drop(slow);
}
