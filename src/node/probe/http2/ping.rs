//! HTTP/2 ping checks: a ping that must be acknowledged.

use h2::Ping;

use crate::base::stdx::redact;
use crate::core::model::{Observation, ProbeTls, Status};
use crate::node::probe::connector::TargetConnector;
use crate::node::probe::critical;
use crate::node::probe::http2::PROTOCOL;
use crate::node::probe::http2::drive::drive;

/// Connects to `address` (`host:port`), pings once, and hangs up.
pub fn run(reach: &TargetConnector<'_>, address: &str, security: Option<&ProbeTls>) -> Observation {
    let mut channel = match reach.open(address, security, Some(PROTOCOL)) {
        Ok(channel) => channel,
        Err(error) => return critical(format!("Failed to dial to {}: {error}", redact::url(address))),
    };
    // The library keeps the connection open for as long as a request could be sent.
    let ponged = drive(&mut channel, |requests, pings| async move {
        let _requests = requests;
        match pings {
            Some(mut pings) => pings.ping(Ping::opaque()).await.map(drop),
            None => Ok(()),
        }
    });
    match ponged {
        Ok(()) => Observation { status: Status::Passing, output: "HTTP2 ping was successful".into() },
        Err(error) => critical(format!("HTTP2 ping failed: {error}")),
    }
}
