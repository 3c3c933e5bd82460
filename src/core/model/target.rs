//! Which addresses muster may be sent to.
//!
//! Whoever may register a check or set up a webhook makes muster connect for him, and reads in the output what the
//! target said. So addresses that only this machine could reach on purpose, that reach nobody in particular, or that
//! are muster itself, are refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::stdx::network::{self, Network};
use crate::base::stdx::target_url::TargetUrl;
use crate::core::model::Probe;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix_bits: u8) -> Network {
    Network::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix_bits)
}

const fn v6(segments: [u16; 8], prefix_bits: u8) -> Network {
    let [a, b, c, d, e, f, g, h] = segments;
    Network::new(IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), prefix_bits)
}

/// Networks that are refused unless they are named: those that reach no machine in particular, and those where clouds
/// tell a machine its secrets.
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

/// Where muster may be sent to, as it is set up.
#[derive(Clone, Debug, Default)]
pub struct TargetPolicy {
    /// The only networks that are permitted; with none, all are but those that are always refused. What is refused to
    /// everybody is permitted only in a network that lies within the refused one: `0.0.0.0/0` does not open link-local,
    /// `169.254.1.0/24` does open that part of it.
    pub allowed: Vec<Network>,
    /// Where muster itself listens. A wildcard stands for every address of this machine.
    pub own_listeners: Vec<SocketAddr>,
}

impl TargetPolicy {
    /// Why a probe would not be run now whatever its target does, as far as its definition tells: an address is
    /// written in it that may not be asked. For whoever registers a check, over HTTP or in a file. `is_here` knows the
    /// addresses of this machine.
    pub fn refusal(&self, probe: &Probe, is_here: impl Fn(IpAddr) -> bool) -> Option<String> {
        let (address, port) = written(probe)?;
        self.refusal_of(address, port, is_here)
    }

    /// As [`TargetPolicy::refusal`], of what a webhook tells.
    pub fn refusal_of_url(&self, url: &str, is_here: impl Fn(IpAddr) -> bool) -> Option<String> {
        let url = TargetUrl::parse(url).ok()?;
        self.refusal_of(network::literal(&url.host)?, Some(url.port()), is_here)
    }

    /// Why a probe would never be run here, for checks that come back: from a snapshot, from Redis. Where muster
    /// listens and what the operator allows may be otherwise by the time it is run, and its output says so then.
    pub fn lasting_refusal(&self, probe: &Probe) -> Option<String> {
        let (address, _) = written(probe)?;
        let refusal = self.check_network(address).err().filter(|it| *it == TargetRefusal::Special)?;
        Some(format!("{address} is {refusal}"))
    }

    fn refusal_of(
        &self,
        address: IpAddr,
        port: Option<u16>,
        is_here: impl Fn(IpAddr) -> bool,
    ) -> Option<String> {
        let judged = match port {
            Some(port) => self.check_connection(SocketAddr::new(address, port), is_here),
            None => self.check_network(address),
        };
        judged.err().map(|refusal| format!("{address} is {refusal}"))
    }

    /// Whether a connection to `address` may be opened.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_connection(
        &self,
        address: SocketAddr,
        is_here: impl Fn(IpAddr) -> bool,
    ) -> Result<(), TargetRefusal> {
        self.check_network(address.ip())?;
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let is_own = |listener: &SocketAddr| {
            let at = listener.ip().to_canonical();
            listener.port() == port && (at == ip || (at.is_unspecified() && is_here(ip)))
        };
        if self.own_listeners.iter().any(is_own) { Err(TargetRefusal::OwnListener) } else { Ok(()) }
    }

    /// Whether anything may be sent to `address`, whatever the port.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_network(&self, address: IpAddr) -> Result<(), TargetRefusal> {
        for meant in meanings(address) {
            if let Some(refused) = REFUSED.iter().find(|network| network.contains(meant)) {
                let opens = |allowed: &Network| allowed.is_within(refused) && allowed.contains(meant);
                if !self.allowed.iter().any(opens) {
                    return Err(TargetRefusal::Special);
                }
                return Ok(());
            }
        }
        let meant = canonical(address);
        let is_allowed = self.allowed.is_empty() || self.allowed.iter().any(|it| it.contains(meant));
        if is_allowed { Ok(()) } else { Err(TargetRefusal::NotAllowed) }
    }
}

