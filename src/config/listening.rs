//! The addresses of this machine: where the HTTP API listens by Consul's settings, and which address is advertised.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::stdx::network::Network;
use crate::config::address::ListenAddress;
use crate::config::problem::{Problem, SettingSource, quoted};
use crate::config::raw::{Raw, WrittenSetting};

/// Where Consul's HTTP API listens unless it is told.
const PORT_DEFAULT: &str = "8500";

/// In the place of addresses: none.
const OFF: &str = "off";

/// An address that this machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name of the interface.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl Raw {
    /// Makes `http_addr`, `https_addr` and `advertise_addr` of what Consul's settings say of addresses, unless they are
    /// set by a source that is as strong. After [`Raw::settle_tls`].
    pub fn settle_listening(&mut self, interfaces: &[Interface]) {
        let listening = std::mem::take(&mut self.listening);
        if let Some(WrittenSetting { texts, origin }) = listening.advertised_ipv4
            && self.get("advertise_addr").is_none()
        {
            self.put_key("advertise_addr", texts, &origin);
        }
        let bound = listening.bind.and_then(|bind| self.expanded("bind_addr", &bind, interfaces));
        if let Some(WrittenSetting { texts, origin }) = bound
            && self.get("advertise_addr").is_none()
            && let [address] = &texts[..]
            && address.parse().is_ok_and(|ip: IpAddr| !ip.is_unspecified())
        {
            self.put_key("advertise_addr", texts, &origin);
        }
        if let Some(advertised) = self.get("advertise_addr").filter(|it| is_template(&it.texts)).cloned()
            && let Some(WrittenSetting { texts, origin }) =
                self.expanded("advertise_addr", &advertised, interfaces)
        {
            self.put_key("advertise_addr", texts, &origin);
        }
        let https = listening.https.or_else(|| listening.client.clone());
        // Without a port, Consul does not speak TLS. With one and no certificate it does, in vain.
        if listening.https_port.is_some() && self.get("tls_cert_file").is_some() {
            self.settle_addresses("https_addr", https, listening.https_port, interfaces);
        } else if listening.https_port.is_some_and(|port| !port.texts.iter().any(|it| it.starts_with('-'))) {
            let sentence =
                "ports.https is set, and no cert_file says with which certificate: HTTPS is not served";
            self.warnings.push(sentence.to_owned());
        }
        self.settle_addresses("http_addr", listening.http.or(listening.client), listening.port, interfaces);
    }

    /// Makes a setting of hosts and a port, unless it is set by a source that is as strong.
    fn settle_addresses(
        &mut self,
        key: &str,
        hosts: Option<WrittenSetting>,
        port: Option<WrittenSetting>,
        interfaces: &[Interface],
    ) {
        let given = [&hosts, &port].into_iter().flatten().map(|it| it.origin.clone());
        let Some(origin) = given.max_by_key(strength) else { return };
        if self.get(key).is_some_and(|written| strength(&written.origin) >= strength(&origin)) {
            return;
        }
        let port = port.and_then(|it| it.texts.into_iter().next()).unwrap_or(PORT_DEFAULT.to_owned());
        let hosts = match hosts {
            Some(hosts) => self.expanded("client_addr", &hosts, interfaces).map(|it| it.texts),
            None => Some(vec![Ipv4Addr::LOCALHOST.to_string()]),
        };
        let is_off = port.starts_with('-');
        let address = |host: String| match host.parse() {
            _ if host.starts_with("unix://") => Some(host),
            _ if is_off => None,
            Ok(IpAddr::V6(ip)) => Some(format!("[{ip}]:{port}")),
            _ => Some(format!("{host}:{port}")),
        };
        let Some(addresses) = hosts.map(|hosts| hosts.into_iter().filter_map(address).collect::<Vec<_>>())
        else {
            return;
        };
        match addresses.is_empty() {
            false => self.put_key(key, addresses, &origin),
            true if key == "http_addr" => self.put_key(key, vec![OFF.to_owned()], &origin),
            true => {}
        }
    }

    /// The texts with templates filled in, taken apart at blanks.
    fn expanded(
        &mut self,
        key: &str,
        written: &WrittenSetting,
        interfaces: &[Interface],
    ) -> Option<WrittenSetting> {
        let mut texts = Vec::new();
        for text in &written.texts {
            match expand(text, interfaces) {
                Ok(text) => texts.extend(text.split_whitespace().map(str::to_owned)),
                Err(complaint) => {
                    self.problems.push(Problem {
                        key: key.to_owned(),
                        value: quoted(text),
                        origin: written.origin.clone(),
                        complaint,
                        allowed: "addresses, {{ GetPrivateIP }}, {{ GetPublicIP }} or {{ GetInterfaceIP \"NAME\" }}"
                            .to_owned(),
                        remedy: "write the address itself".to_owned(),
                    });
                    return None;
                }
            }
        }
        Some(WrittenSetting { texts, origin: written.origin.clone() })
    }
}

fn is_template(texts: &[String]) -> bool {
    texts.iter().any(|text| text.contains("{{"))
}

