//! What one stream still has to say: the services it follows, how far it has told of each, and the next round of
//! events.
//!
//! Nothing is queued for a stream. It remembers an index for each service, and a round tells the difference between
//! there and now; so a reader who is slow, or was away, hears of the outcome and not of every step, and costs no
//! memory.

use std::cell::Cell;
use std::sync::Arc;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::discovery::difference::ListDifference;
use crate::core::discovery::panic::PanicSettings;
use crate::core::discovery::query::ServiceQuery;
use crate::core::model::ServiceKey;
use crate::net::http::{Query, SharedBody};
use crate::node::registry::Registry;
use crate::surface;
use crate::surface::answers::body_history::{BodyHistory, Events, Rendering};
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::metered_views::MeteredViews;
use crate::surface::context::rights::Rights;
use crate::surface::context::sight::Sight;
use crate::surface::listed::{ListedInstance, key};
use crate::surface::muster::stream::event;
use crate::wire::show::{OneEntry, Removal, Snapshot};

/// What one stream asks of every service.
pub struct StreamQuery {
    pub(super) registry: Arc<Registry>,
    pub(super) renderings: Arc<BodyHistory>,
    /// Of any of the services: its name and its panic threshold are not looked at, for each has its own.
    pub(super) question: ServiceQuery,
    /// The request's query, for the threshold.
    pub(super) query: Query,
    /// What tells its events from others: two streams with the same want the same, and their callers may see the same.
    pub(super) key: AnswerKey,
    /// What their callers may see.
    pub(super) rights: Rights,
}

/// The services of one stream.
pub struct Feed {
    pub(super) asked: Arc<StreamQuery>,
    pub(super) services: Vec<Followed>,
}

/// One service of a stream.
pub struct Followed {
    /// Its name as asked for.
    asked: Text,
    /// What it is filed under.
    pub(super) key: ServiceKey,
    /// The index up to which everything was told; `None` before the first snapshot.
    seen: Option<u64>,
    /// The threshold by which that was judged.
    threshold: Option<PanicSettings>,
}

impl Followed {
    /// A service of which the reader has seen everything up to `seen`.
    pub fn new(asked: Text, key: ServiceKey, seen: Option<u64>) -> Followed {
        Followed { asked, key, seen, threshold: None }
    }
}

/// What is to be told of one service.
#[derive(Clone, Debug)]
pub struct PendingUpdate {
    /// The service's name as asked for.
    asked: Text,
    /// What it is filed under.
    key: ServiceKey,
    /// The index up to which.
    until: u64,
    /// The index from which; `None` for everything.
    from: Option<u64>,
    /// The threshold by which it is judged.
    threshold: Option<PanicSettings>,
    /// The index that a reader who has read it may resume behind.
    id: Option<u64>,
}

/// A round of events.
#[derive(Clone, Debug)]
pub struct Round {
    /// What is to be told, service by service. It is made one after the other, when it is about to be sent: all of it
    /// together may be much, and a reader slow.
    pub due: Vec<PendingUpdate>,
    /// The index up to which everything was told when these are sent.
    pub complete: u64,
}

impl Feed {
    /// Everything that is to be told by now.
    ///
    /// Only the last event of a round has an id: a reader that was cut off within one begins with the round before.
    pub fn round(&mut self) -> Round {
        let StreamQuery { registry, question, query, .. } = &*self.asked;
        let (meter, hides) = (Meter::boundless(), Cell::new(false));
        let views = MeteredViews::of(registry, &meter, Sight::of(&self.asked.rights, &hides));
        let complete = views.complete();
        let mut due: Vec<PendingUpdate> = Vec::new();
        for service in &mut self.services {
            views.follow(&service.key);
            let until = views.last_change(&service.key, Aspect::Health, complete).unwrap_or(complete);
            let threshold = threshold(registry, question, query, &service.key);
            let judged_alike = |_: &u64| service.threshold == threshold;
            let from = service.seen.filter(judged_alike);
            service.threshold = threshold;
            service.seen = Some(until);
            if from.is_none_or(|from| from < until) {
                let (asked, key) = (service.asked.clone(), service.key.clone());
                due.push(PendingUpdate { asked, key, until, from, threshold, id: None });
            }
        }
        due.sort_by_key(|due| due.until);
        if let Some(last) = due.last_mut() {
            last.id = Some(last.until.min(complete));
        }
        Round { due, complete }
    }

