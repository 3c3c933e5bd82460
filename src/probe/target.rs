//! Which addresses a check may be pointed at.
//!
//! Whoever may register a check makes muster connect for him and reads in the output what the target said. So the
//! addresses that only this machine could reach on purpose, or that reach nobody in particular, are refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Networks that are refused unless allowed: "this" network, link-local with the clouds' metadata services, multicast
/// and broadcast; the same in IPv6, and the one metadata service there.
const REFUSED: [(IpAddr, u8); 8] = [
    (IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    (IpAddr::V4(Ipv4Addr::new(255, 255, 255, 255)), 32),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)), 128),
];

/// Decides on addresses, after names were looked up and just before connecting.
#[derive(Clone, Debug, Default)]
pub struct TargetRules {
    /// Networks to probe although they are refused otherwise.
    pub allow: Vec<Network>,
}

impl TargetRules {
    /// Whether `address` may be probed. An IPv4 address in IPv6 clothes is judged as what it is.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_refused =
            REFUSED.iter().any(|&(base, prefix_bits)| Network { base, prefix_bits }.contains(address));
        !is_refused || self.allow.iter().any(|network| network.contains(address))
    }
}

/// A network in CIDR notation, such as `169.254.0.0/16`. A bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    /// At most 32 with IPv4, 128 with IPv6.
    prefix_bits: u8,
}

impl Network {
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

    #[test]
    fn addresses_that_nobody_should_probe_are_refused() {
        let rows = [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("8.8.8.8", true),
            ("::1", true),
            ("fd00::1", true),
            ("fd00:ec2::253", true),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("169.255.0.0", true),
            ("::ffff:169.254.169.254", false),
            ("0.0.0.0", false),
            ("0.255.255.255", false),
            ("1.0.0.0", true),
            ("223.255.255.255", true),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("255.255.255.255", false),
            ("::", false),
            ("fe80::1", false),
            ("febf::1", false),
            ("fec0::1", true),
            ("ff02::1", false),
            ("fd00:ec2::254", false),
        ];
        for (address, expected) in rows {
            assert_eq!(TargetRules::default().permits(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn an_allowed_network_is_allowed() {
        let rules =
            TargetRules { allow: vec!["169.254.1.0/24".parse().unwrap(), "fe80::1".parse().unwrap()] };
        let rows = [("169.254.1.9", true), ("169.254.2.9", false), ("fe80::1", true), ("fe80::2", false)];
        for (address, expected) in rows {
            assert_eq!(rules.permits(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn networks_read_and_write_as_cidr() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "1.2.3.4/32"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("255.1.2.3".parse().unwrap()));
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "x/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
