//! Parts that several shapes have: addresses by role, weights, durations, metadata that is never `null`.

use std::sync::LazyLock;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::base::stdx::duration::GoDuration;
use crate::base::stdx::pairs::Pairs;
use crate::core::model::{self, Meta, ServiceAddress};

/// Metadata of a service registered without.
static NO_META: LazyLock<Meta> = LazyLock::new(Meta::default);

/// The metadata, or an empty map.
pub fn meta_or_empty(meta: &Option<Meta>) -> &Meta {
    meta.as_ref().unwrap_or(&NO_META)
}

/// Whether there is no address to show, so that the key is left out.
pub fn no_addresses(addresses: &&Pairs<ServiceAddress>) -> bool {
    addresses.is_empty()
}

/// Addresses by role: `{"wan":{"Address":"9.9.9.9","Port":81}}`.
pub fn addresses<S: Serializer>(
    addresses: &&Pairs<ServiceAddress>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown<'a> {
        address: &'a str,
        port: u16,
    }
    serializer.collect_map(
        addresses
            .iter()
            .map(|(role, address)| (role, Shown { address: &address.address, port: address.port })),
    )
}

/// Weights: `{"Passing":1,"Warning":1}`.
pub fn weights<S: Serializer>(weights: &model::Weights, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown {
        passing: u16,
        warning: u16,
    }
    Shown { passing: weights.passing, warning: weights.warning }.serialize(serializer)
}

/// Mesh properties: `{}` or `{"Native":true}`.
pub fn connect<S: Serializer>(connect: &&model::Connect, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown {
        #[serde(skip_serializing_if = "is_default")]
        native: bool,
    }
    Shown { native: connect.native }.serialize(serializer)
}

/// Where the machine stands: `{"Region":"eu-west","Zone":"b"}`.
pub fn locality<S: Serializer>(
    locality: &Option<&model::Locality>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Shown<'a> {
        region: &'a str,
        zone: &'a str,
    }
    locality.map(|at| Shown { region: &at.region, zone: &at.zone }).serialize(serializer)
}

/// Whether a key would say nothing, so that it is left out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A duration as Go writes it, `"1m30s"`; nothing for none.
pub fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if duration.is_zero() {
        return serializer.serialize_str("");
    }
    serializer.collect_str(&GoDuration::from(*duration))
}
