//! An instance with its node as `/v1/catalog/service/:name` lists it.

use serde::Serialize;

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::{self, Meta, Node, Service, ServiceAddress};
use crate::wire::show::parts;
use crate::wire::show::proxy::ShownProxy;

/// One instance, flat. The indexes are the instance's.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CatalogService<'a> {
    #[serde(rename = "ID")]
    pub(in crate::wire) id: &'a str,
    pub(in crate::wire) node: &'a str,
    pub(in crate::wire) address: &'a str,
    pub(in crate::wire) datacenter: &'a str,
    pub(in crate::wire) tagged_addresses: &'a Option<Meta>,
    pub(in crate::wire) node_meta: &'a Option<Meta>,
    pub(in crate::wire) service_kind: &'a str,
    #[serde(rename = "ServiceID")]
    pub(in crate::wire) service_id: &'a str,
    pub(in crate::wire) service_name: &'a str,
    pub(in crate::wire) service_tags: &'a Vec<Text>,
    pub(in crate::wire) service_address: &'a str,
    #[serde(serialize_with = "parts::addresses", skip_serializing_if = "parts::no_addresses")]
    pub(in crate::wire) service_tagged_addresses: &'a Pairs<ServiceAddress>,
    #[serde(serialize_with = "parts::weights")]
    pub(in crate::wire) service_weights: model::Weights,
    pub(in crate::wire) service_meta: &'a Meta,
    pub(in crate::wire) service_port: u16,
    pub(in crate::wire) service_enable_tag_override: bool,
    pub(in crate::wire) service_proxy: ShownProxy<'a>,
    #[serde(serialize_with = "parts::connect")]
    pub(in crate::wire) service_connect: &'a model::Connect,
    /// The Unix socket that it listens on.
    #[serde(skip_serializing_if = "parts::is_default")]
    pub(in crate::wire) service_socket_path: &'a str,
    /// Where the machine stands.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "parts::locality")]
    pub(in crate::wire) service_locality: Option<&'a model::Locality>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> CatalogService<'a> {
    /// The instance on its node, in the datacenter of that name.
    pub fn new(node: &'a Node, service: &'a Service, datacenter: &'a str) -> Self {
        CatalogService {
            id: &node.id,
            node: &node.name,
            address: &node.address,
            datacenter,
            tagged_addresses: &node.tagged_addresses,
            node_meta: &node.meta,
            service_kind: &service.kind,
            service_id: &service.id,
            service_name: &service.name,
            service_tags: &service.tags,
            service_address: &service.address,
            service_tagged_addresses: &service.tagged_addresses,
            service_weights: service.shown_weights(),
            service_meta: parts::meta_or_empty(&service.meta),
            service_port: service.port,
            service_enable_tag_override: service.enable_tag_override,
            service_proxy: ShownProxy::of_catalog(service.proxy.as_deref()),
            service_connect: &service.connect,
            service_socket_path: &service.socket_path,
            service_locality: service.locality.as_deref(),
            create_index: service.indexes.create,
            modify_index: service.indexes.modify,
        }
    }
}
