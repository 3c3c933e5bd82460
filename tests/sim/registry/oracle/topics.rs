//! What an answer about each topic depends on, as numbers that differ when it does.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use muster::base::stdx::text::Text;
use muster::core::catalog::topic::Topic;
use muster::core::model::acl::AclKind;
use muster::core::model::{Indexes, NodeKey, ServiceKey, Status};

use crate::registry::oracle::Catalog;

/// Every topic that the plans can move, and some that nobody ever does.
pub fn universe(own_names: &[&str]) -> Vec<Topic> {
    let mut topics = vec![Topic::Nodes, Topic::Services, Topic::Instances, Topic::State(None)];
    topics.extend([Topic::Policies, Topic::Roles, Topic::Tokens]);
    topics.extend([Status::Passing, Status::Warning, Status::Critical].map(|it| Topic::State(Some(it))));
    for node in ["n1", "n2", "n3", "nobody"].iter().chain(own_names) {
        topics.extend([Topic::Node((*node).into()), Topic::NodeChecks((*node).into())]);
    }
    for service in ["web", "db", "consul", "nothing"] {
        let service = ServiceKey::from(service);
        topics.push(Topic::Service(service.clone()));
        topics.push(Topic::Health(service.clone()));
        topics.push(Topic::ServiceChecks(service));
    }
    topics
}

impl Catalog {
    /// What is answered about a topic: two answers that differ have two numbers.
    pub fn answer(&self, topic: &Topic) -> u64 {
        let mut sum = Sum::default();
        match topic {
            Topic::Nodes => self.nodes.iter().for_each(|(key, it)| sum.add(key.as_str(), it.indexes)),
            Topic::Services => {
                let mut names: BTreeSet<(ServiceKey, Option<&Text>)> = BTreeSet::new();
                for service in self.services.values() {
                    let tags = service.tags.iter().map(Some).chain([None]);
                    names.extend(tags.map(|tag| (ServiceKey::of(&service.name), tag)));
                }
                names.hash(&mut sum.0);
            }
            Topic::Instances => {
                for ((node, id), service) in &self.services {
                    self.nodes.get(node).iter().for_each(|it| sum.add(node.as_str(), it.indexes));
                    sum.add(id, service.indexes);
                }
            }
            Topic::Node(key) => {
                self.nodes.get(key).iter().for_each(|it| sum.add(key.as_str(), it.indexes));
                let on_it = self.services.iter().filter(|(place, _)| place.0 == *key);
                on_it.for_each(|(place, it)| sum.add(&place.1, it.indexes));
            }
            Topic::NodeChecks(key) => {
                let on_it = self.checks.iter().filter(|(place, _)| place.0 == *key);
                on_it.for_each(|(place, it)| sum.add(&place.1, it.indexes));
            }
            Topic::Service(key) => self.add_instances(&mut sum, key, |_, _, _| {}),
            Topic::Health(key) => self.add_instances(&mut sum, key, |sum, node, id| {
                for ((on, check_id), check) in &self.checks {
                    if on == node && (check.is_node_level() || check.service_id == *id) {
                        sum.add(check_id, check.indexes);
                    }
                }
            }),
            Topic::ServiceChecks(key) => {
                for (place, service) in self.instances_of(key) {
                    for ((on, check_id), check) in &self.checks {
                        if *on == place.0 && check.service_id == service.id {
                            sum.add(check_id, check.indexes);
                        }
                    }
                }
            }
            Topic::Policies => self.add_access(&mut sum, &[AclKind::Policy]),
            Topic::Roles => {
                self.add_access(&mut sum, &[AclKind::Role]);
                self.add_names(&mut sum, &[AclKind::Policy]);
            }
            Topic::Tokens => {
                self.add_access(&mut sum, &[AclKind::Token]);
                self.add_names(&mut sum, &[AclKind::Policy, AclKind::Role]);
            }
            Topic::Key(_) | Topic::Prefix(_) => unreachable!("nobody here watches keys"),
            Topic::State(status) => {
                let in_it =
                    self.checks.iter().filter(|(_, it)| status.is_none_or(|status| it.status == status));
                in_it.for_each(|((node, id), it)| {
                    node.hash(&mut sum.0);
                    sum.add(id, it.indexes);
                });
            }
        }
        sum.0.finish()
    }

    /// Everything that may move a topic: while it stands, whoever watches is left in peace.
    pub fn surroundings(&self, topic: &Topic) -> u64 {
        let mut sum = Sum::default();
        let nodes: Option<BTreeSet<NodeKey>> = match topic {
            Topic::Node(key) | Topic::NodeChecks(key) => Some([key.clone()].into()),
            Topic::Service(key) | Topic::Health(key) | Topic::ServiceChecks(key) => {
                Some(self.instances_of(key).map(|(place, _)| place.0.clone()).collect())
            }
            Topic::Policies | Topic::Roles | Topic::Tokens => {
                let kinds = match topic {
                    Topic::Policies => &[AclKind::Policy][..],
                    Topic::Roles => &[AclKind::Policy, AclKind::Role],
                    _ => &[AclKind::Policy, AclKind::Role, AclKind::Token],
                };
                self.add_access(&mut sum, kinds);
                return sum.0.finish();
            }
            Topic::Nodes | Topic::Services | Topic::Instances | Topic::State(_) => None,
            Topic::Key(_) | Topic::Prefix(_) => unreachable!("nobody here watches keys"),
        };
        let is_near = |node: &NodeKey| nodes.as_ref().is_none_or(|nodes| nodes.contains(node));
        let nodes = self.nodes.iter().filter(|(key, _)| is_near(key));
        nodes.for_each(|(key, it)| sum.add(key.as_str(), it.indexes));
        if *topic != Topic::Nodes {
            let services = self.services.iter().filter(|(place, _)| is_near(&place.0));
            services.for_each(|(place, it)| sum.add(&place.1, it.indexes));
        }
        let shows_no_checks = matches!(
            topic,
            Topic::Nodes | Topic::Services | Topic::Instances | Topic::Node(_) | Topic::Service(_)
        );
        if !shows_no_checks {
            let checks = self.checks.iter().filter(|(place, _)| is_near(&place.0));
            checks.for_each(|(place, it)| sum.add(&place.1, it.indexes));
        }
        sum.0.finish()
    }

    fn add_access(&self, sum: &mut Sum, kinds: &[AclKind]) {
        let of_kind = self.acl.iter().filter(|((kind, _), _)| kinds.contains(kind));
        of_kind.for_each(|((_, id), it)| sum.add(id, it.indexes()));
    }

    /// The names that links show.
    fn add_names(&self, sum: &mut Sum, kinds: &[AclKind]) {
        let of_kind = self.acl.iter().filter(|((kind, _), _)| kinds.contains(kind));
        of_kind.for_each(|((_, id), it)| (id, it.name()).hash(&mut sum.0));
    }

    fn add_instances(&self, sum: &mut Sum, key: &ServiceKey, more: impl Fn(&mut Sum, &NodeKey, &Text)) {
        for ((node, id), service) in self.instances_of(key) {
            self.nodes.get(node).iter().for_each(|it| sum.add(node.as_str(), it.indexes));
            sum.add(id, service.indexes);
            more(sum, node, id);
        }
    }
}

#[derive(Default)]
struct Sum(DefaultHasher);

impl Sum {
    /// A record: no other has its name and indexes.
    fn add(&mut self, name: &str, indexes: Indexes) {
        name.hash(&mut self.0);
        (indexes.create, indexes.modify).hash(&mut self.0);
    }
}
