//! What the catalog shows of one check, what it was asked to show, and so which verdicts are right.

use std::time::Duration;

use muster::health::Verdict;
use muster::model::{Observation, Status};
use muster::stdx::text::Text;

use crate::oracle::spec::{RETRY, Window};

/// The three versions of what there is to say about a check.
#[derive(Debug)]
pub struct Shown {
    shown: Observation,
    asked: Option<(Observation, Duration)>,
    newest: Text,
    /// The operator's delay for an output that changed alone.
    delay: Duration,
    /// When the newest output is to be written.
    sync: Option<Window>,
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
            Some((observation, since)) if now < *since + RETRY => observation,
            _ => &self.shown,
        }
    }

    /// The catalog shows this now.
    pub fn settle(&mut self, now: Duration, status: Status, output: &Text) {
        let shown = Observation { status, output: output.clone() };
        if self.asked.as_ref().is_some_and(|(asked, _)| *asked == shown) {
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
    pub fn judge(&mut self, now: Duration, finding: &Observation) -> Verdict {
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
        self.ask(now, finding);
        Verdict::Changed(finding.clone())
    }

    /// The catalog is asked to show this.
    pub fn ask(&mut self, now: Duration, finding: &Observation) {
        self.newest = finding.output.clone();
        self.sync = None;
        self.asked = Some((finding.clone(), now));
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
