//! An instance as the answers about its service list it.

use serde::{Serialize, Serializer};

use crate::base::stdx::meter::Meter;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::service_log::Aspect;
use crate::core::discovery::listing::Listing;
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

/// How plain answers show instances, for the questions of `discovery`.
#[derive(Debug)]
pub struct PlainListing;

impl Listing for PlainListing {
    fn matches(
        &self,
        aspect: Aspect,
        datacenter: &str,
        instance: &Instance,
        filter: &Filter,
        meter: &Meter<'_>,
    ) -> bool {
        let listed = ListedInstance { instance, aspect, datacenter };
        match aspect {
            Aspect::Health => filter.matches_within(&listed.health_entry(), meter),
            Aspect::Catalog => filter.matches_within(&listed.catalog_service(), meter),
        }
    }

    fn look_alike(&self, aspect: Aspect, left: &Instance, right: &Instance) -> bool {
        let shown =
            |instance: &Instance| json::to_vec(&ListedInstance { instance, aspect, datacenter: "" }, false);
        shown(left) == shown(right)
    }
}

/// What tells an instance from another in an answer.
pub fn key(instance: &Instance) -> InstanceKey<'_> {
    InstanceKey { node: &instance.node.name, id: &instance.service.id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::filter;
    use crate::core::model::{Check, Node, Service, Status};
    use crate::wire::select;

    fn instance(tag: &str, status: Status) -> Instance {
        let node = Node { name: "a".into(), ..Node::default() };
        let service =
            Service { id: "web".into(), name: "web".into(), tags: vec![tag.into()], ..Service::default() };
        let check = Check { id: "c".into(), service_id: "web".into(), status, ..Check::default() };
        Instance { node: node.into(), service: service.into(), checks: Box::new([check.into()]) }
    }

    /// Of the catalog's answer only what it shows counts: not the checks.
    #[test]
    fn only_what_is_shown_differently_has_changed() {
        let [before, failing] = [Status::Passing, Status::Critical].map(|status| instance("v1", status));
        let tagged = instance("v2", Status::Passing);
        for (aspect, other, expected) in [
            (Aspect::Health, &before, true),
            (Aspect::Health, &failing, false),
            (Aspect::Health, &tagged, false),
            (Aspect::Catalog, &failing, true),
            (Aspect::Catalog, &tagged, false),
        ] {
            assert_eq!(PlainListing.look_alike(aspect, &before, other), expected, "{aspect:?} {other:?}");
        }
    }

    #[test]
    fn a_filter_is_of_the_fields_of_its_answer() {
        let instance = instance("v1", Status::Critical);
        for (aspect, schema, expression, expected) in [
            (Aspect::Health, &select::INSTANCE, "Node.Datacenter == dc1 and Checks.Status == critical", true),
            (Aspect::Health, &select::INSTANCE, "Node.Datacenter == dc2", false),
            (Aspect::Health, &select::INSTANCE, "Service.Tags is empty", false),
            (Aspect::Health, &select::INSTANCE, "Service.Tags contains v1", true),
            (Aspect::Catalog, &select::CATALOG_SERVICE, "ServiceTags contains v1", true),
            (Aspect::Catalog, &select::CATALOG_SERVICE, "ServiceTags contains v2", false),
        ] {
            let filter = filter::parse(expression).and_then(|it| it.bind_untried(schema));
            let filter = filter.expect("the filter is sound");
            let matches = PlainListing.matches(aspect, "dc1", &instance, &filter, &Meter::boundless());
            assert_eq!(matches, expected, "{expression}");
        }
    }
}
