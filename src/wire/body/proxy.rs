//! What a proxy instance is a proxy for.

use crate::base::stdx::text::Text;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::decode::object;

object! {
    /// `Proxy` of a service.
    pub struct ProxyBody as "" of "struct" {
        /// Name of the service behind it.
        "DestinationServiceName" => destination_service_name: Text,
        /// Id of the instance behind it.
        "DestinationServiceID" => destination_service_id: Text,
        /// Where that instance listens.
        "LocalServiceAddress" => local_service_address: Text,
        /// Its port.
        "LocalServicePort" => local_service_port: i64,
        /// The Unix socket on which that instance listens.
        "LocalServiceSocketPath" => local_service_socket_path: Text,
        /// `direct` or `transparent`.
        "Mode" => mode: Text,
        /// How it catches what the instance sends.
        "TransparentProxy" => transparent_proxy: Option<FreeForm>,
        /// Whether it takes what comes without TLS.
        "MutualTLSMode" => mutual_tls_mode: Text,
        /// What it writes down of requests.
        "AccessLogs" => access_logs: Option<FreeForm>,
        /// Extensions of Envoy.
        "EnvoyExtensions" => envoy_extensions: Vec<FreeForm>,
        /// Settings of the proxy's maker.
        "Config" => config: Option<FreeForm>,
        /// Services it gives access to.
        "Upstreams" => upstreams: Vec<UpstreamBody>,
        /// How it reaches other datacenters.
        "MeshGateway" => mesh_gateway: MeshGatewayBody,
        /// What it lets through without the mesh.
        "Expose" => expose: ExposeBody,
    }
}

object! {
    /// A service that a proxy gives access to.
    pub struct UpstreamBody as "Upstream" of "structs.Upstream" {
        /// `service` or `prepared_query`.
        "DestinationType" => destination_type: Text,
        /// Its namespace.
        "DestinationNamespace" => destination_namespace: Text,
        /// Its name.
        "DestinationName" => destination_name: Text,
        /// Its datacenter.
        "Datacenter" => datacenter: Text,
        /// Where the proxy listens for it.
        "LocalBindAddress" => local_bind_address: Text,
        /// The port of that.
        "LocalBindPort" => local_bind_port: i64,
        /// The Unix socket on which the proxy listens for it.
        "LocalBindSocketPath" => local_bind_socket_path: Text,
        /// The rights of that.
        "LocalBindSocketMode" => local_bind_socket_mode: Text,
        /// Whether it comes from a configuration entry and not from a registration.
        "CentrallyConfigured" => centrally_configured: bool,
        /// Settings of the proxy's maker.
        "Config" => config: Option<FreeForm>,
        /// How it is reached in other datacenters.
        "MeshGateway" => mesh_gateway: MeshGatewayBody,
    }
}

object! {
    /// How other datacenters are reached.
    pub struct MeshGatewayBody as "MeshGatewayConfig" of "structs.MeshGatewayConfig" {
        /// `none`, `local` or `remote`.
        "Mode" => mode: Text,
    }
}

object! {
    /// Paths that are let through without the mesh.
    pub struct ExposeBody as "ExposeConfig" of "structs.ExposeConfig" {
        /// Those of all checks.
        "Checks" => checks: bool,
        /// These.
        "Paths" => paths: Vec<ExposePathBody>,
    }
}

object! {
    /// One such path.
    pub struct ExposePathBody as "ExposePath" of "structs.ExposePath" {
        /// Port the proxy listens on.
        "ListenerPort" => listener_port: i64,
        /// The path.
        "Path" => path: Text,
        /// Port of the instance.
        "LocalPathPort" => local_path_port: i64,
        /// `http` or `http2`.
        "Protocol" => protocol: Text,
    }
}
