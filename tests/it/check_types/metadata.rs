//! The addresses where clouds tell a machine its secrets: nothing is ever sent there, which the wire shows. It is that of a
//! network that has these addresses itself, with somebody who listens, so that whatever was sent would arrive.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use serde_json::json;

use super::guard::{SPECIAL, redirecting_to};
use super::registry::Registry;
use crate::support::network::{self, Wire};

const METADATA: [&str; 6] =
    ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"];

const PORT: u16 = 80;

#[test]
fn nothing_is_sent_to_a_metadata_service() {
    let names: String =
        METADATA.iter().enumerate().map(|(at, ip)| format!("{ip} meta-{at}.example\n")).collect();
    network::or_skipped(network::apart(&METADATA, &names, nothing_is_sent));
}

fn nothing_is_sent() {
    let sockets = METADATA.map(|ip| SocketAddr::new(ip.parse().expect("an address"), PORT));
    let addresses: Vec<IpAddr> = sockets.iter().map(SocketAddr::ip).collect();
    let listening: Vec<(TcpListener, UdpSocket)> = sockets
        .iter()
        .map(|at| (TcpListener::bind(at).expect("it is ours"), UdpSocket::bind(at).expect("it is ours")))
        .collect();
    let wire = Wire::watch();
    sockets.iter().for_each(|at| drop(TcpStream::connect(at).expect("somebody listens")));
    let seen = wire.destinations();
    assert!(addresses.iter().all(|ip| seen.contains(ip)), "whatever is sent there is seen: {seen:?}");

    let wire = Wire::watch();
    let mut registry = Registry::start();
    let mut names = Vec::new();
    for (at, socket) in sockets.iter().enumerate() {
        let direct = [
            json!({"HTTP": format!("http://{socket}/latest/meta-data/")}),
            json!({"HTTP": format!("https://{socket}/")}),
            json!({"TCP": socket.to_string()}),
            json!({"UDP": socket.to_string()}),
        ];
        for mut check in direct {
            (check["Name"], check["Interval"]) = (json!("direct"), json!("1s"));
            let answer = registry.put("/v1/agent/check/register", &check);
            assert!(answer.status == 400 && answer.text().contains(SPECIAL), "{check}: {}", answer.text());
        }
        let redirecting = redirecting_to(&format!("http://{socket}/latest/meta-data/"));
        let named_redirecting = redirecting_to(&format!("http://meta-{at}.example/latest/meta-data/"));
        let indirect = [
            ("redirect", json!({"HTTP": format!("http://{redirecting}/")})),
            ("redirect to its name", json!({"HTTP": format!("http://{named_redirecting}/")})),
            ("name", json!({"HTTP": format!("http://meta-{at}.example/latest/meta-data/")})),
            ("name over TCP", json!({"TCP": format!("meta-{at}.example:{PORT}")})),
            ("name over UDP", json!({"UDP": format!("meta-{at}.example:{PORT}")})),
        ];
        for (way, check) in indirect {
            names.push(format!("{way} {at}"));
            registry.check(&format!("{way} {at}"), check);
        }
    }
    for name in &names {
        registry.wait_for(name, "critical", SPECIAL);
    }
    let seen = wire.destinations();
    let sent: Vec<_> = addresses.iter().filter(|ip| seen.contains(ip)).collect();
    assert!(sent.is_empty(), "something was sent to {sent:?}");
    assert!(seen.iter().all(IpAddr::is_loopback), "nothing else is asked: {seen:?}");
    drop(listening);
}
