//! Who may open a connection: a bound for all, and one for each client address; and beyond them a few places for
//! operators, and for those who only ask whether the server lives.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::base::sys::listen::Peer;
use crate::net::http::config::{Gate, ServerConfig};
use crate::net::http::fault::{self, RequestFault};

/// Places beyond all bounds for operators: who comes by a Unix socket or by an address that was set apart for them.
const OPERATORS_MAX: usize = 32;

/// Places beyond all bounds for clients that send a vital request at once and leave with its answer.
const VITAL_MAX: usize = 64;

/// Counts open connections.
pub(crate) struct Admission {
    /// All of them.
    open: AtomicUsize,
    /// Those within the bound for all.
    common: AtomicUsize,
    operators: AtomicUsize,
    vital: AtomicUsize,
    /// Connections of each remote address that has any. Locked for a look-up at the start and end of a
    /// connection; its hasher is seeded per process, since clients choose the keys.
    by_ip: Mutex<HashMap<IpAddr, usize>>,
    /// Signalled, under its lock, when the last connection ends.
    none_open: (Mutex<()>, Condvar),
}

impl Admission {
    pub(crate) fn new() -> Admission {
        let none_open = (Mutex::new(()), Condvar::new());
        Admission {
            open: AtomicUsize::new(0),
            common: AtomicUsize::new(0),
            operators: AtomicUsize::new(0),
            vital: AtomicUsize::new(0),
            by_ip: Mutex::default(),
            none_open,
        }
    }

    /// Admits a connection from `peer` until the permit is dropped. At a bound an operator takes a place of the
    /// operators, and anybody else one for a vital question: see [`ConnectionPermit::only_vital`].
    ///
    /// # Errors
    /// 503 or 429 at a bound when those places are taken too.
    pub(crate) fn admit(
        self: &Arc<Admission>,
        peer: Peer,
        gate: Gate,
        config: &ServerConfig,
    ) -> Result<ConnectionPermit, RequestFault> {
        self.open.fetch_add(1, Ordering::AcqRel);
        // A permit gives back what it holds when it is dropped on a refusal below.
        let mut permit =
            ConnectionPermit { admission: self.clone(), place: None, counted_ip: None, only_vital: None };
        let fault = if self.enter(&mut permit, CountedPlace::Common, config.connections_max) {
            let Err(fault) = self.count_ip(&mut permit, peer, gate, config) else { return Ok(permit) };
            permit.leave();
            fault
        } else {
            fault::CONNECTIONS_EXHAUSTED
        };
        if gate == Gate::Operators && self.enter(&mut permit, CountedPlace::Operators, OPERATORS_MAX) {
            return Ok(permit);
        }
        if self.enter(&mut permit, CountedPlace::Vital, VITAL_MAX) {
            permit.only_vital = Some(fault);
            return Ok(permit);
        }
        Err(fault)
    }

    fn enter(&self, permit: &mut ConnectionPermit, place: CountedPlace, max: usize) -> bool {
        if self.of(place).fetch_add(1, Ordering::AcqRel) < max {
            permit.place = Some(place);
            return true;
        }
        self.of(place).fetch_sub(1, Ordering::AcqRel);
        false
    }

    fn of(&self, place: CountedPlace) -> &AtomicUsize {
        match place {
            CountedPlace::Common => &self.common,
            CountedPlace::Operators => &self.operators,
            CountedPlace::Vital => &self.vital,
        }
    }

    fn count_ip(
        &self,
        permit: &mut ConnectionPermit,
        peer: Peer,
        gate: Gate,
        config: &ServerConfig,
    ) -> Result<(), RequestFault> {
        let ip = peer.ip().map(client_of).filter(|ip| !ip.is_loopback() && gate == Gate::Common);
        let Some(ip) = ip else { return Ok(()) };
        let mut by_ip = self.by_ip.lock();
        let count = by_ip.entry(ip).or_default();
        if *count >= config.connections_per_ip_max {
            return Err(fault::CONNECTIONS_OF_CLIENT_EXHAUSTED);
        }
        *count += 1;
        permit.counted_ip = Some(ip);
        Ok(())
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

/// The address that stands for a client: of IPv6 the first 64 bits, since a client with one address there has all.
pub fn client_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        ip => ip,
    }
}

