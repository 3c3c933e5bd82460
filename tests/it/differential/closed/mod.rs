//! The differential test once more where access control is on: two servers with the same token that may do everything.
//!
//! Below `tests/differential/closed` stand the chapters of access control itself, written by hand, and the [`matrix`]:
//! requests that are made with each of the [`tokens`] in turn. Start reading at
//! [`muster_guards_as_consul_does`].

mod matrix;
mod tokens;

use serde_json::{Map, Value, json};

use super::judge::{Subject, Tally};
use super::run::Side;
use super::sequence::Sequence;
use super::{consul_or_skipped, judge_each, statement, tell};
use crate::support::process::{MANAGEMENT_TOKEN, Process};

#[test]
fn muster_guards_as_consul_does() {
    guarded(Subject::Muster);
}

#[test]
#[ignore = "proves the sequences and the matrix rather than muster: for those who change either"]
fn consul_guards_as_consul_does() {
    guarded(Subject::Itself);
}

/// Directories of chapters, with what is set for them as well.
const CHAPTERS: &[(&str, &str)] = &[
    ("tests/differential/closed", "{}"),
    ("tests/differential/closed/lists", r#"{"enable_key_list_policy": true}"#),
    ("tests/differential/closed/allow", r#"{"default_policy": "allow"}"#),
];

/// All sequences, those of the matrix once.
pub fn sequences() -> Vec<Sequence> {
    let directories = CHAPTERS.iter().map(|(directory, _)| *directory).chain([matrix::DIRECTORY]);
    directories.flat_map(super::sequences).collect()
}

fn guarded(subject: Subject) {
    let Some(consul) = consul_or_skipped() else { return };
    let start = |acl: &Value| {
        let side = |process| Side::guarded(process, MANAGEMENT_TOKEN);
        let reference = side(Process::consul_guarded(&consul, acl)?)?;
        let other = match subject {
            Subject::Muster => Process::muster_guarded(acl)?,
            Subject::Itself => Process::consul_guarded(&consul, acl)?,
        };
        Ok::<_, String>((reference, side(other)?))
    };
    let mut tally = Tally::new(subject, statement());
    for (directory, set) in CHAPTERS {
        let mut acl = settings();
        let set: Map<String, Value> = serde_json::from_str(set).expect("settings are JSON");
        acl.as_object_mut().expect("an object").extend(set);
        let (reference, other) = start(&acl).unwrap_or_else(|error| panic!("{error}"));
        judge_each(&mut tally, &reference, &other, &super::sequences(directory));
    }
    let (reference, other) = start(&settings()).unwrap_or_else(|error| panic!("{error}"));
    matrix::judge(&mut tally, &reference, &other);
    tell(&tally.report());
    assert_eq!(tally.differences, 0, "see the report above");
}

fn settings() -> Value {
    json!({
        "enabled": true,
        "default_policy": "deny",
        "tokens": {
            "master": MANAGEMENT_TOKEN, "agent": MANAGEMENT_TOKEN, "agent_master": tokens::AGENT_RECOVERY,
        },
    })
}
