//! Networks of IP addresses in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A family of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamily {
    /// Version 4, and those of it that are written within version 6 (`::ffff:192.0.2.1`).
    V4,
    /// Version 6.
    V6,
}

/// The family of the address that `text` is; `None` when it is none.
pub fn family(text: &str) -> Option<AddressFamily> {
    let address: IpAddr = text.parse().ok()?;
    Some(if address.to_canonical().is_ipv4() { AddressFamily::V4 } else { AddressFamily::V6 })
}

/// The address that `host` is, however it is written, as resolvers and browsers read it: with dots at its end, in
/// brackets and with a zone, as one to four numbers in decimal, octal (`0251`) or hexadecimal (`0xa9`). `None` for a
/// name.
///
/// <https://url.spec.whatwg.org/#concept-ipv4-parser>
pub fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').map_or(host, |rest| rest.strip_suffix(']').unwrap_or(rest));
    let bare = bare.split('%').next().unwrap_or_default().trim_end_matches('.');
    bare.parse().ok().or_else(|| in_numbers(bare).map(IpAddr::V4))
}

/// `a`, `a.b`, `a.b.c` or `a.b.c.d`: the last number fills what is left of the address.
fn in_numbers(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = numbers.split_last()?;
    if leading.len() > 3 || leading.iter().any(|number| *number > 255) {
        return None;
    }
    let high = leading.iter().zip([24, 16, 8]).fold(0, |sum, (number, shift)| sum | number << shift);
    let low_bits = 32 - 8 * leading.len();
    (*last < 1 << low_bits).then(|| Ipv4Addr::from((high | last) as u32))
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    match digits {
        // As the standard has it, `0x` is nothing.
        "" if radix == 16 => Some(0),
        digits if digits.starts_with('+') => None,
        digits => u64::from_str_radix(digits, radix).ok(),
    }
}

/// `host:port` in its parts, the port as it is written. An IPv6 address stands in brackets.
pub fn host_and_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let is_bare_ipv6 = host.contains(':') && !host.starts_with('[');
    if host.is_empty() || port.is_empty() || is_bare_ipv6 { None } else { Some((host, port)) }
}

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
    fn families_are_told_by_the_address_that_is_meant() {
        let rows = [
            ("10.0.0.1", Some(AddressFamily::V4)),
            ("::ffff:10.0.0.1", Some(AddressFamily::V4)),
            ("::FFFF:a00:1", Some(AddressFamily::V4)),
            ("fd00::5", Some(AddressFamily::V6)),
            ("::1", Some(AddressFamily::V6)),
            ("::", Some(AddressFamily::V6)),
            ("localhost", None),
            ("[fd00::5]", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(family(text), expected, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_however_they_are_written() {
        let metadata = Some("169.254.169.254");
        let rows = [
            ("169.254.169.254", metadata),
            ("169.254.169.254.", metadata),
            ("2852039166", metadata),
            ("0xa9fea9fe", metadata),
            ("0XA9FEA9FE", metadata),
            ("0xa9.0xfe.0xa9.0xfe", metadata),
            ("0251.0376.0251.0376", metadata),
            ("025177524776", metadata),
            ("00000251.254.0xA9.254", metadata),
            ("169.254.43518", metadata),
            ("169.16689662", metadata),
            ("0xa9.254.0xa9fe.", metadata),
            ("[::ffff:a9fe:a9fe]", Some("::ffff:169.254.169.254")),
            ("::FFFF:169.254.169.254", Some("::ffff:169.254.169.254")),
            ("[fe80::1%eth0]", Some("fe80::1")),
            ("1", Some("0.0.0.1")),
            ("0x", Some("0.0.0.0")),
            ("256.1.1.1", None),
            ("1.2.3.256", None),
            ("1.2.65536", None),
            ("4294967296", None),
            ("1.2.3.4.5", None),
            ("1..2", None),
            ("08", None),
            ("+1", None),
            ("0x+1", None),
            ("", None),
            (".", None),
            ("web", None),
            ("10.web", None),
            ("169.254.169.254.nip.example", None),
        ];
        for (text, expected) in rows {
            assert_eq!(literal(text), expected.map(|it| it.parse().unwrap()), "{text}");
        }
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

    #[test]
    fn addresses_are_host_and_port() {
        let rows = [
            ("127.0.0.1:80", Some(("127.0.0.1", "80"))),
            ("[::1]:80", Some(("[::1]", "80"))),
            ("web.example:http", Some(("web.example", "http"))),
            ("::1:80", None),
            ("web", None),
            (":80", None),
            ("web:", None),
        ];
        for (given, expected) in rows {
            assert_eq!(host_and_port(given), expected, "{given}");
        }
    }
}
