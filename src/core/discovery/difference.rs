//! How the answer to one question differs between two indexes: what `?delta` and streams are made of.
//!
//! Both ends are judged by the question as a plain answer would be, panic included, so what is told is exactly the
//! difference of two full answers, also where an instance comes or goes without having changed itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::stdx::meter::Meter;
use crate::core::catalog::instance::{Instance, Position};
use crate::core::catalog::service_table::InstanceDiff;
use crate::core::discovery::near::near_first;
use crate::core::discovery::panic::Panic;
use crate::core::discovery::query::ServiceQuery;

/// What it costs to find out whether an instance looks the same as before, in units: it is written out twice.
const COMPARING_UNITS: u64 = 4;

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

impl ServiceQuery {
    /// The difference of two answers by the instances that have changed between them. Only for a query without a panic
    /// threshold: in panic an instance stays or goes for what becomes of others.
    pub fn difference_of(
        &self,
        changes: impl IntoIterator<Item = InstanceDiff>,
        meter: &Meter<'_>,
    ) -> ListDifference {
        debug_assert!(self.panic.is_none());
        self.difference_in(changes, [None, None], meter)
    }

    /// The difference of two answers by all instances that the service had at either time.
    pub fn difference_between(
        &self,
        earlier: Vec<(Position, Arc<Instance>)>,
        later: Vec<(Position, Arc<Instance>)>,
        meter: &Meter<'_>,
    ) -> ListDifference {
        let judged = |instances: &[(_, Arc<Instance>)]| {
            self.judge(&instances.iter().map(|(_, it)| it.clone()).collect::<Vec<_>>(), meter)
        };
        let panics = [judged(&earlier), judged(&later)];
        let mut faces: BTreeMap<Position, InstanceDiff> = BTreeMap::new();
        earlier.into_iter().for_each(|(position, it)| faces.entry(position).or_default().before = Some(it));
        later.into_iter().for_each(|(position, it)| faces.entry(position).or_default().after = Some(it));
        self.difference_in(faces.into_values(), panics, meter)
    }

    fn difference_in(
        &self,
        faces: impl IntoIterator<Item = InstanceDiff>,
        [earlier, later]: [Option<Panic>; 2],
        meter: &Meter<'_>,
    ) -> ListDifference {
        let mut difference = ListDifference::default();
        let wanted_in =
            |panic: &Option<Panic>, instance: &Arc<Instance>| self.includes(instance, panic.as_ref(), meter);
        for InstanceDiff { before, after } in faces.into_iter().take_while(|_| meter.spend(COMPARING_UNITS)) {
            let before = before.filter(|instance| wanted_in(&earlier, instance));
            let after = after.filter(|instance| wanted_in(&later, instance));
            difference.add(before, after, |left, right| self.listing.look_alike(self.aspect, left, right));
        }
        near_first(&mut difference.changed, self.near.as_ref(), |changed| &changed.instance.node);
        ListDifference { panic: later, ..difference }
    }
}

impl ListDifference {
    /// Adds what became of one instance that was, or is, in the answer.
    fn add(
        &mut self,
        before: Option<Arc<Instance>>,
        after: Option<Arc<Instance>>,
        look_alike: impl Fn(&Instance, &Instance) -> bool,
    ) {
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
                // Records are shared as long as they are equal, and those that are not may still differ in what the
                // answer does not show.
                if !Arc::ptr_eq(&before, &instance) && !look_alike(&before, &instance) {
                    self.changed.push(Changed { instance, is_new: false });
                }
            }
        }
    }
}
