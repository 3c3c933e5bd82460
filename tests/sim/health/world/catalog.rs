//! The catalog as the engine meets it: it takes its time for a write, loses those that a full disk refuses, and tells of
//! what it has.

use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::health::ResultSource;
use muster::core::model::{Check, Observation, Status};

use super::{Event, World, Write};
use crate::health::plan::{Disk, Kind, ms};

impl World<'_> {
    pub(super) fn write(&mut self, write: Write) {
        let takes = match self.disk {
            Disk::Takes(most) => self.chance.span(Duration::ZERO, most),
            Disk::Full => ms(1),
        };
        self.disk_busy_until = self.disk_busy_until.max(self.now + takes);
        self.at(self.disk_busy_until, Event::Arrive { process: self.process, write });
    }

    pub(super) fn arrive(&mut self, write: Write) {
        if self.disk == Disk::Full {
            return self.trace.note(self.now, None, || format!("lost: {write:?}"));
        }
        self.trace.note(self.now, None, || format!("catalog: {write:?}"));
        match write {
            Write::Update { check, observation } => {
                let Some(record) = self.checks[check].record.clone() else { return };
                let Observation { status, output } = observation;
                self.put(check, Check { status, output, ..record });
            }
            Write::Register { check, definition, status } => self.register(check, definition, status),
            Write::Deregister { check } => {
                let service_id = self.plan.checks[check].record.service_id.clone();
                for other in 0..self.checks.len() {
                    let is_its_mate = self.plan.checks[other].record.service_id == service_id;
                    if other == check || (is_its_mate && !service_id.is_empty()) {
                        self.remove(other);
                    }
                }
            }
        }
    }

    fn register(&mut self, check: usize, definition: usize, status: Option<Status>) {
        let planned = &self.plan.checks[check];
        let definition = match definition {
            0 => &planned.record.definition,
            other => &planned.other_definitions[other - 1],
        };
        let before = self.checks[check].record.as_ref().unwrap_or(&planned.record);
        let record = Check {
            status: status.unwrap_or(before.status),
            output: before.output.clone(),
            definition: definition.clone(),
            ..planned.record.clone()
        };
        self.put(check, record);
        self.subject.registered_again(self.now, &planned.key);
    }

    /// The catalog has `record` now, and whoever follows it is told if that is news.
    fn put(&mut self, check: usize, record: Check) {
        let kept = &mut self.checks[check];
        if kept.record.as_ref() == Some(&record) {
            return;
        }
        if kept.record.as_ref().is_none_or(|before| before.status != record.status) {
            kept.status_since = self.now;
        }
        kept.record = Some(record.clone());
        let key = &self.plan.checks[check].key;
        kept.is_refused = self.subject.track(self.now, key, &record).is_err();
        self.subject.settled(self.now, key, record.status, &record.output);
        self.judge_aliases(check);
    }

    fn remove(&mut self, check: usize) {
        if self.checks[check].record.take().is_some() {
            self.subject.forget(self.now, &self.plan.checks[check].key);
            self.judge_aliases(check);
        }
    }

    /// Tells the aliases of `changed`, and itself if it is one, what their targets are like.
    pub(super) fn judge_aliases(&mut self, changed: usize) {
        for alias in 0..self.checks.len() {
            let Kind::Alias(target) = self.plan.checks[alias].kind else { continue };
            if self.checks[alias].record.is_none() || (target != changed && alias != changed) {
                continue;
            }
            let status = self.alias_truth(target);
            let output = Text::from(format!("the other is {status}"));
            self.observe(alias, Observation { status, output }, ResultSource::Alias);
        }
    }

    pub(super) fn alias_truth(&self, target: usize) -> Status {
        self.checks[target].record.as_ref().map_or(Status::Critical, |record| record.status)
    }
}
