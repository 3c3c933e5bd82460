//! What happened, in words, for whoever reads of a failure.

use std::time::Duration;

/// Time since the beginning of the world.
pub type At = Duration;

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

    /// Notes what happened to the thing of that number, or to all of them.
    pub fn note(&mut self, at: At, of: Option<usize>, words: impl FnOnce() -> String) {
        if self.is_kept {
            self.lines.push((at, of, words()));
        }
    }

    /// The last `count` lines that concern the thing of that number, each such thing being called `name`, or all of
    /// them if `None`.
    pub fn tail(&self, name: &str, of: Option<usize>, count: usize) -> String {
        let concerns = |it: &&(At, Option<usize>, String)| of.is_none() || it.1.is_none() || it.1 == of;
        let lines: Vec<_> = self.lines.iter().filter(concerns).collect();
        let tail = &lines[lines.len().saturating_sub(count)..];
        let line = |(at, of, words): &&(At, Option<usize>, String)| {
            let of = of.map_or(String::new(), |of| format!("{name}-{of} "));
            format!("  {:>14.6} {of}{words}\n", at.as_secs_f64())
        };
        tail.iter().map(line).collect()
    }
}
