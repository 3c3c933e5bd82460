//! TCP checks: a connection that must be accepted, and, if wanted, a TLS handshake that must succeed.

use std::time::Duration;

use crate::base::stdx::redact;
use crate::core::model::{Observation, ProbeTls, Status};
use crate::node::probe::channel::Channel;
use crate::node::probe::connector::TargetConnector;
use crate::node::probe::critical;

/// How long a new connection must last where the former one broke. Until the last thread of a killed process is gone
/// the kernel accepts on its behalf: milliseconds, and some tens of them on a busy machine.
const LINGER: Duration = Duration::from_millis(250);

/// Connections after which a target lives that accepts and hangs up. A process that is about to end accepts two at
/// most: one that a thread of it still takes, and one that waits to be taken when the port is closed.
const CONNECTIONS_MAX: usize = 3;

/// Connects to `address` (`host:port`). The connection comes along, for the caller to keep or to hang up. With `linger`
/// one that the target ends at once is followed by another: a dying target refuses it.
pub fn run(
    reach: &TargetConnector<'_>,
    address: &str,
    security: Option<&ProbeTls>,
    linger: bool,
) -> (Observation, Option<Channel>) {
    let connections_max = if linger { CONNECTIONS_MAX } else { 1 };
    let mut count = 1;
    let opened = loop {
        match reach.open(address, security, None) {
            Ok(mut channel) if count < connections_max => {
                if channel.is_open_for(&reach.until.at_most(LINGER)) {
                    break Ok(channel);
                }
                count += 1;
            }
            outcome => break outcome,
        }
    };
    match opened {
        Ok(channel) => {
            let kind = if security.is_some() { "TCP+TLS" } else { "TCP" };
            let output = format!("{kind} connect {}: Success", redact::url(address)).into();
            (Observation { status: Status::Passing, output }, Some(channel))
        }
        Err(error) => (critical(error.to_string()), None),
    }
}
