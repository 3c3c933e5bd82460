//! Names that need no name server: those of the hosts file, and `localhost`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where the machine keeps them (`hosts(5)`).
pub const PATH: &str = "/etc/hosts";

/// The names of a hosts file with their addresses, in its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    by_name: HashMap<String, Vec<IpAddr>>,
}

impl Hosts {
    /// Reads the text of a hosts file. Lines that are none are passed over, as by every reader of it.
    pub fn parse(text: &str) -> Hosts {
        let mut by_name: HashMap<String, Vec<IpAddr>> = HashMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
            for name in words {
                let addresses = by_name.entry(name.to_ascii_lowercase()).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Hosts { by_name }
    }

    /// The addresses of `name`, which is in lower case and without a dot at its end. Of this machine itself IPv6 comes
    /// first, of others IPv4, as the system's own lookup has it where both can be reached. `localhost` and what is
    /// below it are this machine, whatever the file leaves out (RFC 6761).
    pub fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        match self.by_name.get(name) {
            Some(addresses) => {
                let mut addresses = addresses.clone();
                addresses.sort_by_key(|it| it.is_ipv6() != it.is_loopback());
                Some(addresses)
            }
            None if name == "localhost" || name.ends_with(".localhost") => {
                Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_file_have_its_addresses() {
        let hosts = Hosts::parse(
            "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n\n# 10.0.0.9 gone\n10.0.0.1 Web.example web # here\n\
             fd00::1 web\n10.0.0.2 web\n10.0.0.1 web\nnonsense line\n",
        );
        let rows: [(&str, Option<&[&str]>); 7] = [
            ("localhost", Some(&["::1", "127.0.0.1"])),
            ("ip6-localhost", Some(&["::1"])),
            ("web.example", Some(&["10.0.0.1"])),
            ("web", Some(&["10.0.0.1", "10.0.0.2", "fd00::1"])),
            ("gone", None),
            ("line", None),
            ("db.localhost", Some(&["127.0.0.1", "::1"])),
        ];
        for (name, expected) in rows {
            let expected =
                expected.map(|all| all.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>());
            assert_eq!(hosts.addresses(name), expected, "{name}");
        }
        assert_eq!(Hosts::default().addresses("localhost").map(|it| it.len()), Some(2));
    }
}
