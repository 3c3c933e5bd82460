//! Queries about the instances of one service, read from requests.

use crate::core::catalog::service_log::Aspect;
use crate::core::discovery::query::ServiceQuery;
use crate::core::model::ServiceKey;
use crate::surface::context::call::Call;
use crate::surface::context::error::ApiError;
use crate::surface::context::params::{self, ReadParams, values};
use crate::surface::listed::PlainListing;
use crate::surface::panic;
use crate::surface::selection::indexed_filter;
use crate::wire::select;

/// What a read of a service asks for: by its aspect one of `/v1/health/service` or of `/v1/catalog/service`, which does
/// not look at checks.
///
/// # Errors
/// 400 for a filter that is none, a `passing` that is no boolean, and a panic threshold out of its bounds.
pub fn read(
    call: &Call<'_, '_>,
    params: &ReadParams,
    service: ServiceKey,
    aspect: Aspect,
) -> Result<ServiceQuery, ApiError> {
    let (registry, query) = (&call.api.registry, call.query()?);
    let (filter, passing_only, panic) = match aspect {
        Aspect::Catalog => (indexed_filter(call, params, &select::CATALOG_SERVICE)?, false, None),
        Aspect::Health => {
            let filter = indexed_filter(call, params, &select::INSTANCE)?;
            let passing_only = params::passing(query)?;
            // Without `?passing` nothing is left out that a panic could keep.
            let panic = panic::effective(query, registry.panic_thresholds().of(&service))?;
            (filter, passing_only, panic.filter(|_| passing_only))
        }
    };
    Ok(ServiceQuery {
        service,
        aspect,
        listing: &PlainListing,
        tags: values("tag", query.all("tag").map(str::to_lowercase))?,
        node_meta: params.node_meta.clone(),
        passing_only,
        panic,
        filter,
        near: params.near_node(registry.own_node()),
        datacenter: registry.own_node().datacenter.clone(),
    })
}
