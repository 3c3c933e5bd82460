//! What the program says when it cannot begin, with the cause made real: the remedy must be one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::process::{Process, free_port, muster_binary};

/// Runs the program to its end; whether it went well, and all it said.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn agent(data_dir: &Path, further: &[&str]) -> (bool, String) {
    let mut command = Command::new(muster_binary());
    command.args(["agent", "-http-addr", &format!("127.0.0.1:{}", free_port())]).args(further);
    run(command.arg("-data-dir").arg(data_dir).current_dir(data_dir.parent().expect("a parent")))
}

#[test]
fn an_address_with_a_scheme_is_told_to_have_none() {
    for (address, said) in
        [("https://0.0.0.0:8500", "the setting https_addr"), ("http://127.0.0.1:1", "without `http://`")]
    {
        let (_, text) = run(Command::new(muster_binary()).args(["validate", "-http-addr", address]));
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn pages_ship_with_the_program() {
    for (words, said) in [(&["help", "configuration"][..], "# Configuration"), (&["help"], "Pages")] {
        let (is_good, text) = run(Command::new(muster_binary()).args(words));
        assert!(is_good && text.contains(said), "{text}");
    }
}

#[test]
fn files_of_another_owner_are_named_themselves() {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let data_dir = parent.path().join("data");
    drop(Process::muster_on(&data_dir, &[]).expect("muster starts"));
    let journal = data_dir.join("rows/0.jnl");
    assert!(journal.is_file(), "{journal:?}");
    // Root reads everything, so the program runs as somebody else, to whom all but this file belongs.
    let binary = parent.path().join("muster");
    fs::copy(muster_binary(), &binary).expect("it can be copied");
    for path in [parent.path(), &binary] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("rights can be set");
    }
    let own = run(Command::new("chown").arg("-R").arg("65532:65532").arg(&data_dir));
    if !own.0 {
        println!("skipped: only root can give files away");
        return;
    }
    run(Command::new("chown").arg("0:0").arg(&journal));
    fs::set_permissions(&journal, fs::Permissions::from_mode(0o600)).expect("rights can be set");
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65532", "--regid=65532", "--clear-groups"]).arg(&binary);
    command
        .args(["agent", "-http-addr", &format!("127.0.0.1:{}", free_port())])
        .arg("-data-dir")
        .arg(&data_dir);
    let (_, text) = run(command.current_dir(parent.path()));
    assert!(text.contains("rows/0.jnl: Permission denied") && text.contains("the owner of"), "{text}");
}

#[test]
fn a_path_that_is_a_file_is_told_so() {
    let parent = tempfile::tempdir().expect("a temporary directory");
    let file = parent.path().join("file");
    fs::write(&file, "x").expect("a file can be written");
    let (_, text) = agent(&file, &[]);
    assert!(text.contains("give --data-dir a directory"), "{text}");
    let socket = format!("unix://{}/absent/s", parent.path().display());
    let (_, text) = agent(&parent.path().join("data"), &["-http-addr", &socket]);
    assert!(text.contains("the directory of the socket is not there"), "{text}");
}

#[test]
fn no_certificate_authority_is_told_at_the_start() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let nowhere = directory.path();
    let environment = [("SSL_CERT_FILE", nowhere), ("SSL_CERT_DIR", nowhere)];
    let process = Process::muster_with(&[], &environment).expect("muster starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !process.log().contains("no certificate authority is trusted") {
        assert!(Instant::now() < deadline, "{}", process.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}
