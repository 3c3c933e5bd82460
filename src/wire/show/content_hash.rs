//! The hash that tells whether an instance of the agent is still the same, as Consul computes it.
//!
//! Consul hashes its structure of an instance field by field: texts and numbers by FNV-1 with 64 bits, what has an
//! order by chaining the hashes, what has none by combining them with exclusive or. A client that compares hashes of
//! two agents, or keeps one over a move from Consul, sees the same for the same.

use serde_json::Value;

use crate::core::model::{Proxy, Service};
use crate::wire::show::parts;

/// A hash over what an instance was registered with, in hex digits. Its checks and its indexes do not count.
///
/// Of a proxy, `Config` and what goes with it are hashed as the JSON they are, and not as Consul's structures: there
/// the hash may be one of ours.
pub fn content_hash(service: &Service) -> String {
    let Service { kind, id, name, tags, address, port, tagged_addresses, enable_tag_override, .. } = service;
    let weights = service.shown_weights();
    let tagged = tagged_addresses.iter().map(|(role, address)| {
        let fields = [("Address", text(&address.address)), ("Port", unsigned(address.port.into()))];
        (role.as_str(), structure("ServiceAddress", &fields))
    });
    let meta = parts::meta_or_empty(&service.meta).iter().map(|(key, value)| (key.as_str(), text(value)));
    let weights =
        [("Passing", unsigned(weights.passing.into())), ("Warning", unsigned(weights.warning.into()))];
    let connect = match service.connect.native {
        true => structure("AgentServiceConnect", &[("Native", boolean(true)), ("SidecarService", nothing())]),
        false => nothing(),
    };
    let mut fields = vec![
        ("Kind", text(kind)),
        ("ID", text(id)),
        ("Service", text(name)),
        ("Tags", list(tags.iter().map(|tag| text(tag)))),
        ("Meta", map(meta)),
        ("Port", unsigned((*port).into())),
        ("Address", text(address)),
        ("TaggedAddresses", map(tagged)),
        ("Weights", structure("AgentWeights", &weights)),
        ("EnableTagOverride", boolean(*enable_tag_override)),
        ("CreateIndex", unsigned(0)),
        ("ModifyIndex", unsigned(0)),
        ("ContentHash", text("")),
        ("Proxy", service.proxy.as_deref().map_or_else(nothing, proxy)),
        ("Connect", connect),
    ];
    // Consul 1.8.7 has neither: without them its hash is the same.
    if !service.socket_path.is_empty() {
        fields.push(("SocketPath", text(&service.socket_path)));
    }
    if let Some(at) = service.locality.as_deref() {
        let at = [("Region", text(&at.region)), ("Zone", text(&at.zone))];
        fields.push(("Locality", structure("Locality", &at)));
    }
    format!("{:x}", structure("AgentService", &fields))
}

fn proxy(proxy: &Proxy) -> u64 {
    let part = |key: &str, empty: u64| match proxy.rest.get(key) {
        Some(value) => json(value),
        None => empty,
    };
    let gateway = structure("MeshGatewayConfig", &[("Mode", text(""))]);
    let expose = structure("ExposeConfig", &[("Checks", boolean(false)), ("Paths", list([].into_iter()))]);
    let mut fields = vec![
        ("DestinationServiceName", text(&proxy.destination_service_name)),
        ("DestinationServiceID", text(&proxy.destination_service_id)),
        ("LocalServiceAddress", text(&proxy.local_service_address)),
        ("LocalServicePort", unsigned(proxy.local_service_port.into())),
        ("Config", part("Config", 0)),
        ("Upstreams", part("Upstreams", 0)),
        ("MeshGateway", part("MeshGateway", gateway)),
        ("Expose", part("Expose", expose)),
    ];
    // Consul 1.8.7 has none of them: without them its hash is the same.
    fields.extend(Proxy::LATER_KEYS.iter().filter_map(|key| Some((*key, json(proxy.rest.get(*key)?)))));
    structure("AgentServiceConnectProxyConfig", &fields)
}

