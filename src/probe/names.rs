//! Looking names up without blocking a worker.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Instant;

use crate::probe::dial::DialError;
use crate::sys::offload::{Offload, OffloadError};

/// Threads that look names up. A lookup that hangs holds one for up to half a minute, so there are a few.
const THREADS: usize = 4;

/// Lookups that may wait for a thread. A thousand at a millisecond each are a quarter of a second; with a name server
/// that hangs, those beyond would be over their timeout anyway.
const WAITING_MAX: usize = 1000;

/// The operating system's resolver, on threads of its own.
#[derive(Clone)]
pub struct Names {
    pool: Offload,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn new() -> io::Result<Names> {
        Ok(Names { pool: Offload::new("names", THREADS, WAITING_MAX)? })
    }

    /// Threads for a little other work that blocks.
    pub fn pool(&self) -> &Offload {
        &self.pool
    }

    /// All addresses of `host` (a name, or an address, then without a lookup) with `port`, by `deadline`.
    ///
    /// # Errors
    /// A [`DialError`] about the name. There is at least one address otherwise.
    pub fn resolve(&self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, DialError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = bare.to_owned();
        let look_up = move || {
            if Instant::now() >= deadline {
                // Nobody waits any more. Skipping it lets a queue that a dead name server filled drain at once.
                return Err(io::ErrorKind::TimedOut.into());
            }
            (name.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>)
        };
        let host = bare.to_owned();
        match self.pool.run_until(deadline, look_up) {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(DialError::UnknownName { host }),
            Err(OffloadError::Timeout) => Err(DialError::NameTimeout { host }),
            Err(OffloadError::Full | OffloadError::Panicked) => Err(DialError::NamesBusy { host }),
        }
    }
}
