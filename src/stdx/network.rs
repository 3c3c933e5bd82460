//! Networks of IP addresses in CIDR notation.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network in CIDR notation, such as `169.254.0.0/16`. A bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    /// At most 32 with IPv4, 128 with IPv6.
    prefix_bits: u8,
}

impl Network {
    /// The network of `base` and all addresses that agree with it in their first `prefix_bits`, which are at most 32
    /// with IPv4 and 128 with IPv6.
    pub const fn new(base: IpAddr, prefix_bits: u8) -> Network {
        Network { base, prefix_bits }
    }

    /// Whether every address of this network is in `other` too.
    pub fn is_within(&self, other: &Network) -> bool {
        self.prefix_bits >= other.prefix_bits && other.contains(self.base)
    }

    /// Whether `address` lies in it. The families are strangers to each other.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |width: u8| u32::from(width - self.prefix_bits);
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let error = || NetworkError { text: text.to_owned() };
        let (base, prefix) = text.split_once('/').map_or((text, None), |(base, prefix)| (base, Some(prefix)));
        let base: IpAddr = base.parse().map_err(|_| error())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.map_or(Ok(width), str::parse).map_err(|_| error())?;
        if prefix_bits > width { Err(error()) } else { Ok(Network { base, prefix_bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.base, self.prefix_bits)
    }
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    text: String,
}

impl fmt::Display for NetworkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} is no network; write one as 10.0.0.0/8 or fd00::/8", self.text)
    }
}

impl std::error::Error for NetworkError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn networks_read_and_write_as_cidr() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "1.2.3.4/32"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("1.2.3.4").to_string(), "1.2.3.4/32");
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "x/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_in_it_by_their_first_bits() {
        let rows = [
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "ff::1", true),
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
        ];
        for (within, address, expected) in rows {
            assert_eq!(network(within).contains(address.parse().unwrap()), expected, "{address} in {within}");
        }
    }

    #[test]
    fn networks_are_within_each_other() {
        let rows = [
            ("10.1.0.0/16", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.0.0.0/8", "10.1.0.0/16", false),
            ("0.0.0.0/0", "169.254.0.0/16", false),
            ("169.254.169.254", "169.254.0.0/16", true),
            ("fe80::1", "0.0.0.0/0", false),
        ];
        for (inner, outer, expected) in rows {
            assert_eq!(network(inner).is_within(&network(outer)), expected, "{inner} within {outer}");
        }
    }
}
