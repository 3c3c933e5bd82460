//! Many scenarios in one go, and the page of figures that comes of them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::compare::{self, Plan, Rounds, median};
use crate::disk::SYNCS;
use crate::goals::{GOALS, judge};
use crate::report::table;
use crate::scenario::Scenario;
use crate::servers::{Kind, Programs};

/// Between these the page of figures holds what a run wrote.
const MARKS: (&str, &str) = ("<!-- loadtest: begin -->", "<!-- loadtest: end -->");

/// One scenario of a suite.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub scenario: &'static str,
    /// Who takes part.
    pub kinds: &'static [Kind],
    /// How often each gets its turn; a scenario with a watch has its repetitions in itself.
    pub rounds: usize,
    /// Seconds of a turn, in place of the scenario's.
    pub seconds: f64,
}

const ALL: &[Kind] = &[Kind::Muster, Kind::Minihttp, Kind::Nginx, Kind::Consul];
const REGISTRIES: &[Kind] = &[Kind::Muster, Kind::Consul];
const MUSTER: &[Kind] = &[Kind::Muster];

/// What is run in less than ten minutes on two cores.
pub const SHORT: &[Entry] = &[
    entry("discovery", ALL, 5, 1.2),
    entry("discovery-gzip", ALL, 5, 1.0),
    entry("half-256", &[Kind::Muster, Kind::Minihttp], 5, 1.2),
    entry("half-10000", MUSTER, 5, 1.0),
    entry("idle", MUSTER, 1, 2.0),
    entry("large", REGISTRIES, 5, 1.2),
    entry("large-delta", MUSTER, 1, 0.0),
    entry("wave", MUSTER, 1, 2.5),
    entry("registration", REGISTRIES, 5, 1.5),
    entry("registration-alone", REGISTRIES, 5, 0.7),
    entry("mixed", REGISTRIES, 5, 1.2),
    entry("fan-out", &[Kind::Muster, Kind::Bare, Kind::Consul], 1, 0.0),
    entry("fan-out-stream", &[Kind::Muster, Kind::Bare], 1, 0.0),
    entry("churn", MUSTER, 1, 0.0),
    entry("churn-stream", MUSTER, 1, 0.0),
    entry("kv-get", REGISTRIES, 5, 1.0),
    entry("kv-put", REGISTRIES, 5, 1.2),
    entry("kv-watch", REGISTRIES, 1, 0.0),
    entry("restart", MUSTER, 1, 4.0),
];

const fn entry(scenario: &'static str, kinds: &'static [Kind], rounds: usize, seconds: f64) -> Entry {
    Entry { scenario, kinds, rounds, seconds }
}

/// What came of one entry: rounds, or why there are none.
pub type Outcome = (Entry, Result<Vec<Rounds>, String>);

/// Runs every entry whose servers are there, one after the other. `show` hears how each ended.
///
/// # Errors
/// An entry is unsound. What fails while it runs is part of the outcome.
pub fn run(
    entries: &[Entry],
    programs: &Programs,
    directory: &Path,
    threads: usize,
    mut show: impl FnMut(&Outcome),
) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::new();
    for entry in entries {
        let mut scenario = Scenario::find(entry.scenario)?;
        scenario.seconds = entry.seconds;
        let kinds = entry.kinds.iter().copied().filter(|it| programs.path(*it).is_ok()).collect();
        let plan = Plan { scenario, kinds, rounds: entry.rounds, threads };
        let place = directory.join(entry.scenario);
        let outcome = (*entry, compare::run(&plan, programs, &place));
        let _ = fs::remove_dir_all(&place);
        show(&outcome);
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// The page: what is held to, whether it is met, and the tables behind it.
pub fn page(outcomes: &[Outcome], circumstances: &str) -> String {
    let rounds = outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()).flatten();
    let sync_us = median(rounds.flat_map(|it| it.sync_us.iter().copied()));
    let mut out = format!(
        "{circumstances}\n\nOne block takes this disk {:.2} ms to keep: the median of all turns, before each of which \
         {SYNCS} are written, each with an fdatasync of its own.\n\n\
         | figure | asked for | found | met |\n|---|---|---|---|\n",
        sync_us / 1e3
    );
    for goal in GOALS {
        let Some((_, outcome)) = outcomes.iter().find(|(entry, _)| entry.scenario == goal.scenario) else {
            continue;
        };
        let finding = judge(goal.bound, outcome.as_deref().unwrap_or_default());
        let met = finding.met.map_or("", |met| if met { "yes" } else { "**no**" });
        let _ = writeln!(out, "| {} | {} | {} | {met} |", goal.what, finding.asked, finding.found);
    }
    for (entry, outcome) in outcomes {
        let about = Scenario::find(entry.scenario).map(|it| it.about).unwrap_or_default();
        let _ = write!(out, "\n### {}\n\n{about}", entry.scenario);
        if entry.seconds > 0.0 {
            let _ = write!(out, " Medians of {} rounds of {} s.", entry.rounds, entry.seconds);
        }
        let _ = match outcome {
            Ok(all) => writeln!(out, "\n\n{}", table::of(all)),
            Err(error) => writeln!(out, "\n\nIt failed: {error}."),
        };
    }
    out
}

/// Puts a page between the marks of a document, in place of what is there.
///
/// # Errors
/// The document cannot be read or written, or has no such marks.
pub fn write_between_marks(document: &Path, page: &str) -> Result<(), String> {
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", document.display());
    let text = fs::read_to_string(document).map_err(|error| complain(&error))?;
    let marked = replace(&text, page).ok_or_else(|| complain(&format!("there is no {} in it", MARKS.0)))?;
    fs::write(document, marked).map_err(|error| complain(&error))
}

fn replace(text: &str, page: &str) -> Option<String> {
    let (before, rest) = text.split_once(MARKS.0)?;
    let (_, after) = rest.split_once(MARKS.1)?;
    Some(format!("{before}{}\n{}\n{}{after}", MARKS.0, page.trim(), MARKS.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = format!("a\n{}\nold\n{}\nb\n", MARKS.0, MARKS.1);
        let new = format!("a\n{}\nnew\n{}\nb\n", MARKS.0, MARKS.1);
        assert_eq!(replace(&text, "\nnew\n"), Some(new.clone()));
        assert_eq!(replace(&new, "new"), Some(new), "twice is once");
        assert_eq!(replace("a", "new"), None);
    }

    #[test]
    fn suites_are_of_scenarios_that_exist_and_show_every_goal() {
        for entry in SHORT {
            let scenario = Scenario::find(entry.scenario).expect("it is shipped");
            assert!(entry.seconds > 0.0 || scenario.watch.is_some(), "{} has a length", entry.scenario);
            assert_eq!(entry.kinds.first(), Some(&Kind::Muster), "the others are compared with muster");
        }
        for goal in GOALS {
            assert!(SHORT.iter().any(|it| it.scenario == goal.scenario), "{} is never run", goal.what);
        }
    }
}
