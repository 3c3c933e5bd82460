//! Whom more is told or allowed than everybody: who is on this machine, or comes by the way that is the operators'.
//!
//! An address of loopback says little by itself: whatever a proxy on this machine passes on comes from there too. So
//! nothing may look at the address of a client but by this rule.

use crate::http::{Exchange, Request};
use crate::sys::listen::Peer;

/// Headers that programs and browsers send for themselves; also all that begin with one of [`OWN_PREFIXES`]. Proxies
/// say in ever other words for whom they ask, so whoever sends anything else may be one.
const OWN_HEADERS: [&str; 19] = [
    "authorization",
    "cache-control",
    "connection",
    "cookie",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "te",
    "transfer-encoding",
    "upgrade-insecure-requests",
    "user-agent",
    "x-consul-token",
    // The id that a client gives its request, which the log shows.
    "x-request-id",
];
const OWN_PREFIXES: [&str; 4] = ["accept", "content-", "if-", "sec-"];

/// Whether whoever asks is an operator: by a Unix socket or an address of `admin_addr`, or on this machine and for
/// himself.
///
/// A proxy that neither says that it is one nor passes on the name it was asked by cannot be told from a user of this
/// machine; such a one is kept away by giving operators an address of their own and clients another.
pub fn is_operator(exchange: &Exchange<'_>) -> bool {
    exchange.is_operators() || is_of_this_machine(exchange.request())
}

fn is_of_this_machine(request: &Request) -> bool {
    let is_loopback = match request.peer() {
        Peer::Tcp(address) => address.ip().to_canonical().is_loopback(),
        Peer::Unix => true,
    };
    // The host in a whole URL is what is asked for, whatever `Host` says (RFC 9112, section 3.2.2); both must be ours.
    let mut hosts = [request.host(), request.target_authority()].into_iter().flatten();
    is_loopback && hosts.all(names_loopback) && request.headers().all(|(name, _)| is_own(name))
}

/// Whether a header is one that is sent by who asks for himself.
fn is_own(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OWN_HEADERS.contains(&&*name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the server was asked by a name that only this machine has for it.
fn names_loopback(host: &[u8]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_address = || name.parse::<std::net::IpAddr>().is_ok_and(|it| it.to_canonical().is_loopback());
    name.trim_end_matches('.').eq_ignore_ascii_case("localhost") || is_address()
}
