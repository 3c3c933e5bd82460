//! Whether what clients saw of one key can be explained by doing each operation at one instant between its call and its
//! answer (linearizability), without knowing the server.
//!
//! It goes through calls and answers in the order of time and keeps every explanation that is still possible: the value,
//! and which of the open operations have been done. An answer leaves only those in which its operation was done with the
//! result that was seen. When none is left there is no explanation. Keys do not influence each other, so each is checked
//! alone, and a history of any length takes no more memory than its operations side by side need.

use std::collections::HashSet;

/// What an operation did. A value is a number that no other write of the key uses; 0 is an unregistered key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Write(u64),
    /// With what it saw.
    Read(u64),
}

/// Something that happened, in the order of time. Clients are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The client sends its operation.
    Call(usize, Operation),
    /// The client is answered.
    Answer(usize),
    /// The client will not be answered: from here on the operation was done or never will be.
    Lost(usize),
}

/// Clients side by side at most: one bit each.
pub const CLIENTS_MAX: usize = 64;

/// One explanation: the value now, and a bit for each open operation that has been done.
type Explanation = (u64, u64);

/// The explanations of one key's history that are still possible.
pub struct Checker {
    open: [Option<Operation>; CLIENTS_MAX],
    explanations: HashSet<Explanation>,
}

impl Checker {
    /// A key that is not registered.
    pub fn new() -> Checker {
        Checker { open: [None; CLIENTS_MAX], explanations: HashSet::from([(0, 0)]) }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// A sentence when nothing explains the history up to here.
    pub fn take(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Call(client, operation) => self.open[client] = Some(operation),
            Event::Answer(client) => {
                self.expand();
                self.explanations.retain(|(_, done)| done & (1 << client) != 0);
                self.close(client);
            }
            Event::Lost(client) => {
                self.expand();
                self.close(client);
            }
        }
        if self.explanations.is_empty() { Err(format!("nothing explains {event:?}")) } else { Ok(()) }
    }

    fn close(&mut self, client: usize) {
        let forgotten = |(value, done): Explanation| (value, done & !(1 << client));
        self.explanations = self.explanations.drain().map(forgotten).collect();
        self.open[client] = None;
    }

    /// Adds every explanation in which further open operations have been done.
    fn expand(&mut self) {
        let before = std::mem::take(&mut self.explanations);
        let mut fresh: Vec<Explanation> = before.into_iter().map(|it| self.with_reads(it)).collect();
        self.explanations.extend(&fresh);
        while let Some((_, done)) = fresh.pop() {
            for (client, operation) in self.open.iter().enumerate() {
                if let Some(Operation::Write(written)) = operation
                    && done & (1 << client) == 0
                {
                    let next = self.with_reads((*written, done | 1 << client));
                    if self.explanations.insert(next) {
                        fresh.push(next);
                    }
                }
            }
        }
    }

    /// With every read done that fits the value: it changes nothing, so that it can do no harm now.
    fn with_reads(&self, (value, mut done): Explanation) -> Explanation {
        for (client, operation) in self.open.iter().enumerate() {
            if *operation == Some(Operation::Read(value)) {
                done |= 1 << client;
            }
        }
        (value, done)
    }
}

/// Checks a whole history.
///
/// # Errors
/// A sentence with the place of the first event that nothing explains.
pub fn check(events: &[Event]) -> Result<(), String> {
    let mut checker = Checker::new();
    events.iter().enumerate().try_for_each(|(at, event)| {
        checker.take(*event).map_err(|sentence| {
            let before = &events[at.saturating_sub(12)..=at];
            format!("event {at}: {sentence}; the last ones: {before:?}")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::Event::{Answer, Call, Lost};
    use super::Operation::{Read, Write};
    use super::*;

    #[test]
    fn planted_violations_are_found_and_nothing_else() {
        let rows: [(&str, &[Event], bool); 12] = [
            ("nothing", &[], true),
            ("a read of nothing", &[Call(0, Read(0)), Answer(0)], true),
            ("a read of what was never written", &[Call(0, Read(7)), Answer(0)], false),
            ("read what was written", &[Call(0, Write(1)), Answer(0), Call(1, Read(1)), Answer(1)], true),
            ("a lost write", &[Call(0, Write(1)), Answer(0), Call(1, Read(0)), Answer(1)], false),
            (
                "beside a write either is right",
                &[Call(0, Write(1)), Call(1, Read(0)), Answer(1), Answer(0)],
                true,
            ),
            (
                "beside a write either is right",
                &[Call(0, Write(1)), Call(1, Read(1)), Answer(1), Answer(0)],
                true,
            ),
            (
                "once seen it stays seen",
                &[Call(0, Write(1)), Call(1, Read(1)), Answer(1), Call(1, Read(0)), Answer(1), Answer(0)],
                false,
            ),
            (
                "a stale read after two writes",
                &[Call(0, Write(1)), Answer(0), Call(0, Write(2)), Answer(0), Call(1, Read(1)), Answer(1)],
                false,
            ),
            (
                "a write that was cut off may have been done",
                &[Call(0, Write(1)), Lost(0), Call(1, Read(1)), Answer(1), Call(1, Read(1)), Answer(1)],
                true,
            ),
            (
                "but not later than its end",
                &[Call(0, Write(1)), Lost(0), Call(1, Read(0)), Answer(1), Call(1, Read(1)), Answer(1)],
                false,
            ),
            (
                "resurrected",
                &[Call(0, Write(1)), Answer(0), Call(0, Write(0)), Answer(0), Call(1, Read(1)), Answer(1)],
                false,
            ),
        ];
        for (what, events, holds) in rows {
            assert_eq!(check(events).is_ok(), holds, "{what}");
        }
    }

    /// Histories of a register that is right, with one answer changed: the change is found wherever it stands.
    #[test]
    fn one_wrong_answer_in_a_long_history_is_found() {
        let history = |wrong: Option<usize>| {
            let mut events = Vec::new();
            let mut value = 0;
            for at in 0..400 {
                // A write beside a read that sees it or what was before, and then a read alone.
                events.push(Call(0, Write(at as u64 + 1)));
                events.push(Call(1, Read(if at % 2 == 0 { value } else { at as u64 + 1 })));
                events.extend([Answer(1), Answer(0)]);
                value = at as u64 + 1;
                let seen = if wrong == Some(at) { value - 1 } else { value };
                events.extend([Call(2, Read(seen)), Answer(2)]);
            }
            events
        };
        assert_eq!(check(&history(None)), Ok(()));
        for wrong in 0..400 {
            assert!(check(&history(Some(wrong))).is_err(), "{wrong}");
        }
    }
}
