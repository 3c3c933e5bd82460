//! Bounds that several kinds of records share, and the texts of their refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::limits::{
    CHECKS_PER_SERVICE_MAX, META_KEY_BYTES_MAX, META_PAIRS_MAX, META_VALUE_BYTES_MAX, OUTPUT_BYTES_MAX,
    TAG_BYTES_MAX, TAGS_MAX,
};
use crate::model::{Locality, Meta, ServiceAddress, Weights};
use crate::stdx::pairs::Pairs;
use crate::stdx::text::Text;
use crate::wire::body::service::{AddressBody, LocalityBody, WeightsBody};
use crate::wire::decode::duration::Span;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::intake::{Invalid, names};

/// Prefix of metadata keys that Consul keeps for itself.
const META_KEY_RESERVED: &str = "consul-";

/// Addresses that an instance has for its own, beside those that were given.
const OWN_ADDRESSES_MAX: usize = 2;

/// Takes metadata that Consul takes; the sentence that refuses any other goes after `prefix`.
pub fn meta(prefix: &str, pairs: Option<BTreeMap<Text, Text>>) -> Result<Option<Meta>, Invalid> {
    let Some(pairs) = pairs else { return Ok(None) };
    check_meta(prefix, pairs.iter())?;
    Ok(Some(pairs.into_iter().collect()))
}

/// Refuses metadata that Consul does not take; see [`meta`].
pub fn check_meta<'a>(
    prefix: &str,
    pairs: impl Iterator<Item = (&'a Text, &'a Text)> + Clone,
) -> Result<(), Invalid> {
    check_meta_size(prefix, pairs.clone())?;
    for (key, value) in pairs {
        let fault = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            "Key contains invalid characters".to_owned()
        } else if key.starts_with(META_KEY_RESERVED) {
            format!("Key prefix '{META_KEY_RESERVED}' is reserved for internal use")
        } else {
            continue;
        };
        return Err(bad_pair(prefix, key, value, &fault));
    }
    Ok(())
}

/// Takes metadata that is not too much, whatever its keys are.
pub fn meta_of_size(prefix: &str, pairs: Option<BTreeMap<Text, Text>>) -> Result<Option<Meta>, Invalid> {
    let Some(pairs) = pairs else { return Ok(None) };
    check_meta_size(prefix, pairs.iter())?;
    Ok(Some(pairs.into_iter().collect()))
}

/// Refuses metadata that is too much, whatever its keys are.
pub fn check_meta_size<'a>(
    prefix: &str,
    pairs: impl Iterator<Item = (&'a Text, &'a Text)> + Clone,
) -> Result<(), Invalid> {
    if pairs.clone().count() > META_PAIRS_MAX {
        return Err(Invalid::rejected(format!(
            "{prefix}: Node metadata cannot contain more than {META_PAIRS_MAX} key/value pairs"
        )));
    }
    for (key, value) in pairs {
        let fault = if key.len() > META_KEY_BYTES_MAX {
            format!("Key is too long (limit: {META_KEY_BYTES_MAX} characters)")
        } else if value.len() > META_VALUE_BYTES_MAX {
            format!("Value is too long (limit: {META_VALUE_BYTES_MAX} characters)")
        } else {
            continue;
        };
        return Err(bad_pair(prefix, key, value, &fault));
    }
    Ok(())
}

fn bad_pair(prefix: &str, key: &str, value: &str, fault: &str) -> Invalid {
    let (key, value) = (shortened(key), shortened(value));
    Invalid::rejected(format!("{prefix}: Couldn't load metadata pair ('{key}', '{value}'): {fault}"))
}

/// Enough of a faulty text to find it again, so that the fault itself is not cut off.
fn shortened(text: &str) -> String {
    const SHOWN_BYTES_MAX: usize = 600;
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX / 2)])
}

