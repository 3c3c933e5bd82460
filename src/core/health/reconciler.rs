//! Three versions of one check's verdict: what the catalog shows, what is on its way there, and the freshest.

use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;
use crate::core::health::Verdict;
use crate::core::health::settings::SETTLE_TIME;
use crate::core::model::{Cause, Observation, Status, said};

/// Compares findings with what the catalog shows, so that only news is written to it.
///
/// A change of status is asked for at once. An output that changes alone is kept here and asked for later: a check that
/// prints the time would otherwise write to disk and wake every watcher at each run.
#[derive(Clone, Debug)]
pub struct StatusReconciler {
    /// What the catalog shows.
    shown: Observation,
    /// What was asked of the catalog and has not arrived there yet.
    pending: Option<PendingWrite>,
    /// The newest output, written or not.
    freshest: Text,
    /// When the freshest output is to be written; `None` when it is written or about to be.
    sync_at: Option<Instant>,
}

/// A change on its way to the catalog.
#[derive(Clone, Debug)]
struct PendingWrite {
    observation: Observation,
    cause: Cause,
    /// From then on it counts as lost, and is asked for again.
    until: Instant,
}

impl StatusReconciler {
    /// The standing of a check of which the catalog shows `status` and `output`.
    pub fn new(status: Status, output: &Text) -> StatusReconciler {
        let shown = Observation { status, output: output.clone() };
        StatusReconciler { shown, pending: None, freshest: output.clone(), sync_at: None }
    }

    /// What the catalog shows.
    pub fn shown(&self) -> &Observation {
        &self.shown
    }

    /// Whether something better than critical was found of a check that the catalog still shows critical.
    pub fn is_recovering(&self) -> bool {
        self.shown.status == Status::Critical
            && self.pending.as_ref().is_some_and(|pending| pending.observation.status != Status::Critical)
    }

    /// Whether the catalog shows whatever was asked of it.
    pub fn is_in_sync(&self) -> bool {
        self.pending.is_none()
    }

    /// The newest output, written or not.
    pub fn freshest(&self) -> &Text {
        &self.freshest
    }

    /// When an output that was kept back, or a change that was lost, is to be written.
    pub fn deadline(&self) -> Option<Instant> {
        let pending_until = self.pending.as_ref().map(|pending| pending.until);
        self.sync_at.into_iter().chain(pending_until).min()
    }

    /// Compares a finding with what the catalog shows or is about to. An output without a change of status may wait
    /// for `output_delay`. Whatever was found comes through here, and is cut to what a record holds.
    pub fn reconcile(
        &mut self,
        now: Instant,
        finding: Observation,
        cause: Cause,
        output_delay: Duration,
    ) -> Verdict {
        // What counts as lost is not asked for again once there is something newer to say.
        self.pending.take_if(|pending| pending.until <= now);
        let finding = said::finding(finding);
        let is_new_output = finding.output != self.freshest;
        self.freshest = finding.output.clone();
        let expected = self.expected(now);
        if finding == *expected {
            self.sync_at = None;
            return Verdict::Unchanged;
        }
        if finding.status == expected.status && !output_delay.is_zero() {
            self.sync_at.get_or_insert(now + output_delay);
            return if is_new_output { Verdict::OutputOnly } else { Verdict::Unchanged };
        }
        self.sync_at = None;
        self.pending = Some(PendingWrite { observation: finding.clone(), cause, until: now + SETTLE_TIME });
        Verdict::Changed(finding)
    }

    /// The catalog shows `status` and `output` now.
    pub fn note_shown(&mut self, now: Instant, status: Status, output: &Text, output_delay: Duration) {
        let shown = Observation { status, output: output.clone() };
        if self.pending.as_ref().is_some_and(|pending| pending.observation == shown) {
            self.pending = None;
        }
        if shown == self.shown {
            return;
        }
        if self.freshest == self.shown.output && self.pending.is_none() {
            self.freshest = shown.output.clone();
        }
        self.shown = shown;
        let is_written = self.pending.is_some() || self.freshest == self.shown.output;
        self.sync_at = (!is_written).then(|| now + output_delay);
    }

    /// The output that has waited long enough, with the catalog's status. Comes again after `SETTLE_TIME` unless it
    /// has settled.
    pub fn take_due(&mut self, now: Instant) -> Option<Observation> {
        if self.sync_at? > now {
            return None;
        }
        self.sync_at = Some(now + SETTLE_TIME);
        let status = self.expected(now).status;
        Some(Observation { status, output: self.freshest.clone() })
    }

    /// The change that did not arrive in time, to be asked for again in the same words.
    pub fn take_lost(&mut self, now: Instant) -> Option<(Observation, Cause)> {
        let pending = self.pending.as_mut().filter(|pending| pending.until <= now)?;
        if pending.observation == self.shown {
            self.pending = None;
            return None;
        }
        pending.until = now + SETTLE_TIME;
        Some((pending.observation.clone(), pending.cause))
    }

