//! What happened, in words, for whoever reads of a failure.

use crate::plan::At;

/// A record of events; it costs nothing unless it is kept.
#[derive(Debug, Default)]
pub struct Trace {
    is_kept: bool,
    lines: Vec<(At, Option<usize>, String)>,
}

impl Trace {
    /// One that forgets all.
    pub fn none() -> Trace {
        Trace::default()
    }

    /// One that keeps all.
    pub fn kept() -> Trace {
        Trace { is_kept: true, ..Trace::default() }
    }

    /// Notes what happened to a check, or to all of them.
    pub fn note(&mut self, at: At, check: Option<usize>, words: impl FnOnce() -> String) {
        if self.is_kept {
            self.lines.push((at, check, words()));
        }
    }

    /// The last `count` lines that concern the check, or all if `None`.
    pub fn tail(&self, check: Option<usize>, count: usize) -> String {
        let concerns = |it: &&(At, Option<usize>, String)| check.is_none() || it.1.is_none() || it.1 == check;
        let lines: Vec<_> = self.lines.iter().filter(concerns).collect();
        let tail = &lines[lines.len().saturating_sub(count)..];
        let line = |(at, check, words): &&(At, Option<usize>, String)| {
            let name = check.map_or(String::new(), |check| format!("check-{check} "));
            format!("  {:>14.6} {name}{words}\n", at.as_secs_f64())
        };
        tail.iter().map(line).collect()
    }
}
