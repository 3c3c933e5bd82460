//! An instance's row.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::words::OriginRow;
use super::{IndexesRow, is_default};
use crate::base::stdx::pairs::{self, Pairs};
use crate::base::stdx::text::Text;
use crate::core::model::{Connect, Drain, Locality, Meta, Proxy, Service, ServiceAddress, Weights};

#[derive(Serialize, Deserialize)]
pub(super) struct ServiceRow<'a> {
    #[serde(default, skip_serializing_if = "is_default")]
    kind: Cow<'a, Text>,
    id: Cow<'a, Text>,
    name: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    tags: Cow<'a, [Text]>,
    #[serde(default, skip_serializing_if = "is_default")]
    address: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    port: u16,
    #[serde(default, skip_serializing_if = "is_default")]
    socket_path: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default", with = "addresses")]
    tagged_addresses: Cow<'a, Pairs<ServiceAddress>>,
    #[serde(default, skip_serializing_if = "is_default")]
    weights: WeightsRow,
    #[serde(default, skip_serializing_if = "is_default")]
    meta: Cow<'a, Option<Meta>>,
    #[serde(default, skip_serializing_if = "is_default")]
    enable_tag_override: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proxy: Option<ProxyRow<'a>>,
    #[serde(default, skip_serializing_if = "is_default")]
    connect: ConnectRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locality: Option<LocalityRow<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<DrainRow<'a>>,
    origin: OriginRow,
    indexes: IndexesRow,
}

impl<'a> From<&'a Service> for ServiceRow<'a> {
    fn from(service: &'a Service) -> Self {
        let Service { kind, id, name, tags, address, port, socket_path, tagged_addresses, weights, .. } =
            service;
        let Service { meta, enable_tag_override, proxy, connect, locality, drain, origin, indexes, .. } =
            service;
        ServiceRow {
            kind: Cow::Borrowed(kind),
            id: Cow::Borrowed(id),
            name: Cow::Borrowed(name),
            tags: Cow::Borrowed(tags),
            address: Cow::Borrowed(address),
            port: *port,
            socket_path: Cow::Borrowed(socket_path),
            tagged_addresses: Cow::Borrowed(tagged_addresses),
            weights: (*weights).into(),
            meta: Cow::Borrowed(meta),
            enable_tag_override: *enable_tag_override,
            proxy: proxy.as_deref().map(ProxyRow::from),
            connect: ConnectRow { native: connect.native },
            locality: locality.as_deref().map(LocalityRow::from),
            drain: drain.as_deref().map(DrainRow::from),
            origin: (*origin).into(),
            indexes: (*indexes).into(),
        }
    }
}

impl From<ServiceRow<'_>> for Service {
    fn from(row: ServiceRow<'_>) -> Self {
        Service {
            kind: row.kind.into_owned(),
            id: row.id.into_owned(),
            name: row.name.into_owned(),
            tags: row.tags.into_owned(),
            address: row.address.into_owned(),
            port: row.port,
            socket_path: row.socket_path.into_owned(),
            tagged_addresses: row.tagged_addresses.into_owned(),
            weights: row.weights.into(),
            meta: row.meta.into_owned(),
            enable_tag_override: row.enable_tag_override,
            proxy: row.proxy.map(|proxy| Box::new(proxy.into())),
            connect: Connect { native: row.connect.native },
            locality: row.locality.map(|locality| Box::new(locality.into())),
            drain: row.drain.map(|drain| Box::new(drain.into())),
            origin: row.origin.into(),
            indexes: row.indexes.into(),
        }
    }
}

/// Addresses by role.
mod addresses {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct AddressRow<'a> {
        address: Cow<'a, Text>,
        port: u16,
    }

    impl<'a> From<&'a ServiceAddress> for AddressRow<'a> {
        fn from(ServiceAddress { address, port }: &'a ServiceAddress) -> Self {
            AddressRow { address: Cow::Borrowed(address), port: *port }
        }
    }

    pub fn serialize<S: Serializer>(
        addresses: &Pairs<ServiceAddress>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(addresses.iter().map(|(role, at)| (role, AddressRow::from(at))))
    }

    pub fn deserialize<'de, 'a, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Cow<'a, Pairs<ServiceAddress>>, D::Error> {
        let read = |row: AddressRow<'_>| ServiceAddress { address: row.address.into_owned(), port: row.port };
        pairs::deserialize_with(deserializer, read).map(Cow::Owned)
    }
}

