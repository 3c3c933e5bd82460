//! The data directory: private, for one process at a time, never somebody else's, never a later version's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::files::{copy, mode, tree};
use crate::support::client::Client;
use crate::support::process::Process;

/// A start on `data_dir` must be refused in `words`, and nothing in the directory may have changed.
fn assert_refused(data_dir: &Path, words: &[&str], what: &str) {
    let (before, rights) = (tree(data_dir), mode(data_dir));
    let said = Process::muster_on(data_dir, &[]).err().unwrap_or_else(|| panic!("{what}: it starts"));
    assert_refusal(&said, words, what);
    assert!(tree(data_dir) == before, "{what}: the files are as they were");
    assert_eq!(mode(data_dir), rights, "{what}: the rights are as they were");
}

/// What a failed start said: that it ended by itself with 1, and a sentence that holds all of `words`.
pub fn assert_refusal(said: &str, words: &[&str], what: &str) {
    for word in ["(exit status: 1)"].iter().chain(words) {
        assert!(said.contains(word), "{what}: it says {word:?}: {said}");
    }
    assert!(!said.contains("panic"), "{what}: a sentence, no panic: {said}");
}

fn register(client: &mut Client, name: &str) {
    let body = json!({"Name": name, "Port": 80}).to_string();
    assert_eq!(client.put("/v1/agent/service/register", &body).expect("an answer").status, 200);
}

fn services(client: &mut Client) -> Vec<String> {
    let services = client.get("/v1/agent/services").expect("an answer").json();
    services.as_object().into_iter().flatten().map(|(id, _)| id.clone()).collect()
}

fn node_id(client: &mut Client) -> String {
    let own = client.get("/v1/agent/self").expect("an answer").json();
    own["Config"]["NodeID"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn it_is_private_from_the_start_and_made_private_again() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let directory = process.data_dir();
    assert_eq!(mode(&directory), 0o700);
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("rights can be set");
    process.start_again().expect("muster starts again");
    assert_eq!(mode(&directory), 0o700);
    for (name, (mode, bytes)) in tree(&directory) {
        let is_secret =
            !["rows"].contains(&name.iter().next().and_then(|it| it.to_str()).unwrap_or_default());
        if is_secret && bytes.is_some() {
            assert_eq!(mode & 0o077, 0, "{} is for its owner only", name.display());
        }
    }
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web");
    let holder = format!("process {}", process.pid());
    for _ in 0..3 {
        // The first one may be writing in the background, so its files are not compared here.
        let said = Process::muster_on(&process.data_dir(), &[]).err().expect("the second process is refused");
        assert_refusal(&said, &["LOCK", &holder, "--data-dir"], "a second process");
        register(&mut client, "db");
        assert_eq!(services(&mut client), ["db", "web"]);
    }
    process.kill();
    process.start_again().expect("muster starts again");
    assert_eq!(services(&mut process.client()), ["db", "web"]);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let rows: [&[&str]; 3] =
        [&["notes.txt"], &["raft/raft.db", "serf/local.snapshot"], &["LOCK", "notes.txt"]];
    for names in rows {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in names {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
            fs::write(path, "theirs").expect("a file can be written");
        }
        let place = directory.path().to_str().expect("a path in UTF-8");
        assert_refused(directory.path(), &[place, "not muster's", "--data-dir"], names[0]);
    }
}

#[test]
fn a_later_format_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    drop(Process::muster_on(directory.path(), &[]).expect("muster starts"));
    let path = directory.path().join("identity.json");
    let text = fs::read_to_string(&path).expect("the identity can be read");
    let mut identity: serde_json::Value = serde_json::from_str(&text).expect("the identity is JSON");
    let later = identity["format"].as_u64().expect("a format") + 1;
    identity["format"] = json!(later);
    fs::write(&path, identity.to_string()).expect("the identity can be written");
    let words = ["identity.json", &format!("format {later}"), "Run the version that wrote it"];
    assert_refused(directory.path(), &words, "a later format");
    fs::write(&path, text).expect("the identity can be written");
    drop(Process::muster_on(directory.path(), &[]).expect("it starts with its own format"));
}

#[test]
fn an_emptied_directory_is_a_first_start_and_a_plundered_one_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut process = Process::muster_on(directory.path(), &[]).expect("muster starts");
    register(&mut process.client(), "web");
    let first_id = node_id(&mut process.client());
    process.kill();
    let kept = tempfile::tempdir().expect("a temporary directory");
    copy(&directory.path().join("."), kept.path());

    let rows: [(&[&str], &str); 4] = [
        (&["rows", "witness", "LOCK"], "witness"),
        (&["rows"], "rows"),
        (&["witness"], "witness"),
        (&["identity.json"], "identity.json"),
    ];
    for (removed, named) in rows {
        let plundered = tempfile::tempdir().expect("a temporary directory");
        copy(&kept.path().join("."), plundered.path());
        for name in removed {
            let path = plundered.path().join(name);
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.expect("a part can be removed");
        }
        assert_refused(plundered.path(), &[named, "it is missing"], &format!("without {removed:?}"));
    }
    fs::remove_dir_all(directory.path().join("rows")).expect("rows can be removed");
    fs::create_dir(directory.path().join("rows")).expect("rows can be made");
    assert_refused(directory.path(), &["rows", "damaged"], "with nothing in rows");

    for entry in fs::read_dir(directory.path()).expect("it can be listed") {
        let path = entry.expect("an entry").path();
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        gone.expect("everything can be removed");
    }
    let process = Process::muster_on(directory.path(), &[]).expect("an empty directory is a first start");
    assert!(services(&mut process.client()).is_empty());
    assert_ne!(node_id(&mut process.client()), first_id, "a new node, not the old one with its memory lost");
}
