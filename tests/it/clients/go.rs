//! The tests that come with Consul's own Go client, as they were published: each starts an agent with the command line
//! and the configuration file that are Consul's, and asks it everything its chapter has.
//!
//! `tests/clients/go/tests.txt` names all of them for the chapters that muster has, with the reason for those that are
//! not run. A test that is not named there fails this one, and so does a name that is no test.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{consul, project};
use crate::support::process::muster_binary;

/// Agents at a time. Each test waits two seconds for its agent, which mostly sleeps.
const PARALLEL: &str = "16";

/// Longest run of a program. The slowest test takes ten seconds; the rest is for a loaded machine.
const TIMEOUT: &str = "300s";

/// What the tests of the client's package are called that belong to the chapters muster has; the package has others.
const OF_OUR_CHAPTERS: &[&str] = &[
    "TestAPI_Agent",
    "TestAPI_Catalog",
    "TestAPI_Health",
    "TestAPI_Node",
    "TestAPI_OperatorRaftGet",
    "TestAPI_Service",
    "TestAPI_Status",
    "TestAgent",
    "TestMember",
];

#[test]
fn the_go_clients_own_tests_of_agent_catalog_health_and_status_pass() {
    pass("api", |name| OF_OUR_CHAPTERS.iter().any(|chapter| name.starts_with(chapter)));
}

#[test]
fn the_go_clients_own_tests_of_watch_pass() {
    pass("watch", |_| true);
}

/// Runs the tests of a program that have no reason not to be run.
fn pass(program: &str, is_ours: impl Fn(&str) -> bool) {
    let path = project(&format!("target/clients/go/{program}.test"));
    if !path.exists() {
        let missing = format!("{}: it is not there; scripts/test-deps installs it", path.display());
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        return eprintln!("skipped: {missing}");
    }
    let named = named(program);
    let listed = output(Command::new(&path).args(["-test.list", "."]));
    let is_test = |name: &&str| name.starts_with("Test") && is_ours(name);
    let listed: BTreeSet<&str> = listed.lines().filter(is_test).collect();
    let known: BTreeSet<&str> = named.keys().map(String::as_str).collect();
    assert_eq!(known, listed, "left: tests/clients/go/tests.txt; right: the tests there are");

    let run = named.iter().filter(|(_, reason)| reason.is_empty()).map(|(name, _)| name.as_str());
    let run: Vec<&str> = run.collect();
    let directory = TempDir::new().expect("a temporary directory can be made");
    let mut command = Command::new(&path);
    command
        .args(["-test.v", "-test.parallel", PARALLEL, "-test.timeout", TIMEOUT])
        .args(["-test.run", &format!("^({})$", run.join("|"))])
        .env("PATH", path_with_consul(directory.path()))
        .env("TMPDIR", directory.path());
    let log = output(&mut command);
    let passed: BTreeSet<&str> =
        log.lines().filter_map(|line| line.strip_prefix("--- PASS: ")?.split(' ').next()).collect();
    let failed: Vec<&&str> = run.iter().filter(|name| !passed.contains(**name)).collect();
    assert!(failed.is_empty(), "{failed:?} did not pass:\n{log}");
    println!("{} of {} tests of {program} run and passed", passed.len(), named.len());
}

/// The tests of a program by name, each with the reason why it is not run; empty for those that are.
fn named(program: &str) -> BTreeMap<String, String> {
    let path = project("tests/clients/go/tests.txt");
    let text = std::fs::read_to_string(path).expect("it is part of the repository");
    let of_program = text.lines().filter_map(|line| line.strip_prefix(program)?.strip_prefix(' '));
    let parts = of_program.map(|line| line.split_once(": ").unwrap_or((line, "")));
    parts.map(|(name, reason)| (name.to_owned(), reason.to_owned())).collect()
}

/// A `PATH` on which `consul` is the program under test.
fn path_with_consul(directory: &Path) -> String {
    let server = match std::env::var("MUSTER_CLIENTS_SERVER").as_deref() {
        Ok("consul") => consul(),
        _ => muster_binary(),
    };
    let programs = directory.join("bin");
    std::fs::create_dir(&programs).expect("a directory can be made");
    symlink(server, programs.join("consul")).expect("a link can be made");
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", programs.display())
}

/// Everything a program prints. How it ends is told by what it prints.
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it can be run");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