/// Which source wins: a flag over the environment over a file.
pub(in crate::config) fn strength(origin: &SettingSource) -> u8 {
    match origin {
        SettingSource::Default => 0,
        SettingSource::File(_) | SettingSource::FileAt(..) => 1,
        SettingSource::Environment(_) => 2,
        SettingSource::Flag(_) => 3,
    }
}

/// Fills in the templates of Consul's that name an address of this machine.
fn expand(text: &str, interfaces: &[Interface]) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, template)) = rest.split_once("{{") {
        let (inner, after) = template.split_once("}}").ok_or("a template has no end")?;
        let mut words = inner.split_whitespace();
        let address = match (words.next(), words.next(), words.next()) {
            (Some("GetPrivateIP"), None, _) => ipv4s(interfaces).find(|ip| is_private(*ip)).map(IpAddr::V4),
            (Some("GetPublicIP"), None, _) => ipv4s(interfaces).find(|ip| !is_private(*ip)).map(IpAddr::V4),
            (Some("GetInterfaceIP"), Some(name), None) => {
                let name = name.trim_matches(['"', '\'', '`']);
                interfaces.iter().find(|it| it.name == name).map(|it| it.address)
            }
            _ => return Err(format!("the template `{{{{{inner}}}}}` is not known")),
        };
        let address = address.ok_or_else(|| format!("no address of this machine is `{{{{{inner}}}}}`"))?;
        filled += before;
        filled += &address.to_string();
        rest = after;
    }
    Ok(filled + rest)
}

/// The IPv4 addresses that other machines may reach.
fn ipv4s(interfaces: &[Interface]) -> impl Iterator<Item = Ipv4Addr> {
    interfaces.iter().filter_map(|it| match it.address {
        IpAddr::V4(ip) if !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified() => Some(ip),
        _ => None,
    })
}

/// Whether it is of a network that is routed within a site only (RFC 1918 and RFC 6598).
fn is_private(ip: Ipv4Addr) -> bool {
    let shared = "100.64.0.0/10".parse::<Network>().is_ok_and(|it| it.contains(IpAddr::V4(ip)));
    ip.is_private() || shared
}

