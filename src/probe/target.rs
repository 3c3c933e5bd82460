//! Which addresses muster may be sent to.
//!
//! Whoever may register a check or set up a webhook makes muster connect for him, and reads in the output what the
//! target said. So addresses that only this machine could reach on purpose, that reach nobody in particular, or that
//! are muster itself, are refused: on the address that is connected to, after every name was looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::model::Probe;
use crate::probe::dial;
use crate::stdx::network::{self, Network};
use crate::stdx::target_url::TargetUrl;
use crate::sys::host;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_bits: u8) -> Network {
    Network::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix_bits)
}

const fn v6(segments: [u16; 8], prefix_bits: u8) -> Network {
    let [a, b, c, d, e, f, g, h] = segments;
    Network::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix_bits)
}

/// Networks that are refused unless they are named: those that reach nobody in particular, and those where clouds tell
/// a machine its secrets.
const REFUSED: [Network; 16] = [
    // "This" network, link-local with most clouds' metadata services, multicast, broadcast.
    v4(0, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(224, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
    // Alibaba Cloud's metadata service; Azure's wire server; the addresses of protocols, with Oracle Cloud's.
    v4(100, 100, 100, 200, 32),
    v4(168, 63, 129, 16, 32),
    v4(192, 0, 0, 0, 24),
    // Unspecified, link-local, multicast.
    v6([0; 8], 128),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    // Amazon's services on the machine (metadata, credentials, names, time); Google's; Scaleway's; Oracle's; Akamai's.
    v6([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0], 32),
    v6([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0], 32),
    v6([0xfd00, 0x0042, 0, 0, 0, 0, 0, 0], 32),
    v6([0xfd00, 0x00c1, 0, 0, 0, 0, 0, 0], 32),
    v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 0], 48),
    // Teredo: a tunnel whose address hides that of whom it leads to.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
];

/// Where an IPv6 address holds the IPv4 address that it leads to: in which of its bytes. In the addresses for
/// translators (RFC 6052) the four may be interrupted by an empty one.
const TRANSLATED: [(Network, &[u8]); 9] = [
    // Translators of everybody, and of one's own network in its lengths (RFC 8215).
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), &[12, 13, 14, 15]),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), &[12, 13, 14, 15]),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), &[6, 7, 9, 10]),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), &[7, 9, 10, 11]),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), &[9, 10, 11, 12]),
    // Mapped, translated and compatible addresses (RFC 4291, RFC 2765).
    (v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96), &[12, 13, 14, 15]),
    (v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), &[12, 13, 14, 15]),
    (v6([0; 8], 96), &[12, 13, 14, 15]),
    // 6to4 (RFC 3056).
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), &[2, 3, 4, 5]),
];

/// What stands before the IPv4 address in the lower half of an ISATAP address, but for the bit that says whether that
/// is unique (RFC 5214). The upper half may be any network.
const ISATAP: [u8; 4] = [0, 0, 0x5e, 0xfe];
const ISATAP_UNIQUE: u8 = 2;

/// Where clouds tell a machine its secrets: of the refused networks the addresses that somebody is known to answer at.
/// None of them stands by chance in an IPv6 address, so they are looked for at every place of one: a network may have a
/// translator at any prefix of its own (RFC 6052), and a provider's tunnels too (RFC 5969).
const METADATA: [Ipv4Addr; 10] = [
    // Nearly everybody's, and Amazon's names and time beside it.
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 169, 123),
    // Amazon's credentials of containers; Tencent's and Scaleway's metadata.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    // Alibaba's, Azure's and Oracle's.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The byte of an IPv6 address that translators leave empty within an IPv4 address (RFC 6052).
const TRANSLATORS_GAP: usize = 8;

/// Decides on addresses, after names were looked up and just before connecting. A handle: its clones are one set of
/// rules, and a change holds for all of them from the next connection on.
#[derive(Clone, Debug, Default)]
pub struct TargetRules {
    /// Locked to copy or replace a few words; nothing waits under it.
    rules: Arc<RwLock<Rules>>,
}

