//! The alerts that stand, for Alertmanager: raised while a check fails, posted again every minute, ended when it no
//! longer does.
//!
//! Alertmanager expects all that is firing, again and again, and not what changed. So nothing is kept on disk: what
//! stands is read from the registry each time, and an alert that is not posted again ends by itself. Pure: time is an
//! argument.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::stdx::calendar::rfc3339;
use crate::base::stdx::text::Text;
use crate::core::model::{Status, Subject};
use crate::node::notify::queue::Now;

/// How often every standing alert is posted.
const REPEAT_MS: u64 = 60_000;

/// How long after a post an alert ends by itself: three posts may be lost.
const STANDS_MS: u64 = 4 * REPEAT_MS;

/// How long the end of an alert is posted again when that fails. After [`STANDS_MS`] it has ended by itself.
const ENDED_KEPT_MS: u64 = STANDS_MS;

/// Least time between two posts, so that a crowd of changes makes few.
const PAUSE_MS: u64 = 200;

/// Wait after the first failed post; it doubles with each, up to [`REPEAT_MS`].
const BACK_OFF_MS: u64 = 1_000;

/// Alerts in one request; a few hundred kilobytes.
const PER_POST_MAX: usize = 500;

/// Failed posts in a row after which Alertmanager is thought not to be there.
const FAILURES_IN_ROW_MAX: u32 = 3;

/// What tells one alert from another. A check that goes from warning to critical ends one alert and raises another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertKey {
    /// The check.
    pub subject: Subject,
    /// Its status.
    pub severity: Status,
}

/// What an alert says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alert {
    /// Name of the node, as people write it.
    pub node: Text,
    /// Name of the service; empty for a check of the node.
    pub service: Text,
    /// Name of the check.
    pub check: Text,
    /// What the check said.
    pub output: Text,
    /// Since when it stands, in Unix milliseconds.
    pub since_ms: u64,
}

/// The alerts of one webhook.
#[derive(Debug, Default)]
pub struct Alerts {
    /// What Alertmanager may take for firing.
    sent: BTreeMap<AlertKey, Alert>,
    /// What has ended, with when, until that is posted.
    ended: BTreeMap<AlertKey, (Alert, u64)>,
    /// What the post under way tells of ends; `None` when there is none under way.
    under_way: Option<Vec<AlertKey>>,
    /// When to look again.
    due_ms: u64,
    /// No earlier than this, however much changes.
    pause_until_ms: u64,
    /// Something has changed since the post under way was planned.
    has_changed: bool,
    /// When every alert is to be posted.
    repeat_ms: u64,
    failures_in_row: u32,
    posted: u64,
    failed: u64,
}

impl Alerts {
    /// A status that failed is another one now: if nothing else ended its alert, the next post does.
    pub fn note_ended(&mut self, key: AlertKey, alert: Alert) {
        self.sent.entry(key).or_insert(alert);
    }

    /// Something has changed: look soon.
    pub fn note_change(&mut self, now: Now) {
        self.has_changed = true;
        if self.failures_in_row == 0 {
            self.due_ms = self.due_ms.min(self.pause_until_ms.max(now.monotonic_ms));
        }
    }

    /// When to look at what stands; `None` while a post is under way.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.under_way.is_none().then_some(self.due_ms)
    }

    /// Compares with what stands now and gives the bodies to post, if there is anything to tell. The outcome must then
    /// come back through [`Alerts::finish`].
    pub fn plan(&mut self, now: Now, firing: BTreeMap<AlertKey, Alert>, datacenter: &str) -> Vec<Vec<u8>> {
        let is_repeat = now.monotonic_ms >= self.repeat_ms || self.failures_in_row > 0;
        let sent = std::mem::take(&mut self.sent);
        let is_new = |key: &AlertKey| !sent.contains_key(key);
        let to_post: Vec<(AlertKey, Alert)> = firing
            .iter()
            .filter(|(key, _)| is_repeat || is_new(key))
            .map(|(key, alert)| (key.clone(), alert.clone()))
            .collect();
        for (key, alert) in sent {
            if !firing.contains_key(&key) {
                self.ended.entry(key).or_insert((alert, now.unix_ms));
            }
        }
        self.ended.retain(|key, (_, ended_ms)| {
            !firing.contains_key(key) && now.unix_ms.saturating_sub(*ended_ms) < ENDED_KEPT_MS
        });
        self.sent = firing;
        if is_repeat {
            self.repeat_ms = now.monotonic_ms + REPEAT_MS;
        }
        (self.due_ms, self.has_changed) = (self.repeat_ms, false);
        let ends = self.ended.iter().map(|(key, (alert, ended_ms))| shown(key, alert, *ended_ms, datacenter));
        let stands_ms = now.unix_ms + STANDS_MS;
        let stand = to_post.iter().map(|(key, alert)| shown(key, alert, stands_ms, datacenter));
        let all: Vec<Value> = ends.chain(stand).collect();
        if !all.is_empty() {
            self.under_way = Some(self.ended.keys().cloned().collect());
        }
        all.chunks(PER_POST_MAX)
            .map(|some| serde_json::to_vec(some).expect("alerts have text keys"))
            .collect()
    }

    /// Takes what became of a post.
    pub fn finish(&mut self, now: Now, is_delivered: bool) {
        let ended = self.under_way.take().unwrap_or_default();
        if is_delivered {
            self.posted += 1;
            self.failures_in_row = 0;
            ended.iter().for_each(|key| drop(self.ended.remove(key)));
            self.pause_until_ms = now.monotonic_ms + PAUSE_MS;
            self.due_ms = if self.has_changed { self.pause_until_ms } else { self.repeat_ms };
        } else {
            self.failed += 1;
            self.failures_in_row = self.failures_in_row.saturating_add(1);
            let doublings = (self.failures_in_row - 1).min(16);
            self.due_ms = now.monotonic_ms + (BACK_OFF_MS << doublings).min(REPEAT_MS);
        }
    }

    /// Whether Alertmanager seems not to be there.
    pub fn is_failing(&self) -> bool {
        self.failures_in_row >= FAILURES_IN_ROW_MAX
    }

    /// Alerts that stand.
    pub fn firing(&self) -> usize {
        self.sent.len()
    }

    /// Whether a post is under way.
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Posts taken and failed since the start.
    pub fn counts(&self) -> (u64, u64) {
        (self.posted, self.failed)
    }
}

/// One alert of a post.
fn shown(key: &AlertKey, alert: &Alert, ends_ms: u64, datacenter: &str) -> Value {
    let subject = &key.subject;
    let mut labels = json!({
        "alertname": if subject.service_id.is_empty() { "NodeUnhealthy" } else { "ServiceUnhealthy" },
        "node": alert.node,
        "check": subject.check_id,
        "severity": key.severity,
        "datacenter": datacenter,
    });
    let of = if subject.service_id.is_empty() {
        format!("node {}", alert.node)
    } else {
        labels["service"] = json!(alert.service);
        labels["instance"] = json!(subject.service_id);
        format!("{} ({} on {})", alert.service, subject.service_id, alert.node)
    };
    let check = if alert.check.is_empty() { &subject.check_id } else { &alert.check };
    json!({
        "labels": labels,
        "annotations": {
            "summary": format!("{of}: check \"{check}\" is {}", key.severity),
            "output": alert.output,
        },
        "startsAt": rfc3339(alert.since_ms),
        "endsAt": rfc3339(ends_ms),
    })
}

#[cfg(test)]
mod tests;
