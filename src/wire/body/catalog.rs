//! What the catalog's API is told: nodes with instances and checks that somebody else keeps.

use std::collections::BTreeMap;

use crate::base::stdx::text::Text;
use crate::wire::body::proxy::ProxyBody;
use crate::wire::body::service::{AddressBody, ConnectBody, LocalityBody, WeightsBody};
use crate::wire::decode::duration::Span;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::decode::object;

object! {
    /// `/v1/catalog/register`.
    pub struct RegisterBody as "RegisterRequest" of "structs.RegisterRequest" {
        /// The datacenter meant.
        "Datacenter" => datacenter: Text,
        /// UUID of the node.
        "ID" => id: Text,
        /// Name of the node.
        "Node" => node: Text,
        /// Address of the node.
        "Address" => address: Text,
        /// Its addresses by role.
        "TaggedAddresses" => tagged_addresses: Option<BTreeMap<Text, Text>>,
        /// Users' metadata of the node.
        "NodeMeta" => node_meta: Option<BTreeMap<Text, Text>>,
        /// An instance on it.
        "Service" => service: Option<CatalogServiceBody>,
        /// A check.
        "Check" => check: Option<CatalogCheckBody>,
        /// More checks.
        "Checks" => checks: Vec<CatalogCheckBody>,
        /// Leave the node as it is when it exists.
        "SkipNodeUpdate" => skip_node_update: bool,
    }
}

object! {
    /// The instance in a registration.
    pub struct CatalogServiceBody as "NodeService" of "structs.NodeService" {
        /// The instance's id.
        "ID" => id: Text,
        /// The service's name.
        "Service" => service: Text,
        /// Labels.
        "Tags" => tags: Vec<Text>,
        /// Where it listens.
        "Address" => address: Text,
        /// Addresses by role.
        "TaggedAddresses" => tagged_addresses: BTreeMap<Text, AddressBody>,
        /// Users' metadata.
        "Meta" => meta: Option<BTreeMap<Text, Text>>,
        /// Its port.
        "Port" => port: i64,
        /// Share of traffic.
        "Weights" => weights: Option<WeightsBody>,
        /// Whether others may change its tags.
        "EnableTagOverride" => enable_tag_override: bool,
        /// What kind of proxy it is, if any.
        "Kind" => kind: Text,
        /// What it is a proxy for.
        "Proxy" => proxy: Option<ProxyBody>,
        /// Mesh properties.
        "Connect" => connect: ConnectBody,
        /// The Unix socket that it listens on.
        "SocketPath" => socket_path: Text,
        /// Where the machine stands.
        "Locality" => locality: Option<LocalityBody>,
        /// Further ports by name.
        "Ports" => ports: Vec<FreeForm>,
    }
}

object! {
    /// A check in a registration: somebody else's finding.
    pub struct CatalogCheckBody as "HealthCheck" of "structs.HealthCheck" {
        /// Its node; that of the registration when not given.
        "Node" => node: Text,
        /// Its id on the node.
        "CheckID" => id: Text,
        /// Its name.
        "Name" => name: Text,
        /// Its status.
        "Status" => status: Text,
        /// The owner's remark.
        "Notes" => notes: Text,
        /// What its last run said.
        "Output" => output: Text,
        /// The instance it is of.
        "ServiceID" => service_id: Text,
        /// The word for its way of checking.
        "Type" => kind: Text,
        /// Time between runs of its owner.
        "Interval" => interval: Span,
        /// Time that a run of its owner may take.
        "Timeout" => timeout: Span,
        /// The port at which a proxy lets it through.
        "ExposedPort" => exposed_port: i64,
        /// How its owner checks.
        "Definition" => definition: DefinitionBody,
    }
}

object! {
    /// How the owner of a check checks. Told on, never run.
    pub struct DefinitionBody as "HealthCheckDefinition" of "structs.HealthCheckDefinition" {
        /// HTTP checks: the URL.
        "HTTP" => http: Text,
        /// HTTP checks: headers.
        "Header" => header: BTreeMap<Text, Vec<Text>>,
        /// HTTP checks: the method.
        "Method" => method: Text,
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
        /// TCP checks: with a TLS handshake.
        "TCPUseTLS" => tcp_use_tls: bool,
        /// UDP checks: `host:port`.
        "UDP" => udp: Text,
        /// gRPC checks: `host:port/service`.
        "GRPC" => grpc: Text,
        /// gRPC checks: through TLS.
        "GRPCUseTLS" => grpc_use_tls: bool,
        /// HTTP/2 ping checks: `host:port`.
        "H2PING" => h2ping: Text,
        /// HTTP/2 ping checks: through TLS.
        "H2PingUseTLS" => h2ping_use_tls: bool,
        /// Checks of a service of the operating system: its name.
        "OSService" => os_service: Text,
        /// Script checks: program and arguments.
        "ScriptArgs" => script_args: Vec<Text>,
        /// Script checks in a container: its id.
        "DockerContainerID" => docker_container_id: Text,
        /// Script checks in a container: what runs them there.
        "Shell" => shell: Text,
        /// TTL checks: longest silence.
        "TTL" => ttl: Span,
        /// Alias checks: node of the other instance.
        "AliasNode" => alias_node: Text,
        /// Alias checks: its id.
        "AliasService" => alias_service: Text,
        /// Time between runs.
        "Interval" => interval: Span,
        /// Time a run may take.
        "Timeout" => timeout: Span,
        /// Time in critical after which the instance goes.
        "DeregisterCriticalServiceAfter" => deregister_critical_service_after: Span,
        /// Bytes of output to keep.
        "OutputMaxSize" => output_max_size: i64,
    }
}

object! {
    /// `/v1/catalog/deregister`: a check, an instance, or a whole node.
    pub struct DeregisterBody as "" of "structs.DeregisterRequest" {
        /// The datacenter meant.
        "Datacenter" => datacenter: Text,
        /// Name of the node.
        "Node" => node: Text,
        /// Id of the instance to remove.
        "ServiceID" => service_id: Text,
        /// Id of the check to remove.
        "CheckID" => check_id: Text,
    }
}
