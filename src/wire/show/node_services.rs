//! A node with its instances: `/v1/catalog/node/:name` by id, `/v1/catalog/node-services/:name` in order.

use serde::{Serialize, Serializer};

use crate::model::{Node, Service};
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

/// A node with its instances as a list, `null` when there are none.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeServicesList<'a, I: Iterator<Item = &'a Service> + Clone> {
    node: Option<CatalogNode<'a>>,
    #[serde(serialize_with = "as_list")]
    services: I,
}

impl<'a, I: Iterator<Item = &'a Service> + Clone> NodeServicesList<'a, I> {
    /// The node with the instances by id.
    pub fn new(node: &'a Node, services: I, datacenter: &'a str) -> Self {
        NodeServicesList { node: Some(CatalogNode::new(node, datacenter)), services }
    }
}

impl NodeServicesList<'static, std::iter::Empty<&'static Service>> {
    /// What is answered for a node that is not there.
    pub fn unknown() -> Self {
        NodeServicesList { node: None, services: std::iter::empty() }
    }
}

fn as_list<'a, I, S>(services: &I, serializer: S) -> Result<S::Ok, S::Error>
where
    I: Iterator<Item = &'a Service> + Clone,
    S: Serializer,
{
    if services.clone().next().is_none() {
        return serializer.serialize_none();
    }
    serializer.collect_seq(services.clone().map(NodeService::new))
}
