//! The question which instances of a service are wanted, and its answer.

use std::sync::Arc;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::discovery::listing::Listing;
use crate::core::discovery::near::near_first;
use crate::core::discovery::panic::{self, Panic, PanicSettings};
use crate::core::filter::decision::Filter;
use crate::core::filter::record::Record;
use crate::core::model::{Meta, NodeKey, ServiceKey, Status};

/// Which instances of one service are wanted. What is empty asks for nothing.
#[derive(Clone, Debug)]
pub struct ServiceQuery {
    /// Key of the service.
    pub service: ServiceKey,
    /// Which answer is asked for.
    pub aspect: Aspect,
    /// How that shows an instance.
    pub listing: &'static dyn Listing,
    /// Tags that the instance must have, in lower case; they are compared without regard to case.
    pub tags: Vec<String>,
    /// Pairs that the node's metadata must have.
    pub node_meta: Vec<(Text, Text)>,
    /// Only instances all of whose checks pass.
    pub passing_only: bool,
    /// When the service is in panic, so that instances are kept that fail; `None` for never, and where failing ones are
    /// wanted anyway.
    pub panic: Option<PanicSettings>,
    /// What the listed instance must match.
    pub filter: Option<Arc<Filter>>,
    /// Key of the node whose instances come first.
    pub near: Option<NodeKey>,
    /// The datacenter's name, which the filter may ask for.
    pub datacenter: Text,
}

/// The answer to a query.
#[derive(Debug)]
pub struct SelectedInstances {
    /// The instances in answer order.
    pub instances: Vec<Arc<Instance>>,
    /// The panic of the service.
    pub panic: Option<Panic>,
}

/// The first thing that keeps an instance out of an answer, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExclusionReason<'a> {
    /// It lacks a tag.
    Tag(&'a str),
    /// Its node lacks a pair of metadata.
    NodeMeta(&'a str, &'a str),
    /// One of its checks does not pass, and no panic keeps it.
    Failing,
    /// The filter does not match.
    Filter,
}

impl ServiceQuery {
    /// The answer, by all instances of the service in the order of nodes and ids.
    ///
    /// What is found out is spent from the meter. Once that is exhausted the answer means nothing.
    pub fn select(&self, instances: Vec<Arc<Instance>>, meter: &Meter<'_>) -> SelectedInstances {
        self.selected_by(instances, meter, |instance, panic| self.includes(instance, panic, meter))
    }

    /// As [`ServiceQuery::select`], the filter apart: for whoever asks it of the entries that are written anew only.
    pub fn select_unfiltered(&self, instances: Vec<Arc<Instance>>, meter: &Meter<'_>) -> SelectedInstances {
        self.selected_by(instances, meter, |instance, panic| {
            meter.spend(self.units(instance)) && self.objection(instance, panic).is_none()
        })
    }

    /// Whether an instance is in the answer, given the panic that its service is in.
    pub fn includes(&self, instance: &Instance, panic: Option<&Panic>, meter: &Meter<'_>) -> bool {
        meter.spend(self.units(instance)) && self.exclusion(instance, panic, meter).is_none()
    }

    /// What keeps an instance out of the answer, given the panic that its service is in.
    pub fn exclusion(
        &self,
        instance: &Instance,
        panic: Option<&Panic>,
        meter: &Meter<'_>,
    ) -> Option<ExclusionReason<'_>> {
        let ServiceQuery { aspect, listing, ref datacenter, .. } = *self;
        let matches = |filter: &Filter| listing.matches(aspect, datacenter, instance, filter, meter);
        self.objection(instance, panic).or_else(|| {
            let passes = meter.spend(1) && self.filter.as_deref().is_none_or(matches);
            (!passes).then_some(ExclusionReason::Filter)
        })
    }

    /// What it costs to find out, in units, the filter apart.
    pub fn units(&self, instance: &Instance) -> u64 {
        /// Tags that are compared in a unit.
        const TAGS_OF_UNIT: usize = 32;
        1 + (instance.service.tags.len() * self.tags.len() / TAGS_OF_UNIT) as u64
            + meta_units(&self.node_meta)
    }

    /// The panic that the service is in, by all of its instances.
    pub fn judge(&self, instances: &[Arc<Instance>], meter: &Meter<'_>) -> Option<Panic> {
        self.panic.and_then(|settings| panic::judge_within(meter, instances, settings))
    }

    fn objection(&self, instance: &Instance, panic: Option<&Panic>) -> Option<ExclusionReason<'_>> {
        if let Some(tag) = self.tags.iter().find(|tag| !has_tag(instance, tag)) {
            return Some(ExclusionReason::Tag(tag));
        }
        if let Some((key, value)) = missing_meta(instance.node.meta.as_ref(), &self.node_meta) {
            return Some(ExclusionReason::NodeMeta(key, value));
        }
        let is_out = self.passing_only && instance.status() != Status::Passing;
        (is_out && !panic.is_some_and(|panic| panic.keeps(instance))).then_some(ExclusionReason::Failing)
    }

    fn selected_by(
        &self,
        mut instances: Vec<Arc<Instance>>,
        meter: &Meter<'_>,
        is_selected: impl Fn(&Instance, Option<&Panic>) -> bool,
    ) -> SelectedInstances {
        let panic = self.judge(&instances, meter);
        instances.retain(|instance| is_selected(instance, panic.as_ref()));
        near_first(&mut instances, self.near.as_ref(), |instance| &instance.node);
        SelectedInstances { instances, panic }
    }
}

/// Whether a record is wanted: there is no filter, or it matches. Spends what it costs to find out.
pub fn passes(filter: Option<&Filter>, record: &dyn Record, meter: &Meter<'_>) -> bool {
    meter.spend(1) && filter.is_none_or(|filter| filter.matches_within(record, meter))
}

/// Whether a node's metadata has every pair asked for. Spends what it costs to find out.
pub fn has_meta(meta: Option<&Meta>, wanted: &[(Text, Text)], meter: &Meter<'_>) -> bool {
    meter.spend(1 + meta_units(wanted)) && missing_meta(meta, wanted).is_none()
}

fn missing_meta<'a>(meta: Option<&Meta>, wanted: &'a [(Text, Text)]) -> Option<&'a (Text, Text)> {
    wanted.iter().find(|(key, value)| meta.and_then(|meta| meta.get(key)) != Some(value))
}

/// What looking for so many pairs costs beside the look at the record, in units.
fn meta_units(wanted: &[(Text, Text)]) -> u64 {
    /// Pairs that are looked for in a unit.
    const PAIRS_OF_UNIT: usize = 8;
    (wanted.len() / PAIRS_OF_UNIT) as u64
}

fn has_tag(instance: &Instance, wanted: &str) -> bool {
    let mut tags = instance.service.tags.iter();
    tags.any(|tag| tag.eq_ignore_ascii_case(wanted) || (!tag.is_ascii() && tag.to_lowercase() == *wanted))
}
