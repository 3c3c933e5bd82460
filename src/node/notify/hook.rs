//! One webhook at work: what it wants, what waits for it, how it is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::stdx::text::Text;
use crate::base::telemetry::families;
use crate::base::telemetry::metrics::Metrics;
use crate::config::webhooks::{Webhook, WebhookFormat};
use crate::core::filter::error::FilterError;
use crate::node::notify::alerts::Alerts;
use crate::node::notify::queue::{DeliveryOutcome, DeliveryQueue, Now, QueueBounds};
use crate::node::notify::selection::Selection;

/// Least time between two log lines about dead letters of one webhook.
const DEATHS_LOGGED_EVERY_MS: u64 = 60_000;

/// A webhook that is configured.
pub struct Hook {
    /// How it is configured.
    pub webhook: Arc<Webhook>,
    /// What it wants to hear of.
    pub selection: Selection,
    /// It hears of what came after this index.
    pub since: u64,
    /// What it has to do.
    pub work: HookWork,
    /// What went wrong last, and when, in Unix milliseconds.
    pub last_error: Option<(u64, String)>,
    /// When something was delivered last, in Unix milliseconds.
    pub last_delivery_ms: Option<u64>,
    figures: Arc<Figures>,
    was_failing: bool,
    /// Whether what was sent last was refused for good.
    was_refused: bool,
    /// Dead letters when they were last logged, and when that was.
    deaths_logged: (u64, u64),
}

/// What a webhook has to do.
pub enum HookWork {
    /// Tell of every change, in order.
    Events(DeliveryQueue),
    /// Tell what stands.
    Alerts(Alerts),
}

/// The figures of one webhook, for metrics. Written by the thread that owns the queue, read by scrapes.
#[derive(Debug, Default)]
struct Figures {
    pending: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    died: AtomicU64,
    /// Unix milliseconds; 0 when nothing waits.
    oldest_ms: AtomicU64,
}

impl Hook {
    /// A webhook that hears of what comes after `since`; `queue` is what waited for it before.
    ///
    /// # Errors
    /// When its filter is none.
    pub fn new(
        webhook: Webhook,
        datacenter: &Text,
        since: u64,
        queue: Option<DeliveryQueue>,
    ) -> Result<Hook, FilterError> {
        let selection = Selection::new(&webhook, datacenter)?;
        let bounds = bounds(&webhook);
        let work = if webhook.format == WebhookFormat::Alertmanager {
            HookWork::Alerts(Alerts::default())
        } else {
            let mut queue = queue
                .unwrap_or_else(|| DeliveryQueue::restored(bounds, Default::default(), Default::default()));
            queue.set_bounds(bounds);
            HookWork::Events(queue)
        };
        Ok(Hook {
            webhook: Arc::new(webhook),
            selection,
            since,
            work,
            last_error: None,
            last_delivery_ms: None,
            figures: Arc::default(),
            was_failing: false,
            was_refused: false,
            deaths_logged: (0, 0),
        })
    }

    /// Takes over another configuration of the same webhook; what waits stays.
    ///
    /// # Errors
    /// When its filter is none; everything stays as it was then.
    pub fn configure(&mut self, webhook: Webhook, datacenter: &Text) -> Result<(), FilterError> {
        self.selection = Selection::new(&webhook, datacenter)?;
        if let HookWork::Events(queue) = &mut self.work {
            queue.set_bounds(bounds(&webhook));
        }
        self.webhook = Arc::new(webhook);
        Ok(())
    }

    /// Has the metrics read this webhook's figures.
    pub fn expose(&self, metrics: &Metrics) {
        let labels: &[&str] = &[&self.webhook.name];
        let of = |read: fn(&Figures) -> &AtomicU64| {
            let figures = self.figures.clone();
            move || read(&figures).load(Ordering::Relaxed) as f64
        };
        metrics.read(families::WEBHOOK_PENDING, labels, of(|figures| &figures.pending));
        metrics.read(families::WEBHOOK_DELIVERED, labels, of(|figures| &figures.delivered));
        metrics.read(families::WEBHOOK_FAILED, labels, of(|figures| &figures.failed));
        metrics.read(families::WEBHOOK_DEAD_LETTERS, labels, of(|figures| &figures.died));
        let (figures, clock) = (self.figures.clone(), crate::base::sys::clock::Clock);
        metrics.read(families::WEBHOOK_OLDEST_AGE, labels, move || {
            match figures.oldest_ms.load(Ordering::Relaxed) {
                0 => 0.0,
                oldest_ms => clock.unix_ms().saturating_sub(oldest_ms) as f64 / 1000.0,
            }
        });
    }

