//! How many results in a row it takes to change a status.

use crate::core::health::saved::ResultCounters;
use crate::core::model::{CheckDefinition, Status};

/// Counts results in a row of one check against its thresholds.
///
/// A warning counts as a success: the instance serves. Consul's page "Define health checks", section "Success/failures
/// before passing/warning/critical".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    success_before_passing: u32,
    failures_before_warning: u32,
    failures_before_critical: u32,
    successes_in_a_row: u32,
    failures_in_a_row: u32,
}

impl Threshold {
    /// Thresholds of a new check. The counters start full, so its very first result counts whatever it is.
    pub fn full(definition: &CheckDefinition) -> Threshold {
        let success_before_passing = definition.success_before_passing.max(1);
        let failures_before_critical = definition.failures_before_critical.max(1);
        let failures_before_warning = match definition.failures_before_warning {
            0 => failures_before_critical,
            given => given.min(failures_before_critical),
        };
        Threshold {
            success_before_passing,
            failures_before_warning,
            failures_before_critical,
            successes_in_a_row: success_before_passing,
            failures_in_a_row: failures_before_critical,
        }
    }

    /// Thresholds of a check that muster knew before a restart: the first success still counts, a failure counts as
    /// the first of its row. So a restart can save an instance but not condemn it.
    pub fn lenient(definition: &CheckDefinition) -> Threshold {
        Threshold { failures_in_a_row: 0, ..Threshold::full(definition) }
    }

    /// Thresholds with the counters of before an orderly restart.
    pub fn resumed(definition: &CheckDefinition, counters: ResultCounters) -> Threshold {
        let ResultCounters { failures, successes } = counters;
        Threshold {
            failures_in_a_row: failures,
            successes_in_a_row: successes,
            ..Threshold::full(definition)
        }
    }

    /// The counters, unless they are what [`Threshold::lenient`] begins with.
    pub fn save(&self) -> Option<ResultCounters> {
        let (failures, successes) = (self.failures_in_a_row, self.successes_in_a_row);
        let is_usual = failures == 0 && successes >= self.success_before_passing;
        (!is_usual).then_some(ResultCounters { failures, successes })
    }

    /// Failing results in a row, and how many of them make the check critical.
    pub fn failures(&self) -> (u32, u32) {
        (self.failures_in_a_row, self.failures_before_critical)
    }

    /// Passing results in a row, and how many of them make the check pass.
    pub fn successes(&self) -> (u32, u32) {
        (self.successes_in_a_row, self.success_before_passing)
    }

    /// Counts one result. `None`: not enough in a row, everything stays as it is.
    pub fn count(&mut self, observed: Status) -> Option<Status> {
        if observed == Status::Critical {
            self.successes_in_a_row = 0;
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            return if self.failures_in_a_row >= self.failures_before_critical {
                Some(Status::Critical)
            } else if self.failures_in_a_row >= self.failures_before_warning {
                Some(Status::Warning)
            } else {
                None
            };
        }
        self.failures_in_a_row = 0;
        self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
        (self.successes_in_a_row >= self.success_before_passing).then_some(observed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a row of results (`p`assing, `w`arning, `c`ritical) and writes what each comes to (`-`: stays).
    fn outcomes(mut threshold: Threshold, results: &str) -> String {
        let letter = |status| match status {
            Some(Status::Passing) => 'p',
            Some(Status::Warning) => 'w',
            Some(Status::Critical) => 'c',
            None => '-',
        };
        let status = |result| match result {
            'p' => Status::Passing,
            'w' => Status::Warning,
            _ => Status::Critical,
        };
        results.chars().map(|result| letter(threshold.count(status(result)))).collect()
    }

    fn definition(success: u32, warning: u32, critical: u32) -> CheckDefinition {
        CheckDefinition {
            success_before_passing: success,
            failures_before_warning: warning,
            failures_before_critical: critical,
            ..CheckDefinition::default()
        }
    }

    #[test]
    fn results_in_a_row_decide() {
        let rows = [
            ("no thresholds", (0, 0, 0), "pcwcp", "pcwcp"),
            ("one is none", (1, 1, 1), "pcwcp", "pcwcp"),
            ("the first failure counts", (3, 0, 3), "cpppccc", "c--p--c"),
            ("the first success counts", (3, 0, 3), "pcccppp", "p--c--p"),
            ("a broken row starts over", (2, 0, 3), "pccpccc", "p-----c"),
            ("warning is a success", (2, 0, 2), "wcwwcc", "w--w-c"),
            ("warn before critical", (1, 2, 4), "pcccccp", "p-wwccp"),
            ("warn not above critical", (1, 9, 2), "pccc", "p-cc"),
        ];
        for (name, (success, warning, critical), results, expected) in rows {
            let outcome = outcomes(Threshold::full(&definition(success, warning, critical)), results);
            assert_eq!(outcome, expected, "{name}: {results}");
        }
    }

    #[test]
    fn a_restart_can_save_but_not_condemn() {
        assert_eq!(outcomes(Threshold::lenient(&definition(3, 0, 3)), "cccp"), "--c-");
        assert_eq!(outcomes(Threshold::lenient(&definition(3, 0, 3)), "ppc"), "pp-");
    }
}
