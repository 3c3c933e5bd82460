//! The sockets to listen on: those that were given to this process, and those that it binds itself; and what others
//! are told of them.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::base::sys::output;
use crate::config;
use crate::config::validated::Config;
use crate::net::http::{BindAddress, BindError, Listener, ServeError, Server};
use crate::server::error::ServerError;
use crate::server::store;

/// What is listened on.
pub(super) struct Listeners {
    /// As it is.
    pub(super) plain: Vec<Listener>,
    /// For TLS.
    pub(super) secure: Vec<Listener>,
}

/// A listener for every address. What a predecessor listened on is taken over where it is still configured, and closed
/// otherwise; what a supervisor listens on is served in any case, and instead of the default address: for TLS where
/// `https_addr` says so.
///
/// # Errors
/// A given socket that does not listen, or the first address that cannot be bound.
pub(super) fn listeners(
    config: &Config,
    of_supervisor: Vec<OwnedFd>,
    of_predecessor: Vec<OwnedFd>,
) -> Result<Listeners, ServerError> {
    let adopt = |socket: OwnedFd| Listener::adopt(socket).map_err(ServerError::System);
    let given = of_supervisor.into_iter().map(adopt).collect::<Result<Vec<_>, _>>()?;
    let mut earlier = of_predecessor.into_iter().map(adopt).collect::<Result<Vec<_>, _>>()?;
    let is_default = !config.is_written("http_addr");
    let https: Vec<BindAddress> = config.https_addresses.iter().map(listen_address).collect();
    let (mut secure, mut plain): (Vec<_>, Vec<_>) =
        given.into_iter().partition(|listener| https.contains(listener.address()));
    let is_given = is_default && !plain.is_empty();
    let addresses = if is_given { &[][..] } else { &config.http_addresses[..] };
    let mut listen = |listeners: &mut Vec<Listener>, address: BindAddress| -> Result<(), ServerError> {
        if listeners.iter().any(|listener| *listener.address() == address) {
            return Ok(());
        }
        match earlier.iter().position(|listener| serves(listener.address(), &address)) {
            Some(position) => listeners.push(earlier.swap_remove(position)),
            None => listeners.push(bind(&address)?),
        }
        Ok(())
    };
    for address in addresses.iter().chain(&config.admin_addresses).map(listen_address) {
        listen(&mut plain, address)?;
    }
    https.into_iter().try_for_each(|address| listen(&mut secure, address))?;
    Ok(Listeners { plain, secure })
}

/// Sees to it that every address is free, before anything is written: an agent that cannot listen leaves no directory
/// behind. Where another process has the data directory that is said, by whoever opens it: it tells more.
///
/// # Errors
/// The first address that cannot be bound.
pub(super) fn try_out(config: &Config) -> Result<(), ServerError> {
    if store::is_in_use(config) {
        return Ok(());
    }
    let mut addresses = config.listen_addresses().map(listen_address);
    addresses
        .try_for_each(|address| Listener::try_out(&address))
        .map_err(|error| ServerError::Serve(ServeError::Bind(error)))
}

/// Whether a socket that listens at one address is what the other asks for. Port 0 asks for any port.
fn serves(bound: &BindAddress, wanted: &BindAddress) -> bool {
    match (bound, wanted) {
        (BindAddress::Tcp(bound), BindAddress::Tcp(wanted)) => {
            bound.ip() == wanted.ip() && (wanted.port() == 0 || wanted.port() == bound.port())
        }
        _ => bound == wanted,
    }
}

fn bind(address: &BindAddress) -> Result<Listener, ServerError> {
    Listener::bind(address).map_err(|error: BindError| ServerError::Serve(ServeError::Bind(error)))
}

pub(super) fn listen_address(address: &config::address::ListenAddress) -> BindAddress {
    match address {
        config::address::ListenAddress::Tcp(address) => BindAddress::Tcp(*address),
        config::address::ListenAddress::Unix(path) => BindAddress::Unix(path.clone()),
    }
}

pub(super) fn tcp_addresses(addresses: &[BindAddress]) -> Vec<SocketAddr> {
    let tcp = addresses.iter().filter_map(|address| match address {
        BindAddress::Tcp(address) => Some(*address),
        BindAddress::Unix(_) => None,
    });
    tcp.collect()
}

/// Says where to reach the agent, on standard output for people and in the log for machines.
pub(super) fn announce(server: &Server, config: &Config) {
    let (plain, secure) = (server.local_addresses(), server.tls_addresses());
    let shown = plain.iter().map(ToString::to_string);
    let shown: Vec<String> = shown.chain(secure.iter().map(|it| format!("https://{it}"))).collect();
    log::info!(addresses = shown.join(" "), version = env!("CARGO_PKG_VERSION"); "serving");
    let store = store::shown(config);
    let mut lines =
        format!("muster {} serves {} (store: {store})", env!("CARGO_PKG_VERSION"), shown.join(", "));
    if let Some(BindAddress::Tcp(address)) = plain.first() {
        lines.push_str(&format!("\ntry:  curl http://{address}/v1/catalog/services"));
    }
    if let Err(error) = output::print_line(&lines) {
        log::warn!("standard output takes nothing: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_serves_its_own_address_and_any_port_that_is_asked_for() {
        let tcp = |text: &str| BindAddress::Tcp(text.parse().unwrap());
        let unix = |text: &str| BindAddress::Unix(text.into());
        let rows = [
            (tcp("127.0.0.1:8500"), tcp("127.0.0.1:8500"), true),
            (tcp("127.0.0.1:8500"), tcp("127.0.0.1:0"), true),
            (tcp("127.0.0.1:8500"), tcp("127.0.0.1:8501"), false),
            (tcp("127.0.0.1:8500"), tcp("0.0.0.0:8500"), false),
            (unix("/run/a"), unix("/run/a"), true),
            (unix("/run/a"), unix("/run/b"), false),
            (unix("/run/a"), tcp("127.0.0.1:0"), false),
        ];
        for (bound, wanted, expected) in rows {
            assert_eq!(serves(&bound, &wanted), expected, "{bound} for {wanted}");
        }
    }
}