    /// What the catalog will show once everything asked for has arrived. A change that was lost on its way counts as
    /// never asked for.
    pub fn expected(&self, now: Instant) -> &Observation {
        match &self.pending {
            Some(pending) if now < pending.until => &pending.observation,
            _ => &self.shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::limits::SAID_BYTES_MAX;

    #[test]
    fn no_finding_is_longer_than_a_record_holds() {
        let (now, long) = (Instant::now(), "x".repeat(SAID_BYTES_MAX + 1));
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::default());
        let found = Observation { status: Status::Critical, output: long.as_str().into() };
        let cut = Observation { output: long[1..].into(), ..found.clone() };
        let verdict = reconciler.reconcile(now, found.clone(), Cause::Alias, Duration::ZERO);
        assert_eq!(verdict, Verdict::Changed(cut.clone()));
        assert_eq!(reconciler.freshest(), &cut.output);
        reconciler.note_shown(now, cut.status, &cut.output, Duration::ZERO);
        assert_eq!(reconciler.reconcile(now, found, Cause::Alias, Duration::ZERO), Verdict::Unchanged);
    }

    const DELAY: Duration = Duration::from_secs(300);

    fn finding(status: Status, output: &str) -> Observation {
        Observation { status, output: Text::from(output) }
    }

    #[test]
    fn a_change_is_asked_for_once_until_it_is_lost() {
        let start = Instant::now();
        let mut reconciler = StatusReconciler::new(Status::Critical, &Text::from(""));
        let well = finding(Status::Passing, "ok");
        assert_eq!(
            reconciler.reconcile(start, well.clone(), Cause::Probe, DELAY),
            Verdict::Changed(well.clone())
        );
        assert_eq!(reconciler.reconcile(start, well.clone(), Cause::Probe, DELAY), Verdict::Unchanged);
        let later = start + SETTLE_TIME;
        assert_eq!(reconciler.take_lost(later - Duration::from_nanos(1)), None);
        assert_eq!(reconciler.deadline(), Some(later));
        assert_eq!(reconciler.take_lost(later), Some((well.clone(), Cause::Probe)));
        assert_eq!(reconciler.reconcile(later, well.clone(), Cause::Probe, DELAY), Verdict::Unchanged);
        let later = later + SETTLE_TIME;
        assert_eq!(
            reconciler.reconcile(later, well.clone(), Cause::Probe, DELAY),
            Verdict::Changed(well.clone())
        );
        reconciler.note_shown(later, Status::Passing, &Text::from("ok"), DELAY);
        assert_eq!(reconciler.reconcile(later + SETTLE_TIME, well, Cause::Probe, DELAY), Verdict::Unchanged);
    }

    #[test]
    fn what_was_lost_is_not_asked_for_again_once_there_is_news() {
        let start = Instant::now();
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::from("ok"));
        let late = start + 2 * SETTLE_TIME;
        reconciler.reconcile(start, finding(Status::Critical, "gone"), Cause::Probe, DELAY);
        assert_eq!(
            reconciler.reconcile(late, finding(Status::Passing, "ok"), Cause::Probe, DELAY),
            Verdict::Unchanged
        );
        assert_eq!(reconciler.take_lost(late), None);
    }

    #[test]
    fn a_report_that_crosses_an_expiry_is_not_swallowed() {
        let start = Instant::now();
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::from("ok"));
        let (expired, well) = (finding(Status::Critical, "TTL expired"), finding(Status::Passing, "ok"));
        assert_eq!(
            reconciler.reconcile(start, expired.clone(), Cause::Probe, DELAY),
            Verdict::Changed(expired)
        );
        assert_eq!(
            reconciler.reconcile(start, well.clone(), Cause::Probe, DELAY),
            Verdict::Changed(well.clone())
        );
        reconciler.note_shown(start, Status::Critical, &Text::from("TTL expired"), DELAY);
        assert_eq!(reconciler.reconcile(start, well.clone(), Cause::Probe, DELAY), Verdict::Unchanged);
        reconciler.note_shown(start, Status::Passing, &Text::from("ok"), DELAY);
        assert_eq!(reconciler.freshest(), &well.output);
        assert_eq!(reconciler.deadline(), None);
    }

    #[test]
    fn an_output_alone_waits_and_is_written_until_it_settles() {
        let start = Instant::now();
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::from("1"));
        for output in ["2", "3"] {
            assert_eq!(
                reconciler.reconcile(start, finding(Status::Passing, output), Cause::Probe, DELAY),
                Verdict::OutputOnly
            );
        }
        assert_eq!(
            reconciler.reconcile(start, finding(Status::Passing, "3"), Cause::Probe, DELAY),
            Verdict::Unchanged
        );
        assert_eq!(reconciler.freshest(), "3");
        assert_eq!(reconciler.take_due(start + DELAY / 2), None);
        let due = start + DELAY;
        assert_eq!(reconciler.take_due(due), Some(finding(Status::Passing, "3")));
        assert_eq!(reconciler.take_due(due), None);
        assert_eq!(reconciler.take_due(due + SETTLE_TIME), Some(finding(Status::Passing, "3")));
        reconciler.note_shown(due, Status::Passing, &Text::from("3"), DELAY);
        assert_eq!(reconciler.deadline(), None);
    }

    #[test]
    fn an_output_that_returns_to_what_is_shown_needs_no_writing() {
        let start = Instant::now();
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::from("1"));
        reconciler.reconcile(start, finding(Status::Passing, "2"), Cause::Probe, DELAY);
        assert_eq!(
            reconciler.reconcile(start, finding(Status::Passing, "1"), Cause::Probe, DELAY),
            Verdict::Unchanged
        );
        assert_eq!(reconciler.deadline(), None);
    }

    #[test]
    fn without_delay_every_output_is_written_at_once() {
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::from("1"));
        let news = finding(Status::Passing, "2");
        assert_eq!(
            reconciler.reconcile(Instant::now(), news.clone(), Cause::Probe, Duration::ZERO),
            Verdict::Changed(news)
        );
    }

    #[test]
    fn what_others_write_becomes_the_freshest() {
        let mut reconciler = StatusReconciler::new(Status::Passing, &Text::from("1"));
        reconciler.note_shown(Instant::now(), Status::Critical, &Text::from("by hand"), DELAY);
        assert_eq!(reconciler.freshest(), "by hand");
        assert_eq!(reconciler.deadline(), None);
    }
}
