//! Requests crossed with tokens. A row is a sequence in which the steps that say so (`=> by token`) are made with each
//! token in turn, sent in one way of three in turn, and all others with the one that may do everything; it leaves the
//! world as it was. The world is that of `world.http`.

use serde_json::{Value, json};

use super::tokens::{self, Token};
use crate::differential::compare::compare;
use crate::differential::judge::Tally;
use crate::differential::run::{Side, Targets};
use crate::differential::sequence::{Claim, Sequence};
use crate::differential::{is_wanted, on_both, sequences};

/// Where the rows stand.
pub const DIRECTORY: &str = "tests/differential/closed/matrix";

/// What a sequence showed on one side.
type Shown = Result<Vec<Value>, String>;

/// Makes the world on both sides, runs every row with every token, and has it judged.
pub fn judge(tally: &mut Tally, reference: &Side, other: &Side) {
    let targets = Targets::new().expect("free ports");
    let run = |sequences: &[Sequence]| -> (Vec<Shown>, Vec<Shown>) {
        on_both(reference, other, |side| {
            sequences.iter().map(|sequence| side.run_on(sequence, &targets)).collect()
        })
    };
    let (world, rows): (Vec<_>, Vec<_>) =
        sequences(DIRECTORY).into_iter().partition(|sequence| sequence.chapter == "world");
    let world = [vec![tokens::making()], world].concat();
    let (left, right) = run(&world);
    let mut before = [&left, &right].map(|side| side.last().map(untouched).unwrap_or_default());
    for ((sequence, left), right) in world.iter().zip(left).zip(right) {
        tally.judge(sequence, left, right);
    }

    let tokens = tokens::all();
    let seen = world.last().map(std::slice::from_ref).unwrap_or_default();
    for (number, row) in rows.iter().enumerate().filter(|(_, row)| is_wanted(&row.to_string())) {
        let turn = |(at, token)| crossed(row, token, number + at);
        let runs: Vec<Sequence> = tokens.iter().enumerate().map(turn).collect();
        let (left, right) = run(&runs);
        for complaint in rights(row, &tokens, &left) {
            tally.complain(complaint);
        }
        let shown: Vec<_> = left
            .iter()
            .zip(&right)
            .filter_map(|(left, right)| Some((left.as_ref().ok()?, right.as_ref().ok()?)))
            .collect();
        tally.judge_statements(row, &shown);
        for ((sequence, left), right) in runs.iter().zip(left).zip(right) {
            tally.judge(sequence, left, right);
        }
        let (left, right) = run(seen);
        let now = [&left, &right].map(|side| side.last().map(untouched).unwrap_or_default());
        for (side, before, now) in [("Consul", &before[0], &now[0]), ("the subject", &before[1], &now[1])] {
            for difference in compare(before, now, &|_, _, _| false) {
                tally.complain(format!("{row} leaves {side} changed: {difference}"));
            }
        }
        before = now;
    }
}

/// The bodies that were shown, but for how changes stand to creations: to put something back is a change.
fn untouched(shown: &Shown) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(object) => {
                object.remove("ModifyIndex");
                object.remove("CreateIndex");
                object.values_mut().for_each(strip);
            }
            Value::Array(array) => array.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let bodies = |shown: &Vec<Value>| shown.iter().map(|answer| answer["body"].clone()).collect();
    let mut shown: Value = shown.as_ref().map_or_else(|error| json!(error), bodies);
    strip(&mut shown);
    shown
}

/// The row with one token.
fn crossed(row: &Sequence, token: &Token, turn: usize) -> Sequence {
    let mut sequence = row.clone();
    let way = turn % 3;
    sequence.title = format!("{}, as {} ({})", row.title, token.name, ["header", "bearer", "query"][way]);
    let is_crossed = |claim| matches!(claim, Some(Claim::ByToken | Claim::ByAnyToken | Claim::ByEachToken));
    for step in sequence.steps.iter_mut().filter(|step| is_crossed(step.claim())) {
        let secret = &token.secret;
        match (way, secret.is_empty()) {
            (0, true) => step.headers.push(("X-Consul-Token".to_owned(), "none".to_owned())),
            (0, false) => step.headers.push(("X-Consul-Token".to_owned(), secret.clone())),
            (1, true) => step.headers.push(("Authorization".to_owned(), "Bearer anonymous".to_owned())),
            (1, false) => step.headers.push(("Authorization".to_owned(), format!("Bearer {secret}"))),
            (_, _) => {
                let sign = if step.target.contains('?') { '&' } else { '?' };
                step.target += &format!("{sign}token={secret}");
            }
        }
    }
    sequence
}

/// Where Consul's answers do not show that a step that says so asks for a right, and which.
fn rights(row: &Sequence, tokens: &[Token], shown: &[Shown]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, step) in row.steps.iter().enumerate() {
        let answers = tokens.iter().zip(shown).filter(|(token, _)| token.is_known);
        let answers: Vec<_> =
            answers.filter_map(|(token, shown)| Some((token.name, shown.as_ref().ok()?.get(at)?))).collect();
        let whole = answers.iter().find(|(name, _)| *name == tokens::EVERYTHING).map(|(_, answer)| *answer);
        let may = answers
            .iter()
            .filter(|(name, answer)| *name != tokens::EVERYTHING && Some(*answer) == whole)
            .count();
        let may_not = answers.iter().filter(|(_, answer)| Some(*answer) != whole).count();
        let wanted = match step.claim() {
            Some(Claim::ByToken) => may > 0 && may_not > 0,
            Some(Claim::ByAnyToken) => may_not == 0,
            Some(Claim::ByEachToken | Claim::Undone) | None => true,
        };
        if !wanted {
            let line = step.line;
            complaints.push(format!(
                "{row}: line {line} says `{}`: {may} tokens may, {may_not} may not",
                step.expected
            ));
        }
    }
    complaints
}
