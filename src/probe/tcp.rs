//! TCP checks: a connection that must be accepted, and, if wanted, a TLS handshake that must succeed.

use crate::model::{Observation, ProbeTls, Status};
use crate::probe::channel::Channel;
use crate::probe::critical;
use crate::probe::reach::Reach;

/// Connects to `address` (`host:port`). The connection comes along, for the caller to keep or to hang up.
pub fn run(reach: &Reach<'_>, address: &str, security: Option<&ProbeTls>) -> (Observation, Option<Channel>) {
    match reach.open(address, security, None) {
        Ok(channel) => {
            let kind = if security.is_some() { "TCP+TLS" } else { "TCP" };
            let output = format!("{kind} connect {address}: Success").into();
            (Observation { status: Status::Passing, output }, Some(channel))
        }
        Err(error) => (critical(error.to_string()), None),
    }
}
