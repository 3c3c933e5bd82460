//! Which records of a list a read wants, and in which order.

use std::sync::Arc;

use crate::api::context::call::Call;
use crate::api::context::error::ApiError;
use crate::api::context::params::ReadParams;
use crate::catalog::instance::Instance;
use crate::filter;
use crate::filter::decision::Filter;
use crate::filter::record::Record;
use crate::filter::schema::Schema;
use crate::model::{Meta, Node};
use crate::registry::own_node::OwnNode;
use crate::stdx::meter::Meter;
use crate::stdx::text::Text;

/// As [`filter()`], for a read with an index.
///
/// # Errors
/// 400 with the offending place.
pub fn indexed_filter(
    call: &Call<'_, '_>,
    params: &ReadParams,
    schema: &'static Schema,
) -> Result<Option<Arc<Filter>>, ApiError> {
    filter(call, params, schema).map_err(ApiError::on_indexed_read)
}

/// The `?filter=`, if there is one, its patterns found to be sound. Costly ones are compiled elsewhere, while this
/// waits.
///
/// # Errors
/// 400 with the offending place; 503 when too many wait for the same.
pub fn filter(
    call: &Call<'_, '_>,
    params: &ReadParams,
    schema: &'static Schema,
) -> Result<Option<Arc<Filter>>, ApiError> {
    compiled(call, &params.filter, schema)
}

/// A filter expression, as [`filter()`] has it; empty for none.
///
/// # Errors
/// As [`filter()`].
pub fn compiled(
    call: &Call<'_, '_>,
    expression: &str,
    schema: &'static Schema,
) -> Result<Option<Arc<Filter>>, ApiError> {
    if expression.is_empty() {
        return Ok(None);
    }
    let filter = Arc::new(filter::parse(expression)?.bind_untried(schema)?);
    if filter.is_costly() && !call.exchange.is_detached() {
        let lent = filter.clone();
        call.api.resources.slow_reads.try_out(call.request().peer(), move || lent.try_patterns())??;
    } else {
        filter.try_patterns()?;
    }
    Ok(Some(filter))
}

/// Whether a record is wanted: there is no filter, or it matches. Spends what it costs to find out.
pub fn passes(filter: Option<&Filter>, record: &dyn Record, meter: &Meter<'_>) -> bool {
    meter.spend(1) && filter.is_none_or(|filter| filter.matches_within(record, meter))
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
    tags.any(|tag| tag.eq_ignore_ascii_case(wanted) || (!tag.is_ascii() && tag.to_lowercase() == *wanted))
}

/// What asking an instance for so many tags costs, in units.
pub fn tags_units(instance: &Instance, wanted: usize) -> u64 {
    /// Tags that are compared in a unit.
    const TAGS_OF_UNIT: usize = 32;
    1 + (instance.service.tags.len() * wanted / TAGS_OF_UNIT) as u64
}

/// The values of a parameter that may be given several times, each once, in order.
///
/// # Errors
/// 400 for more than [`VALUES_MAX`] different ones.
pub fn values<T: PartialEq>(name: &'static str, given: impl Iterator<Item = T>) -> Result<Vec<T>, ApiError> {
    let mut values = Vec::new();
    for value in given {
        if values.contains(&value) {
            continue;
        }
        if values.len() == VALUES_MAX {
            let sentence = format!("more than {VALUES_MAX} different {name}= parameters: ask for fewer");
            return Err(ApiError::bad_request(sentence));
        }
        values.push(value);
    }
    Ok(values)
}

/// Different values of one parameter: far more than anybody asks for, and each is looked for in each record.
pub const VALUES_MAX: usize = 64;

/// Puts what is on the node asked for (`?near=`) first and leaves the rest in order. There are no round-trip times
/// here, so a node is near itself and all others are equally far; an unknown node moves nothing.
pub fn near_first<T>(items: &mut [T], params: &ReadParams, own: &OwnNode, node: impl Fn(&T) -> &Arc<Node>) {
    let Some(near) = &params.near else { return };
    let near = if near.as_str() == "_agent" { own.name.folded() } else { near.folded() };
    items.sort_by_key(|item| node(item).name.folded() != near);
}
