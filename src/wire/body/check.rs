//! A check as the agent's API and definition files give it.

use std::collections::BTreeMap;

use crate::stdx::text::Text;
use crate::wire::decode::duration::Span;
use crate::wire::decode::object;

object! {
    /// A check to be run by the agent (`/v1/agent/check/register`, and `Check`, `Checks` of a service).
    pub struct CheckBody as "" of "struct" {
        /// Its id on the node.
        "ID" | "CheckID" => id: Text,
        /// Its name.
        "Name" => name: Text,
        /// The owner's remark.
        "Notes" => notes: Text,
        /// The instance it is of; inside a service it counts for nothing.
        "ServiceID" => service_id: Text,
        /// Its first status.
        "Status" => status: Text,
        /// TTL checks: longest silence.
        "TTL" => ttl: Span,
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
        /// HTTP checks: accept any certificate.
        "TLSSkipVerify" => tls_skip_verify: bool,
        /// HTTP checks: name to verify in the TLS handshake.
        "TLSServerName" => tls_server_name: Text,
        /// HTTP checks: take a redirect as the answer.
        "DisableRedirects" => disable_redirects: bool,
        /// TCP checks: `host:port`.
        "TCP" => tcp: Text,
        /// Alias checks: node of the other instance.
        "AliasNode" => alias_node: Text,
        /// Alias checks: its id.
        "AliasService" => alias_service: Text,
        /// gRPC checks: `host:port/service`.
        "GRPC" => grpc: Text,
        /// HTTP/2 ping checks: `host:port`.
        "H2PING" => h2ping: Text,
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
