//! The differential test: the same requests to a real Consul and to muster, and every difference between the answers.
//!
//! `tests/differential/*.http` holds the requests ([`sequence`]), `docs/compatibility.md` the differences muster means
//! ([`rows`]), [`normalise`] those no two servers can avoid. What is left is a failure. Start reading at
//! [`muster_answers_as_consul_does`].
//!
//! `MUSTER_DIFFERENTIAL=self` compares Consul with a second Consul, which proves the sequences and the comparison;
//! `MUSTER_DIFFERENTIAL_ONLY=text` runs the sequences whose `chapter: title` contains the text.

mod compare;
mod listener;
mod normalise;
mod rows;
mod run;
mod sequence;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::process::Process;
use compare::{Difference, at, compare};
use rows::Statement;
use run::Side;
use sequence::{Sequence, Step};

/// What is compared with Consul.
#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Muster,
    /// A second Consul: there must be no difference at all, and every mutant of an answer must be told from it.
    Itself,
}

#[test]
fn muster_answers_as_consul_does() {
    let subject = match std::env::var("MUSTER_DIFFERENTIAL").as_deref() {
        Ok("self") => Subject::Itself,
        _ => Subject::Muster,
    };
    let consul = match find_consul() {
        Ok(consul) => consul,
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("no Consul to compare with: {reason}")
        }
        Err(reason) => return tell(&format!("skipped: the differential test has no Consul: {reason}")),
    };
    let start = || {
        let reference = Side::new(Process::consul(&consul)?)?;
        let other = match subject {
            Subject::Muster => Process::muster(&[])?,
            Subject::Itself => Process::consul(&consul)?,
        };
        Ok::<_, String>((reference, Side::new(other)?))
    };
    let (reference, subject_side) = start().unwrap_or_else(|error| panic!("{error}"));
    let only = std::env::var("MUSTER_DIFFERENTIAL_ONLY").unwrap_or_default();
    let sequences = sequences().into_iter().filter(|sequence| sequence.to_string().contains(&only));

    let mut tally = Tally::new(subject);
    for sequence in sequences {
        let port = run::closed_port();
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| reference.run(&sequence, port));
            let right = subject_side.run(&sequence, port);
            (left.join().unwrap_or_else(|_| Err("the run panicked".to_owned())), right)
        });
        tally.judge(&sequence, left, right);
    }
    tell(&tally.report());
    assert_eq!(tally.differences, 0, "see the report above");
}

#[test]
fn document_and_sequences_name_the_same_rows() {
    let used: BTreeSet<String> = sequences()
        .iter()
        .flat_map(|sequence| &sequence.steps)
        .flat_map(|step| step.differs.iter().map(|differs| differs.row.clone()))
        .collect();
    assert_eq!(statement().rows, used, "left: rows of docs/compatibility.md; right: rows the sequences use");
}

/// The outcome so far.
struct Tally {
    statement: Statement,
    subject: Subject,
    sequences: usize,
    steps: usize,
    differences: usize,
    mutants: usize,
    lines: Vec<String>,
}

impl Tally {
    fn new(subject: Subject) -> Tally {
        let lines = Vec::new();
        Tally { statement: statement(), subject, sequences: 0, steps: 0, differences: 0, mutants: 0, lines }
    }

    fn judge(
        &mut self,
        sequence: &Sequence,
        reference: Result<Vec<Value>, String>,
        subject: Result<Vec<Value>, String>,
    ) {
        self.sequences += 1;
        let before = self.lines.len();
        match (reference, subject) {
            (Ok(reference), Ok(subject)) => {
                for (step, (left, right)) in sequence.steps.iter().zip(reference.iter().zip(&subject)) {
                    self.steps += 1;
                    self.judge_step(step, left, right);
                }
            }
            (left, right) => {
                let errors = [("the reference", left.err()), ("the subject", right.err())];
                for (side, error) in errors {
                    self.lines.extend(error.map(|error| format!("  {side}: {error}")));
                }
            }
        }
        self.differences += self.lines.len() - before;
        if self.lines.len() > before {
            self.lines.insert(before, sequence.to_string());
        }
    }

