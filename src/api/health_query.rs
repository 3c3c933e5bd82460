//! Which instances of a service a health query asks for: what `/v1/health/service` answers by, and `explain` explains.

use std::sync::Arc;

use crate::api;
use crate::api::context::call::Call;
use crate::api::context::error::ApiError;
use crate::api::context::params::{self, ReadParams};
use crate::api::selection::{self, has_meta, has_tag, passes};
use crate::catalog::instance::Instance;
use crate::catalog::panic::{self, Panic};
use crate::filter::decision::Filter;
use crate::model::Status;
use crate::stdx::meter::Meter;
use crate::stdx::text::Text;
use crate::wire::select;
use crate::wire::show::HealthEntry;

/// A health query, compiled.
#[derive(Debug, Default)]
pub struct HealthQuery {
    /// Tags that the instance must have, in lower case (`?tag=`).
    pub tags: Vec<String>,
    /// Pairs that the node's metadata must have (`?node-meta=`).
    pub node_meta: Vec<(Text, Text)>,
    /// Only instances all of whose checks pass (`?passing`).
    pub passing: bool,
    /// What the entry must match (`?filter=`).
    pub filter: Option<Arc<Filter>>,
    /// When the service is in panic, so that instances are kept that fail; `None` for never, and without `?passing`.
    pub threshold: Option<panic::PanicSettings>,
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

impl HealthQuery {
    /// Reads the question from a request; the service is called `name` (in lower case).
    ///
    /// # Errors
    /// 400 for a filter that is none, a `passing` that is no boolean, and a panic threshold out of its bounds.
    pub fn read(call: &Call<'_, '_>, params: &ReadParams, name: &Text) -> Result<HealthQuery, ApiError> {
        let filter = selection::indexed_filter(call, params, &select::INSTANCE)?;
        let passing = params::passing(call.query()?)?;
        let default = call.api.registry.panic_thresholds().of(name);
        // Without `?passing` nothing is left out that a panic could keep.
        let threshold = api::panic::effective(call.query()?, default)?.filter(|_| passing);
        Ok(HealthQuery {
            filter,
            passing,
            threshold,
            tags: selection::values("tag", call.query()?.all("tag").map(str::to_lowercase))?,
            node_meta: params.node_meta.clone(),
        })
    }

    /// The panic that the service is in, by all of its instances.
    pub fn panic(&self, instances: &[Arc<Instance>], meter: &Meter<'_>) -> Option<Panic> {
        let settings = self.threshold.filter(|_| meter.spend(instances.len() as u64));
        settings.and_then(|settings| panic::judge(instances, settings))
    }

    /// What [`HealthQuery::objection`] costs, in units.
    pub fn units(&self, instance: &Instance) -> u64 {
        selection::tags_units(instance, self.tags.len()) + self.node_meta.len() as u64 / 8
    }

    /// What speaks against an instance, the filter apart, which is asked of the finished entry. `panic` is that of its
    /// service.
    pub fn objection(&self, instance: &Instance, panic: Option<&Panic>) -> Option<ExclusionReason<'_>> {
        if let Some(tag) = self.tags.iter().find(|tag| !has_tag(instance, tag)) {
            return Some(ExclusionReason::Tag(tag));
        }
        let lacks =
            |pair: &&(Text, Text)| !has_meta(instance.node.meta.as_ref(), std::slice::from_ref(*pair));
        if let Some((key, value)) = self.node_meta.iter().find(lacks) {
            return Some(ExclusionReason::NodeMeta(key, value));
        }
        let is_out = self.passing && instance.status() != Status::Passing;
        (is_out && !panic.is_some_and(|panic| panic.keeps(instance))).then_some(ExclusionReason::Failing)
    }

    /// What speaks against an entry to which nothing else does.
    pub fn filter_objection(
        &self,
        entry: &HealthEntry<'_>,
        meter: &Meter<'_>,
    ) -> Option<ExclusionReason<'_>> {
        (!passes(self.filter.as_deref(), entry, meter)).then_some(ExclusionReason::Filter)
    }
}
