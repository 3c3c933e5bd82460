//! The configuration as `/v1/agent/self` shows it: muster's settings by their names, and those keys of Consul's that
//! have a meaning here or that its clients do not do without.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value, json};

use crate::config::address::ListenAddress;
use crate::config::validated::{Config, StoreKind};
use crate::node::registry::own_node::{CONSUL_API_VERSION, SERF_LAN_PORT, SERF_WAN_PORT, SERVER_PORT};

/// What Consul says of a port that it does not listen on.
const NO_PORT: i32 = -1;

/// Everything, by name.
pub(super) fn shown(config: &Config, node_id: &str) -> Map<String, Value> {
    let mut shown: Map<String, Value> =
        config.shown().map(|(key, value, _)| (key.to_owned(), Value::String(value))).collect();
    shown.extend(as_consul(config, node_id));
    shown
}

/// Consul's keys, each with the type it has there. Its client for the `consul debug` command reads `EnableDebug`, Nomad
/// `ConnectEnabled` and `GRPCPort`, its test tools `SerfAdvertiseAddrLAN`.
fn as_consul(config: &Config, node_id: &str) -> Map<String, Value> {
    let address = config.advertise_address;
    let tcp: Vec<SocketAddr> = config.http_addresses.iter().filter_map(tcp_address).collect();
    let places: Vec<String> = config.http_addresses.iter().map(place).collect();
    let secure: Vec<String> = config.https_addresses.iter().map(place).collect();
    let secure_port = config.https_addresses.iter().find_map(tcp_address);
    let clients: Vec<IpAddr> = tcp.iter().map(SocketAddr::ip).collect();
    let data_dir =
        if config.store == StoreKind::Memory { "".into() } else { config.data_dir.to_string_lossy() };
    let at = |port: u16| format!("tcp://{}", SocketAddr::new(address, port));
    let shown = json!({
        "AdvertiseAddrLAN": address,
        "AdvertiseAddrWAN": address,
        "BindAddr": address,
        "Bootstrap": true,
        "CheckUpdateInterval": format!("{:?}", config.check_update_interval),
        "ClientAddrs": clients,
        "ConnectEnabled": false,
        "DNSPort": NO_PORT,
        "DataDir": data_dir,
        "Datacenter": config.datacenter,
        "DevMode": config.dev,
        "EnableDebug": false,
        "EnableLocalScriptChecks": config.enable_local_script_checks,
        "EnableRemoteScriptChecks": false,
        "EnableUI": false,
        "GRPCPort": NO_PORT,
        "HTTPAddrs": places,
        "HTTPPort": tcp.first().map_or(NO_PORT, |address| address.port().into()),
        "HTTPSAddrs": secure,
        "HTTPSPort": secure_port.map_or(NO_PORT, |address| address.port().into()),
        "LogLevel": config.log_level.as_str(),
        "NodeID": node_id,
        "NodeName": config.node,
        "PrimaryDatacenter": config.datacenter,
        "Revision": "",
        "SerfAdvertiseAddrLAN": at(SERF_LAN_PORT),
        "SerfAdvertiseAddrWAN": at(SERF_WAN_PORT),
        "SerfPortLAN": SERF_LAN_PORT,
        "SerfPortWAN": SERF_WAN_PORT,
        "ServerMode": true,
        "ServerPort": SERVER_PORT,
        "Version": CONSUL_API_VERSION,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

fn tcp_address(address: &ListenAddress) -> Option<SocketAddr> {
    match address {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    }
}

fn place(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("tcp://{address}"),
        ListenAddress::Unix(path) => format!("unix://{}", path.display()),
    }
}
