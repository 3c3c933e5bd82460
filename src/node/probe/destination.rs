//! Which target a probe burdens, as far as its definition shows: for fair shares among targets, never for connecting.

use std::net::Ipv6Addr;

use crate::base::stdx::text::Text;
use crate::core::model::Probe;

/// The target of a probe, by name. Two names of one machine count as two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Name or address of the host, in lower case; of an IPv6 address its network.
    pub host: Text,
    /// The host and the port on it.
    pub address: Text,
}

impl Destination {
    /// The target that `probe` names. What runs on this machine counts as one target for each kind.
    pub fn of(probe: &Probe) -> Destination {
        match probe {
            Probe::Http { url, .. } => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
                let authority = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
                let port = if scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
                Destination::at(authority, port)
            }
            Probe::Tcp { address, .. }
            | Probe::Udp { address }
            | Probe::Grpc { address, .. }
            | Probe::H2Ping { address, .. } => Destination::at(address, ""),
            Probe::Ttl { .. } | Probe::OsService { .. } | Probe::Script { .. } | Probe::Alias { .. } => {
                Destination { host: "".into(), address: probe.kind().into() }
            }
        }
    }

    fn at(address: &str, port_default: &str) -> Destination {
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (address, port_default),
        };
        let host = host.to_ascii_lowercase();
        Destination { address: format!("{host}:{port}").into(), host: network_of(&host).into() }
    }
}

/// The network that an IPv6 address belongs to, for the owner of one of its addresses has all of them; any other host
/// is itself.
fn network_of(host: &str) -> String {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.split('%').next().unwrap_or_default().parse::<Ipv6Addr>() {
        Ok(address) if !address.is_loopback() && address.to_ipv4_mapped().is_none() => {
            format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_host_and_port() {
        let http = |url: &str| Probe::http(url, Default::default(), "");
        let tcp = |address: &str| Probe::Tcp { address: address.into(), tls: None };
        let rows = [
            (http("http://Web.example/up"), "web.example", "web.example:80"),
            (http("https://web.example?q"), "web.example", "web.example:443"),
            (http("http://user:pass@10.0.0.1:8080/a@b:1"), "10.0.0.1", "10.0.0.1:8080"),
            (http("http://[::1]/"), "[::1]", "[::1]:80"),
            (http("http://[::1]:81/"), "[::1]", "[::1]:81"),
            (http("nonsense"), "nonsense", "nonsense:80"),
            (tcp("10.0.0.1:22"), "10.0.0.1", "10.0.0.1:22"),
            (tcp("[2001:db8::1]:22"), "2001:db8::/64", "[2001:db8::1]:22"),
            (tcp("[2001:db8::2:0:0:1%eth0]:22"), "2001:db8::/64", "[2001:db8::2:0:0:1%eth0]:22"),
            (tcp("[::ffff:10.0.0.1]:22"), "[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]:22"),
            (Probe::OsService { name: "sshd".into() }, "", "os_service"),
        ];
        for (probe, host, address) in rows {
            let expected = Destination { host: host.into(), address: address.into() };
            assert_eq!(Destination::of(&probe), expected, "{probe:?}");
        }
    }
}
