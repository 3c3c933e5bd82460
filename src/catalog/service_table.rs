//! Instances by service: the view that discovery reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::instance::{Instance, Position};
use crate::stdx::text::Text;

/// Services by name, each with its instances in answer order. One shard of all of them.
#[derive(Debug, Default)]
pub struct ServiceTable {
    services: HashMap<Text, ServiceEntry>,
}

/// One service: never without an instance.
#[derive(Debug, Default)]
pub struct ServiceEntry {
    name: Text,
    instances: BTreeMap<Position, Arc<Instance>>,
    /// Every tag with the number of times it is used.
    tags: BTreeMap<Text, usize>,
}

/// Which answers are different after one instance was put or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The list of services with their tags.
    pub services: bool,
    /// The instances and their nodes.
    pub service: bool,
    /// The checks of the instance itself.
    pub checks: bool,
    /// Anything at all, the node's checks included.
    pub health: bool,
}

impl ServiceTable {
    /// The service called `name` (in lower case).
    pub fn get(&self, name: &str) -> Option<&ServiceEntry> {
        self.services.get(name)
    }

    /// All services of this shard, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &ServiceEntry> {
        self.services.values()
    }

    /// Number of services in this shard.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Whether this shard holds no service.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// Puts, or with `None` removes, the instance at `position` of the service called `name` (in lower case).
    pub fn put(&mut self, name: &Text, position: Position, instance: Option<Arc<Instance>>) -> Moved {
        let entry = self.services.entry(name.clone()).or_default();
        let before = match &instance {
            Some(instance) => entry.instances.insert(position, instance.clone()),
            None => entry.instances.remove(&position),
        };
        entry.recount(before.as_deref(), instance.as_deref());
        if entry.instances.is_empty() {
            self.services.remove(name);
        }
        compare(before.as_deref(), instance.as_deref())
    }
}

impl ServiceEntry {
    /// The name as the instance registered last writes it.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The instances, by node and id.
    pub fn instances(&self) -> impl ExactSizeIterator<Item = &Arc<Instance>> {
        self.instances.values()
    }

    /// The union of the instances' tags, in byte order.
    pub fn tags(&self) -> impl Iterator<Item = &Text> {
        self.tags.keys()
    }

    fn recount(&mut self, before: Option<&Instance>, after: Option<&Instance>) {
        if let Some(after) = after {
            self.name = after.service.name.clone();
            after.service.tags.iter().for_each(|tag| *self.tags.entry(tag.clone()).or_default() += 1);
        }
        for tag in before.into_iter().flat_map(|before| &before.service.tags) {
            match self.tags.get_mut(tag) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.tags.remove(tag)),
            }
        }
    }
}

fn compare(before: Option<&Instance>, after: Option<&Instance>) -> Moved {
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (None, None) => return Moved::default(),
        (Some(only), None) | (None, Some(only)) => {
            return Moved { services: true, service: true, checks: has_own_checks(only), health: true };
        }
    };
    let same_node = Arc::ptr_eq(&before.node, &after.node);
    let same_service = Arc::ptr_eq(&before.service, &after.service);
    let same_labels = before.service.tags == after.service.tags && before.service.name == after.service.name;
    let own_checks = |instance: &Instance| {
        let own = instance.checks.iter().filter(|check| !check.is_node_level());
        own.map(Arc::as_ptr).collect::<Vec<_>>()
    };
    let same_checks = before.checks.iter().map(Arc::as_ptr).eq(after.checks.iter().map(Arc::as_ptr));
    Moved {
        services: !same_labels || before.node.meta != after.node.meta,
        service: !same_node || !same_service,
        checks: !same_labels || own_checks(before) != own_checks(after),
        health: !same_node || !same_service || !same_checks,
    }
}

fn has_own_checks(instance: &Instance) -> bool {
    instance.checks.iter().any(|check| !check.is_node_level())
}
