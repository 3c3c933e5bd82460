//! Errors at every call: the n-th call that changes a file fails, once or from then on, for every n of the script. The
//! process never dies of it. A full disk that was full once is got over without a restart; any other failure ends the
//! acknowledgements, with a sentence, and the next start finds what was acknowledged.

use std::fs;

use crate::kills::calls_of_the_script;
use crate::script::{IN_DOUBT, LAST, acknowledged, data, judge, output, refusal, run};
use crate::trial::{scratch, side_by_side, trials};

/// Kind, and whether every call from the n-th on fails.
const FAULTS: [(&str, bool); 7] = [
    ("eio", false),
    ("eio", true),
    ("enospc", false),
    ("enospc", true),
    ("edquot", false),
    ("edquot", true),
    ("short", false),
];

#[test]
fn every_call_may_fail() {
    let calls = calls_of_the_script();
    let trials = trials(calls, &FAULTS);
    let found = side_by_side(&trials, |(call, (kind, is_sticky))| {
        let said = |sentence| format!("{kind} at call {call}, sticky {is_sticky}: {sentence}");
        failing_at(*call, kind, *is_sticky).map_err(said)
    });
    let wrong: Vec<String> = found.iter().filter_map(|it| it.clone().err()).collect();
    let refused = found.iter().filter(|it| **it == Ok(false)).count();
    let passed = found.len() - refused - wrong.len();
    println!("{} failures: {passed} got over, {refused} refused, {} wrong", found.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(passed > 0 && refused > 0, "both ways were seen");
}

/// Whether the script came to its end in spite of the failure.
fn failing_at(call: u64, kind: &str, is_sticky: bool) -> Result<bool, String> {
    let scratch = scratch();
    let directory = scratch.path().join("run");
    fs::create_dir(&directory).map_err(|error| error.to_string())?;
    let (at, sticky) = (call.to_string(), i32::from(is_sticky).to_string());
    let status = run(&directory, &[("FAULT_KIND", kind), ("FAULT_AT", &at), ("FAULT_STICKY", &sticky)]);
    if !status.success() {
        return Err(format!("the script ended with {status}: {}", output(&directory)));
    }
    let refusal = refusal(&directory);
    if let Some(sentence) = refusal.as_ref().filter(|_| kind == "short") {
        return Err(format!("a short write is nobody's business: {sentence}"));
    }
    let acknowledged = acknowledged(&directory);
    if refusal.is_none() && acknowledged != LAST {
        return Err(format!("the script ended at {acknowledged} without a word"));
    }
    let found = judge(&data(&directory), acknowledged);
    let found = found.map_err(|sentence| format!("{sentence} (after {refusal:?})"))?;
    // Three outcomes: done, not done, and not known; that last one is said.
    match refusal {
        None => Ok(true),
        Some(sentence) if found > acknowledged && !sentence.contains(IN_DOUBT) => {
            Err(format!("{found} is there, which was refused: {sentence}"))
        }
        Some(_) => Ok(false),
    }
}
