//! An instance as `/v1/agent/services` shows it.

use serde::Serialize;

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::{self, Meta, Service, ServiceAddress};
use crate::wire::show::parts;
use crate::wire::show::proxy::ShownProxy;

/// One instance of the agent. `ShownProxy` and `Connect` are there only for those that use them; indexes never
/// are.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentService<'a> {
    #[serde(skip_serializing_if = "parts::is_default")]
    pub(in crate::wire) kind: &'a str,
    #[serde(rename = "ID")]
    pub(in crate::wire) id: &'a str,
    pub(in crate::wire) service: &'a str,
    pub(in crate::wire) tags: &'a Vec<Text>,
    pub(in crate::wire) meta: &'a Meta,
    pub(in crate::wire) port: u16,
    pub(in crate::wire) address: &'a str,
    #[serde(serialize_with = "parts::addresses", skip_serializing_if = "parts::no_addresses")]
    pub(in crate::wire) tagged_addresses: &'a Pairs<ServiceAddress>,
    #[serde(serialize_with = "parts::weights")]
    pub(in crate::wire) weights: model::Weights,
    pub(in crate::wire) enable_tag_override: bool,
    #[serde(skip_serializing_if = "parts::is_default")]
    pub(in crate::wire) content_hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::wire) proxy: Option<ShownProxy<'a>>,
    #[serde(skip_serializing_if = "is_not_native", serialize_with = "parts::connect")]
    pub(in crate::wire) connect: &'a model::Connect,
    /// The Unix socket that it listens on.
    #[serde(skip_serializing_if = "parts::is_default")]
    pub(in crate::wire) socket_path: &'a str,
    /// Where the machine stands.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "parts::locality")]
    pub(in crate::wire) locality: Option<&'a model::Locality>,
    pub(in crate::wire) datacenter: &'a str,
}

fn is_not_native(connect: &&model::Connect) -> bool {
    !connect.native
}

/// Kinds that show a proxy even when it says nothing.
const PROXY_KINDS: [&str; 4] = ["connect-proxy", "mesh-gateway", "terminating-gateway", "ingress-gateway"];

impl<'a> AgentService<'a> {
    /// The instance, in the datacenter of that name.
    pub fn new(service: &'a Service, datacenter: &'a str) -> Self {
        let is_proxy = PROXY_KINDS.contains(&service.kind.as_str());
        AgentService {
            kind: &service.kind,
            id: &service.id,
            service: &service.name,
            tags: &service.tags,
            meta: parts::meta_or_empty(&service.meta),
            port: service.port,
            address: &service.address,
            tagged_addresses: &service.tagged_addresses,
            weights: service.shown_weights(),
            enable_tag_override: service.enable_tag_override,
            content_hash: "",
            proxy: is_proxy.then(|| ShownProxy::of_agent(service.proxy.as_deref())),
            connect: &service.connect,
            socket_path: &service.socket_path,
            locality: service.locality.as_deref(),
            datacenter,
        }
    }

    /// The same with its hash, as `/v1/agent/service/:id` answers.
    pub fn with_content_hash(self, content_hash: &'a str) -> Self {
        AgentService { content_hash, ..self }
    }
}