    /// Has the first round begin where it was judged, rather than with everything.
    pub fn settle_thresholds(&mut self) {
        let StreamQuery { registry, question, query, .. } = &*self.asked;
        for service in &mut self.services {
            service.threshold = threshold(registry, question, query, &service.key);
        }
    }
}

impl StreamQuery {
    /// What makes two streams want the same bytes.
    pub fn key_of(&self, due: &PendingUpdate) -> AnswerKey {
        let PendingUpdate { asked, until, from, threshold, id, .. } = due;
        let variant = surface::panic::variant(*threshold);
        self.key.with(format_args!("{asked}\u{3}{variant}\u{3}{from:?} {until} {id:?}"))
    }

    /// The events, if they were made already.
    pub fn kept(&self, due: &PendingUpdate) -> Option<Rendering> {
        self.renderings.get(&self.key_of(due))
    }

    /// The events; `None` when they cost more than the meter has.
    pub fn events(&self, due: &PendingUpdate, meter: &Meter<'_>) -> Option<Rendering> {
        let PendingUpdate { ref asked, ref key, until, from, threshold, id } = *due;
        self.renderings.get_or_try(self.key_of(due), || {
            let query = ServiceQuery { service: key.clone(), panic: threshold, ..self.question.clone() };
            let hides = Cell::new(false);
            let views = MeteredViews::of(&self.registry, meter, Sight::of(&self.rights, &hides));
            let events = match from.and_then(|from| views.difference(&query, from, until)) {
                Some(difference) => self.changes(meter, asked, difference, until, id),
                None => {
                    // The log may have been given up this moment; the present is as good a beginning.
                    let whole = views.select_at(&query, until).unwrap_or_else(|| views.select(&query).0);
                    self.snapshot(meter, asked, &whole.instances, until, id)
                }
            };
            (!meter.is_exhausted()).then_some(events)
        })
    }

    fn snapshot(
        &self,
        meter: &Meter<'_>,
        service: &str,
        instances: &[Arc<Instance>],
        index: u64,
        id: Option<u64>,
    ) -> Rendering {
        let entries = instances.iter().map(|instance| self.shown(instance)).collect();
        let mut text = Vec::new();
        event::put(&mut text, meter, "snapshot", id, &Snapshot { service, index, entries });
        rendering(text, index, Events { snapshots: 1, ..Events::default() })
    }

    fn changes(
        &self,
        meter: &Meter<'_>,
        service: &str,
        difference: ListDifference,
        index: u64,
        id: Option<u64>,
    ) -> Rendering {
        let ListDifference { removed, changed, .. } = difference;
        let mut text = Vec::new();
        let mut left = removed.len() + changed.len();
        let mut id_of_next = || {
            left -= 1;
            id.filter(|_| left == 0)
        };
        for instance in &removed {
            let removal = Removal { service, index, key: key(instance) };
            event::put(&mut text, meter, "remove", id_of_next(), &removal);
        }
        for change in &changed {
            let kind = if change.is_new { "add" } else { "update" };
            let one = OneEntry { service, index, entry: self.shown(&change.instance) };
            event::put(&mut text, meter, kind, id_of_next(), &one);
        }
        let adds = changed.iter().filter(|change| change.is_new).count();
        let (adds, updates) = (adds as u64, (changed.len() - adds) as u64);
        rendering(text, index, Events { adds, updates, removes: removed.len() as u64, snapshots: 0 })
    }

    fn shown<'a>(&'a self, instance: &'a Instance) -> ListedInstance<'a> {
        ListedInstance { instance, aspect: Aspect::Health, datacenter: &self.question.datacenter }
    }
}

fn rendering(text: Vec<u8>, index: u64, events: Events) -> Rendering {
    Rendering { body: SharedBody::new(text), index, panic: None, hides: false, events }
}

/// The threshold that holds for a service now. The query was found to be sound when the stream was opened; where a
/// reload has taken the threshold away that its window was for, there is none.
fn threshold(
    registry: &Registry,
    question: &ServiceQuery,
    query: &Query,
    key: &ServiceKey,
) -> Option<PanicSettings> {
    let default = registry.panic_thresholds().of(key);
    let settings = surface::panic::effective(query, default).ok().flatten();
    settings.filter(|_| question.passing_only)
}
