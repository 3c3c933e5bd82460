//! Counters of the server, for metrics. Plain atomics: they order nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::net::http::refusals::Refusals;

/// What the server has done since it started. Read with [`ServerStats::snapshot`].
#[derive(Debug, Default)]
pub struct ServerStats {
    pub(crate) connections_open: AtomicU64,
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) requests_refused: AtomicU64,
    pub(crate) refusals: Refusals,
    pub(crate) panics: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) clients_gone: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

/// The counters at one moment, each read on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Connections open now.
    pub connections_open: u64,
    /// Connections accepted, the refused ones included.
    pub connections_accepted: u64,
    /// Connections turned away at a bound (503, 429, or no coroutine for them).
    pub connections_refused: u64,
    /// Failures to accept, mostly for want of descriptors.
    pub accept_errors: u64,
    /// Requests given to the handler.
    pub requests: u64,
    /// Requests refused before the handler for their framing, size or slowness.
    pub requests_refused: u64,
    /// Requests whose handler panicked.
    pub panics: u64,
    /// Connections closed for slowness: head, body, idle or write.
    pub timeouts: u64,
    /// Clients that left while their request was parked.
    pub clients_gone: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}

impl ServerStats {
    /// Requests and connections refused before the handler with this status; 0 for one that no refusal has.
    pub fn refused(&self, status: u16) -> u64 {
        self.refusals.of_status(status)
    }

    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsSnapshot {
            connections_open: read(&self.connections_open),
            connections_accepted: read(&self.connections_accepted),
            connections_refused: read(&self.connections_refused),
            accept_errors: read(&self.accept_errors),
            requests: read(&self.requests),
            requests_refused: read(&self.requests_refused),
            panics: read(&self.panics),
            timeouts: read(&self.timeouts),
            clients_gone: read(&self.clients_gone),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
        }
    }
}

/// Adds one to a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
