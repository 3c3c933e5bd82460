//! An instance with its node and checks as `/v1/health/service/:name` lists it.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::core::model::{Check, Node, Service};
use crate::wire::show::check::HealthCheck;
use crate::wire::show::node::CatalogNode;
use crate::wire::show::node_service::NodeService;

/// One instance with everything that bears on it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthEntry<'a> {
    pub(in crate::wire) node: CatalogNode<'a>,
    pub(in crate::wire) service: NodeService<'a>,
    pub(in crate::wire) checks: EntryChecks<'a>,
}

impl<'a> HealthEntry<'a> {
    /// The instance on its node; `checks` are those of the node, then its own.
    pub fn new(node: &'a Node, service: &'a Service, checks: &'a [Arc<Check>], datacenter: &'a str) -> Self {
        HealthEntry {
            node: CatalogNode::new(node, datacenter),
            service: NodeService::new(service),
            checks: EntryChecks { node: &node.name, service, checks },
        }
    }
}

/// The checks of one entry, shaped one by one while they are written.
#[derive(Clone, Copy, Debug)]
pub struct EntryChecks<'a> {
    node: &'a str,
    service: &'a Service,
    checks: &'a [Arc<Check>],
}

impl<'a> EntryChecks<'a> {
    /// The checks in the entry's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = HealthCheck<'a>> + use<'a> {
        let EntryChecks { node, service, checks } = *self;
        checks
            .iter()
            .map(move |check| HealthCheck::new(check, node, (!check.is_node_level()).then_some(service)))
    }
}

impl Serialize for EntryChecks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
