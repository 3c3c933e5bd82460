//! Kills at every call: before the n-th call that changes a file, right after it, and with half of it done when it is a
//! write, for every n of the script. After each the store comes back with what was acknowledged, and the script ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::script::{LAST, acknowledged, data, judge, output, run, start};
use crate::trial::{scratch, side_by_side, trials};

const KINDS: [&str; 3] = ["kill", "torn", "killed"];

const SIGKILL: i32 = 9;

#[test]
fn every_call_may_be_the_last() {
    let calls = calls_of_the_script();
    let trials = trials(calls, &KINDS);
    let found = side_by_side(&trials, |(call, kind)| {
        killed_at(*call, kind).map_err(|sentence| format!("{kind} at call {call}: {sentence}"))
    });
    let wrong: Vec<String> = found.iter().filter_map(|it| it.clone().err()).collect();
    let kills = found.iter().filter(|it| **it == Ok(true)).count();
    println!("{calls} calls, {kills} kills, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The engine's own thread makes a few calls more or less from run to run.
    assert!(kills * 10 >= trials.len() * 9, "{kills} of {} runs were killed", trials.len());
}

/// How many calls the undisturbed script makes.
pub fn calls_of_the_script() -> u64 {
    let scratch = scratch();
    let (directory, count) = (scratch.path().join("run"), scratch.path().join("count"));
    fs::create_dir(&directory).expect("a directory can be made");
    let status = run(&directory, &[("FAULT_COUNT", count.to_str().expect("a path in UTF-8"))]);
    assert!(status.success(), "{status}: {}", output(&directory));
    assert_eq!(acknowledged(&directory), LAST);
    fs::read_to_string(&count).ok().and_then(|text| text.trim().parse().ok()).expect("the calls were counted")
}

/// Whether the script came so far as to be killed.
fn killed_at(call: u64, kind: &str) -> Result<bool, String> {
    let scratch = scratch();
    let directory = scratch.path().join("run");
    fs::create_dir(&directory).map_err(|error| error.to_string())?;
    let status = run(&directory, &[("FAULT_KIND", kind), ("FAULT_AT", &call.to_string())]);
    let was_killed = status.signal() == Some(SIGKILL);
    if !was_killed && !status.success() {
        return Err(format!("the script ended with {status}: {}", output(&directory)));
    }
    let copy = scratch.path().join("copy");
    copy_tree(&directory, &copy);
    judge(&data(&copy), acknowledged(&copy))?;
    let status = run(&directory, &[]);
    let ended_at = start(&data(&directory)).map(|(_, index, _)| index);
    if !status.success() || !matches!(ended_at, Ok(LAST)) {
        return Err(format!("the script does not go on: {status}: {}", output(&directory)));
    }
    Ok(was_killed)
}

/// Copies a directory with its holes.
fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a works");
}
