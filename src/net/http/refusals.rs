//! Lines in the log about clients that meet a bound, whether a handler refuses them or the server does before. What is
//! refused before any handler sees it is also counted, by its status.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::sys::listen::Peer;
use crate::base::telemetry::log_limit::LogLimit;
use crate::net::http::request::Request;
use crate::net::http::wait::ConnectionEnd;

/// Every status that a refusal has.
pub const REFUSAL_STATUSES: &[u16] = &[400, 403, 408, 413, 414, 415, 417, 421, 429, 431, 501, 503, 505];

/// Those that an operator can do something about: a bound that is too small, a rule that is too strict, or a client
/// that asks too much. The others are slips of whoever wrote the client.
const OF_INTEREST: &[u16] = &[403, 413, 415, 421, 429, 503];

/// Those with which a handler says that a bound was met; for some it is just its answer.
const BOUND_STATUSES: [u16; 5] = [408, 413, 429, 503, 507];

/// Why an answer was cut off in the middle. There is no way to say so to its client.
const READ_TOO_SLOWLY: &str = "it is read more slowly than limits.write_timeout and limits.rate_bytes_min allow, and \
                               a snapshot than 64 KiB a second and limits.snapshot_timeout do";
const TOO_MUCH_UNREAD: &str =
    "the server holds as many bytes of unread answers as it may (half of limits.transit_bytes_max)";

/// Counts and lines, one of each for a status.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    by_status: [(AtomicU64, LogLimit); REFUSAL_STATUSES.len()],
    /// Of what handlers refuse.
    at_bounds: [LogLimit; BOUND_STATUSES.len()],
    cut_off: LogLimit,
}

/// Whether a handler may mean with this status that a bound was met.
pub fn is_of_bound(status: u16) -> bool {
    BOUND_STATUSES.contains(&status)
}

impl Refusals {
    /// How many were refused with this status; 0 for one that no refusal has.
    pub(crate) fn of_status(&self, status: u16) -> u64 {
        self.counter_of(status).map_or(0, |(refused, _)| refused.load(Ordering::Relaxed))
    }

    /// Counts a refusal, and says it: at level warn one a second of each status that an operator can do something
    /// about, for who is refused may come in crowds, and at level debug all others. `of` is what the request was of, as
    /// far as that is known.
    #[inline(never)]
    pub(crate) fn note(&self, status: u16, sentence: &str, peer: Peer, of: &str) {
        let Some((refused, limit)) = self.counter_of(status) else { return };
        refused.fetch_add(1, Ordering::Relaxed);
        let suppressed = if OF_INTEREST.contains(&status) { limit.suppressed() } else { None };
        match suppressed {
            Some(0) => log::warn!(peer:% = peer, status = status; "refused{of}: {sentence}"),
            Some(suppressed) => {
                log::warn!(peer:% = peer, status = status, before = suppressed; "refused{of}: {sentence}");
            }
            None => log::debug!(peer:% = peer, status = status; "refused{of}: {sentence}"),
        }
    }

    /// Says that a handler has refused a request at a bound: at level warn one a second of each status, and at level
    /// debug all others.
    #[inline(never)]
    pub(crate) fn note_bound(&self, status: u16, sentence: &str, request: &Request) {
        let Some(at) = BOUND_STATUSES.iter().position(|it| *it == status) else { return };
        log_limited(&self.at_bounds[at], "refused", status, sentence, request);
    }

    /// Says that a client was cut off in the middle of its answer, if it was for a bound.
    #[inline(never)]
    pub(crate) fn note_end(&self, stop: ConnectionEnd, request: &Request) {
        let sentence = match stop {
            ConnectionEnd::Timeout => READ_TOO_SLOWLY,
            ConnectionEnd::OverBudget => TOO_MUCH_UNREAD,
            ConnectionEnd::Gone | ConnectionEnd::Draining | ConnectionEnd::PlainHttp => return,
        };
        log_limited(&self.cut_off, "cut off", 0, sentence, request);
    }

    fn counter_of(&self, status: u16) -> Option<&(AtomicU64, LogLimit)> {
        REFUSAL_STATUSES.iter().position(|it| *it == status).map(|at| &self.by_status[at])
    }
}

/// One line a second about `what` at level warn, the rest at level debug.
fn log_limited(limit: &LogLimit, what: &str, status: u16, sentence: &str, request: &Request) {
    let path = request.path_for_logs();
    let (method, peer, id) = (request.method_name(), request.peer(), request.id());
    let suppressed = limit.suppressed();
    let level = if suppressed.is_some() { log::Level::Warn } else { log::Level::Debug };
    let before = suppressed.unwrap_or_default();
    log::log!(level, request_id:% = id, peer:% = peer, status = status, before = before;
        "{what} {method} {path}: {sentence}");
}
