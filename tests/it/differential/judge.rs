//! Judges what a sequence showed on both sides: every difference that no row states, every row that states too much, and
//! every claim of a step that Consul itself does not fulfil. Pure; knows no server.

use serde_json::{Value, json};

use super::compare::{Difference, at, compare};
use super::normalise::mutants;
use super::refusal;
use super::rows::Statement;
use super::sequence::{Claim, Sequence, Step};

/// What is compared with Consul.
#[derive(Clone, Copy, PartialEq)]
pub enum Subject {
    Muster,
    /// A second Consul: there must be no difference at all, and every mutant of an answer must be told from it.
    Itself,
}

/// The outcome so far.
pub struct Tally {
    statement: Statement,
    subject: Subject,
    sequences: usize,
    steps: usize,
    /// Places where the answers differ and nothing states it, and claims of steps that do not hold.
    pub differences: usize,
    mutants: usize,
    lines: Vec<String>,
}

impl Tally {
    pub fn new(subject: Subject, statement: Statement) -> Tally {
        let lines = Vec::new();
        Tally { statement, subject, sequences: 0, steps: 0, differences: 0, mutants: 0, lines }
    }

    /// Compares what both sides showed of one sequence, or notes why a side showed nothing.
    pub fn judge(
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
        if step.claim() == Some(Claim::Undone) {
            return;
        }
        let mut complaints = claims(step, reference);
        let statement = &self.statement;
        let allows = |path: &str, object: &_, key: &str| statement.allows(path, object, key);
        match self.subject {
            Subject::Itself => {
                let found = compare(reference, subject, &|_, _, _| false);
                complaints.extend(found.iter().map(Difference::to_string));
                for (place, mutant) in mutants(reference) {
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

    /// Notes what the steps of a sequence state though none of its runs shows it.
    pub fn judge_statements(&mut self, sequence: &Sequence, runs: &[(&Vec<Value>, &Vec<Value>)]) {
        if self.subject == Subject::Itself {
            return;
        }
        for (at, step) in sequence.steps.iter().enumerate() {
            let shown = runs.iter().filter_map(|(left, right)| Some((left.get(at)?, right.get(at)?)));
            let found: Vec<Difference> =
                shown.flat_map(|(left, right)| compare(left, right, &|_, _, _| false)).collect();
            for differs in &step.differs {
                if !found.iter().any(|difference| differs.states(difference)) {
                    let (row, path, line) = (&differs.row, &differs.path, step.line);
                    self.complain(format!("{sequence}: line {line}: {row} no longer differs at {path}"));
                }
            }
        }
    }

    /// Notes something about the sequences together.
    pub fn complain(&mut self, complaint: String) {
        self.differences += 1;
        self.lines.push(complaint);
    }

    /// Every difference by sequence and step, and the sums.
    pub fn report(&self) -> String {
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
        _ if step.claim().is_some() => {}
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
    // Whose answer shows the difference depends on the token.
    let demanded = step.differs.iter().filter(|_| step.claim().is_none());
    let stale = demanded.filter(|differs| !found.iter().any(|difference| differs.states(difference)));
    let stale = stale.map(|differs| format!("{} no longer differs at {}", differs.row, differs.path));
    let unstated = found.iter().filter(|difference| !refusal::is_in_later_words(difference));
    let unstated =
        unstated.filter(|difference| !step.differs.iter().any(|differs| differs.states(difference)));
    unstated.map(Difference::to_string).chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::sequence;

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
