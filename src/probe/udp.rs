//! UDP checks: a datagram that must not be refused.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::model::{Observation, Status};
use crate::probe::dial::{DialError, Dialer, split};
use crate::probe::{critical, words};
use crate::sys::datagram;

/// Sends an empty datagram to `address` (`host:port`), as Consul does. A reply passes at once, silence until `deadline`
/// passes as well: few protocols answer nothing with something. Only a refusal fails.
pub fn run(dialer: &Dialer, address: &str, deadline: Instant) -> Observation {
    let Some((host, port)) = split(address) else {
        return critical(format!("dial udp: address {address}: write it as host:port"));
    };
    let resolved = dialer.names.resolve(host, port, deadline);
    let target = match resolved.map(|addresses| addresses[0]) {
        Ok(target) => target,
        Err(error) => return critical(error.over("udp")),
    };
    if let Err(refusal) = dialer.rules.check_network(target.ip()) {
        return critical(DialError::Refused { address: target, refusal }.over("udp"));
    }
    match datagram::exchange(target, &[], deadline) {
        Ok(_) => {
            Observation { status: Status::Passing, output: format!("UDP connect {address}: Success").into() }
        }
        Err(error) => critical(fault(target, &error)),
    }
}

fn fault(target: SocketAddr, error: &io::Error) -> String {
    format!("read udp {target}: {}", words::io("read", error))
}