    /// Whether nothing gets through.
    pub fn is_failing(&self) -> bool {
        match &self.work {
            HookWork::Events(queue) => queue.is_failing(),
            HookWork::Alerts(alerts) => alerts.is_failing(),
        }
    }

    /// Whether its receiver refuses what it is sent. Refused events do not wait, and are not delivered either.
    pub fn is_refused(&self) -> bool {
        self.was_refused
    }

    /// Attempts that run.
    pub fn in_flight(&self) -> usize {
        match &self.work {
            HookWork::Events(queue) => queue.in_flight(),
            HookWork::Alerts(alerts) => usize::from(alerts.is_under_way()),
        }
    }

    /// When it may next have something to send; `None`: not before an attempt ends or something happens.
    pub fn next_due_ms(&self) -> Option<u64> {
        match &self.work {
            HookWork::Events(queue) => queue.next_due_ms(),
            HookWork::Alerts(alerts) => alerts.next_due_ms(),
        }
    }

    /// Takes the outcome of an attempt; `number` is the event's.
    pub fn finish(&mut self, now: Now, number: u64, outcome: DeliveryOutcome, chance: u64) {
        self.was_refused = matches!(outcome, DeliveryOutcome::Refused { .. });
        match &outcome {
            DeliveryOutcome::Delivered => self.last_delivery_ms = Some(now.unix_ms),
            DeliveryOutcome::Failed { reason, .. } | DeliveryOutcome::Refused { reason } => {
                self.last_error = Some((now.unix_ms, reason.clone()));
            }
        }
        match &mut self.work {
            HookWork::Events(queue) => queue.finish(now, number, outcome, chance),
            HookWork::Alerts(alerts) => alerts.finish(now, outcome == DeliveryOutcome::Delivered),
        }
    }

    /// Logs when the webhook's health has changed, and sets the metrics. Cheap; called after each step.
    pub fn look_after(&mut self, now: Now) {
        let name = self.webhook.name.as_str();
        let is_failing = self.is_failing();
        if is_failing != self.was_failing {
            self.was_failing = is_failing;
            match &self.last_error {
                Some((_, reason)) if is_failing => {
                    log::warn!(webhook = name, to = self.webhook.place().as_str();
                        "the webhook does not get through; events wait and are tried again: {reason}");
                }
                _ => log::info!(webhook = name; "the webhook gets through again"),
            }
        }
        let (pending, delivered, failed, died, oldest_ms) = match &self.work {
            HookWork::Events(queue) => {
                let counts = queue.counts();
                let oldest_ms = queue.oldest().map_or(0, |waiting| waiting.since_ms);
                (queue.waiting(), counts.delivered, counts.failed, counts.died, oldest_ms)
            }
            HookWork::Alerts(alerts) => {
                let (posted, failed) = alerts.counts();
                (alerts.firing(), posted, failed, 0, 0)
            }
        };
        let (logged, logged_ms) = self.deaths_logged;
        if died > logged && now.monotonic_ms.saturating_sub(logged_ms) >= DEATHS_LOGGED_EVERY_MS
            || (logged == 0 && died > 0)
        {
            self.deaths_logged = (died, now.monotonic_ms);
            log::warn!(webhook = name, events = died - logged;
                "events became dead letters; see /v1/muster/webhooks/dead/{name}");
        }
        let figures = &*self.figures;
        figures.pending.store(pending as u64, Ordering::Relaxed);
        figures.delivered.store(delivered, Ordering::Relaxed);
        figures.failed.store(failed, Ordering::Relaxed);
        figures.died.store(died, Ordering::Relaxed);
        figures.oldest_ms.store(oldest_ms, Ordering::Relaxed);
    }

    /// What waited, to be kept when the webhook is no longer configured.
    pub fn into_queue(self) -> Option<DeliveryQueue> {
        self.figures.pending.store(0, Ordering::Relaxed);
        self.figures.oldest_ms.store(0, Ordering::Relaxed);
        match self.work {
            HookWork::Events(queue) => Some(queue),
            HookWork::Alerts(_) => None,
        }
    }
}

/// The bounds of a webhook's queue.
pub fn bounds(webhook: &Webhook) -> QueueBounds {
    QueueBounds { events_max: webhook.queue_max, give_up_after: webhook.give_up_after }
}
