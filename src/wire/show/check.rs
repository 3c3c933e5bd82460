//! A check as `/v1/health/*` and `/v1/agent/checks` show it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::base::stdx::text::Text;
use crate::core::model::{Cadence, Check, CheckDefinition, Origin, Probe, ProbeTls, Service};
use crate::wire::show::parts;

/// Tags of a check that is of no instance.
static NO_TAGS: Vec<Text> = Vec::new();

/// One check. Name and tags of its instance are shown as they are now, whatever they were when it was
/// registered.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheck<'a> {
    pub(in crate::wire) node: &'a str,
    #[serde(rename = "CheckID")]
    pub(in crate::wire) check_id: &'a str,
    pub(in crate::wire) name: &'a str,
    pub(in crate::wire) status: &'static str,
    pub(in crate::wire) notes: &'a str,
    pub(in crate::wire) output: &'a str,
    #[serde(rename = "ServiceID")]
    pub(in crate::wire) service_id: &'a str,
    pub(in crate::wire) service_name: &'a str,
    pub(in crate::wire) service_tags: &'a Vec<Text>,
    #[serde(rename = "Type")]
    pub(in crate::wire) kind: &'a str,
    #[serde(serialize_with = "parts::duration")]
    interval: Duration,
    #[serde(serialize_with = "parts::duration")]
    timeout: Duration,
    exposed_port: u16,
    definition: Definition<'a>,
    create_index: u64,
    modify_index: u64,
}

impl<'a> HealthCheck<'a> {
    /// The check on the node of that name; `service` is the instance it is of.
    ///
    /// The agent's checks tell their cadence in `Interval` and `Timeout`, the catalog's in `Definition`, as Consul's
    /// do, and in the former as well what they were registered with there.
    pub fn new(check: &'a Check, node: &'a str, service: Option<&'a Service>) -> Self {
        let is_agents = check.origin == Origin::Agent;
        let CheckDefinition { interval, timeout, owner, .. } = *check.definition;
        let Cadence { interval, timeout, exposed_port } =
            if is_agents { Cadence { interval, timeout, exposed_port: 0 } } else { owner };
        HealthCheck {
            node,
            check_id: &check.id,
            name: &check.name,
            status: check.status.as_str(),
            notes: &check.notes,
            output: &check.output,
            service_id: &check.service_id,
            service_name: service.map_or("", |service| &service.name),
            service_tags: service.map_or(&NO_TAGS, |service| &service.tags),
            kind: &check.kind,
            interval,
            timeout,
            exposed_port,
            definition: if is_agents { Definition::default() } else { Definition::new(&check.definition) },
            create_index: check.indexes.create,
            modify_index: check.indexes.modify,
        }
    }

    /// The check as `/v1/agent/checks` shows it: the agent knows no indexes.
    pub fn of_agent(check: &'a Check, node: &'a str, service: Option<&'a Service>) -> Self {
        HealthCheck { create_index: 0, modify_index: 0, ..HealthCheck::new(check, node, service) }
    }
}