/// The address that others are told to reach this node at: the first that the API listens on; where it listens on all
/// of them, the one private IPv4 address of the machine, or else its one other address. `is_certain` when a wrong one
/// would do harm; without it the loopback address is given when there is no choice or too much of it.
///
/// # Errors
/// What is wrong, when the machine has several such addresses or none.
pub fn advertised(
    addresses: &[ListenAddress],
    interfaces: &[Interface],
    is_certain: bool,
) -> Result<IpAddr, String> {
    let is_any =
        |it: &ListenAddress| matches!(it, ListenAddress::Tcp(address) if address.ip().is_unspecified());
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if let Some(reachable) = addresses.iter().find_map(ListenAddress::reachable_ip) {
        return Ok(reachable);
    }
    if !addresses.iter().any(is_any) {
        return Ok(loopback);
    }
    let (private, public): (Vec<_>, Vec<_>) = ipv4s(interfaces).partition(|ip| is_private(*ip));
    let global = interfaces.iter().filter(|it| match it.address {
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
        IpAddr::V4(_) => false,
    });
    let groups = [
        private.into_iter().map(IpAddr::V4).collect::<Vec<_>>(),
        public.into_iter().map(IpAddr::V4).collect(),
        global.map(|it| it.address).collect(),
    ];
    match groups.iter().find(|group| !group.is_empty()).map(|group| &group[..]) {
        Some([only]) => Ok(*only),
        _ if !is_certain => Ok(loopback),
        Some(several) => {
            let shown: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(format!("this machine has several addresses that others may reach: {}", shown.join(", ")))
        }
        None => Err("this machine has no address that others may reach".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn machine(addresses: &[&str]) -> Vec<Interface> {
        let interface = |(at, text): (usize, &&str)| Interface {
            name: format!("eth{at}"),
            address: text.parse().expect("an address"),
        };
        addresses.iter().enumerate().map(interface).collect()
    }

    /// `(what is listened on, the machine's addresses, the one that is chosen or what is said)`
    type Row<'a> = (&'a [&'a str], &'a [&'a str], Result<&'a str, &'a str>);

    #[test]
    fn the_advertised_address_is_chosen_or_demanded() {
        let listen = |texts: &[&str]| -> Vec<ListenAddress> {
            texts.iter().map(|it| ListenAddress::parse(it).expect("an address")).collect()
        };
        let rows: [Row<'_>; 12] = [
            (&["127.0.0.1:8500"], &["10.0.0.7"], Ok("127.0.0.1")),
            (&["unix:///run/muster.sock"], &["10.0.0.7"], Ok("127.0.0.1")),
            (&["127.0.0.1:1", "10.0.0.7:1", "10.0.0.8:1"], &[], Ok("10.0.0.7")),
            (&["0.0.0.0:8500"], &["127.0.0.1", "10.0.0.7", "8.8.8.8"], Ok("10.0.0.7")),
            (&["127.0.0.1:1", "0.0.0.0:8500"], &["172.17.0.2"], Ok("172.17.0.2")),
            (&["[::]:8500"], &["::1", "fe80::1", "100.64.0.9"], Ok("100.64.0.9")),
            (&["0.0.0.0:8500"], &["169.254.3.4", "8.8.8.8"], Ok("8.8.8.8")),
            (&["[::]:8500"], &["2001:db8::7"], Ok("2001:db8::7")),
            (&["0.0.0.0:8500"], &["10.0.0.7", "172.17.0.1"], Err("10.0.0.7, 172.17.0.1")),
            (&["0.0.0.0:8500"], &["8.8.8.8", "9.9.9.9"], Err("8.8.8.8, 9.9.9.9")),
            (&["0.0.0.0:8500"], &["127.0.0.1"], Err("no address")),
            (&["[::]:8500"], &[], Err("no address")),
        ];
        for (listening, own, expected) in rows {
            let (listening, own) = (listen(listening), machine(own));
            match (advertised(&listening, &own, true), expected) {
                (Ok(address), Ok(text)) => assert_eq!(address.to_string(), text, "{listening:?} {own:?}"),
                (Err(said), Err(words)) => {
                    assert!(said.contains(words), "{said}");
                    assert_eq!(advertised(&listening, &own, false), Ok(Ipv4Addr::LOCALHOST.into()));
                }
                (found, _) => panic!("{listening:?} {own:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn consuls_addresses_become_those_of_muster() {
        let own = machine(&["10.0.0.7", "8.8.8.8"]);
        let rows = [
            (json!({"client_addr": "0.0.0.0"}), "0.0.0.0:8500", None),
            (json!({"client_addr": "127.0.0.1 ::1 unix:///s"}), "127.0.0.1:8500,[::1]:8500,unix:///s", None),
            (json!({"ports": {"http": 80}}), "127.0.0.1:80", None),
            (json!({"ports": {"http": -1}}), "off", None),
            (json!({"ports": {"http": -1}, "client_addr": "10.0.0.7 unix:///s"}), "unix:///s", None),
            (json!({"client_addr": "0.0.0.0", "addresses": {"http": "10.0.0.7"}}), "10.0.0.7:8500", None),
            (json!({"client_addr": "{{ GetPrivateIP }} 127.0.0.1"}), "10.0.0.7:8500,127.0.0.1:8500", None),
            (json!({"bind_addr": "{{ GetInterfaceIP \"eth1\" }}"}), "", Some("8.8.8.8")),
            (json!({"bind_addr": "0.0.0.0"}), "", None),
            (json!({"bind_addr": "10.0.0.7", "advertise_addr": "{{GetPublicIP}}"}), "", Some("8.8.8.8")),
            (json!({"http_addr": "127.0.0.1:9", "client_addr": "0.0.0.0"}), "127.0.0.1:9", None),
        ];
        for (value, http, advertised) in rows {
            let mut raw = Raw::default();
            let object = value.as_object().expect("an object");
            raw.add_consul_file(object, &SettingSource::File(Path::new("a.json").to_path_buf()));
            raw.settle_listening(&own);
            assert!(raw.problems.is_empty(), "{value}: {:?}", raw.problems);
            let shown = |key| raw.get(key).map(|it| it.texts.join(","));
            assert_eq!(shown("http_addr").unwrap_or_default(), http, "{value}");
            assert_eq!(shown("advertise_addr").as_deref(), advertised, "{value}");
        }
        let rows = [
            (json!({"client_addr": "{{ GetAllInterfaces }}"}), "not known"),
            (json!({"client_addr": "{{ GetInterfaceIP \"nope\" }}"}), "no address"),
            (json!({"client_addr": "{{ GetPrivateIP"}), "no end"),
        ];
        for (value, said) in rows {
            let mut raw = Raw::default();
            let object = value.as_object().expect("an object");
            raw.add_consul_file(object, &SettingSource::File(Path::new("a.json").to_path_buf()));
            raw.settle_listening(&own);
            assert!(
                raw.problems.len() == 1 && raw.problems[0].complaint.contains(said),
                "{:?}",
                raw.problems
            );
        }
    }

    #[test]
    fn a_flag_of_consuls_wins_over_the_environment_and_a_variable_over_a_file() {
        let mut raw = Raw::default();
        let object = json!({"client_addr": "10.0.0.1", "ports": {"http": 80}});
        raw.add_consul_file(object.as_object().expect("an object"), &SettingSource::File("a.json".into()));
        raw.add_environment(&[("MUSTER_HTTP_ADDR".into(), "0.0.0.0:8500".into())]);
        raw.settle_listening(&[]);
        assert_eq!(raw.get("http_addr").map(|it| it.texts.join(",")), Some("0.0.0.0:8500".to_owned()));
        raw.add_consul_flag("client_addr", "10.0.0.2", &SettingSource::Flag("client".into()));
        raw.settle_listening(&[]);
        assert_eq!(raw.get("http_addr").map(|it| it.texts.join(",")), Some("10.0.0.2:8500".to_owned()));
    }
}
