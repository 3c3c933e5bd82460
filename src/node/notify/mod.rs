//! Webhooks: each with what it selects, its queue on disk and its deliveries.
//!
//! Follows the registry's transitions and owns everything that comes after: whom to tell ([`selection`]), what
//! ([`event`], [`alerts`]), in which order and how often ([`queue`], which is pure), and the thread and the disk
//! ([`engine`], [`storage`]). The registry does not know of it and never waits for it. What it has not taken when the
//! process dies it finds in the registry's history. It knows no route: `surface` shows what [`Notifier`] says.
//! Start reading at [`Notifier`], then [`queue::DeliveryQueue`].

pub mod alerts;
pub mod engine;
pub mod event;
pub mod follower;
pub mod context;
pub mod hook;
pub mod storage;
pub mod message;
pub mod orphaned;
pub mod queue;
pub mod rows;
pub mod selection;
pub mod firing_alerts;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use crate::base::sys::oneshot;
use crate::base::sys::supervision::{self, Habit};
use crate::base::telemetry::metrics::Metrics;
use crate::config::webhooks::Webhook;
use crate::node::notify::engine::{DeliveryEngine, EngineMessage, EventInbox};
use crate::node::notify::hook::{Hook, HookWork};
use crate::node::notify::queue::{Counts, DeadLetter, DeliveryQueue};
use crate::node::notify::storage::{Keeping, QueueStorage};
use crate::node::probe::send::HttpSender;
use crate::node::registry::Registry;

/// The way to the thread of the webhooks.
pub struct Notifier {
    messages: Sender<EngineMessage>,
}

/// A webhook as people see it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Each field is what its name says; those without a remark are of the queue.
pub struct WebhookState {
    pub name: String,
    /// Scheme and host of its URL; empty for one that is no longer configured.
    pub place: String,
    /// Empty for one that is no longer configured.
    pub format: &'static str,
    pub health: WebhookHealth,
    /// Events that wait, or alerts that stand.
    pub pending: usize,
    pub in_flight: usize,
    pub counts: Counts,
    pub dead: usize,
    /// Unix milliseconds.
    pub oldest_ms: Option<u64>,
    /// With when it was, in Unix milliseconds.
    pub last_error: Option<(u64, String)>,
    /// Unix milliseconds.
    pub last_delivery_ms: Option<u64>,
}

/// How a webhook is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookHealth {
    /// It gets through, or nothing says that it does not.
    Healthy,
    /// It does not get through.
    Failing,
    /// It is no longer configured; its queue is kept.
    Removed,
}

/// All webhooks, and what is wrong with their disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// By name; those that are no longer configured last.
    pub webhooks: Vec<WebhookState>,
    /// Why the queues are not on disk, if they should be and are not.
    pub fault: Option<String>,
}

