//! What discovery has to know of answers, whose shapes stand above it.

use std::fmt::Debug;

use crate::base::stdx::meter::Meter;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::filter::decision::Filter;

/// How answers show an instance. Whoever asks says so: a filter selects of what is shown, and between two answers only
/// those instances have changed that are shown differently.
pub trait Listing: Debug + Sync {
    /// Whether the filter matches what this answer shows of the instance.
    fn matches(
        &self,
        aspect: Aspect,
        datacenter: &str,
        instance: &Instance,
        filter: &Filter,
        meter: &Meter<'_>,
    ) -> bool;

    /// Whether two instances look the same in this answer.
    fn look_alike(&self, aspect: Aspect, left: &Instance, right: &Instance) -> bool;
}