#[derive(Debug, Default)]
struct Rules {
    allowed: Vec<Network>,
    own_listeners: Vec<SocketAddr>,
}

impl TargetRules {
    /// Rules with these networks as [`TargetRules::allow_only`] takes them.
    pub fn new(allowed: Vec<Network>) -> TargetRules {
        let rules = TargetRules::default();
        rules.allow_only(allowed);
        rules
    }

    /// From now on only addresses in these networks are permitted; with none, all are but those refused to everybody.
    /// What is refused to everybody is permitted only in a network that lies within the refused one: `0.0.0.0/0` does
    /// not open link-local, `169.254.1.0/24` does open that part of it.
    pub fn allow_only(&self, networks: Vec<Network>) {
        self.rules.write().allowed = networks;
    }

    /// Where muster itself listens, which nobody is to be sent to. A wildcard stands for every address of this machine.
    pub fn set_own_listeners(&self, listeners: Vec<SocketAddr>) {
        self.rules.write().own_listeners = listeners;
    }

    /// Why a probe cannot be run whatever its target does, as far as its definition tells: an address is written in it
    /// that may not be probed. For whoever takes a definition in, from wherever.
    pub fn refusal(&self, probe: &Probe) -> Option<String> {
        match probe {
            Probe::Http { url, .. } => self.refusal_of(&TargetUrl::parse(url).ok()?.host),
            Probe::Tcp { address, .. }
            | Probe::Udp { address }
            | Probe::Grpc { address, .. }
            | Probe::H2Ping { address, .. } => self.refusal_of(dial::split(address)?.0),
            _ => None,
        }
    }

    fn refusal_of(&self, host: &str) -> Option<String> {
        let address = network::literal(host)?;
        // Whether muster listens there, or the operator allows it, may be otherwise when the check is run.
        match self.check_network(address) {
            Err(refusal @ TargetRefusal::Special) => Some(format!("{address} is {refusal}")),
            _ => None,
        }
    }

    /// Whether a connection to `address` may be opened.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_connection(&self, address: SocketAddr) -> Result<(), TargetRefusal> {
        self.check_network(address.ip())?;
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let is_own = |listener: &SocketAddr| {
            let at = listener.ip().to_canonical();
            listener.port() == port && (at == ip || (at.is_unspecified() && host::has_address(ip)))
        };
        match self.rules.read().own_listeners.iter().any(is_own) {
            true => Err(TargetRefusal::OwnListener),
            false => Ok(()),
        }
    }

    /// Whether anything may be sent to `address`, whatever the port.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_network(&self, address: IpAddr) -> Result<(), TargetRefusal> {
        let rules = self.rules.read();
        for meant in meanings(address) {
            if let Some(refused) = REFUSED.iter().find(|network| network.contains(meant)) {
                let opens = |allowed: &Network| allowed.is_within(refused) && allowed.contains(meant);
                if !rules.allowed.iter().any(opens) {
                    return Err(TargetRefusal::Special);
                }
                return Ok(());
            }
        }
        let meant = canonical(address);
        let is_allowed = rules.allowed.is_empty() || rules.allowed.iter().any(|it| it.contains(meant));
        if is_allowed { Ok(()) } else { Err(TargetRefusal::NotAllowed) }
    }
}

/// Every address that may be reached by way of `address`: itself, and IPv4 addresses in IPv6 clothes.
fn meanings(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let translated = TRANSLATED.iter().filter_map(move |(network, bytes)| embedded(address, network, bytes));
    // Where the address stands elsewhere, what is read is mostly zeros: an address of "this" network leads nowhere.
    let leads_somewhere = |meant: &IpAddr| !matches!(meant, IpAddr::V4(v4) if v4.octets()[0] == 0);
    let embedded = translated.chain(tunnelled(address)).filter(leads_somewhere);
    std::iter::once(address.to_canonical()).chain(embedded).chain(metadata_within(address))
}

