//! Which records of a list a read wants, and in which order.

use std::sync::Arc;

use crate::api::error::ApiError;
use crate::api::params::ReadParams;
use crate::catalog::instance::Instance;
use crate::filter;
use crate::filter::decision::Filter;
use crate::filter::record::Record;
use crate::filter::schema::Schema;
use crate::model::{Meta, Node};
use crate::registry::own_node::OwnNode;
use crate::stdx::text::Text;

/// As [`filter`], for a read with an index.
///
/// # Errors
/// 400 with the offending place.
pub fn indexed_filter(params: &ReadParams, schema: &'static Schema) -> Result<Option<Filter>, ApiError> {
    filter(params, schema).map_err(ApiError::on_indexed_read)
}

/// The compiled `?filter=`, if there is one.
///
/// # Errors
/// 400 with the offending place.
pub fn filter(params: &ReadParams, schema: &'static Schema) -> Result<Option<Filter>, ApiError> {
    if params.filter.is_empty() {
        return Ok(None);
    }
    Ok(Some(filter::parse(&params.filter)?.bind(schema)?))
}

/// Whether a record is wanted: there is no filter, or it matches.
pub fn passes(filter: Option<&Filter>, record: &dyn Record) -> bool {
    filter.is_none_or(|filter| filter.matches(record))
}

/// Whether a node's metadata has every pair asked for.
pub fn has_meta(meta: Option<&Meta>, wanted: &[(Text, Text)]) -> bool {
    wanted.iter().all(|(key, value)| meta.and_then(|meta| meta.get(key)) == Some(value))
}

/// Whether an instance has every tag asked for, each in lower case, compared without regard to case.
pub fn has_tags(instance: &Instance, wanted: &[String]) -> bool {
    wanted.iter().all(|wanted| has_tag(instance, wanted))
}

/// Whether an instance has the tag asked for, in lower case, compared without regard to case.
pub fn has_tag(instance: &Instance, wanted: &str) -> bool {
    let mut tags = instance.service.tags.iter();
    tags.any(|tag| tag.eq_ignore_ascii_case(wanted) || tag.to_lowercase() == *wanted)
}

/// Puts what is on the node asked for (`?near=`) first and leaves the rest in order. There are no round-trip times
/// here, so a node is near itself and all others are equally far; an unknown node moves nothing.
pub fn near_first<T>(items: &mut [T], params: &ReadParams, own: &OwnNode, node: impl Fn(&T) -> &Arc<Node>) {
    let Some(near) = &params.near else { return };
    let near = if near.as_str() == "_agent" { own.name.folded() } else { near.folded() };
    items.sort_by_key(|item| node(item).name.folded() != near);
}