/// How a check's owner checks: only what is given.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition<'a> {
    #[serde(serialize_with = "parts::duration", skip_serializing_if = "parts::is_default")]
    interval: Duration,
    #[serde(skip_serializing_if = "parts::is_default")]
    output_max_size: u32,
    #[serde(serialize_with = "parts::duration", skip_serializing_if = "parts::is_default")]
    timeout: Duration,
    #[serde(serialize_with = "parts::duration", skip_serializing_if = "parts::is_default")]
    deregister_critical_service_after: Duration,
    #[serde(rename = "HTTP", skip_serializing_if = "parts::is_default")]
    http: &'a str,
    #[serde(rename = "TLSServerName", skip_serializing_if = "parts::is_default")]
    tls_server_name: &'a str,
    #[serde(rename = "TLSSkipVerify", skip_serializing_if = "parts::is_default")]
    tls_skip_verify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a BTreeMap<Text, Vec<Text>>>,
    #[serde(skip_serializing_if = "parts::is_default")]
    method: &'a str,
    #[serde(skip_serializing_if = "parts::is_default")]
    body: &'a str,
    #[serde(skip_serializing_if = "parts::is_default")]
    disable_redirects: bool,
    #[serde(rename = "TCP", skip_serializing_if = "parts::is_default")]
    tcp: &'a str,
    #[serde(rename = "TCPUseTLS", skip_serializing_if = "parts::is_default")]
    tcp_use_tls: bool,
    #[serde(rename = "UDP", skip_serializing_if = "parts::is_default")]
    udp: &'a str,
    #[serde(rename = "H2PING", skip_serializing_if = "parts::is_default")]
    h2ping: &'a str,
    #[serde(rename = "OSService", skip_serializing_if = "parts::is_default")]
    os_service: &'a str,
    #[serde(rename = "H2PingUseTLS", skip_serializing_if = "parts::is_default")]
    h2ping_use_tls: bool,
    #[serde(skip_serializing_if = "<[Text]>::is_empty")]
    script_args: &'a [Text],
    #[serde(rename = "GRPC", skip_serializing_if = "Option::is_none")]
    grpc: Option<GrpcTarget<'a>>,
    #[serde(rename = "GRPCUseTLS", skip_serializing_if = "parts::is_default")]
    grpc_use_tls: bool,
    #[serde(skip_serializing_if = "parts::is_default")]
    alias_node: &'a str,
    #[serde(skip_serializing_if = "parts::is_default")]
    alias_service: &'a str,
    /// In nanoseconds, unlike the other durations.
    #[serde(rename = "TTL", skip_serializing_if = "parts::is_default")]
    ttl: u64,
    /// What was said besides.
    #[serde(flatten)]
    told: Option<&'a BTreeMap<Text, Value>>,
}

impl<'a> Definition<'a> {
    fn new(definition: &'a CheckDefinition) -> Self {
        let common = Definition {
            interval: definition.interval,
            output_max_size: definition.output_max_size,
            timeout: definition.timeout,
            deregister_critical_service_after: definition.deregister_critical_service_after,
            told: (!definition.told.is_empty()).then_some(&definition.told),
            ..Definition::default()
        };
        match &definition.probe {
            Some(Probe::Http {
                url,
                method,
                header,
                body,
                tls_skip_verify,
                tls_server_name,
                disable_redirects,
            }) => Definition {
                http: url,
                method,
                header: (!header.is_empty()).then_some(header),
                body,
                tls_skip_verify: *tls_skip_verify,
                tls_server_name,
                disable_redirects: *disable_redirects,
                ..common
            },
            Some(Probe::Tcp { address, tls }) => {
                Definition { tcp: address, tcp_use_tls: tls.is_some(), ..common.through(tls) }
            }
            Some(Probe::Udp { address }) => Definition { udp: address, ..common },
            Some(Probe::Grpc { address, service, tls }) => {
                let grpc = Some(GrpcTarget { address, service });
                Definition { grpc, grpc_use_tls: tls.is_some(), ..common.through(tls) }
            }
            Some(Probe::H2Ping { address, tls }) => {
                Definition { h2ping: address, h2ping_use_tls: tls.is_some(), ..common.through(tls) }
            }
            Some(Probe::OsService { name }) => Definition { os_service: name, ..common },
            Some(Probe::Script { args }) => Definition { script_args: args, ..common },
            Some(Probe::Alias { node, service_id }) => {
                Definition { alias_node: node, alias_service: service_id, ..common }
            }
            Some(Probe::Ttl { ttl }) => {
                Definition { ttl: u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX), ..common }
            }
            None => common,
        }
    }

    /// With what is said of TLS, if it is used.
    fn through(self, tls: &'a Option<ProbeTls>) -> Self {
        match tls {
            Some(ProbeTls { skip_verify, server_name }) => {
                Definition { tls_skip_verify: *skip_verify, tls_server_name: server_name, ..self }
            }
            None => self,
        }
    }
}

/// Where a gRPC check goes, in one text: `host:port`, with `/service` if one is asked for.
#[derive(Clone, Copy, Debug)]
struct GrpcTarget<'a> {
    address: &'a str,
    service: &'a str,
}

impl Serialize for GrpcTarget<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let slash = if self.service.is_empty() { "" } else { "/" };
        serializer.collect_str(&format_args!("{}{slash}{}", self.address, self.service))
    }
}