/// The IPv4 address at the end of an ISATAP address.
fn tunnelled(address: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let [.., flags, b, c, d, w, x, y, z] = v6.octets();
    ([flags & !ISATAP_UNIQUE, b, c, d] == ISATAP).then(|| IpAddr::V4(Ipv4Addr::new(w, x, y, z)))
}

/// The metadata services whose addresses stand anywhere in an IPv6 address, in one piece or around the gap.
fn metadata_within(address: IpAddr) -> impl Iterator<Item = IpAddr> {
    let octets = match address {
        IpAddr::V6(v6) => v6.octets(),
        IpAddr::V4(_) => [0; 16],
    };
    let closed: [u8; 15] =
        std::array::from_fn(|at| if at < TRANSLATORS_GAP { octets[at] } else { octets[at + 1] });
    let stands = move |it: &&Ipv4Addr| {
        let within = |bytes: &[u8]| bytes.windows(4).any(|window| window == it.octets());
        within(&octets) || within(&closed)
    };
    METADATA.iter().filter(stands).map(|it| IpAddr::V4(*it))
}

/// The address that `address` is another way to write for.
fn canonical(address: IpAddr) -> IpAddr {
    let (network, bytes) = TRANSLATED[0];
    embedded(address, &network, bytes).unwrap_or(address.to_canonical())
}

fn embedded(address: IpAddr, network: &Network, bytes: &[u8]) -> Option<IpAddr> {
    let IpAddr::V6(v6) = address else { return None };
    let octets = v6.octets();
    let found: [u8; 4] = std::array::from_fn(|at| octets[usize::from(bytes[at])]);
    network.contains(address).then(|| IpAddr::V4(Ipv4Addr::from(found)))
}

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetRefusal {
    /// It is in a network that is refused to everybody.
    Special,
    /// It is in none of the networks that are allowed.
    NotAllowed,
    /// muster itself listens there.
    OwnListener,
}

