//! Which instances of a service a health query asks for: what `/v1/health/service` answers by, and `explain` explains.

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::params::{self, ReadParams};
use crate::api::selection::{self, has_meta, has_tag, passes};
use crate::catalog::instance::Instance;
use crate::filter::decision::Filter;
use crate::model::Status;
use crate::stdx::text::Text;
use crate::wire::select;
use crate::wire::show::HealthEntry;

/// A health query, compiled.
#[derive(Debug, Default)]
pub struct Question {
    /// Tags that the instance must have, in lower case (`?tag=`).
    pub tags: Vec<String>,
    /// Pairs that the node's metadata must have (`?node-meta=`).
    pub node_meta: Vec<(Text, Text)>,
    /// Only instances all of whose checks pass (`?passing`).
    pub passing: bool,
    /// What the entry must match (`?filter=`).
    pub filter: Option<Filter>,
}

/// The first thing that keeps an instance out of an answer, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection<'a> {
    /// It lacks a tag.
    Tag(&'a str),
    /// Its node lacks a pair of metadata.
    NodeMeta(&'a str, &'a str),
    /// One of its checks does not pass.
    Failing,
    /// The filter does not match.
    Filter,
}

impl Question {
    /// Reads the question from a request.
    ///
    /// # Errors
    /// 400 for a filter that is none and a `passing` that is no boolean.
    pub fn read(call: &Call<'_, '_>, params: &ReadParams) -> Result<Question, ApiError> {
        Ok(Question {
            filter: selection::indexed_filter(params, &select::INSTANCE)?,
            passing: params::passing(call.query()?)?,
            tags: call.query()?.all("tag").map(str::to_lowercase).collect(),
            node_meta: params.node_meta.clone(),
        })
    }

    /// What speaks against an instance, the filter apart, which is asked of the finished entry.
    pub fn objection(&self, instance: &Instance) -> Option<Objection<'_>> {
        if let Some(tag) = self.tags.iter().find(|tag| !has_tag(instance, tag)) {
            return Some(Objection::Tag(tag));
        }
        let lacks =
            |pair: &&(Text, Text)| !has_meta(instance.node.meta.as_ref(), std::slice::from_ref(*pair));
        if let Some((key, value)) = self.node_meta.iter().find(lacks) {
            return Some(Objection::NodeMeta(key, value));
        }
        (self.passing && instance.status() != Status::Passing).then_some(Objection::Failing)
    }

    /// What speaks against an entry to which nothing else does.
    pub fn filter_objection(&self, entry: &HealthEntry<'_>) -> Option<Objection<'_>> {
        (!passes(self.filter.as_ref(), entry)).then_some(Objection::Filter)
    }
}
