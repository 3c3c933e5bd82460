//! How the answer to one question differs between two indexes: what `?delta` and streams are made of.
//!
//! Both ends are judged by the question as a plain answer would be, panic included, so what is told is exactly the
//! difference of two full answers, also where an instance comes or goes without having changed itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::api::context::metered_views::MeteredViews;
use crate::catalog::instance::{Instance, Position};
use crate::catalog::panic::{self, Panic, PanicSettings};
use crate::catalog::service_log::Aspect;
use crate::catalog::service_table::InstanceDiff;
use crate::stdx::text::Text;
use crate::wire::json;
use crate::wire::show::{CatalogService, HealthEntry, InstanceKey};

/// What it costs to find out whether an instance looks the same as before, in units: it is written out twice.
const COMPARING_UNITS: u64 = 4;

/// What one question sees of one service.
pub struct ServiceQuery<'a> {
    /// The service, in lower case.
    pub name: &'a Text,
    /// Which changes count.
    pub aspect: Aspect,
    /// When the service is in panic; `None` for never, or where nothing depends on it.
    pub threshold: Option<PanicSettings>,
    /// Whether an instance is in the answer, given the panic that its service is in.
    pub wants: &'a dyn Fn(&Instance, Option<&Panic>) -> bool,
}

/// What is different in the later of two answers.
#[derive(Debug, Default)]
pub struct ListDifference {
    /// Instances that are in it no longer, as they were.
    pub removed: Vec<Arc<Instance>>,
    /// Instances that are new in it or look different, in answer order.
    pub changed: Vec<Changed>,
    /// The panic of the service in it.
    pub panic: Option<Panic>,
}

/// An instance of the later answer.
#[derive(Debug)]
pub struct Changed {
    /// As it is there.
    pub instance: Arc<Instance>,
    /// Whether the earlier answer did not have it.
    pub is_new: bool,
}

/// An answer as a whole.
#[derive(Debug)]
pub struct FullAnswer {
    /// The instances in answer order.
    pub instances: Vec<Arc<Instance>>,
    /// The panic of the service.
    pub panic: Option<Panic>,
}

impl ServiceQuery<'_> {
    /// The answer of now, and the index of the last change in it; `None` for that when the service is not there.
    pub fn now(&self, views: MeteredViews<'_>) -> (FullAnswer, Option<u64>) {
        let (instances, changed) = views.dated_instances(self.name, self.aspect);
        (self.whole(views, instances), changed)
    }

    /// The answer at `index`, if it is still known.
    pub fn at(&self, views: MeteredViews<'_>, index: u64) -> Option<FullAnswer> {
        let instances = views.at(self.name, self.aspect, index)?;
        Some(self.whole(views, instances.into_iter().map(|(_, instance)| instance).collect()))
    }

    /// The difference of the answers at `from` and `to`, if the earlier one is still known.
    pub fn between(&self, views: MeteredViews<'_>, from: u64, to: u64) -> Option<ListDifference> {
        let mut difference = ListDifference::default();
        if self.threshold.is_none() {
            // No instance stays or goes for what becomes of another.
            let touched = views.touched(self.name, self.aspect, from, to)?;
            for touched in touched.into_iter().take_while(|_| views.meter().spend(COMPARING_UNITS)) {
                let wanted = |instance: &Arc<Instance>| (self.wants)(instance, None);
                difference.add(self.aspect, touched.before.filter(wanted), touched.after.filter(wanted));
            }
            return Some(difference);
        }
        let (earlier, later) =
            (views.at(self.name, self.aspect, from)?, views.at(self.name, self.aspect, to)?);
        let judged = |instances: &[(_, Arc<Instance>)]| {
            self.judge(views, &instances.iter().map(|(_, it)| it.clone()).collect::<Vec<_>>())
        };
        let (panic_earlier, panic_later) = (judged(&earlier), judged(&later));
        let in_earlier = |instance: &Arc<Instance>| (self.wants)(instance, panic_earlier.as_ref());
        let in_later = |instance: &Arc<Instance>| (self.wants)(instance, panic_later.as_ref());
        let mut faces: BTreeMap<Position, InstanceDiff> = BTreeMap::new();
        earlier.into_iter().for_each(|(position, it)| faces.entry(position).or_default().before = Some(it));
        later.into_iter().for_each(|(position, it)| faces.entry(position).or_default().after = Some(it));
        let affordable = faces.into_values().take_while(|_| views.meter().spend(COMPARING_UNITS));
        for InstanceDiff { before, after } in affordable {
            difference.add(self.aspect, before.filter(in_earlier), after.filter(in_later));
        }
        difference.panic = panic_later;
        Some(difference)
    }

    fn judge(&self, views: MeteredViews<'_>, instances: &[Arc<Instance>]) -> Option<Panic> {
        let settings = self.threshold.filter(|_| views.meter().spend(instances.len() as u64));
        settings.and_then(|settings| panic::judge(instances, settings))
    }

    fn whole(&self, views: MeteredViews<'_>, mut instances: Vec<Arc<Instance>>) -> FullAnswer {
        let panic = self.judge(views, &instances);
        instances.retain(|instance| (self.wants)(instance, panic.as_ref()));
        FullAnswer { instances, panic }
    }
}

impl ListDifference {
    /// Adds what became of one instance that was, or is, in the answer.
    fn add(&mut self, aspect: Aspect, before: Option<Arc<Instance>>, after: Option<Arc<Instance>>) {
        match (before, after) {
            (None, None) => {}
            (None, Some(instance)) => self.changed.push(Changed { instance, is_new: true }),
            (Some(before), None) => self.removed.push(before),
            (Some(before), Some(instance)) if before.node.name != instance.node.name => {
                // The same node spelled differently: for a reader, who goes by names, another one.
                self.removed.push(before);
                self.changed.push(Changed { instance, is_new: true });
            }
            (Some(before), Some(instance)) => {
                if !look_alike(aspect, &before, &instance) {
                    self.changed.push(Changed { instance, is_new: false });
                }
            }
        }
    }
}

/// Whether an instance looks the same in both faces. Records are shared as long as they are equal, and those that are
/// not may still differ in what the answer does not show.
fn look_alike(aspect: Aspect, before: &Arc<Instance>, after: &Arc<Instance>) -> bool {
    let shown =
        |instance: &Instance| json::to_vec(&ListedInstance { instance, aspect, datacenter: "" }, false);
    Arc::ptr_eq(before, after) || shown(before) == shown(after)
}

/// An instance in the shape of the plain answer.
#[derive(Clone, Copy)]
pub struct ListedInstance<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Which answer.
    pub aspect: Aspect,
    /// The datacenter's name.
    pub datacenter: &'a str,
}

impl Serialize for ListedInstance<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Instance { node, service, checks } = self.instance;
        match self.aspect {
            Aspect::Health => HealthEntry::new(node, service, checks, self.datacenter).serialize(serializer),
            Aspect::Catalog => CatalogService::new(node, service, self.datacenter).serialize(serializer),
        }
    }
}

/// What tells an instance from another in an answer.
pub fn key(instance: &Instance) -> InstanceKey<'_> {
    InstanceKey { node: &instance.node.name, id: &instance.service.id }
}
