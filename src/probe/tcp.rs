//! TCP checks: a connection that must be accepted, and, if wanted, a TLS handshake that must succeed.

use crate::model::{Observation, ProbeTls, Status};
use crate::probe::critical;
use crate::probe::reach::Reach;

/// Connects to `address` (`host:port`), and hangs up.
pub fn run(reach: &Reach<'_>, address: &str, security: Option<&ProbeTls>) -> Observation {
    match reach.open(address, security, None) {
        Ok(_) => {
            let kind = if security.is_some() { "TCP+TLS" } else { "TCP" };
            let output = format!("{kind} connect {address}: Success").into();
            Observation { status: Status::Passing, output }
        }
        Err(error) => critical(error.to_string()),
    }
}
