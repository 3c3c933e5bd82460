//! What one stream still has to say: the services it follows, how far it has told of each, and the next round of
//! events.
//!
//! Nothing is queued for a stream. It remembers an index for each service, and a round tells the difference between
//! there and now; so a reader who is slow, or was away, hears of the outcome and not of every step, and costs no
//! memory.

use std::sync::Arc;

use crate::api;
use crate::api::body_history::{BodyHistory, Events, Rendering};
use crate::api::difference::{ListDifference, ListedInstance, ServiceQuery, key};
use crate::api::health_query::HealthQuery;
use crate::api::stream::event;
use crate::catalog::instance::Instance;
use crate::catalog::panic::{Panic, PanicSettings};
use crate::catalog::service_log::Aspect;
use crate::http::{Query, SharedBody};
use crate::registry::Registry;
use crate::stdx::meter::Meter;
use crate::stdx::text::Text;
use crate::wire::show::{HealthEntry, OneEntry, Removal, Snapshot};

/// The services of one stream.
pub struct Feed {
    pub(super) registry: Arc<Registry>,
    pub(super) renderings: Arc<BodyHistory>,
    /// What is asked of every service; its threshold is not looked at, for each service may have another.
    pub(super) question: HealthQuery,
    /// The request's query, for the threshold.
    pub(super) query: Query,
    /// The query as a part of keys: two streams with the same want the same events.
    pub(super) key: String,
    pub(super) services: Vec<Followed>,
}

/// One service of a stream.
pub struct Followed {
    /// Its name as asked for.
    asked: Text,
    /// Its name in lower case.
    pub(super) name: Text,
    /// The index up to which everything was told; `None` before the first snapshot.
    seen: Option<u64>,
    /// The threshold by which that was judged.
    threshold: Option<PanicSettings>,
}

impl Followed {
    /// A service of which the reader has seen everything up to `seen`.
    pub fn new(asked: Text, seen: Option<u64>) -> Followed {
        Followed { name: asked.folded(), asked, seen, threshold: None }
    }
}

/// What is to be told of one service.
struct PendingUpdate {
    /// The index up to which.
    until: u64,
    /// The index from which; `None` for everything.
    from: Option<u64>,
    /// Which service.
    at: usize,
}

/// A round of events.
pub struct Round {
    /// The events, service by service.
    pub parts: Vec<Rendering>,
    /// The index up to which everything was told when these are sent.
    pub complete: u64,
}

impl Feed {
    /// Everything that is to be told by now.
    ///
    /// Only the last event of a round has an id: a reader that was cut off within one begins with the round before.
    pub fn round(&mut self) -> Round {
        let registry = self.registry.clone();
        let complete = registry.views().complete();
        let mut due: Vec<PendingUpdate> = Vec::new();
        for (at, service) in self.services.iter_mut().enumerate() {
            let views = registry.views();
            views.follow(&service.name);
            let until = views.last_change(&service.name, Aspect::Health, complete).unwrap_or(complete);
            let threshold = threshold(&registry, &self.question, &self.query, &service.name);
            let judged_alike = |_: &u64| service.threshold == threshold;
            let from = service.seen.filter(judged_alike);
            service.threshold = threshold;
            service.seen = Some(until);
            if from.is_none_or(|from| from < until) {
                due.push(PendingUpdate { until, from, at });
            }
        }
        due.sort_by_key(|due| due.until);
        let last = due.len().saturating_sub(1);
        let parts = due.iter().enumerate();
        let parts = parts.map(|(n, due)| self.part(due, (n == last).then_some(due.until.min(complete))));
        Round { parts: parts.collect(), complete }
    }

    /// Has the first round begin where it was judged, rather than with everything.
    pub fn settle_thresholds(&mut self) {
        for service in &mut self.services {
            service.threshold = threshold(&self.registry, &self.question, &self.query, &service.name);
        }
    }

    fn part(&self, due: &PendingUpdate, id: Option<u64>) -> Rendering {
        let PendingUpdate { until, from, at } = *due;
        let service = &self.services[at];
        let variant = api::panic::variant(service.threshold);
        let name = &service.asked;
        let key = format!("{}\u{3}{name}\u{3}{variant}\u{3}{from:?} {until} {id:?}", self.key);
        let wants = |instance: &Instance, panic: Option<&Panic>| self.wants(instance, panic);
        let threshold = service.threshold;
        let viewpoint =
            ServiceQuery { name: &service.name, aspect: Aspect::Health, threshold, wants: &wants };
        self.renderings.get_or_make(key, || {
            let views = self.registry.views();
            match from.and_then(|from| viewpoint.between(views, from, until)) {
                Some(difference) => self.changes(name, difference, until, id),
                None => {
                    // The log may have been given up this moment; the present is as good a beginning.
                    let whole = viewpoint.at(views, until).unwrap_or_else(|| viewpoint.now(views).0);
                    self.snapshot(name, &whole.instances, until, id)
                }
            }
        })
    }

    fn wants(&self, instance: &Instance, panic: Option<&Panic>) -> bool {
        let datacenter = &self.registry.own_node().datacenter;
        let entry = || HealthEntry::new(&instance.node, &instance.service, &instance.checks, datacenter);
        self.question.objection(instance, panic).is_none()
            && self.question.filter_objection(&entry(), &Meter::boundless()).is_none()
    }

    fn snapshot(&self, service: &str, instances: &[Arc<Instance>], index: u64, id: Option<u64>) -> Rendering {
        let entries = instances.iter().map(|instance| self.shown(instance)).collect();
        let mut text = Vec::new();
        event::put(&mut text, "snapshot", id, &Snapshot { service, index, entries });
        rendering(text, index, Events { snapshots: 1, ..Events::default() })
    }

    fn changes(&self, service: &str, difference: ListDifference, index: u64, id: Option<u64>) -> Rendering {
        let ListDifference { removed, changed, .. } = difference;
        let mut text = Vec::new();
        let mut left = removed.len() + changed.len();
        let mut id_of_next = || {
            left -= 1;
            id.filter(|_| left == 0)
        };
        for instance in &removed {
            let removal = Removal { service, index, key: key(instance) };
            event::put(&mut text, "remove", id_of_next(), &removal);
        }
        for change in &changed {
            let kind = if change.is_new { "add" } else { "update" };
            let one = OneEntry { service, index, entry: self.shown(&change.instance) };
            event::put(&mut text, kind, id_of_next(), &one);
        }
        let adds = changed.iter().filter(|change| change.is_new).count();
        let (adds, updates) = (adds as u64, (changed.len() - adds) as u64);
        rendering(text, index, Events { adds, updates, removes: removed.len() as u64, snapshots: 0 })
    }

    fn shown<'a>(&'a self, instance: &'a Instance) -> ListedInstance<'a> {
        ListedInstance { instance, aspect: Aspect::Health, datacenter: &self.registry.own_node().datacenter }
    }
}

fn rendering(text: Vec<u8>, index: u64, events: Events) -> Rendering {
    Rendering { body: SharedBody::new(text), index, panic: None, events }
}

/// The threshold that holds for a service now. The query was found to be sound when the stream was opened; where a
/// reload has taken the threshold away that its window was for, there is none.
fn threshold(
    registry: &Registry,
    question: &HealthQuery,
    query: &Query,
    name: &Text,
) -> Option<PanicSettings> {
    let default = registry.panic_thresholds().of(name);
    let settings = api::panic::effective(query, default).ok().flatten();
    settings.filter(|_| question.passing)
}
