//! An instance as `/v1/health/service` and `/v1/catalog/node` show it.

use serde::Serialize;

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::{self, Meta, Service, ServiceAddress};
use crate::wire::show::parts;
use crate::wire::show::proxy::ShownProxy;

/// One instance. `Meta` is `null` when it was registered without.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NodeService<'a> {
    #[serde(skip_serializing_if = "parts::is_default")]
    pub(in crate::wire) kind: &'a str,
    #[serde(rename = "ID")]
    pub(in crate::wire) id: &'a str,
    pub(in crate::wire) service: &'a str,
    pub(in crate::wire) tags: &'a Vec<Text>,
    pub(in crate::wire) address: &'a str,
    #[serde(serialize_with = "parts::addresses", skip_serializing_if = "parts::no_addresses")]
    pub(in crate::wire) tagged_addresses: &'a Pairs<ServiceAddress>,
    pub(in crate::wire) meta: &'a Option<Meta>,
    pub(in crate::wire) port: u16,
    #[serde(serialize_with = "parts::weights")]
    pub(in crate::wire) weights: model::Weights,
    pub(in crate::wire) enable_tag_override: bool,
    pub(in crate::wire) proxy: ShownProxy<'a>,
    #[serde(serialize_with = "parts::connect")]
    pub(in crate::wire) connect: &'a model::Connect,
    /// The Unix socket that it listens on.
    #[serde(skip_serializing_if = "parts::is_default")]
    pub(in crate::wire) socket_path: &'a str,
    /// Where the machine stands.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "parts::locality")]
    pub(in crate::wire) locality: Option<&'a model::Locality>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> NodeService<'a> {
    /// The instance.
    pub fn new(service: &'a Service) -> Self {
        NodeService {
            kind: &service.kind,
            id: &service.id,
            service: &service.name,
            tags: &service.tags,
            address: &service.address,
            tagged_addresses: &service.tagged_addresses,
            meta: &service.meta,
            port: service.port,
            weights: service.shown_weights(),
            enable_tag_override: service.enable_tag_override,
            proxy: ShownProxy::of_catalog(service.proxy.as_deref()),
            connect: &service.connect,
            socket_path: &service.socket_path,
            locality: service.locality.as_deref(),
            create_index: service.indexes.create,
            modify_index: service.indexes.modify,
        }
    }
}