#[derive(PartialEq, Serialize, Deserialize)]
struct WeightsRow {
    passing: u16,
    warning: u16,
}

impl Default for WeightsRow {
    fn default() -> Self {
        Weights::default().into()
    }
}

impl From<Weights> for WeightsRow {
    fn from(Weights { passing, warning }: Weights) -> Self {
        WeightsRow { passing, warning }
    }
}

impl From<WeightsRow> for Weights {
    fn from(WeightsRow { passing, warning }: WeightsRow) -> Self {
        Weights { passing, warning }
    }
}

#[derive(Serialize, Deserialize)]
struct ProxyRow<'a> {
    #[serde(default, skip_serializing_if = "is_default")]
    destination_service_name: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    destination_service_id: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    local_service_address: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    local_service_port: u16,
    #[serde(default, skip_serializing_if = "is_default")]
    rest: Cow<'a, BTreeMap<Text, Value>>,
}

impl<'a> From<&'a Proxy> for ProxyRow<'a> {
    fn from(proxy: &'a Proxy) -> Self {
        ProxyRow {
            destination_service_name: Cow::Borrowed(&proxy.destination_service_name),
            destination_service_id: Cow::Borrowed(&proxy.destination_service_id),
            local_service_address: Cow::Borrowed(&proxy.local_service_address),
            local_service_port: proxy.local_service_port,
            rest: Cow::Borrowed(&proxy.rest),
        }
    }
}

impl From<ProxyRow<'_>> for Proxy {
    fn from(row: ProxyRow<'_>) -> Self {
        Proxy {
            destination_service_name: row.destination_service_name.into_owned(),
            destination_service_id: row.destination_service_id.into_owned(),
            local_service_address: row.local_service_address.into_owned(),
            local_service_port: row.local_service_port,
            rest: row.rest.into_owned(),
        }
    }
}

#[derive(Default, PartialEq, Serialize, Deserialize)]
struct ConnectRow {
    #[serde(default, skip_serializing_if = "is_default")]
    native: bool,
}

#[derive(Serialize, Deserialize)]
struct LocalityRow<'a> {
    #[serde(default, skip_serializing_if = "is_default")]
    region: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    zone: Cow<'a, Text>,
}

impl<'a> From<&'a Locality> for LocalityRow<'a> {
    fn from(Locality { region, zone }: &'a Locality) -> Self {
        LocalityRow { region: Cow::Borrowed(region), zone: Cow::Borrowed(zone) }
    }
}

impl From<LocalityRow<'_>> for Locality {
    fn from(LocalityRow { region, zone }: LocalityRow<'_>) -> Self {
        Locality { region: region.into_owned(), zone: zone.into_owned() }
    }
}

#[derive(Serialize, Deserialize)]
struct DrainRow<'a> {
    started_ms: u64,
    until_ms: u64,
    from_percent: u8,
    share_percent: u8,
    #[serde(default)]
    deregister: bool,
    #[serde(default)]
    reason: Cow<'a, Text>,
}

impl<'a> From<&'a Drain> for DrainRow<'a> {
    fn from(drain: &'a Drain) -> Self {
        DrainRow {
            started_ms: drain.started_ms,
            until_ms: drain.until_ms,
            from_percent: drain.from_percent,
            share_percent: drain.share_percent,
            deregister: drain.deregister,
            reason: Cow::Borrowed(&drain.reason),
        }
    }
}

impl From<DrainRow<'_>> for Drain {
    fn from(row: DrainRow<'_>) -> Self {
        Drain {
            started_ms: row.started_ms,
            until_ms: row.until_ms,
            from_percent: row.from_percent,
            share_percent: row.share_percent,
            deregister: row.deregister,
            reason: row.reason.into_owned(),
        }
    }
}
