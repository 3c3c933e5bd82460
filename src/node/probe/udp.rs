//! UDP checks: a datagram that must not be refused.

use std::io;
use std::net::SocketAddr;

use crate::base::stdx::redact;
use crate::base::sys::datagram::{self, DatagramOutcome};
use crate::base::sys::recall::RecallableDeadline;
use crate::core::model::{Observation, Status};
use crate::node::probe::dial::Dialer;
use crate::node::probe::dial_error::DialError;
use crate::node::probe::{critical, words};

/// Sends an empty datagram to `address` (`host:port`), as Consul does. A reply passes at once, silence for as
/// long as `until` lasts passes as well: few protocols answer nothing with something. Only a refusal fails.
///
/// Also whether anything came back.
pub fn run(dialer: &Dialer, address: &str, until: &RecallableDeadline) -> (Observation, bool) {
    let Some((host, port)) = dialer.names.split(address) else {
        return (
            critical(format!("dial udp: address {}: write it as host:port", redact::url(address))),
            true,
        );
    };
    let resolved = dialer.names.resolve(host, port, until);
    let target = match resolved.map(|addresses| addresses[0]) {
        Ok(target) => target,
        Err(error) => return (critical(error.over("udp")), !error.is_timeout()),
    };
    if let Err(refusal) = dialer.rules.check_network(target.ip()) {
        return (critical(DialError::Refused { address: target, refusal }.over("udp")), true);
    }
    match datagram::exchange(target, &[], until) {
        Ok(outcome) => {
            let output = format!("UDP connect {}: Success", redact::url(address)).into();
            (Observation { status: Status::Passing, output }, outcome == DatagramOutcome::Reply)
        }
        Err(error) => (critical(fault(target, &error)), true),
    }
}

fn fault(target: SocketAddr, error: &io::Error) -> String {
    format!("read udp {target}: {}", words::io("read", error))
}
