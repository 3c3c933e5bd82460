//! Which addresses muster may be sent to.
//!
//! Whoever may register a check or set up a webhook makes muster connect for him, and reads in the output what the
//! target said. So addresses that only this machine could reach on purpose, that reach nobody in particular, or that
//! are muster itself, are refused: on the address that is connected to, after every name was looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::stdx::network::Network;
use crate::sys::host;

/// Networks that are refused unless they are named: "this" network, link-local with the clouds' metadata services,
/// multicast and broadcast; the same in IPv6, and the one metadata service there.
const REFUSED: [Network; 8] = [
    Network::new(IpAddr::V4(Ipv4Addr::new(0, 0, 0, 0)), 8),
    Network::new(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    Network::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    Network::new(IpAddr::V4(Ipv4Addr::BROADCAST), 32),
    Network::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128),
    Network::new(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    Network::new(IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
    Network::new(IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)), 128),
];

/// Where a network address translator of IPv6 finds the IPv4 address in its last 32 bits (RFC 6052).
const TRANSLATED: Network = Network::new(IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)), 96);

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

    /// Whether a connection to `address` may be opened.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_connection(&self, address: SocketAddr) -> Result<(), Refusal> {
        self.check_network(address.ip())?;
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let is_own = |listener: &SocketAddr| {
            let at = listener.ip().to_canonical();
            listener.port() == port && (at == ip || (at.is_unspecified() && host::has_address(ip)))
        };
        match self.rules.read().own_listeners.iter().any(is_own) {
            true => Err(Refusal::OwnListener),
            false => Ok(()),
        }
    }

    /// Whether anything may be sent to `address`, whatever the port.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_network(&self, address: IpAddr) -> Result<(), Refusal> {
        let address = meant(address);
        let rules = self.rules.read();
        if let Some(refused) = REFUSED.iter().find(|network| network.contains(address)) {
            let opens = |allowed: &Network| allowed.is_within(refused) && allowed.contains(address);
            return if rules.allowed.iter().any(opens) { Ok(()) } else { Err(Refusal::Special) };
        }
        let is_allowed = rules.allowed.is_empty() || rules.allowed.iter().any(|it| it.contains(address));
        if is_allowed { Ok(()) } else { Err(Refusal::NotAllowed) }
    }
}

/// The address that is reached by way of `address`: an IPv4 address in IPv6 clothes is judged as what it is.
fn meant(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(translated) if TRANSLATED.contains(address) => {
            IpAddr::V4(Ipv4Addr::from_bits(translated.to_bits() as u32))
        }
        canonical => canonical,
    }
}

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is in a network that is refused to everybody.
    Special,
    /// It is in none of the networks that are allowed.
    NotAllowed,
    /// muster itself listens there.
    OwnListener,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Refusal::Special => {
                "refused: link-local, multicast and unspecified addresses are targets only where \
                 probe_allow_cidrs names them"
            }
            Refusal::NotAllowed => "refused: it is in none of the networks of probe_allow_cidrs",
            Refusal::OwnListener => {
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
            ("fd00:ec2::253", true),
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
            assert_eq!(permitted, if expected { Ok(()) } else { Err(Refusal::Special) }, "{address}");
        }
    }

    #[test]
    fn allowed_networks_narrow_and_open() {
        let (open, special, elsewhere) = (Ok(()), Err(Refusal::Special), Err(Refusal::NotAllowed));
        let rows: [(&[&str], &str, Result<(), Refusal>); 13] = [
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
        assert_eq!(other.check_network(address), Err(Refusal::NotAllowed));
    }
}
