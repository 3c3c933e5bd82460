//! The thread of the webhooks: it owns the queues and their disk, takes transitions, and starts deliveries.
//!
//! Everything comes to it as a message: what the writer published, the outcome of a delivery, queries. It takes what is
//! waiting as one batch, writes once, and then sends; so nothing is sent that a crash could forget.

mod configuration;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::base::sys::clock::{self, Clock};
use crate::base::sys::oneshot;
use crate::base::sys::runtime;
use crate::base::sys::supervision::{self, WAIT_MAX};
use crate::base::telemetry::metrics::Metrics;
use crate::config::webhooks::Webhook;
use crate::core::model::{Status, Subject};
use crate::node::notify::alerts::{Alert, AlertKey};
use crate::node::notify::context::{TransitionContext, join};
use crate::node::notify::event::{Event, EventSource};
use crate::node::notify::firing_alerts::firing_alerts;
use crate::node::notify::hook::{Hook, HookWork};
use crate::node::notify::message;
use crate::node::notify::orphaned::OrphanedQueues;
use crate::node::notify::queue::{DeliveryOutcome, Now};
use crate::node::notify::rows::{self, FollowerPosition};
use crate::node::notify::storage::Keeping;
use crate::node::probe::send::{HttpSender, PostRequest};
use crate::node::registry::Registry;

/// Messages taken before a write.
const BATCH_MAX: usize = 1_024;

/// How often the position is written although nothing else is: what lies behind it is compared with every webhook again
/// after a crash.
const POSITION_EVERY_MS: u64 = 10_000;

/// How long deliveries under way may take once the process is asked to end. They would be repeated after the start.
const END_WAIT_MS: u64 = 3_000;

/// A message to the thread.
pub enum EngineMessage {
    /// What the writer published: what makes events, and the index up to which that is all.
    Transitions {
        /// In order.
        happened: Vec<TransitionContext>,
        /// The last transition's index.
        index: u64,
    },
    /// The writer published more than there was room for.
    Missed,
    /// What became of a delivery.
    DeliveryEnded {
        /// The webhook's name.
        name: String,
        /// The event's number; of no meaning with alerts.
        number: u64,
        /// What became of it.
        outcome: DeliveryOutcome,
    },
    /// A query, or an order.
    Run(Box<dyn FnOnce(&mut DeliveryEngine) + Send>),
    /// The process ends, or another one may take over; answered when everything is written and the disk is closed. In
    /// the second case the thread goes on once the channel says so.
    End(oneshot::Sender<()>, Option<Receiver<()>>),
}

/// What the follower and the engine share.
#[derive(Debug, Default)]
pub struct FeedShared {
    /// Whether there are webhooks.
    pub is_listening: AtomicBool,
    /// Transitions on their way.
    pub on_the_way: AtomicUsize,
    /// Whether some were left out. Nothing is sent until the thread has noticed.
    pub has_missed: AtomicBool,
}

/// What the engine receives from its follower; [`intake`](crate::node::notify::follower::intake) makes both.
pub struct EventInbox {
    pub(in crate::node::notify) shared: Arc<FeedShared>,
    pub(in crate::node::notify) messages: Receiver<EngineMessage>,
    pub(in crate::node::notify) sender: Sender<EngineMessage>,
}

/// The thread's own.
pub struct DeliveryEngine {
    pub(super) hooks: BTreeMap<String, Hook>,
    pub(super) orphaned: OrphanedQueues,
    pub(super) keeping: Keeping,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    http: HttpSender,
    source: EventSource,
    shared: Arc<FeedShared>,
    messages: Receiver<EngineMessage>,
    sender: Sender<EngineMessage>,
    position: FollowerPosition,
    /// When a position that has moved must be written.
    position_due_ms: Option<u64>,
    ending: Option<(oneshot::Sender<()>, u64)>,
    /// What says to go on after a rest, once the thread may end.
    goes_on: Option<Receiver<()>>,
    /// Seed of the spread of repetitions.
    chance: u64,
}

impl DeliveryEngine {
    /// A thread's own, without webhooks yet.
    pub fn new(
        inbox: EventInbox,
        registry: Arc<Registry>,
        metrics: Arc<Metrics>,
        http: HttpSender,
        keeping: Keeping,
    ) -> DeliveryEngine {
        let own = registry.own_node();
        let source = EventSource { registry_id: own.id.clone(), datacenter: own.datacenter.clone() };
        let EventInbox { shared, messages, sender } = inbox;
        DeliveryEngine {
            hooks: BTreeMap::new(),
            orphaned: OrphanedQueues::default(),
            keeping,
            position: FollowerPosition { registry_id: source.registry_id.clone(), index: 0 },
            registry,
            metrics,
            http,
            source,
            shared,
            messages,
            sender,
            position_due_ms: None,
            ending: None,
            goes_on: None,
            chance: Clock.unix_ms() | 1,
        }
    }