/// What is free-form. Its depth is bounded where it is taken in.
fn json(value: &Value) -> u64 {
    match value {
        Value::Null => nothing(),
        Value::Bool(yes) => boolean(*yes),
        Value::Number(number) => fnv(&number.as_f64().unwrap_or_default().to_le_bytes()),
        Value::String(characters) => text(characters),
        Value::Array(items) => list(items.iter().map(json)),
        Value::Object(entries) => map(entries.iter().map(|(key, value)| (key.as_str(), json(value)))),
    }
}

/// A reference to nothing counts as the number 0.
fn nothing() -> u64 {
    unsigned(0)
}

fn text(characters: &str) -> u64 {
    fnv(characters.as_bytes())
}

fn unsigned(number: u64) -> u64 {
    fnv(&number.to_le_bytes())
}

fn boolean(yes: bool) -> u64 {
    fnv(&[u8::from(yes)])
}

fn list(items: impl Iterator<Item = u64>) -> u64 {
    items.fold(0, ordered)
}

fn map<'a>(entries: impl Iterator<Item = (&'a str, u64)>) -> u64 {
    entries.fold(0, |hash, (key, value)| hash ^ ordered(text(key), value))
}

fn structure(name: &str, fields: &[(&str, u64)]) -> u64 {
    fields.iter().fold(text(name), |hash, (field, value)| hash ^ ordered(text(field), *value))
}

fn ordered(first: u64, second: u64) -> u64 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_le_bytes());
    bytes[8..].copy_from_slice(&second.to_le_bytes());
    fnv(&bytes)
}

/// FNV-1 with 64 bits, which tells changes apart and defends nothing.
fn fnv(bytes: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.iter().fold(BASIS, |hash, byte| hash.wrapping_mul(PRIME) ^ u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::{Connect, Meta, ServiceAddress, Weights};

    fn pairs(pairs: &[(&str, &str)]) -> Option<Meta> {
        Some(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    /// The first is in a test of Consul's own client; all were computed with Consul's structure and the library it
    /// uses.
    #[test]
    fn hashes_are_consuls() {
        let plain = Service { id: "foo".into(), name: "foo".into(), ..Service::default() };
        let address = |address: &str, port| ServiceAddress { address: address.into(), port };
        let rows = [
            (
                Service { tags: vec!["bar".into(), "baz".into()], port: 8000, ..plain.clone() },
                "6b13684bfe179e67",
            ),
            (plain.clone(), "5792ff264c10b788"),
            (
                Service {
                    id: "w1".into(),
                    name: "web".into(),
                    address: "10.0.0.1".into(),
                    meta: pairs(&[("a", "b"), ("c", "d")]),
                    port: 65_535,
                    enable_tag_override: true,
                    weights: Weights { passing: 10, warning: 0 },
                    tagged_addresses: [
                        ("lan_ipv4".into(), address("10.0.0.1", 65_535)),
                        ("wan".into(), address("1.2.3.4", 5)),
                    ]
                    .into_iter()
                    .collect(),
                    ..Service::default()
                },
                "80f67afbee44ed40",
            ),
            (Service { connect: Connect { native: true }, ..plain }, "dc5dd1f941b8324a"),
            (
                Service {
                    kind: "connect-proxy".into(),
                    id: "p".into(),
                    name: "p".into(),
                    port: 1,
                    proxy: Some(Box::new(Proxy {
                        destination_service_name: "web".into(),
                        destination_service_id: "web-1".into(),
                        local_service_address: "127.0.0.1".into(),
                        local_service_port: 80,
                        ..Proxy::default()
                    })),
                    ..Service::default()
                },
                "f27a14f90df1bf1a",
            ),
        ];
        for (service, hash) in rows {
            assert_eq!(content_hash(&service), hash, "{service:?}");
        }
    }

    #[test]
    fn what_is_registered_differently_hashes_differently() {
        let with = |rest: Value| {
            let rest = [("Config".into(), rest)].into();
            let proxy = Proxy { rest, ..Proxy::default() };
            content_hash(&Service { proxy: Some(Box::new(proxy)), ..Service::default() })
        };
        let values = [
            "{}",
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"a":"1"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
        ];
        let hashes: std::collections::HashSet<String> =
            values.iter().map(|value| with(serde_json::from_str(value).unwrap())).collect();
        assert_eq!(hashes.len(), values.len());
    }
}
