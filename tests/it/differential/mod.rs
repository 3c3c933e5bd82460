//! The differential test: the same requests to a real Consul and to muster, and every difference between the answers.
//!
//! `tests/differential/*.http` holds the requests ([`sequence`]), `docs/compatibility.md` the differences muster means
//! ([`rows`]), [`normalise`] those no two servers can avoid. What is left is a failure ([`judge`]). Start reading at
//! [`muster_answers_as_consul_does`].
//!
//! `MUSTER_DIFFERENTIAL_ONLY=text` runs the sequences whose `chapter: title` contains the text.

mod closed;
mod compare;
mod judge;
pub mod listener;
mod made_ids;
mod normalise;
mod refusal;
mod rows;
mod run;
mod sequence;
mod silent;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::Process;
use judge::{Subject, Tally};
use rows::Statement;
use run::{Side, Targets};
use sequence::Sequence;

#[test]
fn muster_answers_as_consul_does() {
    differential(Subject::Muster);
}

#[test]
#[ignore = "proves the sequences and the comparison rather than muster: for those who change either"]
fn consul_answers_as_consul_does() {
    differential(Subject::Itself);
}

#[test]
fn document_and_sequences_name_the_same_rows() {
    let rows = [sequences(CHAPTERS), closed::sequences()].concat();
    let used: BTreeSet<String> = rows
        .iter()
        .flat_map(|sequence| &sequence.steps)
        .flat_map(|step| step.differs.iter().map(|differs| differs.row.clone()))
        .chain([refusal::ROW.to_owned()])
        .collect();
    assert_eq!(statement().rows, used, "left: rows of docs/compatibility.md; right: rows the sequences use");
}

/// Runs every sequence on Consul and on the subject, at the same time, and fails over what is left.
fn differential(subject: Subject) {
    let Some(consul) = consul_or_skipped() else { return };
    let start = || {
        let reference = Side::new(Process::consul(&consul)?)?;
        let other = match subject {
            Subject::Muster => Process::muster(&["--check-update-interval", "0s"])?,
            Subject::Itself => Process::consul(&consul)?,
        };
        Ok::<_, String>((reference, Side::new(other)?))
    };
    let (reference, other) = start().unwrap_or_else(|error| panic!("{error}"));
    let mut tally = Tally::new(subject, statement());
    judge_each(&mut tally, &reference, &other, &sequences(CHAPTERS));
    tell(&tally.report());
    assert_eq!(tally.differences, 0, "see the report above");
}

/// Runs each of the sequences that are wanted on both sides at the same time, and has it judged.
fn judge_each(tally: &mut Tally, reference: &Side, other: &Side, sequences: &[Sequence]) {
    for sequence in sequences.iter().filter(|sequence| is_wanted(&sequence.to_string())) {
        let targets = Targets::new().expect("free ports");
        let (left, right) = on_both(reference, other, |side| side.run(sequence, &targets));
        tally.judge(sequence, left, right);
    }
}

/// Does the same on both sides at the same time.
fn on_both<T: Send>(reference: &Side, other: &Side, work: impl Fn(&Side) -> T + Sync) -> (T, T) {
    std::thread::scope(|scope| {
        let left = scope.spawn(|| work(reference));
        let right = work(other);
        (left.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), right)
    })
}

/// Whether `MUSTER_DIFFERENTIAL_ONLY` lets that run.
fn is_wanted(name: &str) -> bool {
    std::env::var("MUSTER_DIFFERENTIAL_ONLY").map_or(true, |only| name.contains(&only))
}

/// A real Consul; without one the test is passed over, but not where all tests must run.
fn consul_or_skipped() -> Option<PathBuf> {
    let reason = match find_consul() {
        Ok(consul) => return Some(consul),
        Err(reason) => reason,
    };
    assert!(std::env::var("CI").map_or(true, |ci| ci != "true"), "no Consul to compare with: {reason}");
    tell(&format!("1 test skipped: no Consul to compare with: {reason}"));
    None
}

/// Where the chapters stand.
const CHAPTERS: &str = "tests/differential";

/// All sequences of the files in a directory.
fn sequences(directory: &str) -> Vec<Sequence> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(directory))
        .expect("the sequences are part of the repository")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "http"))
        .collect();
    files.sort();
    let parse = |path: &PathBuf| {
        let chapter = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a readable file");
        sequence::parse(&chapter, &text).unwrap_or_else(|error| panic!("{error}"))
    };
    files.iter().flat_map(parse).collect()
}

fn statement() -> Statement {
    let path = root().join("docs/compatibility.md");
    Statement::parse(&fs::read_to_string(path).expect("docs/compatibility.md is part of the repository"))
}

/// The path of a real Consul, fetched if need be.
pub fn find_consul() -> Result<PathBuf, String> {
    let output = Command::new(root().join("scripts/peers")).arg("consul").output();
    let output = output.map_err(|error| format!("scripts/peers: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Writes past the capture of the test harness: a skipped comparison and the summary are to be seen on success, too.
fn tell(text: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}
