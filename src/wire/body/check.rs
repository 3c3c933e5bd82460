//! A check as the agent's API and definition files give it.

use std::collections::BTreeMap;

use serde::de::MapAccess;
use serde_json::Value;

use crate::base::stdx::text::Text;
use crate::wire::decode::audit::{Audit, SyntaxAudit};
use crate::wire::decode::duration::Span;
use crate::wire::decode::json_path::JsonPath;
use crate::wire::decode::object;
use crate::wire::decode::read::{FieldFault, ReadJson};

object! {
    /// A check to be run by the agent (`/v1/agent/check/register`, and `Check`, `Checks` of a service).
    pub struct CheckBody as "" of "struct" {
        /// Its id on the node.
        "ID" | "CheckID" => id: Text,
        /// The datacenter meant.
        "Datacenter" => datacenter: Text,
        /// Its name.
        "Name" => name: Text,
        /// The owner's remark.
        "Notes" => notes: Text,
        /// The instance it is of; inside a service it counts for nothing.
        "ServiceID" => service_id: Text,
        /// Its first status.
        "Status" => status: Text,
        /// TTL checks: longest silence. One that is given as zero is not taken for none.
        "TTL" => ttl: Option<Span>,
        /// Time between runs.
        "Interval" => interval: Span,
        /// Time a run may take.
        "Timeout" => timeout: Span,
        /// HTTP checks: the URL.
        "HTTP" => http: Text,
        /// HTTP checks: the method.
        "Method" => method: Text,
        /// HTTP checks: headers.
        "Header" => header: BTreeMap<Text, Vec<Text>>,
        /// HTTP checks: the request's body.
        "Body" => body: Text,
        /// Checks with TLS: accept any certificate.
        "TLSSkipVerify" => tls_skip_verify: bool,
        /// Checks with TLS: name to verify in the handshake.
        "TLSServerName" => tls_server_name: Text,
        /// HTTP checks: take a redirect as the answer.
        "DisableRedirects" => disable_redirects: bool,
        /// TCP checks: `host:port`.
        "TCP" => tcp: Text,
        /// TCP checks: with a TLS handshake.
        "TCPUseTLS" => tcp_use_tls: bool,
        /// Alias checks: node of the other instance.
        "AliasNode" => alias_node: Text,
        /// Alias checks: its id.
        "AliasService" => alias_service: Text,
        /// gRPC checks: `host:port/service`.
        "GRPC" => grpc: Text,
        /// gRPC checks: through TLS.
        "GRPCUseTLS" => grpc_use_tls: bool,
        /// HTTP/2 ping checks: `host:port`.
        "H2PING" => h2ping: Text,
        /// HTTP/2 ping checks: through TLS, unless told not to.
        "H2PingUseTLS" => h2ping_use_tls: Option<bool>,
        /// UDP checks: `host:port`.
        "UDP" => udp: Text,
        /// Checks of a service of the operating system: its name.
        "OSService" => os_service: Text,
        /// Script checks: the command.
        "Args" | "ScriptArgs" => args: Vec<Text>,
        /// Script checks as Consul before 1.0 knew them.
        "Script" => script: Text,
        /// Script checks inside a container: its id.
        "DockerContainerID" => docker_container_id: Text,
        /// Passing results in a row that make it pass.
        "SuccessBeforePassing" => success_before_passing: i64,
        /// Failing results in a row that make it warn.
        "FailuresBeforeWarning" => failures_before_warning: i64,
        /// Failing results in a row that make it critical.
        "FailuresBeforeCritical" => failures_before_critical: i64,
        /// Time in critical after which the instance goes.
        "DeregisterCriticalServiceAfter" => deregister_critical_service_after: Span,
        /// Bytes of output to keep.
        "OutputMaxSize" => output_max_size: i64,
        /// muster's own: whether a connection is kept between runs and watched for its end.
        "Watch" => watch: Option<bool>,
        /// muster's own: how much depends on it.
        "Criticality" => criticality: Text,
        /// muster's own: flap damping.
        "Damping" => damping: DampingChoice,
    }
}

object! {
    /// Flap damping, where it is to be other than usual.
    pub struct DampingBody as "Damping" of "Damping" {
        /// Time in which a penalty halves.
        "HalfLife" => half_life: Span,
        /// Penalty from which on a check is suppressed.
        "Suppress" => suppress: i64,
        /// Penalty at which it may pass again.
        "Reuse" => reuse: i64,
    }
}

/// Flap damping: `false`, `true`, or an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DampingChoice {
    /// None.
    #[default]
    Off,
    /// With the usual limits.
    Usual,
    /// With these.
    Given(DampingBody),
}

impl ReadJson for DampingChoice {
    fn go_type() -> String {
        "Damping".into()
    }

    fn boolean(&mut self, boolean: bool) -> Result<(), FieldFault> {
        *self = if boolean { DampingChoice::Usual } else { DampingChoice::Off };
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(&mut self, entries: A, path: JsonPath<'_>) -> Result<(), A::Error> {
        let mut body = DampingBody::default();
        body.object(entries, path)?;
        *self = DampingChoice::Given(body);
        Ok(())
    }
}

impl Audit for DampingChoice {
    fn audit(value: &mut Value, path: &str, audit: &mut SyntaxAudit) {
        match value {
            Value::Bool(_) => {}
            _ => DampingBody::audit(value, path, audit),
        }
    }
}

object! {
    /// The verdict of a TTL check's owner (`/v1/agent/check/update`).
    pub struct CheckUpdateBody as "checkUpdate" of "agent.checkUpdate" {
        /// The word for it.
        "Status" => status: Text,
        /// What there is to say.
        "Output" => output: Text,
    }
}
