//! How an instance of the agent fares: `/v1/agent/health/service/*`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::base::stdx::text::Text;
use crate::core::model::{Check, Service, Status, hold};
use crate::wire::show::agent_service::AgentService;

/// The word for several checks together: maintenance before critical before warning before passing.
pub fn aggregated_status<'a>(checks: impl Iterator<Item = &'a Check>) -> &'static str {
    let mut worst = Status::Passing;
    for check in checks {
        if hold::is_maintenance(check) {
            return "maintenance";
        }
        worst = worst.max(check.status);
    }
    worst.as_str()
}

/// One instance with its checks and what they come to.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AgentHealth<'a> {
    aggregated_status: &'static str,
    service: Option<AgentService<'a>>,
    checks: Option<AgentChecks<'a>>,
}

impl<'a> AgentHealth<'a> {
    /// The instance on the node of that name; `checks` are those of the node, then its own.
    pub fn new(node: &'a str, service: &'a Service, checks: &'a [Arc<Check>], datacenter: &'a str) -> Self {
        AgentHealth {
            aggregated_status: aggregated_status(checks.iter().map(|check| &**check)),
            service: Some(AgentService::new(service, datacenter)),
            checks: Some(AgentChecks { node, service, checks }),
        }
    }

    /// What is answered for an instance that is not there.
    pub fn unknown() -> AgentHealth<'static> {
        AgentHealth { aggregated_status: Status::Critical.as_str(), service: None, checks: None }
    }
}

#[derive(Clone, Copy, Debug)]
struct AgentChecks<'a> {
    node: &'a str,
    service: &'a Service,
    checks: &'a [Arc<Check>],
}

impl Serialize for AgentChecks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.checks.iter().map(|check| {
            let service = (!check.is_node_level()).then_some(self.service);
            AgentCheck::new(check, self.node, service)
        }))
    }
}

/// A check in the shape that Consul's Go client has: no type, every key of the definition with its zero
/// value.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct AgentCheck<'a> {
    node: &'a str,
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    name: &'a str,
    status: &'static str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: Option<&'a [Text]>,
    #[serde(rename = "Type")]
    kind: &'static str,
    definition: NoDefinition,
    create_index: u64,
    modify_index: u64,
}

impl<'a> AgentCheck<'a> {
    fn new(check: &'a Check, node: &'a str, service: Option<&'a Service>) -> Self {
        AgentCheck {
            node,
            check_id: &check.id,
            name: &check.name,
            status: check.status.as_str(),
            notes: &check.notes,
            output: &check.output,
            service_id: &check.service_id,
            service_name: service.map_or("", |service| &service.name),
            service_tags: service.map(|service| &service.tags[..]).filter(|tags| !tags.is_empty()),
            kind: "",
            definition: NoDefinition::default(),
            create_index: 0,
            modify_index: 0,
        }
    }
}

/// The definition of an agent's check, which is never told here.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NoDefinition {
    interval: &'static str,
    timeout: &'static str,
    deregister_critical_service_after: &'static str,
    #[serde(rename = "HTTP")]
    http: &'static str,
    header: Option<&'static BTreeMap<Text, Vec<Text>>>,
    method: &'static str,
    body: &'static str,
    #[serde(rename = "TLSSkipVerify")]
    tls_skip_verify: bool,
    #[serde(rename = "TCP")]
    tcp: &'static str,
}

impl Default for NoDefinition {
    fn default() -> Self {
        let (interval, timeout, deregister_critical_service_after) = ("0s", "0s", "0s");
        let (http, method, body, tcp) = ("", "", "", "");
        let (header, tls_skip_verify) = (None, false);
        NoDefinition {
            interval,
            timeout,
            deregister_critical_service_after,
            http,
            header,
            method,
            body,
            tls_skip_verify,
            tcp,
        }
    }
}