/// Refuses too many tags, or too long ones.
pub fn check_tags(tags: &[Text]) -> Result<(), Invalid> {
    if tags.len() > TAGS_MAX {
        return Err(Invalid::rejected(format!("too many tags: at most {TAGS_MAX} are kept")));
    }
    if tags.iter().any(|tag| tag.len() > TAG_BYTES_MAX) {
        return Err(Invalid::rejected(format!("Invalid service tag: longer than {TAG_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Refuses more checks than one registration may bring.
pub fn check_count_of_checks(count: usize) -> Result<(), Invalid> {
    if count > CHECKS_PER_SERVICE_MAX {
        let sentence = format!("too many checks: at most {CHECKS_PER_SERVICE_MAX} are kept");
        return Err(Invalid::rejected(sentence));
    }
    Ok(())
}

/// The port, which must be one. `what` names it in the sentence.
pub fn port(what: &str, number: i64) -> Result<u16, Invalid> {
    u16::try_from(number)
        .map_err(|_| Invalid::rejected(format!("Invalid {what} {number}: must be between 0 and 65535")))
}

/// The addresses by role, with their ports.
pub fn tagged_addresses(addresses: BTreeMap<Text, AddressBody>) -> Result<Pairs<ServiceAddress>, Invalid> {
    check_count_of_addresses(addresses.len())?;
    let checked = addresses.into_iter().map(|(role, address)| {
        check_tagged_address(&role, &address.address)?;
        let port = port("port of service tagged address", address.port)?;
        Ok((role, ServiceAddress { address: address.address, port }))
    });
    checked.collect()
}

/// Refuses addresses by role that [`tagged_addresses`] would refuse.
pub fn check_tagged_addresses(addresses: &Pairs<ServiceAddress>) -> Result<(), Invalid> {
    // The agent adds the roles of the instance's own address.
    check_count_of_addresses(addresses.len().saturating_sub(OWN_ADDRESSES_MAX))?;
    addresses.iter().try_for_each(|(role, address)| check_tagged_address(role, &address.address))
}

fn check_tagged_address(role: &str, address: &str) -> Result<(), Invalid> {
    names::check_held("service tagged address", role)?;
    names::check_held("service tagged address", address)
}

fn check_count_of_addresses(count: usize) -> Result<(), Invalid> {
    if count > META_PAIRS_MAX {
        let sentence = format!("too many tagged addresses: at most {META_PAIRS_MAX} are kept");
        return Err(Invalid::rejected(sentence));
    }
    Ok(())
}

/// Refuses the addresses that mean "any".
pub fn check_service_address(address: &str) -> Result<(), Invalid> {
    names::check_held("service address", address)?;
    if matches!(address, "0.0.0.0" | "::" | "[::]") {
        return Err(Invalid::rejected("Invalid service address"));
    }
    Ok(())
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

/// The shares of traffic, which must be such.
pub fn weights(body: Option<WeightsBody>) -> Result<Weights, Invalid> {
    let Some(WeightsBody { passing, warning }) = body else { return Ok(Weights::default()) };
    let invalid = |fault: &str| Invalid::rejected(format!("Invalid Weights: {fault}"));
    if passing < 1 {
        return Err(invalid("Passing must be greater than 0"));
    }
    if warning < 0 {
        return Err(invalid("Warning must be greater or equal than 0"));
    }
    match (u16::try_from(passing), u16::try_from(warning)) {
        (Ok(passing), Ok(warning)) => Ok(Weights { passing, warning }),
        _ => Err(invalid("DNS Weight must be between 0 and 65535")),
    }
}

/// The span as a time to wait, which cannot be negative. `what` names it in the sentence.
pub fn duration(what: &str, span: Span) -> Result<Duration, Invalid> {
    span.0.to_std().ok_or_else(|| Invalid::rejected(format!("Invalid check: {what} must not be negative")))
}

/// A number of results in a row. `what` names it in the sentence.
pub fn count(what: &str, number: i64) -> Result<u32, Invalid> {
    u32::try_from(number)
        .map_err(|_| Invalid::rejected(format!("Invalid check: {what} must be between 0 and {}", u32::MAX)))
}

/// The first part of an output that is too long to keep, with a remark; any other as it is.
pub fn cut_output(output: Text) -> Text {
    if output.len() <= OUTPUT_BYTES_MAX {
        return output;
    }
    let kept = &output[..output.floor_char_boundary(OUTPUT_BYTES_MAX)];
    format!("{kept} ... (captured {} of {} bytes)", kept.len(), output.len()).into()
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
