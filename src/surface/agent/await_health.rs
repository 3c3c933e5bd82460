//! Registering an instance and waiting until it is well: `?wait=30s&until=passing`.
//!
//! What is waited for is what `?passing` reads: the worst of the instance's checks and its node's. The request is
//! parked on its connection as a blocking query is, and costs as little.

use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::topic::Topic;
use crate::core::model::{NodeKey, Origin, ServiceKey, Status};
use crate::net::http::{Query, Response, Wake};
use crate::node::registry::topics::{TooManyWatchers, Watch};
use crate::surface::answers::answer::empty;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::params;
use crate::surface::muster::explain;
use crate::surface::muster::explain::facts::deciding;
use crate::surface::muster::times::span;

/// What a registration waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitOptions {
    /// How long at most; bounds as for blocking queries.
    pub wait: Duration,
    /// The worst status that is good enough.
    pub until: Status,
}

impl WaitOptions {
    /// What a registration's query asks for: `?wait=`, `?until=` or both. `None` when it names neither, or leaves both
    /// empty.
    ///
    /// # Errors
    /// 400 for another word than `passing` and `warning`, and for a wait that is no duration.
    pub fn read(query: &Query) -> Result<Option<WaitOptions>, ApiError> {
        let given = |name| query.first(name).filter(|word| !word.is_empty());
        let until = match given("until") {
            None if given("wait").is_none() => return Ok(None),
            None | Some("passing") => Status::Passing,
            Some("warning") => Status::Warning,
            Some(other) => {
                let sentence = format!(
                    "Invalid until {other:?}: wait until \"passing\", or until \"warning\" \
                                        if a warning is good enough"
                );
                return Err(ApiError::bad_request(sentence));
            }
        };
        Ok(Some(WaitOptions { wait: params::wait(query)?, until }))
    }
}

/// Takes a place among those who wait for the health of a service.
///
/// # Errors
/// When all are taken.
pub fn watch<'a>(call: &Call<'a, '_>, service: &ServiceKey) -> Result<Watch<'a>, TooManyWatchers> {
    call.api.registry.topics().watch(Topic::Health(service.clone()), call.exchange.waker())
}

/// Answers when the agent's instance `service_id` of that service is as well as was asked for, or cannot
/// become so in time. `watch` was taken before it was registered, so nothing is missed.
///
/// # Errors
/// 408 when time is up, 409 when the instance was deregistered meanwhile, 503 when the server ends or takes no more
/// waiting requests. In all of them the registration was done.
pub fn wait<'a>(
    call: &mut Call<'a, '_>,
    service_id: &Text,
    service: &ServiceKey,
    patience: WaitOptions,
    mut watch: Watch<'a>,
) -> HandlerResult {
    let deadline = call.api.clock.now() + patience.wait;
    loop {
        let Some(instance) = find(call, service_id) else {
            let sentence =
                format!("instance {:?} was deregistered while this request waited for it", &**service_id);
            return Err(ApiError::new(409, sentence));
        };
        if instance.status() <= patience.until {
            return empty();
        }
        match call.exchange.park(deadline) {
            // A watch is good for one wake.
            Wake::Signal => {
                drop(watch);
                watch = self::watch(call, service).map_err(|error| stands(&ApiError::from(error)))?;
            }
            Wake::Deadline => return Err(too_late(call, &instance, patience)),
            // Registering once more what is registered changes nothing.
            Wake::Draining if call.exchange.leave_to_successor() => return empty(),
            Wake::Draining => {
                return Err(stands(&ApiError::new(503, "muster is shutting down, nobody waits any longer")));
            }
            Wake::ClientGone => return Ok(Response::new(CLIENT_GONE)),
        }
    }
}

fn find(call: &Call<'_, '_>, service_id: &Text) -> Option<Instance> {
    let own = call.api.registry.own_node().key();
    let instance = call.views().of_agent().instance(&own, service_id)?;
    (instance.service.origin == Origin::Agent).then_some(instance)
}

fn too_late(call: &Call<'_, '_>, instance: &Instance, patience: WaitOptions) -> ApiError {
    let id = &*instance.service.id;
    let wanted = match patience.until {
        Status::Warning => "passing or warning",
        _ => "passing",
    };
    let reason = match deciding(&instance.checks) {
        Some(check) => explain::failing(call, &NodeKey::of(&instance.node.name), check),
        None => "one of its checks failed".to_owned(),
    };
    let sentence =
        format!("instance {id:?} is registered, but not {wanted} after {}: {reason}", span(patience.wait));
    ApiError::new(408, sentence)
}

/// The error with the remark that the registration was done all the same.
fn stands(error: &ApiError) -> ApiError {
    let message = format!("{}; the registration itself was done and stands", error.message).into();
    ApiError { message, ..error.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_read_with_its_bounds() {
        let patience = |wait_s, until| Ok(Some(WaitOptions { wait: Duration::from_secs(wait_s), until }));
        let (passing, warning) = (Status::Passing, Status::Warning);
        let rows = [
            ("", Ok(None)),
            ("replace-existing-checks", Ok(None)),
            ("wait=&until=", Ok(None)),
            ("wait=30s", patience(30, passing)),
            ("until=passing", patience(300, passing)),
            ("wait=90s&until=warning", patience(90, warning)),
            ("wait=10m", patience(600, passing)),
            ("wait=11m", patience(600, passing)),
            ("wait=0s", patience(300, passing)),
            ("wait=soon", Err("Invalid wait time")),
            ("until=critical", Err("Invalid until \"critical\"")),
            ("wait=30s&until=Passing", Err("Invalid until \"Passing\"")),
        ];
        for (text, expected) in rows {
            let read = WaitOptions::read(&Query::parse(text));
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(error), Err(begin)) => {
                    assert_eq!(error.status, 400);
                    assert!(error.message.starts_with(begin), "{text}: {}", error.message);
                }
                (read, expected) => panic!("{text}: {read:?} instead of {expected:?}"),
            }
        }
    }
}