    fn judge_step(&mut self, step: &Step, reference: &Value, subject: &Value) {
        let mut complaints = claims(step, reference);
        let statement = &self.statement;
        let allows = |path: &str, object: &_, key: &str| statement.allows(path, object, key);
        match self.subject {
            Subject::Itself => {
                let found = compare(reference, subject, &|_, _, _| false);
                complaints.extend(found.iter().map(Difference::to_string));
                for (place, mutant) in normalise::mutants(reference) {
                    self.mutants += 1;
                    let found = compare(reference, &mutant, &allows);
                    if found.len() != 1 || found[0].path != place {
                        complaints.push(format!("a change at {place} is not told from the original"));
                    }
                }
            }
            Subject::Muster => complaints.extend(undeclared(step, compare(reference, subject, &allows))),
        }
        let name = format!("  line {} {} {}: ", step.line, step.method, step.target);
        self.lines.extend(complaints.into_iter().map(|complaint| format!("{name}{complaint}")));
    }

    fn report(&self) -> String {
        let Tally { sequences, steps, differences, mutants, .. } = self;
        let proof = match self.subject {
            Subject::Itself => format!(" ({mutants} changed answers tried)"),
            Subject::Muster => String::new(),
        };
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        format!("{lines}{sequences} sequences, {steps} steps, {differences} differences{proof}")
    }
}

/// Where Consul itself does not answer what the step says it does.
fn claims(step: &Step, reference: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut claim = |path: &str, wanted: Value| {
        let found = at(reference, path).unwrap_or(&Value::Null);
        if *found != wanted {
            complaints.push(format!("the step says {path} is {wanted}, Consul shows {found}"));
        }
    };
    match &*step.method {
        "LISTEN" | "HANGUP" => {}
        "HITS" => claim("hits", json!(true)),
        "AWAIT" => claim("wake", json!(step.expected)),
        _ if step.background.is_some() => claim("waits", json!(true)),
        _ => {
            claim("status", step.expected.parse::<u16>().map_or(json!(step.expected), |status| json!(status)))
        }
    }
    if step.until.is_some() {
        claim("until", json!(true));
    }
    if let Some(text) = &step.says {
        claim("body", json!(text));
    }
    if let Some(move_of_index) = &step.index {
        claim("index", json!(move_of_index));
    }
    complaints
}

/// The differences no row of the document states for this step, and the statements that are no longer true.
fn undeclared(step: &Step, found: Vec<Difference>) -> Vec<String> {
    let stale =
        step.differs.iter().filter(|differs| !found.iter().any(|difference| differs.states(difference)));
    let stale = stale.map(|differs| format!("{} no longer differs at {}", differs.row, differs.path));
    let unstated =
        found.iter().filter(|difference| !step.differs.iter().any(|differs| differs.states(difference)));
    unstated.map(Difference::to_string).chain(stale).collect()
}

fn sequences() -> Vec<Sequence> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/differential"))
        .expect("tests/differential is part of the repository")
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
fn find_consul() -> Result<PathBuf, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_difference_is_demanded_and_any_other_reported() {
        let step = |text: &str| sequence::parse("c", text).unwrap().remove(0).steps.remove(0);
        let stated = step("== t\n\nGET /x => 500\n# differs: D01 status 500 -> 400");
        let found =
            |left, right| compare(&json!({"status": left}), &json!({"status": right}), &|_, _, _| false);
        assert_eq!(undeclared(&stated, found(500, 400)), [""; 0]);
        assert_eq!(undeclared(&stated, found(500, 500)), ["D01 no longer differs at status"]);
        let both = ["status: 500 -> 404", "D01 no longer differs at status"];
        assert_eq!(undeclared(&stated, found(500, 404)), both);
        assert_eq!(
            claims(&stated, &json!({"status": 404})),
            ["the step says status is 500, Consul shows 404"]
        );
    }
}
