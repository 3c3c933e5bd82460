//! What the catalog shows of one check, what it was asked to show, and so which verdicts are right.

use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::health::Verdict;
use muster::core::model::{Cause, Observation, Status};

use crate::health::oracle::spec::{RETRY, Window};

/// The three versions of what there is to say about a check.
#[derive(Debug)]
pub struct Shown {
    shown: Observation,
    asked: Option<Asked>,
    newest: Text,
    /// The operator's delay for an output that changed alone.
    delay: Duration,
    /// When the newest output is to be written.
    sync: Option<Window>,
}

/// What the catalog was asked to show, and has not shown yet.
#[derive(Debug)]
struct Asked {
    observation: Observation,
    cause: Cause,
    since: Duration,
}

impl Shown {
    pub fn new(status: Status, output: &Text, delay: Duration) -> Shown {
        let shown = Observation { status, output: output.clone() };
        Shown { newest: output.clone(), shown, asked: None, delay, sync: None }
    }

    pub fn status(&self) -> Status {
        self.shown.status
    }

    /// The newest output that anybody knows.
    pub fn newest(&self) -> &Text {
        &self.newest
    }

    /// What will be shown when everything under way has arrived.
    pub fn expected(&self, now: Duration) -> &Observation {
        match &self.asked {
            Some(asked) if now < asked.since + RETRY => &asked.observation,
            _ => &self.shown,
        }
    }

    /// The catalog shows this now.
    pub fn settle(&mut self, now: Duration, status: Status, output: &Text) {
        let shown = Observation { status, output: output.clone() };
        if self.asked.as_ref().is_some_and(|asked| asked.observation == shown) {
            self.asked = None;
        }
        if shown == self.shown {
            return;
        }
        if self.newest == self.shown.output && self.asked.is_none() {
            self.newest = output.clone();
        }
        self.shown = shown;
        let is_done = self.asked.is_some() || self.newest == self.shown.output;
        self.sync = (!is_done).then(|| self.sync_window(now));
    }

    /// The verdict that is right for a finding.
    pub fn judge(&mut self, now: Duration, finding: &Observation, cause: Cause) -> Verdict {
        // A change that did not arrive counts as never asked for, once there is a newer finding.
        self.asked.take_if(|asked| asked.since + RETRY <= now);
        let is_new_output = self.newest != finding.output;
        self.newest = finding.output.clone();
        let expected = self.expected(now);
        let (same_status, same_output) =
            (expected.status == finding.status, expected.output == finding.output);
        if same_status && same_output {
            self.sync = None;
            return Verdict::Unchanged;
        }
        if same_status && !self.delay.is_zero() {
            if self.sync.is_none() {
                self.sync = Some(self.sync_window(now));
            }
            return if is_new_output { Verdict::OutputOnly } else { Verdict::Unchanged };
        }
        self.ask(now, finding, cause);
        Verdict::Changed(finding.clone())
    }

    /// The catalog is asked to show this.
    pub fn ask(&mut self, now: Duration, finding: &Observation, cause: Cause) {
        self.newest = finding.output.clone();
        self.sync = None;
        self.asked = Some(Asked { observation: finding.clone(), cause, since: now });
    }

    /// Whether the catalog is critical and something better was found, which has not arrived there.
    pub fn is_recovering(&self) -> bool {
        let latest = self.asked.as_ref().map_or(&self.shown, |asked| &asked.observation);
        self.shown.status == Status::Critical && latest.status != Status::Critical
    }

    /// Whether nothing that was asked for is still to arrive.
    pub fn is_settled(&self) -> bool {
        self.asked.is_none()
    }

    /// When a change that does not arrive is to be asked for again.
    pub fn retry(&self) -> Option<Window> {
        self.asked.as_ref().map(|asked| Window::at(asked.since + RETRY))
    }

    /// By `now`, what did not arrive and is to be asked for again.
    pub fn lost(&self, now: Duration) -> Option<(&Observation, Cause)> {
        let asked = self.asked.as_ref().filter(|asked| asked.since + RETRY <= now)?;
        (asked.observation != self.shown).then_some((&asked.observation, asked.cause))
    }

    /// What did not arrive was asked for again, or is shown by now, whoever brought it about.
    pub fn retried(&mut self, now: Duration) {
        match &mut self.asked {
            Some(asked) if asked.observation == self.shown => self.asked = None,
            Some(asked) => asked.since = now,
            None => {}
        }
    }

    /// When the newest output is to be written, if it is.
    pub fn sync(&self) -> Option<Window> {
        self.sync
    }

    /// The newest output was handed out to be written.
    pub fn synced(&mut self, now: Duration, observation: &Observation) -> Result<(), String> {
        let Some(window) = self.sync else { return Err("there is no output to be written".into()) };
        if now < window.least {
            return Err(format!("the output is written {:?} early", window.least - now));
        }
        let right = Observation { status: self.expected(now).status, output: self.newest.clone() };
        if *observation != right {
            return Err(format!("{right:?} should be written"));
        }
        self.sync = Some(Window::at(now + RETRY));
        Ok(())
    }

    fn sync_window(&self, now: Duration) -> Window {
        Window::new(now + self.delay / 2, now + self.delay / 2 + self.delay)
    }
}