    /// Takes up what was kept, then works until [`EngineMessage::End`] comes, or no message can come any more. A new
    /// webhook gets what comes after `newest`.
    pub fn run(mut self, webhooks: Vec<Webhook>, newest: u64) {
        if self.keeping.is_there() || !webhooks.is_empty() {
            supervision::patiently(|| self.take_up(webhooks, newest));
        }
        loop {
            supervision::beat();
            self.step();
            if self.has_ended() && !self.comes_back() {
                return;
            }
            let wait = self.wait().min(WAIT_MAX);
            match supervision::waiting(|| self.messages.recv_timeout(wait)) {
                Ok(message) => self.handle(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for _ in 1..BATCH_MAX {
                let Ok(message) = self.messages.try_recv() else { break };
                self.handle(message);
            }
        }
    }

    fn handle(&mut self, message: EngineMessage) {
        match message {
            EngineMessage::Transitions { happened, index } => {
                self.shared.on_the_way.fetch_sub(happened.len(), Ordering::Relaxed);
                if index > self.position.index {
                    self.enqueue(happened, index);
                }
            }
            EngineMessage::Missed => {}
            EngineMessage::DeliveryEnded { name, number, outcome } => {
                let (now, chance) = (now(), self.draw());
                if let Some(hook) = self.hooks.get_mut(&name) {
                    hook.finish(now, number, outcome, chance);
                } else {
                    self.orphaned.finish(&name, now, number, outcome, chance);
                }
            }
            // It may be a new configuration, which takes up the whole history.
            EngineMessage::Run(work) => supervision::patiently(|| work(self)),
            EngineMessage::End(reply, goes_on) => {
                (self.ending, self.goes_on) = (Some((reply, now().monotonic_ms + END_WAIT_MS)), goes_on);
            }
        }
    }

    /// Everything that is due: what was missed, the disk, deliveries.
    pub(super) fn step(&mut self) {
        if self.shared.has_missed.swap(false, Ordering::AcqRel) {
            supervision::patiently(|| self.catch_up());
        }
        let now = now();
        self.write(now);
        if self.ending.is_none() {
            self.start_deliveries(now);
        }
        self.hooks.values_mut().for_each(|hook| hook.look_after(now));
    }

    /// Makes everything durable that has changed.
    fn write(&mut self, now: Now) {
        for (name, hook) in &mut self.hooks {
            if let HookWork::Events(queue) = &mut hook.work {
                self.keeping.add(queue.take_edits().iter().map(|edit| rows::edit(name, edit)));
            }
        }
        self.keeping.add(self.orphaned.take_edits());
        let is_due = self.position_due_ms.is_some_and(|due_ms| now.monotonic_ms >= due_ms);
        if self.position_due_ms.is_some() && (is_due || self.keeping.is_dirty() || self.ending.is_some()) {
            self.keeping.add([rows::position(&self.position)]);
            self.position_due_ms = None;
        }
        self.keeping.write(now.monotonic_ms);
    }

    /// Reads in the history what happened since the position.
    fn catch_up(&mut self) {
        let transitions = self.registry.history().since(self.position.index, usize::MAX);
        let Some(last) = transitions.last().map(|transition| transition.index) else { return };
        let views = self.registry.views();
        let mut happened = join(
            &transitions,
            &mut |key, with| {
                views.node(key, |record| with(record));
            },
            &[],
        );
        happened.retain(TransitionContext::is_notable);
        log::debug!(transitions = transitions.len(), index = last; "webhooks catch up from the history");
        self.enqueue(happened, last);
    }

    /// Puts what happened into the queues of the webhooks that select it; that is then all up to `index`.
    fn enqueue(&mut self, mut happened: Vec<TransitionContext>, index: u64) {
        let now = now();
        let after = self.position.index;
        for it in happened.iter_mut().filter(|it| it.transition.index > after) {
            if it.is_of_node() {
                self.registry.views().node(&it.transition.subject.node.clone(), |record| it.complete(record));
            }
            let mut event: Option<Arc<Event>> = None;
            for hook in self.hooks.values_mut().filter(|hook| it.transition.index > hook.since) {
                if !hook.selection.wants(it) {
                    continue;
                }
                match &mut hook.work {
                    HookWork::Events(queue) => {
                        let event = event.get_or_insert_with(|| Arc::new(Event::new(&self.source, it)));
                        queue.put(now, event.clone());
                    }
                    HookWork::Alerts(alerts) => {
                        if let Some((key, alert)) = alert_before(it) {
                            alerts.note_ended(key, alert);
                        }
                        alerts.note_change(now);
                    }
                }
            }
        }
        self.position.index = index;
        self.position_due_ms.get_or_insert(now.monotonic_ms + POSITION_EVERY_MS);
    }

    fn start_deliveries(&mut self, now: Now) {
        for (name, hook) in &mut self.hooks {
            match &mut hook.work {
                HookWork::Events(queue) => {
                    while let Some((number, event)) = queue.start(now) {
                        let post = message::of_event(&hook.webhook, &event, now.unix_ms);
                        let report = Report::new(&self.sender, name, number);
                        deliver(self.http.clone(), vec![post], report);
                    }
                }
                HookWork::Alerts(alerts) => {
                    if alerts.next_due_ms().is_none_or(|due_ms| due_ms > now.monotonic_ms) {
                        continue;
                    }
                    let firing = firing_alerts(self.registry.views(), &hook.selection, now.unix_ms);
                    let bodies = alerts.plan(now, firing, &self.source.datacenter);
                    let url = format!("{}/api/v2/alerts", hook.webhook.url.0.trim_end_matches('/'));
                    let post = |body| message::post(&hook.webhook, url.clone(), body, now.unix_ms, &[]);
                    let posts: Vec<PostRequest> = bodies.into_iter().map(post).collect();
                    if !posts.is_empty() {
                        deliver(self.http.clone(), posts, Report::new(&self.sender, name, 0));
                    }
                }
            }
        }
    }

    /// How long nothing will be due, unless a message comes.
    fn wait(&self) -> Duration {
        let hooks = self.hooks.values().filter(|_| self.ending.is_none()).filter_map(Hook::next_due_ms);
        let others = [self.position_due_ms, self.keeping.retry_at_ms()].into_iter().flatten();
        let ending = self.ending.iter().map(|(_, at_ms)| *at_ms);
        let due_ms = hooks.chain(others).chain(ending).min();
        let now_ms = clock::monotonic_ms();
        // A minute when nothing is due: nothing depends on it.
        due_ms.map_or(Duration::from_secs(60), |due_ms| Duration::from_millis(due_ms.saturating_sub(now_ms)))
    }

    /// Waits for the end of a rest; false when there is none. What was kept is known here still.
    fn comes_back(&mut self) -> bool {
        let goes_on = self.goes_on.take();
        let goes_on = goes_on.is_some_and(|it| supervision::patiently(|| it.recv()).is_ok());
        if goes_on && self.keeping.is_there() {
            self.keeping.open();
        }
        goes_on
    }

    fn has_ended(&mut self) -> bool {
        let in_flight: usize = self.hooks.values().map(Hook::in_flight).sum();
        match &self.ending {
            Some((_, at_ms)) if in_flight == 0 || clock::monotonic_ms() >= *at_ms => {
                self.keeping.close();
                if let Some((reply, _)) = self.ending.take() {
                    reply.send(());
                }
                true
            }
            _ => false,
        }
    }

    /// A number that cannot be foreseen well enough to matter (xorshift).
    fn draw(&mut self) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance
    }
}

pub(super) fn now() -> Now {
    Now { monotonic_ms: clock::monotonic_ms(), unix_ms: Clock.unix_ms() }
}

/// The alert that stood for a check before it changed.
fn alert_before(happened: &TransitionContext) -> Option<(AlertKey, Alert)> {
    let transition = &*happened.transition;
    let severity = transition.from.filter(|status| *status != Status::Passing)?;
    let node = happened.node.as_ref().map_or(transition.subject.node.text(), |node| &node.name).clone();
    let alert = Alert {
        node,
        service: transition.service_name.clone(),
        check: transition.check_name.clone(),
        output: transition.output.clone(),
        since_ms: transition.from_since_ms,
    };
    Some((AlertKey { subject: Subject::clone(&transition.subject), severity }, alert))
}

/// Sends requests one after the other in a coroutine and reports what became of them: the first that fails decides.
fn deliver(http: HttpSender, posts: Vec<PostRequest>, report: Report) {
    let work = move || {
        let mut outcome = DeliveryOutcome::Delivered;
        for post in &posts {
            outcome = message::outcome_of(http.post(post));
            if outcome != DeliveryOutcome::Delivered {
                break;
            }
        }
        report.send(outcome);
    };
    // Refused work is dropped, and its report with it, which tells.
    let _ = runtime::spawn("webhook", work);
}

/// The duty to report what became of an attempt. Dropped unused, it reports a failure, so that no event stays in flight
/// for ever.
struct Report {
    to: Sender<EngineMessage>,
    name: String,
    number: u64,
    is_sent: bool,
}

impl Report {
    fn new(to: &Sender<EngineMessage>, name: &str, number: u64) -> Report {
        Report { to: to.clone(), name: name.to_owned(), number, is_sent: false }
    }

    fn send(mut self, outcome: DeliveryOutcome) {
        self.put(outcome);
    }

    fn put(&mut self, outcome: DeliveryOutcome) {
        self.is_sent = true;
        // If no thread receives, the process is ending.
        let _ = self.to.send(EngineMessage::DeliveryEnded {
            name: self.name.clone(),
            number: self.number,
            outcome,
        });
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_sent {
            let reason = "the attempt could not be made or broke off; the log says more".to_owned();
            self.put(DeliveryOutcome::Failed { reason, retry_after: None });
        }
    }
}
