//! TCP checks: a connection that must be accepted.

use std::time::Instant;

use crate::model::{Observation, Status};
use crate::probe::critical;
use crate::probe::dial::Dialer;
use crate::sys::dial::Dialed;

/// Connects to `address` (`host:port`) by `deadline`. The connection comes along, for the caller to keep or to hang up.
pub fn run(dialer: &Dialer, address: &str, deadline: Instant) -> (Observation, Option<Dialed>) {
    let Some((host, port)) = split(address) else {
        return (critical(format!("dial tcp: address {address}: write it as host:port")), None);
    };
    let connected =
        dialer.names.resolve(host, port, deadline).and_then(|addresses| dialer.connect(&addresses, deadline));
    match connected {
        Ok((dialed, _)) => {
            let output = format!("TCP connect {address}: Success").into();
            (Observation { status: Status::Passing, output }, Some(dialed))
        }
        Err(error) => (critical(error.to_string()), None),
    }
}

/// `host:port` in its parts. An IPv6 address stands in brackets.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    if host.is_empty() || is_bare_ipv6 { None } else { Some((host, port.parse().ok()?)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        let rows = [
            ("127.0.0.1:80", Some(("127.0.0.1", 80))),
            ("[::1]:80", Some(("[::1]", 80))),
            ("web.example:65535", Some(("web.example", 65535))),
            ("::1:80", None),
            ("web", None),
            (":80", None),
            ("web:", None),
            ("web:65536", None),
        ];
        for (given, expected) in rows {
            assert_eq!(split(given), expected, "{given}");
        }
    }
}
