//! Ports by name: those that Go knows, and those of this machine (`services(5)`).

use std::collections::HashMap;

/// Where the machine keeps them.
pub const PATH: &str = "/etc/services";

/// Those that every machine has, by what is spoken.
const KNOWN: [(&str, u16); 18] = [
    ("domain", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("ldap", 389),
    ("pop3", 110),
    ("pop3s", 995),
    ("postgresql", 5432),
    ("redis", 6379),
    ("smtp", 25),
    ("ssh", 22),
    ("telnet", 23),
    ("mysql", 3306),
];

/// Ports by name, in lower case.
#[derive(Debug, Default)]
pub struct Services {
    of_machine: HashMap<String, u16>,
}

impl Services {
    /// Reads the text of a services file. Of a name with several ports the first is taken.
    pub fn parse(text: &str) -> Services {
        let mut of_machine = HashMap::new();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
            let Some(port) = port.split('/').next().and_then(|port| port.parse().ok()) else { continue };
            for name in std::iter::once(name).chain(words) {
                of_machine.entry(name.to_ascii_lowercase()).or_insert(port);
            }
        }
        Services { of_machine }
    }

    /// The port that `text` is: a number, or a name.
    pub fn port(&self, text: &str) -> Option<u16> {
        if text.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
            return text.parse().ok();
        }
        let name = text.to_ascii_lowercase();
        let known = KNOWN.iter().find(|(known, _)| *known == name).map(|(_, port)| *port);
        self.of_machine.get(&name).copied().or(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_names() {
        let services = Services::parse("# none\nweb 8080/tcp www # here\nweb 9/udp\nodd\nbad x/tcp\n");
        let rows = [
            ("80", Some(80)),
            ("http", Some(80)),
            ("HTTPS", Some(443)),
            ("web", Some(8080)),
            ("www", Some(8080)),
            ("odd", None),
            ("bad", None),
            ("65536", None),
            ("80x", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(services.port(text), expected, "{text}");
        }
    }
}