/// The address that a probe asks, where one is written in it and no name, and the port where that is a number.
fn written(probe: &Probe) -> Option<(IpAddr, Option<u16>)> {
    match probe {
        Probe::Http { url, .. } => {
            let url = TargetUrl::parse(url).ok()?;
            Some((network::literal(&url.host)?, Some(url.port())))
        }
        Probe::Tcp { address, .. }
        | Probe::Udp { address }
        | Probe::Grpc { address, .. }
        | Probe::H2Ping { address, .. } => {
            let (host, port) = network::host_and_port(address)?;
            Some((network::literal(host)?, port.parse().ok()))
        }
        Probe::Ttl { .. } | Probe::Script { .. } | Probe::OsService { .. } | Probe::Alias { .. } => None,
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
    /// It is in a network that is always refused.
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

    fn policy(allowed: &[&str]) -> TargetPolicy {
        TargetPolicy {
            allowed: allowed.iter().map(|text| text.parse().unwrap()).collect(),
            ..TargetPolicy::default()
        }
    }

    /// As if the machine had these.
    fn is_here(address: IpAddr) -> bool {
        address.is_loopback()
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
            let permitted = policy(&[]).check_network(address.parse().unwrap());
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
            let outcome = policy(allowed).check_network(address.parse().unwrap());
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
            let policy =
                TargetPolicy { own_listeners: vec![listener.parse().unwrap()], ..TargetPolicy::default() };
            let outcome = policy.check_connection(target.parse().unwrap(), is_here);
            assert_eq!(outcome.is_ok(), expected, "{target} while muster listens at {listener}");
        }
    }

    #[test]
    fn what_is_written_in_a_probe_is_judged() {
        let policy = TargetPolicy {
            allowed: vec!["127.0.0.0/8".parse().unwrap()],
            own_listeners: vec!["0.0.0.0:8500".parse().unwrap()],
        };
        let http = |url: &str| Probe::http(url, Default::default(), "");
        let tcp = |address: &str| Probe::Tcp { address: address.into(), tls: None };
        // `(probe, what is said of it where it is taken in, and where it comes back)`
        let rows = [
            (http("http://169.254.169.254/"), "clouds' metadata", true),
            (tcp("0xa9fea9fe:80"), "169.254.169.254 is refused: link-local", true),
            (http("http://10.0.0.1/"), "10.0.0.1 is refused: it is in none", false),
            (http("http://127.0.0.1:8500/readyz"), "127.0.0.1 is refused: muster itself", false),
            (tcp("127.0.0.1:8500"), "muster itself listens there", false),
            (tcp("127.0.0.1:8501"), "", false),
            (tcp("127.0.0.1:http"), "", false),
            (http("http://127.0.0.1/"), "", false),
            // What a name stands for may be otherwise at every run.
            (tcp("localhost:8500"), "", false),
            (Probe::Ttl { ttl: std::time::Duration::from_secs(1) }, "", false),
        ];
        for (probe, words, is_lasting) in rows {
            let refusal = policy.refusal(&probe, is_here);
            assert_eq!(refusal.is_some(), !words.is_empty(), "{probe:?}: {refusal:?}");
            assert!(refusal.unwrap_or_default().contains(words), "{probe:?}");
            assert_eq!(policy.lasting_refusal(&probe).is_some(), is_lasting, "{probe:?}");
        }
        assert!(policy.refusal_of_url("https://169.254.169.254/x", is_here).is_some());
    }
}