impl fmt::Display for TargetRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            TargetRefusal::Special => {
                "refused: link-local, multicast and unspecified addresses, and those of clouds' metadata services, are \
                 targets only where probe_allow_cidrs names them"
            }
            TargetRefusal::NotAllowed => "refused: it is in none of the networks of probe_allow_cidrs",
            TargetRefusal::OwnListener => {
                "refused: muster itself listens there; the check serfHealth tells whether muster is well"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(allowed: &[&str]) -> TargetRules {
        TargetRules::new(allowed.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn addresses_that_nobody_should_probe_are_refused() {
        let rows = [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("8.8.8.8", true),
            ("::1", true),
            ("fd00::1", true),
            ("fd00:ec3::253", true),
            ("fd00:ec2::253", false),
            ("fd00:ec2::23", false),
            ("fd20:ce::254", false),
            ("fd20:cf::254", true),
            ("fd00:42::42", false),
            ("100.100.100.200", false),
            ("100.100.100.199", true),
            ("168.63.129.16", false),
            ("168.63.129.17", true),
            ("192.0.0.192", false),
            ("192.0.0.255", false),
            ("192.0.1.0", true),
            ("192.0.2.1", true),
            ("::ffff:100.100.100.200", false),
            ("::ffff:0:168.63.129.16", false),
            ("::168.63.129.16", false),
            ("::10.0.0.1", true),
            ("64:ff9b::168.63.129.16", false),
            ("64:ff9b::c000:c0", false),
            ("64:ff9b:1::169.254.169.254", false),
            ("64:ff9b:1:a9fe:a9:fe00::", false),
            ("64:ff9b:1:7:a9:fea9:fe00:0", false),
            ("64:ff9b:1::10.0.0.1", true),
            ("2002:a9fe:a9fe::1", false),
            ("2002:a00:1::1", true),
            ("fd00:c1::a9fe:a9fe", false),
            ("fd00:a9fe:a9fe::1", false),
            ("fd00:c2::a9fe:a9fe", false),
            ("2001:db8:64::100.100.100.200", false),
            ("2001:db8:a9fe:a9fe::", false),
            ("2001:db8:a9:fea9:fe::", false),
            ("2001:db8:1:a83f:81:1000::", false),
            ("2001:db8:1:2:c0:0:c000::", false),
            ("2001:db8::5efe:169.254.1.1", false),
            ("2001:db8::200:5efe:224.0.0.1", false),
            ("2001:db8::200:5efe:10.0.0.1", true),
            ("2001:db8::169.254.1.1", true),
            ("2001:db8::a9fe:a9ff", true),
            ("2002:a9fe:101::1", false),
            ("::ffff:0:169.254.1.1", false),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false),
            ("2001:db8::1", true),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("169.255.0.0", true),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::169.254.169.254", false),
            ("64:ff9b::8.8.8.8", true),
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
            let permitted = rules(&[]).check_network(address.parse().unwrap());
            assert_eq!(permitted, if expected { Ok(()) } else { Err(TargetRefusal::Special) }, "{address}");
        }
    }

    #[test]
    fn allowed_networks_narrow_and_open() {
        let (open, special, elsewhere) =
            (Ok(()), Err(TargetRefusal::Special), Err(TargetRefusal::NotAllowed));
        let rows: [(&[&str], &str, Result<(), TargetRefusal>); 15] = [
            (&["10.0.0.0/8"], "10.1.2.3", open),
            (&["10.0.0.0/8"], "::ffff:10.1.2.3", open),
            (&["10.0.0.0/8"], "127.0.0.1", elsewhere),
            (&["10.0.0.0/8"], "::1", elsewhere),
            (&["0.0.0.0/0"], "8.8.8.8", open),
            (&["0.0.0.0/0"], "::1", elsewhere),
            (&["0.0.0.0/0", "::/0"], "169.254.169.254", special),
            (&["0.0.0.0/0", "::/0"], "fe80::1", special),
            (&["169.254.0.0/16"], "169.254.169.254", open),
            (&["169.254.1.0/24"], "169.254.1.9", open),
            (&["169.254.1.0/24"], "169.254.2.9", special),
            (&["169.254.1.0/24"], "10.1.2.3", elsewhere),
            (&["fe80::1"], "fe80::1", open),
            (&["169.254.169.254"], "2001:db8::a9fe:a9fe", open),
            (&["2001:db8::/32"], "2001:db8::a9fe:a9fe", special),
        ];
        for (allowed, address, expected) in rows {
            let outcome = rules(allowed).check_network(address.parse().unwrap());
            assert_eq!(outcome, expected, "{address} with {allowed:?}");
        }
    }

    #[test]
    fn muster_does_not_probe_itself() {
        let rows = [
            ("127.0.0.1:8500", "127.0.0.1:8500", false),
            ("127.0.0.1:8500", "[::ffff:127.0.0.1]:8500", false),
            ("127.0.0.1:8500", "127.0.0.1:8501", true),
            ("127.0.0.1:8500", "127.0.0.2:8500", true),
            ("0.0.0.0:8500", "127.0.0.2:8500", false),
            ("0.0.0.0:8500", "127.0.0.2:8501", true),
            ("0.0.0.0:8500", "192.0.2.1:8500", true),
            ("[::]:8500", "127.0.0.1:8500", false),
            ("[::]:8500", "[::1]:8500", false),
            ("[::1]:8500", "127.0.0.1:8500", true),
        ];
        for (listener, target, expected) in rows {
            let rules = TargetRules::default();
            rules.set_own_listeners(vec![listener.parse().unwrap()]);
            let outcome = rules.check_connection(target.parse().unwrap());
            assert_eq!(outcome.is_ok(), expected, "{target} while muster listens at {listener}");
        }
    }

    #[test]
    fn a_change_holds_for_every_clone() {
        let (one, address) = (TargetRules::default(), "127.0.0.1".parse().unwrap());
        let other = one.clone();
        assert_eq!(other.check_network(address), Ok(()));
        one.allow_only(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(other.check_network(address), Err(TargetRefusal::NotAllowed));
    }
}
