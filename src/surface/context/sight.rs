//! What of the tables a caller sees: whatever he may not see looks as if it were not there.

use std::cell::Cell;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::authorizer::Reach;
use crate::core::acl::resource::{Access, Resource};
use crate::core::catalog::instance::{CheckView, Instance};
use crate::core::catalog::node_record::NodeRecord;
use crate::core::catalog::service_table::ServiceEntry;
use crate::core::model::{Check, Node, Service};
use crate::surface::context::rights::Rights;

/// What a caller sees.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    rights: &'a Rights,
    /// Set when something was there that is not seen.
    hides: &'a Cell<bool>,
    is_of_agent: bool,
}

/// A node with everything on it that is seen.
#[derive(Clone, Copy)]
pub struct VisibleNode<'a> {
    record: &'a NodeRecord,
    sight: Sight<'a>,
}

impl<'a> Sight<'a> {
    /// That of the catalog: to see what is on a node one has to see the node as well. `hides` is set when something was
    /// there that is not seen.
    pub fn of(rights: &'a Rights, hides: &'a Cell<bool>) -> Sight<'a> {
        Sight { rights, hides, is_of_agent: false }
    }

    /// That of the agent, whose node is no secret: to see a service of its it is enough to see the service.
    pub fn of_agent(self) -> Sight<'a> {
        Sight { is_of_agent: true, ..self }
    }

    /// Whether every node, and everything on it, is seen.
    pub fn is_whole(self) -> bool {
        let sees_all = |resource| self.rights.reach(resource, Access::Read) == Reach::Everything;
        matches!(self.rights, Rights::Everything) || (sees_all(Resource::Node) && sees_all(Resource::Service))
    }

    /// Whether a node is seen, by its name.
    pub fn node(self, name: &str) -> bool {
        self.seen(self.rights.sees(Resource::Node, name))
    }

    /// Whether a service is seen, by its name.
    pub fn service(self, name: &str) -> bool {
        self.seen(self.rights.sees(Resource::Service, name))
    }

    /// Whether a key is seen.
    pub fn key(self, key: &str) -> bool {
        self.seen(self.rights.sees(Resource::Key, key))
    }

    /// Whether an instance is seen.
    pub fn instance(self, instance: &Instance) -> bool {
        self.service(&instance.service.name) && (self.is_of_agent || self.node(&instance.node.name))
    }

    /// Whether a check is seen: one of a node, or of one of its instances.
    pub fn check(self, view: &CheckView) -> bool {
        match &view.service {
            None => self.node(&view.node.name),
            Some(service) => self.service(&service.name) && (self.is_of_agent || self.node(&view.node.name)),
        }
    }

    /// Whether a service is seen with all that is said of it as a whole: by every name that its instances give it.
    pub fn entry(self, entry: &ServiceEntry) -> bool {
        let name = entry.name();
        self.service(name)
            && (self.is_whole()
                || entry.instances().all(|it| it.service.name == *name || self.service(&it.service.name)))
    }

    /// Leaves out the instances that are not seen.
    pub fn retain(self, instances: &mut Vec<Arc<Instance>>) {
        if !self.is_whole() {
            instances.retain(|instance| self.instance(instance));
        }
    }

    /// The node, if it is seen.
    pub fn of_record(self, record: &'a NodeRecord) -> Option<VisibleNode<'a>> {
        let is_seen = self.is_of_agent || self.node(&record.node().name);
        is_seen.then_some(VisibleNode { record, sight: self })
    }

    fn seen(self, is_seen: bool) -> bool {
        if !is_seen {
            self.hides.set(true);
        }
        is_seen
    }
}

impl<'a> VisibleNode<'a> {
    /// The node itself.
    pub fn node(self) -> &'a Arc<Node> {
        self.record.node()
    }

    /// How many instances and checks there are on it, seen or not: what looking through them costs.
    pub fn records(self) -> usize {
        self.record.services().len() + self.record.checks().len()
    }

    /// The instances on it, by id.
    pub fn services(self) -> impl Iterator<Item = &'a Arc<Service>> {
        self.record.services().values().filter(move |service| self.sight.service(&service.name))
    }

    /// The one with that id.
    pub fn service(self, id: &Text) -> Option<&'a Arc<Service>> {
        self.record.services().get(id).filter(|service| self.sight.service(&service.name))
    }

    /// The checks of the node and of its instances.
    pub fn checks(self) -> impl Iterator<Item = &'a Arc<Check>> {
        self.record.checks().values().filter(move |check| self.sees_check(check))
    }

    /// The one of these with that id.
    pub fn check(self, id: &Text) -> Option<&'a Arc<Check>> {
        self.record.checks().get(id).filter(|check| self.sees_check(check))
    }

    fn sees_check(self, check: &Check) -> bool {
        match check.is_node_level() {
            _ if self.sight.is_whole() => true,
            true => self.sight.node(&self.record.node().name),
            false => self.service(&check.service_id).is_some(),
        }
    }

    /// All of these as readers of checks see them.
    pub fn check_views(self) -> Vec<CheckView> {
        let mut views = self.record.check_views();
        if !self.sight.is_whole() {
            views.retain(|view| self.sight.check(view));
        }
        views
    }

    /// The instance with that id, joined with its node and checks.
    pub fn instance(self, id: &Text) -> Option<Instance> {
        self.service(id)?;
        self.record.instance(id)
    }

    /// Ids of the checks of an instance.
    pub fn check_ids_of(self, service_id: &Text) -> impl Iterator<Item = &'a Text> {
        self.record.check_ids_of(service_id)
    }
}
