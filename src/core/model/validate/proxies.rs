//! What proxies and gateways must and must not say.

use crate::core::model::Proxy;
use crate::core::model::limits::FREE_FORM_DEPTH_MAX;
use crate::core::model::validate::bounds::depth;
use crate::core::model::validate::{Violation, names};

/// The word for an ordinary mesh proxy.
const CONNECT_PROXY: &str = "connect-proxy";

/// The words for gateways that must have a port and stand for no single service.
const GATEWAYS: [&str; 2] = ["mesh-gateway", "terminating-gateway"];

/// All words for a kind. What is none of these is a slip that would otherwise show only when nothing finds
/// the proxy.
const KINDS: [&str; 6] =
    ["", CONNECT_PROXY, "mesh-gateway", "terminating-gateway", "ingress-gateway", "api-gateway"];

/// What a proxy's definition may say beside what muster reads.
const PROXY_KEYS: [&str; 4] = ["Config", "Expose", "MeshGateway", "Upstreams"];

/// Refuses a kind that there is not, and a proxy or gateway that lacks what its kind needs, all faults at
/// once, as Consul lists them.
///
/// A proxy beside its instance may listen on a socket instead of a port; a gateway may not.
pub fn check_kind(
    kind: &str,
    port: i64,
    has_socket: bool,
    destination: &str,
    is_native: bool,
) -> Result<(), Violation> {
    if !KINDS.contains(&kind) {
        let known = KINDS[1..].join(", ");
        return Err(Violation::new(format!(
            "Invalid service kind {kind:?}: leave it out, or use one of {known}"
        )));
    }
    let has_destination = !destination.trim().is_empty();
    let mut faults: Vec<String> = Vec::new();
    if kind == CONNECT_PROXY {
        if !has_destination {
            faults.push("Proxy.DestinationServiceName must be non-empty for Connect proxy services".into());
        }
        if port == 0 && !has_socket {
            faults.push("Port must be set for a Connect proxy".into());
        }
        if is_native {
            faults.push("A Proxy cannot also be Connect Native, only typical services".into());
        }
    } else if GATEWAYS.contains(&kind) {
        if port == 0 {
            faults.push(format!("Port must be non-zero for a {kind}"));
        }
        if has_destination {
            faults.push(format!("The Proxy.DestinationServiceName configuration is invalid for a {kind}"));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    let lines: String = faults.iter().map(|fault| format!("\t* {fault}\n")).collect();
    let plural = if faults.len() == 1 { "error" } else { "errors" };
    Err(Violation::new(format!("{} {plural} occurred:\n{lines}\n", faults.len())))
}

/// Refuses a proxy that could not have come anew, names apart that only newcomers may not have.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_held(proxy: &Proxy) -> Result<(), Violation> {
    names_of(proxy).into_iter().try_for_each(|(what, name)| names::check_held(what, name))?;
    for (key, value) in &proxy.rest {
        if !PROXY_KEYS.contains(&key.as_str()) && !Proxy::LATER_KEYS.contains(&key.as_str()) {
            return Err(Violation::new(format!("Invalid Proxy: there is no {:?} in it", key.as_str())));
        }
        // `Upstreams` has two levels around what is free.
        if depth(value) > FREE_FORM_DEPTH_MAX + 2 {
            return Err(Violation::new(format!(
                "Invalid Proxy: {key} is nested deeper than {FREE_FORM_DEPTH_MAX} levels"
            )));
        }
    }
    Ok(())
}

/// Refuses names of a proxy that comes anew, unless everybody sees them.
///
/// # Errors
/// The first that is none.
pub fn check_names(proxy: &Proxy) -> Result<(), Violation> {
    names_of(proxy).into_iter().try_for_each(|(what, name)| names::check(what, name))
}

fn names_of(proxy: &Proxy) -> [(&'static str, &str); 3] {
    [
        ("proxy destination", &proxy.destination_service_name),
        ("proxy destination", &proxy.destination_service_id),
        ("proxy LocalServiceAddress", &proxy.local_service_address),
    ]
}
