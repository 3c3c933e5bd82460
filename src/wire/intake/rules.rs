//! Parts that several bodies have, as they are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::validate::{bounds, services};
use crate::core::model::{Locality, Meta, ServiceAddress, Weights};
use crate::wire::body::service::{AddressBody, LocalityBody, WeightsBody};
use crate::wire::decode::duration::Span;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::intake::Invalid;

/// Metadata as it is kept, if there is any.
pub fn meta(pairs: Option<BTreeMap<Text, Text>>) -> Option<Meta> {
    Some(pairs?.into_iter().collect())
}

/// The shares of traffic; the usual ones where none are given.
pub fn weights(body: Option<WeightsBody>) -> Result<Weights, Invalid> {
    let Some(WeightsBody { passing, warning }) = body else { return Ok(Weights::default()) };
    Ok(bounds::weights(passing, warning)?)
}

/// The span as a time to wait. `what` names it in the sentence.
pub fn duration(what: &str, Span(span): Span) -> Result<Duration, Invalid> {
    Ok(bounds::duration(what, span)?)
}

/// The addresses by role, with their ports.
pub fn tagged_addresses(addresses: BTreeMap<Text, AddressBody>) -> Result<Pairs<ServiceAddress>, Invalid> {
    services::check_count_of_addresses(addresses.len())?;
    let checked = addresses.into_iter().map(|(role, address)| {
        services::check_tagged_address(&role, &address.address)?;
        let port = bounds::port("port of service tagged address", address.port)?;
        Ok((role, ServiceAddress { address: address.address, port }))
    });
    checked.collect()
}

/// Refuses what would be found without a port: muster keeps one for each instance.
pub fn one_port(named: &[FreeForm]) -> Result<(), Invalid> {
    match named {
        [] => Ok(()),
        _ => Err(Invalid::rejected(
            "Invalid Ports: an instance has one port here: give it as Port, and register an instance for each other",
        )),
    }
}

/// Where the machine stands, if that is said.
pub fn locality(body: Option<LocalityBody>) -> Option<Box<Locality>> {
    let LocalityBody { region, zone } = body.filter(|body| *body != LocalityBody::default())?;
    Some(Box::new(Locality { region, zone }))
}

/// Refuses what is meant for another datacenter; where `own` is empty, because it is not known, for none.
///
/// # Errors
/// With Consul's text.
pub fn check_datacenter(asked: &str, own: &str) -> Result<(), Invalid> {
    if asked.is_empty() || own.is_empty() || asked.eq_ignore_ascii_case(own) {
        return Ok(());
    }
    Err(Invalid::rejected("No path to datacenter"))
}
