//! The filters of reads.

use std::sync::Arc;

use crate::core::filter;
use crate::core::filter::decision::Filter;
use crate::core::filter::schema::Schema;
use crate::surface::context::call::Call;
use crate::surface::context::error::ApiError;
use crate::surface::context::params::ReadParams;

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
