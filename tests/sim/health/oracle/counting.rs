//! Results in a row of one check.

use muster::core::model::{CheckDefinition, Status};

/// Results in a row, and what they make of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    pub failures: u32,
    pub successes: u32,
    pub before_passing: u32,
    before_warning: u32,
    pub before_critical: u32,
}

impl Counting {
    /// Of a new check: its first result decides.
    pub fn new(definition: &CheckDefinition) -> Counting {
        let before_passing = definition.success_before_passing.max(1);
        let before_critical = definition.failures_before_critical.max(1);
        let before_warning = match definition.failures_before_warning {
            0 => before_critical,
            given => given.min(before_critical),
        };
        Counting {
            failures: before_critical,
            successes: before_passing,
            before_passing,
            before_warning,
            before_critical,
        }
    }

    /// Of a check known from before a restart of which nothing was saved: its first success decides, a failure does not.
    pub fn after_crash(definition: &CheckDefinition) -> Counting {
        Counting { failures: 0, ..Counting::new(definition) }
    }

    /// With these results in a row.
    pub fn carried(definition: &CheckDefinition, failures: u32, successes: u32) -> Counting {
        Counting { failures, successes, ..Counting::new(definition) }
    }

    /// One more result; the status that is decided by it.
    pub fn count(&mut self, found: Status) -> Option<Status> {
        if found != Status::Critical {
            (self.failures, self.successes) = (0, self.successes + 1);
            return (self.successes >= self.before_passing).then_some(found);
        }
        (self.failures, self.successes) = (self.failures + 1, 0);
        if self.failures >= self.before_critical {
            Some(Status::Critical)
        } else if self.failures >= self.before_warning {
            Some(Status::Warning)
        } else {
            None
        }
    }
}
