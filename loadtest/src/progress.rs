//! A bar on the terminal of whoever waits.

use std::io::{IsTerminal, Write, stderr};

use crate::clock::Clock;

/// Nanoseconds between two drawings.
const REDRAW_NS: u64 = 100_000_000;

/// Characters of a full bar.
const WIDTH: u64 = 30;

/// Shows how far a run is: on a terminal only, never in a log.
#[derive(Clone, Debug)]
pub struct Progress {
    shown: bool,
    label: String,
}

impl Progress {
    /// For something called `label`, on stderr if that is a terminal.
    pub fn new(label: &str) -> Self {
        Self { shown: stderr().is_terminal(), label: label.to_owned() }
    }

    /// For nobody.
    pub fn none() -> Self {
        Self { shown: false, label: String::new() }
    }

    /// Waits until the clock shows `until`, drawing meanwhile what `count` gives.
    pub fn watch(&self, clock: Clock, until: u64, count: impl Fn() -> u64) {
        let (from, before) = (clock.now(), count());
        loop {
            let now = clock.now();
            if self.shown {
                let rate = (count() - before) as f64 * 1e9 / (now - from).max(1) as f64;
                self.draw(now.min(until) - from.min(until), until - from.min(until), &format!("{rate:.0}/s"));
            }
            if now >= until {
                break;
            }
            clock.sleep_until(until.min(now + REDRAW_NS));
        }
        self.clear();
    }

    /// Shows that so many of all are done; nothing stays when it is all of them.
    pub fn at(&self, done: u64, of: u64) {
        if self.shown && done < of {
            self.draw(done, of, &format!("{done} of {of}"));
        } else {
            self.clear();
        }
    }

    fn draw(&self, done: u64, of: u64, note: &str) {
        let full = WIDTH * done.min(of) / of.max(1);
        let bar = "#".repeat(full as usize) + &".".repeat((WIDTH - full) as usize);
        let _ = write!(stderr(), "\r\x1b[K{} [{bar}] {note}", self.label);
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
