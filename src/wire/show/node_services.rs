//! A node with its instances: `/v1/catalog/node/:name` by id, `/v1/catalog/node-services/:name` in order.

use serde::{Serialize, Serializer};

use crate::core::model::{Node, Service};
use crate::wire::show::node::CatalogNode;
use crate::wire::show::node_service::NodeService;

/// A node with its instances as a map from id to instance, `{}` when there are none.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeServicesMap<'a, I: Iterator<Item = &'a Service> + Clone> {
    node: CatalogNode<'a>,
    #[serde(serialize_with = "as_map")]
    services: I,
}

impl<'a, I: Iterator<Item = &'a Service> + Clone> NodeServicesMap<'a, I> {
    /// The node with the instances by id.
    pub fn new(node: &'a Node, services: I, datacenter: &'a str) -> Self {
        NodeServicesMap { node: CatalogNode::new(node, datacenter), services }
    }
}

fn as_map<'a, I, S>(services: &I, serializer: S) -> Result<S::Ok, S::Error>
where
    I: Iterator<Item = &'a Service> + Clone,
    S: Serializer,
{
    serializer.collect_map(services.clone().map(|service| (&service.id, NodeService::new(service))))
}

/// A node with its instances as a list; without any it is `null`, but `[]` when a filter left none.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase", bound(serialize = ""))]
pub struct NodeServicesList<'a, I: Iterator<Item = &'a Service> + Clone> {
    node: Option<CatalogNode<'a>>,
    services: List<I>,
}

/// Instances, and whether a filter chose them.
#[derive(Clone, Copy, Debug)]
struct List<I> {
    services: I,
    is_filtered: bool,
}

impl<'a, I: Iterator<Item = &'a Service> + Clone> NodeServicesList<'a, I> {
    /// The node with the instances by id.
    pub fn new(node: &'a Node, services: I, datacenter: &'a str, is_filtered: bool) -> Self {
        let services = List { services, is_filtered };
        NodeServicesList { node: Some(CatalogNode::new(node, datacenter)), services }
    }
}

impl NodeServicesList<'static, std::iter::Empty<&'static Service>> {
    /// What is answered for a node that is not there.
    pub fn unknown() -> Self {
        NodeServicesList { node: None, services: List { services: std::iter::empty(), is_filtered: false } }
    }
}

impl<'a, I: Iterator<Item = &'a Service> + Clone> Serialize for List<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_filtered && self.services.clone().next().is_none() {
            return serializer.serialize_none();
        }
        serializer.collect_seq(self.services.clone().map(NodeService::new))
    }
}
