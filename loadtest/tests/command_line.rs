//! The built program: what it makes of a command line, and how it ends.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// How it ended under a name, and what it said.
fn ends(name: &str, line: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    let output = command.arg0(name).args(line.split_whitespace()).output().expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn exits_say_whose_fault_it_is() {
    let rows = [
        ("list", 0, "discovery"),
        ("", 2, "Usage: loadtest"),
        ("--list", 2, "unexpected argument"),
        ("run discovery --rate many", 2, "it is no number: write one"),
        ("run nothing-of-that-name", 1, "is neither a file"),
        ("run discovery --http-addr unix:///nowhere/s", 1, "HOST:PORT"),
    ];
    for (line, code, expected) in rows {
        let (ended_as, said) = ends("loadtest", line);
        assert!(ended_as == Some(code) && said.contains(expected), "{line}: {ended_as:?}: {said}");
    }
}

/// `muster bench` starts it so, and whoever reads its help is to see what to type.
#[test]
fn it_calls_itself_what_it_is_called() {
    let (code, said) = ends("muster bench", "run --help");
    assert!(code == Some(0) && said.contains("Usage: muster bench run"), "{code:?}: {said}");
}
