//! Who may open a connection: a bound for all, and one for each client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::http::config::ServerConfig;
use crate::http::fault::{self, Fault};
use crate::sys::listen::Peer;

/// Counts open connections.
pub(crate) struct Admission {
    open: AtomicUsize,
    /// Connections of each remote address that has any. Locked for a look-up at the start and end of a
    /// connection; its hasher is seeded per process, since clients choose the keys.
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    /// Signalled, under its lock, when the last connection ends.
    none_open: (Mutex<()>, Condvar),
}

impl Admission {
    pub(crate) fn new() -> Admission {
        let none_open = (Mutex::new(()), Condvar::new());
        Admission { open: AtomicUsize::new(0), by_ip: Mutex::default(), none_open }
    }

    /// Admits a connection from `peer` until the permit is dropped.
    ///
    /// # Errors
    /// 503 or 429 at a bound.
    pub(crate) fn admit(self: &Arc<Admission>, peer: Peer, config: &ServerConfig) -> Result<Permit, Fault> {
        // A permit gives back what it holds when it is dropped on a refusal below.
        let open_before = self.open.fetch_add(1, Ordering::AcqRel);
        let mut permit = Permit { admission: self.clone(), counted_ip: None };
        if open_before >= config.connections_max {
            return Err(fault::CONNECTIONS_EXHAUSTED);
        }
        if let Some(ip) = peer.ip().map(|ip| ip.to_canonical()).filter(|ip| !ip.is_loopback()) {
            let mut by_ip = self.by_ip.lock();
            let count = by_ip.entry(ip).or_default();
            if *count >= config.connections_per_ip_max {
                return Err(fault::CONNECTIONS_OF_CLIENT_EXHAUSTED);
            }
            *count += 1;
            permit.counted_ip = Some(ip);
        }
        Ok(permit)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Blocks this thread until no connection is open or `timeout` is over; returns how many are left.
    pub(crate) fn wait_until_none_open(&self, timeout: Duration) -> usize {
        let deadline = Instant::now().checked_add(timeout);
        let (lock, none_open) = &self.none_open;
        let mut guard = lock.lock();
        while self.open() > 0 {
            let timed_out = match deadline {
                Some(deadline) => none_open.wait_until(&mut guard, deadline).timed_out(),
                None => {
                    none_open.wait(&mut guard);
                    false
                }
            };
            if timed_out {
                break;
            }
        }
        self.open()
    }
}

/// One admitted connection.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    counted_ip: Option<IpAddr>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ip) = self.counted_ip {
            let mut by_ip = self.admission.by_ip.lock();
            if let Some(count) = by_ip.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    by_ip.remove(&ip);
                }
            }
        }
        if self.admission.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            let (lock, none_open) = &self.admission.none_open;
            let _guard = lock.lock();
            none_open.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> Peer {
        Peer::Tcp((ip.parse::<IpAddr>().unwrap(), 4000).into())
    }

    #[test]
    fn both_bounds_hold_and_are_given_back() {
        let admission = Arc::new(Admission::new());
        let config =
            ServerConfig { connections_max: 4, connections_per_ip_max: 2, ..ServerConfig::default() };
        let admit = |peer| admission.admit(peer, &config);
        let first = admit(peer("192.0.2.1")).unwrap();
        let second = admit(peer("::ffff:192.0.2.1")).unwrap();
        assert_eq!(admit(peer("192.0.2.1")).err(), Some(fault::CONNECTIONS_OF_CLIENT_EXHAUSTED));
        let third = admit(peer("127.0.0.1")).unwrap();
        let fourth = admit(Peer::Unix).unwrap();
        assert_eq!(admit(peer("127.0.0.1")).err(), Some(fault::CONNECTIONS_EXHAUSTED));
        drop(first);
        assert!(admit(peer("192.0.2.1")).is_ok());
        assert_eq!(admission.wait_until_none_open(Duration::ZERO), 3);
        drop((second, third, fourth));
        assert_eq!(admission.wait_until_none_open(Duration::MAX), 0);
        assert!(admission.by_ip.lock().is_empty());
    }

    #[test]
    fn loopback_is_exempt_from_the_bound_of_one_client() {
        let admission = Arc::new(Admission::new());
        let config = ServerConfig { connections_per_ip_max: 1, ..ServerConfig::default() };
        let permits: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "::1"]
            .map(|ip| admission.admit(peer(ip), &config).map_err(|fault| fault.sentence).unwrap())
            .into();
        assert_eq!(admission.open(), permits.len());
    }
}
