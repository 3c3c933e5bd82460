//! An instance as the answers about its service list it.

use serde::{Serialize, Serializer};

use crate::base::stdx::meter::Meter;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::filter::decision::Filter;
use crate::wire::json;
use crate::wire::show::{CatalogService, HealthEntry, InstanceKey};

/// An instance in the shape of the plain answer.
#[derive(Clone, Copy)]
pub struct ListedInstance<'a> {
    /// The instance.
    pub instance: &'a Instance,
    /// Which answer.
    pub aspect: Aspect,
    /// The datacenter's name.
    pub datacenter: &'a str,
}

impl ListedInstance<'_> {
    /// Whether the filter matches what is shown.
    pub fn matches(&self, filter: &Filter, meter: &Meter<'_>) -> bool {
        match self.aspect {
            Aspect::Health => filter.matches_within(&self.health_entry(), meter),
            Aspect::Catalog => filter.matches_within(&self.catalog_service(), meter),
        }
    }

    fn health_entry(&self) -> HealthEntry<'_> {
        let Instance { node, service, checks } = self.instance;
        HealthEntry::new(node, service, checks, self.datacenter)
    }

    fn catalog_service(&self) -> CatalogService<'_> {
        CatalogService::new(&self.instance.node, &self.instance.service, self.datacenter)
    }
}

impl Serialize for ListedInstance<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.aspect {
            Aspect::Health => self.health_entry().serialize(serializer),
            Aspect::Catalog => self.catalog_service().serialize(serializer),
        }
    }
}

/// Whether two instances look the same in an answer.
pub fn look_alike(aspect: Aspect, left: &Instance, right: &Instance) -> bool {
    let shown =
        |instance: &Instance| json::to_vec(&ListedInstance { instance, aspect, datacenter: "" }, false);
    shown(left) == shown(right)
}

/// What tells an instance from another in an answer.
pub fn key(instance: &Instance) -> InstanceKey<'_> {
    InstanceKey { node: &instance.node.name, id: &instance.service.id }
}
