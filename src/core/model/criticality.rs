//! How much depends on an instance, in one word, for those who do not care to choose intervals.

use std::time::Duration;

use crate::core::model::CheckDefinition;
use crate::core::model::validate::Violation;

/// The key of a service's metadata in which the word may stand for all of its checks.
pub const META_KEY: &str = "criticality";

/// The word, from most to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criticality {
    /// Callers wait for it: its failure is to be seen within seconds.
    Critical,
    /// The usual.
    Standard,
    /// Nobody waits for it: probing it is to cost next to nothing.
    Low,
}

/// What a word stands for where a definition is silent.
struct Pace {
    interval: Duration,
    timeout: Duration,
    failures_before_critical: u32,
}

impl Criticality {
    /// Reads the word, in any case.
    pub fn parse(word: &str) -> Option<Criticality> {
        let words = [
            ("critical", Criticality::Critical),
            ("standard", Criticality::Standard),
            ("low", Criticality::Low),
        ];
        words.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, found)| found)
    }

    /// Reads what a check says of itself, if it does.
    ///
    /// # Errors
    /// For another word.
    pub fn of_check(word: &str) -> Result<Option<Criticality>, Violation> {
        match Criticality::parse(word) {
            None if !word.is_empty() => {
                Err(Violation::new("Invalid check: Criticality must be 'critical', 'standard' or 'low'"))
            }
            found => Ok(found),
        }
    }

    /// Failures are confirmed within a second whatever the interval, so that two in a row cost no time worth mentioning
    /// and spare an instance the fall for one lost packet.
    fn pace(self) -> Pace {
        let (interval_s, timeout_s, failures_before_critical) = match self {
            Criticality::Critical => (2, 1, 2),
            Criticality::Standard => (10, 5, 2),
            Criticality::Low => (60, 10, 3),
        };
        let (interval, timeout) = (Duration::from_secs(interval_s), Duration::from_secs(timeout_s));
        Pace { interval, timeout, failures_before_critical }
    }

    /// Fills in what the definition of a check that is run leaves open.
    pub fn complete(self, definition: &mut CheckDefinition) {
        let pace = self.pace();
        if definition.interval.is_zero() {
            definition.interval = pace.interval;
        }
        if definition.timeout.is_zero() {
            definition.timeout = pace.timeout;
        }
        if definition.failures_before_critical == 0 {
            definition.failures_before_critical = pace.failures_before_critical;
        }
    }
}
