//! What the connections of a server have in common, and the phase that it is in.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::base::sys::deadline_timer;
use crate::net::http::admission::Admission;
use crate::net::http::compress::Compressor;
use crate::net::http::config::ServerConfig;
use crate::net::http::moving::Moving;
use crate::net::http::stats::ServerStats;

/// What the connections of a server have in common.
pub(crate) struct ServerShared {
    pub(crate) config: ServerConfig,
    pub(crate) stats: Arc<ServerStats>,
    pub(crate) compressor: Compressor,
    phase: AtomicU8,
    connection_number: AtomicU64,
    pub(crate) admission: Arc<Admission>,
    /// Where connections go while they are moved to another process.
    pub(crate) moving: Moving,
}

/// Phases of a server; they only increase, but that it may go back from holding to serving.
const SERVING: u8 = 0;
/// Another process may take over: what needs the store waits, everything else goes on.
pub(crate) const HOLDING: u8 = 1;
/// Another process has taken over: parked requests answer, and connections go there.
pub(crate) const MOVING: u8 = 2;
/// No response keeps its connection.
pub(crate) const LEAVING: u8 = 3;
/// Idle connections close, parked requests answer, no response keeps its connection.
pub(crate) const DRAINING: u8 = 4;
/// Every wait on a socket fails.
pub(crate) const ABORTING: u8 = 5;

impl ServerShared {
    /// # Errors
    /// The system's, when it gives no thread for compression.
    pub(crate) fn new(config: ServerConfig) -> io::Result<ServerShared> {
        let compressor = Compressor::new(&config)?;
        Ok(ServerShared {
            config,
            stats: Arc::default(),
            compressor,
            phase: AtomicU8::new(SERVING),
            connection_number: AtomicU64::new(0),
            admission: Arc::new(Admission::new()),
            moving: Moving::default(),
        })
    }

    /// The number of a new connection: no other of this process has it.
    pub(crate) fn next_connection_number(&self) -> u64 {
        self.connection_number.fetch_add(1, Ordering::Relaxed)
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    /// Whether requests that wait for something are to be answered now, and connections between two are to end here.
    pub(crate) fn is_releasing(&self) -> bool {
        matches!(self.phase(), MOVING | DRAINING..)
    }

    /// Whether responses end their connection.
    pub(crate) fn is_leaving(&self) -> bool {
        self.phase() >= LEAVING
    }

    /// Whether what needs the store cannot be answered now.
    pub(crate) fn is_holding(&self) -> bool {
        matches!(self.phase(), HOLDING | MOVING)
    }

    /// Whether connections go to another process.
    pub(crate) fn is_moving(&self) -> bool {
        self.phase() == MOVING
    }

    pub(crate) fn is_aborting(&self) -> bool {
        self.phase() >= ABORTING
    }

    /// Enters a phase, and makes every connection look.
    pub(crate) fn enter(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        deadline_timer::nudge_all();
    }
    /// Goes back from holding to serving, and makes every connection look.
    pub(crate) fn stop_holding(&self) {
        // Nothing but this and the holder's own thread changes the phase of a server that is not ending.
        let _ = self.phase.compare_exchange(HOLDING, SERVING, Ordering::AcqRel, Ordering::Acquire);
        deadline_timer::nudge_all();
    }
}
