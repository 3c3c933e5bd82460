//! What definition files register: worked out when they are read, and once more where only the registry can tell.

use crate::base::stdx::text::Text;
use crate::config::plan;
use crate::config::problem::Problems;
use crate::config::validated::Config;
use crate::core::model::Defined;
use crate::core::model::criticality;
use crate::node::registry::Registry;
use crate::node::registry::checking::programs::Armed;

/// Takes what the files of a configuration define. Checks may be of instances that clients have registered: whether
/// these are there, and how their checks run, is looked up now.
pub(super) fn take(registry: &Registry, config: &mut Config) -> Result<Vec<Defined>, String> {
    let defined = std::mem::take(&mut config.defined);
    let is_of_files = |it: &Defined| it.service.is_some() || it.service_id.is_empty();
    if defined.iter().all(is_of_files) {
        return Ok(defined);
    }
    let registered = |service_id: &Text| {
        let service = registry.own_service(service_id)?;
        Some(service.meta.as_ref().and_then(|meta| meta.get(criticality::META_KEY).cloned()))
    };
    let planned = plan::plan(&config.definitions, &config.plan_terms(), registered);
    planned.map(|planned| planned.defined).map_err(|problems| Problems(problems).to_string())
}

/// The programs that the files of a configuration name, whatever else they say. How often these run does not matter
/// here.
pub(super) fn programs(config: &Config) -> Armed {
    Armed::by(config.defined.iter().flat_map(|it| &it.checks))
}
