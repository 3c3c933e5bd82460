//! What instances of services may be.

use crate::base::stdx::network::{self, AddressFamily};
use crate::base::stdx::pairs::Pairs;
use crate::base::stdx::text::Text;
use crate::core::model::limits::{META_PAIRS_MAX, TAG_BYTES_MAX, TAGS_MAX, TIME_MS_MAX};
use crate::core::model::validate::bounds::check_indexes;
use crate::core::model::validate::{Violation, metadata, names, proxies};
use crate::core::model::{Drain, Origin, Service, ServiceAddress, drain};

/// Addresses that an instance has for its own, beside those that were given.
const OWN_ADDRESSES_MAX: usize = 2;

/// Refuses an instance that could not have come anew, names apart that only newcomers may not have.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_held(service: &Service) -> Result<(), Violation> {
    names_of(service).into_iter().try_for_each(|(what, name)| names::check_held(what, name))?;
    later_names(service, names::check_held)?;
    check_named(service)
}

/// As [`check_held`], of one whose names are checked.
fn check_named(service: &Service) -> Result<(), Violation> {
    if service.name.is_empty() || service.id.is_empty() {
        return Err(Violation::new("Must provide service name with ID"));
    }
    check_address(&service.address)?;
    check_tags(&service.tags)?;
    // Clients of the agent's own service know its metadata by these very names.
    if service.origin != Origin::Server {
        metadata::check("Invalid Service Meta", service.meta.as_ref())?;
    }
    check_tagged_addresses(&service.tagged_addresses)?;
    if service.weights.passing < 1 {
        return Err(Violation::new("Invalid Weights: Passing must be greater than 0"));
    }
    let destination = service.proxy.as_ref().map_or("", |proxy| &proxy.destination_service_name);
    let (port, has_socket) = (i64::from(service.port), !service.socket_path.is_empty());
    proxies::check_kind(&service.kind, port, has_socket, destination, service.connect.native)?;
    service.proxy.as_deref().map_or(Ok(()), proxies::check_held)?;
    service.drain.as_deref().map_or(Ok(()), check_drain)?;
    check_indexes(service.indexes)
}

/// As [`check_held`], of one that comes anew: its names are such as everybody sees.
///
/// # Errors
/// As [`check_held`].
pub fn check_new(service: &Service) -> Result<(), Violation> {
    let roles = service.tagged_addresses.iter().flat_map(|(role, at)| [role.as_str(), at.address.as_str()]);
    let tagged = roles.map(|name| ("service tagged address", name));
    let address = ("service address", service.address.as_str());
    names_of(service).into_iter().try_for_each(|(what, name)| names::check(what, name))?;
    service.proxy.as_deref().map_or(Ok(()), proxies::check_names)?;
    tagged.chain([address]).try_for_each(|(what, name)| names::check(what, name))?;
    later_names(service, names::check)?;
    service.tags.iter().try_for_each(|tag| names::check_seen("service tag", tag))?;
    check_named(service)
}

fn names_of(service: &Service) -> [(&'static str, &str); 3] {
    [("service name", &service.name), ("service ID", &service.id), ("service kind", &service.kind)]
}

/// What few instances have.
fn later_names(service: &Service, check: fn(&str, &str) -> Result<(), Violation>) -> Result<(), Violation> {
    if !service.socket_path.is_empty() {
        check("service SocketPath", &service.socket_path)?;
    }
    if let Some(at) = service.locality.as_deref() {
        [&at.region, &at.zone].into_iter().try_for_each(|name| check("service Locality", name))?;
    }
    Ok(())
}

/// Refuses the addresses that mean "any".
///
/// # Errors
/// When it does, or is no name.
pub fn check_address(address: &str) -> Result<(), Violation> {
    names::check_held("service address", address)?;
    if matches!(address, "0.0.0.0" | "::" | "[::]") {
        return Err(Violation::new("Invalid service address"));
    }
    Ok(())
}

/// Refuses too many tags, or too long ones.
///
/// # Errors
/// The first rule that they break.
pub fn check_tags(tags: &[Text]) -> Result<(), Violation> {
    if tags.len() > TAGS_MAX {
        return Err(Violation::new(format!("too many tags: at most {TAGS_MAX} are kept")));
    }
    if tags.iter().any(|tag| tag.len() > TAG_BYTES_MAX) {
        return Err(Violation::new(format!("Invalid service tag: longer than {TAG_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn check_tagged_addresses(addresses: &Pairs<ServiceAddress>) -> Result<(), Violation> {
    // The agent adds the roles of the instance's own address.
    check_count_of_addresses(addresses.len().saturating_sub(OWN_ADDRESSES_MAX))?;
    addresses.iter().try_for_each(|(role, address)| check_tagged_address(role, &address.address))
}

/// Refuses an address by its role that is no name.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_tagged_address(role: &str, address: &str) -> Result<(), Violation> {
    names::check_held("service tagged address", role)?;
    names::check_held("service tagged address", address)
}

/// Refuses more addresses by role than are kept.
///
/// # Errors
/// When there are.
pub fn check_count_of_addresses(count: usize) -> Result<(), Violation> {
    if count > META_PAIRS_MAX {
        let sentence = format!("too many tagged addresses: at most {META_PAIRS_MAX} are kept");
        return Err(Violation::new(sentence));
    }
    Ok(())
}

/// Refuses addresses that are not of the family their role names.
///
/// # Errors
/// The first that is not.
pub fn check_address_families<'a>(
    addresses: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), Violation> {
    for (role, address) in addresses {
        let (wanted, word) = match role {
            "lan_ipv4" | "wan_ipv4" => (AddressFamily::V4, "ipv4"),
            "lan_ipv6" | "wan_ipv6" => (AddressFamily::V6, "ipv6"),
            _ => continue,
        };
        if network::family(address) != Some(wanted) {
            return Err(Violation::new(format!(
                "Service tagged address \"{role}\" must be a valid {word} address"
            )));
        }
    }
    Ok(())
}

fn check_drain(plan: &Drain) -> Result<(), Violation> {
    let length_ms = u128::from(plan.until_ms.saturating_sub(plan.started_ms));
    let fault = if plan.until_ms > TIME_MS_MAX || plan.started_ms > plan.until_ms {
        "it ends before it begins, or never"
    } else if length_ms > drain::DEADLINE_MAX.as_millis() {
        "it is longer than a day"
    } else if plan.from_percent > 100 || plan.share_percent > 100 {
        "a share of more than 100 percent"
    } else if plan.reason.len() > drain::REASON_BYTES_MAX {
        "its reason is too long"
    } else {
        return Ok(());
    };
    Err(Violation::new(format!("Invalid drain: {fault}")))
}