/// Where a connection is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountedPlace {
    Common,
    Operators,
    Vital,
}

/// One admitted connection.
pub(crate) struct ConnectionPermit {
    admission: Arc<Admission>,
    place: Option<CountedPlace>,
    counted_ip: Option<IpAddr>,
    only_vital: Option<RequestFault>,
}

impl ConnectionPermit {
    /// What is to be said to anything but a vital question, when the connection is let in for such alone.
    pub(crate) fn only_vital(&self) -> Option<RequestFault> {
        self.only_vital
    }

    fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            self.admission.of(place).fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.leave();
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
        let admit = |peer| admission.admit(peer, Gate::Common, &config).unwrap();
        let common = |peer| {
            let permit = admit(peer);
            assert_eq!(permit.only_vital(), None);
            permit
        };
        let first = common(peer("192.0.2.1"));
        let second = common(peer("::ffff:192.0.2.1"));
        assert_eq!(admit(peer("192.0.2.1")).only_vital(), Some(fault::CONNECTIONS_OF_CLIENT_EXHAUSTED));
        let third = common(peer("127.0.0.1"));
        let fourth = common(Peer::Unix);
        assert_eq!(admit(peer("127.0.0.1")).only_vital(), Some(fault::CONNECTIONS_EXHAUSTED));
        drop(first);
        drop(common(peer("192.0.2.1")));
        assert_eq!(admission.wait_until_none_open(Duration::ZERO), 3);
        drop((second, third, fourth));
        assert_eq!(admission.wait_until_none_open(Duration::MAX), 0);
        assert!(admission.by_ip.lock().is_empty());
    }

    #[test]
    fn beyond_the_bound_there_are_places_for_operators_and_vital_questions() {
        let admission = Arc::new(Admission::new());
        let config = ServerConfig { connections_max: 1, ..ServerConfig::default() };
        let admit = |gate| admission.admit(peer("127.0.0.1"), gate, &config);
        let _common = admit(Gate::Common).unwrap();
        let operators: Vec<ConnectionPermit> =
            (0..OPERATORS_MAX).map(|_| admit(Gate::Operators).ok().unwrap()).collect();
        assert!(operators.iter().all(|permit| permit.only_vital().is_none()));
        let vital: Vec<ConnectionPermit> =
            (0..VITAL_MAX).map(|_| admit(Gate::Common).ok().unwrap()).collect();
        assert!(vital.iter().all(|permit| permit.only_vital() == Some(fault::CONNECTIONS_EXHAUSTED)));
        for gate in [Gate::Common, Gate::Operators] {
            assert_eq!(admit(gate).err(), Some(fault::CONNECTIONS_EXHAUSTED));
        }
        drop((operators, vital));
        assert!(admit(Gate::Operators).unwrap().only_vital().is_none());
        assert!(admit(Gate::Common).unwrap().only_vital().is_some());
    }

    #[test]
    fn of_ipv6_a_network_is_one_client() {
        let admission = Arc::new(Admission::new());
        let config = ServerConfig { connections_per_ip_max: 1, ..ServerConfig::default() };
        let admit = |ip| admission.admit(peer(ip), Gate::Common, &config).unwrap();
        let _first = admit("2001:db8:0:1::1");
        assert!(admit("2001:db8:0:1:ffff::2").only_vital().is_some());
        assert!(admit("2001:db8:0:2::1").only_vital().is_none());
    }

    #[test]
    fn loopback_is_exempt_from_the_bound_of_one_client() {
        let admission = Arc::new(Admission::new());
        let config = ServerConfig { connections_per_ip_max: 1, ..ServerConfig::default() };
        let permits: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "::1"]
            .map(|ip| admission.admit(peer(ip), Gate::Common, &config).ok().unwrap())
            .into();
        assert!(permits.iter().all(|permit| permit.only_vital().is_none()));
        assert_eq!(admission.open(), permits.len());
    }
}
