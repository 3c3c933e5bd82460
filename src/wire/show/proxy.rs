//! What a proxy stands for: `ShownProxy` and `ServiceProxy`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::core::model;

/// A proxy, or the empty one that ordinary services show.
#[derive(Clone, Copy, Debug)]
pub struct ShownProxy<'a> {
    pub(in crate::wire) proxy: Option<&'a model::Proxy>,
    upstream_keys: &'static [Key],
}

/// A key of an inner object: its name, and what stands for it when it is not given.
type Key = (&'static str, Absent);

/// What a key that is not given shows.
#[derive(Clone, Copy, Debug)]
enum Absent {
    /// Nothing: the key is left out.
    Omitted,
    /// Empty text.
    Text,
    /// Zero.
    Zero,
    /// `false`.
    No,
    /// `null`.
    Null,
    /// `{}`.
    Object,
}

/// Keys of an upstream in the catalog's and in health answers.
const CATALOG_UPSTREAM: &[Key] = &[
    ("DestinationType", Absent::Text),
    ("DestinationNamespace", Absent::Omitted),
    ("DestinationName", Absent::Text),
    ("Datacenter", Absent::Text),
    ("LocalBindAddress", Absent::Omitted),
    ("LocalBindPort", Absent::Zero),
    ("LocalBindSocketPath", Absent::Omitted),
    ("LocalBindSocketMode", Absent::Omitted),
    ("CentrallyConfigured", Absent::Omitted),
    ("Config", Absent::Null),
    ("MeshGateway", Absent::Object),
];

/// Keys of an upstream in the agent's answers.
const AGENT_UPSTREAM: &[Key] = &[
    ("DestinationType", Absent::Omitted),
    ("DestinationNamespace", Absent::Omitted),
    ("DestinationName", Absent::Text),
    ("Datacenter", Absent::Omitted),
    ("LocalBindAddress", Absent::Omitted),
    ("LocalBindPort", Absent::Omitted),
    ("LocalBindSocketPath", Absent::Omitted),
    ("LocalBindSocketMode", Absent::Omitted),
    ("CentrallyConfigured", Absent::Omitted),
    ("Config", Absent::Omitted),
    ("MeshGateway", Absent::Object),
];

/// Keys of what is exposed.
const EXPOSE: &[Key] = &[("Checks", Absent::Omitted)];

/// Keys of an exposed path.
const EXPOSE_PATH: &[Key] = &[
    ("ListenerPort", Absent::Omitted),
    ("Path", Absent::Omitted),
    ("LocalPathPort", Absent::Omitted),
    ("Protocol", Absent::Omitted),
    ("ParsedFromCheck", Absent::No),
];

impl<'a> ShownProxy<'a> {
    /// The proxy as the catalog shows it.
    pub const fn of_catalog(proxy: Option<&'a model::Proxy>) -> Self {
        ShownProxy { proxy, upstream_keys: CATALOG_UPSTREAM }
    }

    /// The proxy as the agent shows it.
    pub const fn of_agent(proxy: Option<&'a model::Proxy>) -> Self {
        ShownProxy { proxy, upstream_keys: AGENT_UPSTREAM }
    }
}

impl Serialize for ShownProxy<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let rest = |key: &str| self.proxy.and_then(|proxy| proxy.rest.get(key));
        if let Some(proxy) = self.proxy {
            for (key, text) in [
                ("DestinationServiceName", &proxy.destination_service_name),
                ("DestinationServiceID", &proxy.destination_service_id),
                ("LocalServiceAddress", &proxy.local_service_address),
            ] {
                if !text.is_empty() {
                    map.serialize_entry(key, text)?;
                }
            }
            if proxy.local_service_port != 0 {
                map.serialize_entry("LocalServicePort", &proxy.local_service_port)?;
            }
        }
        if let Some(config) = rest("Config") {
            map.serialize_entry("Config", config)?;
        }
        if let Some(upstreams) = rest("Upstreams") {
            map.serialize_entry("Upstreams", &List(upstreams, self.upstream_keys))?;
        }
        map.serialize_entry("MeshGateway", rest("MeshGateway").unwrap_or(&Value::Object(Map::new())))?;
        map.serialize_entry("Expose", &Expose(rest("Expose")))?;
        for (key, said) in model::Proxy::LATER_KEYS.iter().filter_map(|key| Some((key, rest(key)?))) {
            map.serialize_entry(key, said)?;
        }
        map.end()
    }
}

struct Expose<'a>(Option<&'a Value>);

impl Serialize for Expose<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(expose) = self.0 {
            serialize_keys(&mut map, expose, EXPOSE)?;
            if let Some(paths) = expose.get("Paths") {
                map.serialize_entry("Paths", &List(paths, EXPOSE_PATH))?;
            }
        }
        map.end()
    }
}

/// A list of objects whose keys stand in a given order.
struct List<'a>(&'a Value, &'static [Key]);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.as_array().map_or(&[][..], Vec::as_slice);
        serializer.collect_seq(entries.iter().map(|entry| Keyed(entry, self.1)))
    }
}

struct Keyed<'a>(&'a Value, &'static [Key]);

impl Serialize for Keyed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        serialize_keys(&mut map, self.0, self.1)?;
        map.end()
    }
}

fn serialize_keys<M: SerializeMap>(map: &mut M, object: &Value, keys: &[Key]) -> Result<(), M::Error> {
    for (key, absent) in keys {
        match (object.get(key), absent) {
            (Some(value), _) => map.serialize_entry(key, value)?,
            (None, Absent::Omitted) => {}
            (None, Absent::Text) => map.serialize_entry(key, "")?,
            (None, Absent::Zero) => map.serialize_entry(key, &0)?,
            (None, Absent::No) => map.serialize_entry(key, &false)?,
            (None, Absent::Null) => map.serialize_entry(key, &())?,
            (None, Absent::Object) => map.serialize_entry(key, &Map::new())?,
        }
    }
    Ok(())
}