impl Notifier {
    /// Starts the thread, which takes up what `place` kept and finds out what happened since. Returns when that is done
    /// and on disk: of what happens from then on nothing is missed.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn start(
        inbox: EventInbox,
        registry: Arc<Registry>,
        metrics: Arc<Metrics>,
        http: HttpSender,
        place: QueueStorage,
        webhooks: Vec<Webhook>,
    ) -> io::Result<Notifier> {
        let messages = inbox.sender.clone();
        // Read here, so that a webhook that is new hears of what happens while the thread is only beginning.
        let newest = registry.history().newest_index();
        let engine = DeliveryEngine::new(inbox, registry, metrics, http, Keeping::new(place));
        let has_webhooks = !webhooks.is_empty();
        supervision::thread("webhooks", Habit::BEATS, move || engine.run(webhooks, newest))?;
        let notifier = Notifier { messages };
        if has_webhooks {
            // It hears this only when it has taken up everything. If it has ended, so does the process.
            let _ = notifier.run(|_| ());
        }
        Ok(notifier)
    }

    /// Delivers to these webhooks from now on, and to no others.
    ///
    /// # Errors
    /// [`NotifierEnded`].
    pub fn configure(&self, webhooks: Vec<Webhook>) -> Result<(), NotifierEnded> {
        self.run(move |engine| engine.configure(webhooks))
    }

    /// How all webhooks are doing.
    ///
    /// # Errors
    /// [`NotifierEnded`].
    pub fn overview(&self) -> Result<Overview, NotifierEnded> {
        self.run(|engine| {
            let configured = engine.hooks.values().map(state);
            let orphaned = engine.orphaned.each().map(|(name, kept)| removed(name, &kept.queue));
            Overview {
                webhooks: configured.chain(orphaned).collect(),
                fault: engine.keeping.fault().map(str::to_owned),
            }
        })
    }

    /// The dead letters of a webhook, the newest first; `None` when there is no such webhook.
    ///
    /// # Errors
    /// [`NotifierEnded`].
    pub fn dead(&self, name: &str) -> Result<Option<Vec<DeadLetter>>, NotifierEnded> {
        let name = name.to_owned();
        self.run(move |engine| {
            let queue = match engine.hooks.get(&name).map(|hook| &hook.work) {
                Some(HookWork::Events(queue)) => Some(queue),
                Some(HookWork::Alerts(_)) => return Some(Vec::new()),
                None => engine.orphaned.get(&name).map(|kept| &kept.queue),
            };
            queue.map(|queue| queue.dead().rev().cloned().collect())
        })
    }

    /// Puts dead letters of a webhook back into its queue, all or the one with this event id; gives how many. `None`
    /// when there is no such webhook, or it is no longer configured.
    ///
    /// # Errors
    /// [`NotifierEnded`].
    pub fn retry(&self, name: &str, id: Option<String>) -> Result<Option<usize>, NotifierEnded> {
        let name = name.to_owned();
        self.run(move |engine| match engine.hooks.get_mut(&name).map(|hook| &mut hook.work) {
            Some(HookWork::Events(queue)) => Some(queue.revive(engine::now(), id.as_deref())),
            Some(HookWork::Alerts(_)) => Some(0),
            None => None,
        })
    }

    /// Drops everything that waits for a webhook, dead letters included; gives how much. `None` when there is nothing
    /// of that name.
    ///
    /// # Errors
    /// [`NotifierEnded`].
    pub fn discard(&self, name: &str) -> Result<Option<usize>, NotifierEnded> {
        let name = name.to_owned();
        self.run(move |engine| match engine.hooks.get_mut(&name).map(|hook| &mut hook.work) {
            Some(HookWork::Events(queue)) => Some(queue.discard()),
            Some(HookWork::Alerts(_)) => Some(0),
            None => {
                let (count, rows) = engine.orphaned.discard(&name)?;
                engine.keeping.add(rows);
                Some(count)
            }
        })
    }

    /// Ends the thread once everything is written; deliveries under way have a few seconds.
    pub fn end(&self) {
        let (sender, receiver) = oneshot::oneshot();
        if self.messages.send(EngineMessage::End(sender, None)).is_ok() {
            // Lost with the thread, which is what is wanted.
            let _ = receiver.recv();
        }
    }

    /// Has everything written and the disk closed, with a few seconds for deliveries under way. Send to what is
    /// returned to go on; dropped, the thread ends.
    ///
    /// # Errors
    /// [`NotifierEnded`].
    pub fn rest(&self) -> Result<Sender<()>, NotifierEnded> {
        let (sender, receiver) = oneshot::oneshot();
        let (goes_on, resumed) = channel();
        self.messages.send(EngineMessage::End(sender, Some(resumed))).map_err(|_| NotifierEnded)?;
        receiver.recv().map_err(|_| NotifierEnded)?;
        Ok(goes_on)
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DeliveryEngine) -> T + Send + 'static,
    ) -> Result<T, NotifierEnded> {
        let (sender, receiver) = oneshot::oneshot();
        let message = EngineMessage::Run(Box::new(move |engine| sender.send(work(engine))));
        self.messages.send(message).map_err(|_| NotifierEnded)?;
        receiver.recv().map_err(|_| NotifierEnded)
    }
}

fn state(hook: &Hook) -> WebhookState {
    let webhook = &*hook.webhook;
    let base = match &hook.work {
        HookWork::Events(queue) => removed(&webhook.name, queue),
        HookWork::Alerts(alerts) => {
            let (delivered, failed) = alerts.counts();
            WebhookState {
                pending: alerts.firing(),
                in_flight: hook.in_flight(),
                counts: Counts { delivered, failed, died: 0 },
                ..removed(&webhook.name, &DeliveryQueue::empty())
            }
        }
    };
    WebhookState {
        place: webhook.place(),
        format: webhook.format.as_str(),
        health: if hook.is_failing() || hook.is_refused() {
            WebhookHealth::Failing
        } else {
            WebhookHealth::Healthy
        },
        last_error: hook.last_error.clone(),
        last_delivery_ms: hook.last_delivery_ms,
        ..base
    }
}

fn removed(name: &str, queue: &DeliveryQueue) -> WebhookState {
    WebhookState {
        name: name.to_owned(),
        place: String::new(),
        format: "",
        health: WebhookHealth::Removed,
        pending: queue.waiting(),
        in_flight: queue.in_flight(),
        counts: queue.counts(),
        dead: queue.dead().len(),
        oldest_ms: queue.oldest().map(|waiting| waiting.since_ms),
        last_error: None,
        last_delivery_ms: None,
    }
}

/// The thread is gone: the process is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifierEnded;

impl fmt::Display for NotifierEnded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("webhooks have ended with the process; try again once it is back")
    }
}

impl std::error::Error for NotifierEnded {}

#[cfg(test)]
pub(crate) mod tests;
