//! Where muster listens, as written in `http_addr`: an address with a port, or the path of a Unix socket.
//!
//! Nothing is looked up: a name would have to be resolved before the ports are bound, and could change its
//! meaning later.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::base::stdx::redact;

/// Bytes in the path of a Unix socket: `sun_path` holds 108 with its closing zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

/// One place to listen at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListenAddress {
    /// An address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket at an absolute path.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reads `127.0.0.1:8500`, `[::]:8500`, `:8500` (every IPv4 address), `localhost:8500` or
    /// `unix:///run/muster.sock`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Self::parse_socket_path(path);
        }
        if text.starts_with("https://") {
            return Err(
                "an address is written without `https://`; the setting https_addr says where TLS is spoken"
                    .to_owned(),
            );
        }
        if let Some(bare) = text.strip_prefix("http://") {
            return Err(format!("an address is written without `http://`: `{}`", redact::url(bare)));
        }
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress::Tcp(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
        let port: u16 = port.parse().map_err(|_| format!("`{port}` is no port from 0 to 65535"))?;
        match host {
            "" => Ok(ListenAddress::Tcp((Ipv4Addr::UNSPECIFIED, port).into())),
            "localhost" => Ok(ListenAddress::Tcp((Ipv4Addr::LOCALHOST, port).into())),
            _ if host.contains(':') => Err("an IPv6 address with a port stands in brackets".to_owned()),
            _ => Err(format!("`{host}` is no IP address; names are not looked up")),
        }
    }

    fn parse_socket_path(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') || path.len() < 2 {
            return Err("the path of a Unix socket is absolute: three slashes after `unix:`".to_owned());
        }
        if path.len() > SOCKET_PATH_BYTES_MAX {
            return Err(format!(
                "the path has {} bytes, a socket's may have {SOCKET_PATH_BYTES_MAX}",
                path.len()
            ));
        }
        Ok(ListenAddress::Unix(path.into()))
    }

    /// The IP address others could reach it at, if it is bound to a certain one that is not the loopback.
    pub fn reachable_ip(&self) -> Option<IpAddr> {
        match self {
            ListenAddress::Tcp(address) => {
                Some(address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
            }
            ListenAddress::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => write!(formatter, "{address}"),
            ListenAddress::Unix(path) => write!(formatter, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_write_alike() {
        let rows = [
            ("127.0.0.1:8500", "127.0.0.1:8500"),
            ("[::]:8500", "[::]:8500"),
            (":8500", "0.0.0.0:8500"),
            ("localhost:0", "127.0.0.1:0"),
            ("unix:///run/muster.sock", "unix:///run/muster.sock"),
        ];
        for (text, shown) in rows {
            assert_eq!(ListenAddress::parse(text).map(|it| it.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn wrong_addresses_are_told_what_is_wrong() {
        let too_long = format!("unix:///{}", "s".repeat(SOCKET_PATH_BYTES_MAX));
        let rows = [
            ("127.0.0.1", "the port is missing"),
            ("https://127.0.0.1:8500", "https_addr"),
            ("http://127.0.0.1:8500", "without `http://`"),
            ("127.0.0.1:http", "no port"),
            ("127.0.0.1:65536", "no port"),
            ("::1:8500x", "no port"),
            ("fe80::1::2:8500", "in brackets"),
            ("registry.example:8500", "names are not looked up"),
            ("unix://run/muster.sock", "absolute"),
            ("unix:///", "absolute"),
            (too_long.as_str(), "108 bytes"),
        ];
        for (text, said) in rows {
            let complaint = ListenAddress::parse(text).expect_err(text);
            assert!(complaint.contains(said), "{text}: {complaint}");
        }
        assert!(
            ListenAddress::parse(&too_long[..too_long.len() - 1]).is_ok(),
            "the longest path is accepted"
        );
    }
}
