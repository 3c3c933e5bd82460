//! The connections that probes keep to their targets between runs, watched for their end.
//!
//! A target that dies ends its connections, and that is known within a millisecond, long before its next probe. Held by
//! errand: checks that share their runs share the connection. It knows nothing of what an end means.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::health::CheckKey;
use crate::probe::Kept;
use crate::registry::checking::joint::Errand;
use crate::sys::sentinel::Sentinel;

/// Idle connections, each with the checks that are to hear of its end.
///
/// Memory of ours: below a kilobyte for a plain connection, with one check that keeps it. No coroutine waits on it.
#[derive(Debug)]
pub struct Watched {
    sentinel: Sentinel,
    connections_max: usize,
    /// Locked to put in and to take out, never over a wait.
    places: Mutex<Places>,
    /// Connections that were not kept for want of room.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Places {
    by_errand: HashMap<Arc<Errand>, Place>,
    /// Whose connection stands under a token in the sentinel. Tokens are used once.
    by_token: HashMap<u64, Arc<Errand>>,
    by_check: HashMap<CheckKey, Arc<Errand>>,
    tokens: u64,
}

#[derive(Debug, Default)]
struct Place {
    /// With its token in the sentinel; `None` while a run uses it.
    idle: Option<(Kept, u64)>,
    /// Never empty.
    checks: HashSet<CheckKey>,
}

impl Watched {
    /// Holds nothing yet, and never more than `connections_max`.
    ///
    /// # Errors
    /// The operating system's: it gives no descriptor.
    pub fn new(connections_max: usize) -> io::Result<Watched> {
        let (places, refused) = (Mutex::default(), AtomicU64::new(0));
        Ok(Watched { sentinel: Sentinel::new()?, connections_max, places, refused })
    }

    /// Waits for ends as long as the process lives; call it on a thread of its own. `on_ends` is given the tokens of
    /// connections that have ended; [`Watched::take_ended`] knows whose they were.
    pub fn run(&self, on_ends: impl Fn(&[u64])) {
        self.sentinel.run(on_ends);
    }

    /// Gives out the connection of an errand for its next run. Its end is the run's to notice from now on.
    pub fn take(&self, errand: &Errand) -> Option<Kept> {
        let mut places = self.places.lock();
        let (kept, token) = places.by_errand.get_mut(errand)?.idle.take()?;
        places.by_token.remove(&token);
        self.sentinel.leave(&kept);
        Some(kept)
    }

    /// Holds what a run has left, on behalf of `checks` and those that held it before. Without a connection, or without
    /// room for one, nothing is held for any of them. Only for checks that are watched at this moment.
    pub fn put(&self, errand: &Arc<Errand>, kept: Option<Kept>, checks: impl Iterator<Item = CheckKey>) {
        let mut places = self.places.lock();
        let kept = kept.filter(|_| {
            let has_room = places.by_token.len() < self.connections_max;
            self.refused.fetch_add(u64::from(!has_room), Ordering::Relaxed);
            has_room
        });
        let watched = kept.and_then(|kept| {
            let token = places.tokens;
            places.tokens += 1;
            match self.sentinel.watch(&kept, token) {
                Ok(()) => Some((kept, token)),
                Err(error) => {
                    log::debug!("a connection is not kept, since it cannot be watched: {error}");
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    None
                }
            }
        });
        let Some((kept, token)) = watched else {
            self.drop_errand(&mut places, errand);
            return;
        };
        for key in checks {
            if places.by_check.get(&key) != Some(errand) {
                self.drop_check(&mut places, &key);
                places.by_check.insert(key.clone(), errand.clone());
            }
            places.by_errand.entry(errand.clone()).or_default().checks.insert(key);
        }
        match places.by_errand.get_mut(errand) {
            Some(place) => {
                // Another run may have left one meanwhile.
                let former = place.idle.replace((kept, token));
                places.by_token.insert(token, errand.clone());
                former.into_iter().for_each(|(kept, token)| self.close(&mut places, &kept, token));
            }
            // Nobody wants it any more.
            None => self.sentinel.leave(&kept),
        }
    }

    /// Forgets a check, and closes its connection unless others share it.
    pub fn forget(&self, key: &CheckKey) {
        self.drop_check(&mut self.places.lock(), key);
    }

    /// Removes the connection that ended under this token: who is to hear of it. `None` when it was given out or closed
    /// meanwhile.
    pub fn take_ended(&self, token: u64) -> Option<impl Iterator<Item = CheckKey> + use<>> {
        let mut places = self.places.lock();
        let errand = places.by_token.get(&token)?.clone();
        self.drop_errand(&mut places, &errand).map(|place| place.checks.into_iter())
    }

    /// Connections held now.
    pub fn held(&self) -> usize {
        self.places.lock().by_token.len()
    }

    /// Connections so far that were not kept for want of room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn drop_check(&self, places: &mut Places, key: &CheckKey) {
        let Some(errand) = places.by_check.remove(key) else { return };
        let Some(place) = places.by_errand.get_mut(&errand) else { return };
        place.checks.remove(key);
        if place.checks.is_empty() {
            self.drop_errand(places, &errand);
        }
    }

    fn drop_errand(&self, places: &mut Places, errand: &Errand) -> Option<Place> {
        let place = places.by_errand.remove(errand)?;
        for key in &place.checks {
            places.by_check.remove(key);
        }
        if let Some((kept, token)) = &place.idle {
            self.close(places, kept, *token);
        }
        Some(place)
    }

    /// Takes it out of the sentinel; the caller drops it.
    fn close(&self, places: &mut Places, kept: &Kept, token: u64) {
        places.by_token.remove(&token);
        self.sentinel.leave(kept);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::model::Probe;
    use crate::probe::{self, Prober, Task};
    use crate::sys::runtime;

    /// A listener, and what there is to be found out of it.
    struct Target {
        listener: TcpListener,
        address: SocketAddr,
    }

    impl Target {
        fn new() -> Target {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            Target { address: listener.local_addr().unwrap(), listener }
        }

        fn errand(&self, seconds: u64) -> Arc<Errand> {
            let probe = Probe::Tcp { address: self.address.to_string().as_str().into(), tls: None };
            Arc::new(Errand { probe, timeout: Duration::from_secs(seconds), output_bytes_max: 10 })
        }

        /// What a probe keeps, and the other end of it.
        fn kept(&self) -> (Kept, TcpStream) {
            runtime::start(2);
            let (errand, (sender, receiver)) = (self.errand(30), mpsc::channel());
            runtime::spawn("test", move || {
                let prober = Prober::new(probe::Settings::default()).unwrap();
                let Errand { probe, timeout, output_bytes_max } = &*errand;
                let (timeout, output_bytes_max) = (*timeout, *output_bytes_max);
                let task = Task { probe, timeout, output_bytes_max, kept: None, keep: true, linger: false };
                sender.send(prober.run(task).kept.unwrap()).unwrap();
            })
            .unwrap();
            (receiver.recv().unwrap(), self.listener.accept().unwrap().0)
        }
    }

    fn keys(names: &[&str]) -> impl Iterator<Item = CheckKey> {
        let keys: Vec<_> = names.iter().map(|name| CheckKey::new("n", *name)).collect();
        keys.into_iter()
    }

    fn told(watched: &Watched, token: u64) -> Option<Vec<String>> {
        let mut names: Vec<_> = watched.take_ended(token)?.map(|key| key.check_id.to_string()).collect();
        names.sort();
        Some(names)
    }

    #[test]
    fn all_who_share_a_connection_hear_of_its_end_once() {
        let (watched, target) = (Watched::new(10).unwrap(), Target::new());
        let errand = target.errand(1);
        watched.put(&errand, Some(target.kept().0), keys(&["a", "b"]));
        // A run of another rhythm takes it and brings it back.
        let kept = watched.take(&errand);
        assert!(kept.is_some() && watched.held() == 0);
        assert!(told(&watched, 0).is_none(), "its token went with it");
        watched.put(&errand, kept, keys(&["c"]));
        assert_eq!(watched.held(), 1);
        assert_eq!(told(&watched, 1), Some(vec!["a".into(), "b".into(), "c".into()]));
        assert!(told(&watched, 1).is_none());
        assert_eq!(watched.held(), 0);
    }

    #[test]
    fn a_connection_is_closed_with_the_last_check_that_wants_it() {
        let (watched, target) = (Watched::new(10).unwrap(), Target::new());
        let (errand, other) = (target.errand(1), target.errand(2));
        watched.put(&errand, Some(target.kept().0), keys(&["a", "b"]));
        keys(&["a", "unknown"]).for_each(|key| watched.forget(&key));
        assert_eq!(watched.held(), 1);
        // The other has a new definition, and with it another errand.
        watched.put(&other, Some(target.kept().0), keys(&["b"]));
        assert_eq!(watched.held(), 1);
        assert!(watched.take(&errand).is_none() && told(&watched, 0).is_none());
        watched.put(&other, None, keys(&["b"]));
        watched.put(&errand, Some(target.kept().0), keys(&[]));
        assert_eq!(watched.held(), 0, "nobody wants it");
        assert!(watched.places.lock().by_check.is_empty() && watched.places.lock().by_errand.is_empty());
    }

    #[test]
    fn no_more_are_held_than_may_be() {
        let (watched, target) = (Watched::new(2).unwrap(), Target::new());
        for seconds in 1..=3 {
            watched.put(&target.errand(seconds), Some(target.kept().0), keys(&["a", "b", "c"][..1]));
        }
        assert_eq!((watched.held(), watched.refused()), (1, 0), "a check holds one");
        for (seconds, name) in [(4, "b"), (5, "c")] {
            watched.put(&target.errand(seconds), Some(target.kept().0), keys(&[name]));
        }
        assert_eq!((watched.held(), watched.refused()), (2, 1));
    }

    #[test]
    fn an_end_before_the_watch_is_told_too() {
        let (watched, target) = (Arc::new(Watched::new(10).unwrap()), Target::new());
        let (sender, receiver) = mpsc::channel();
        let running = watched.clone();
        runtime::thread("sentinel", move || running.run(|tokens| sender.send(tokens.to_vec()).unwrap()))
            .unwrap();
        let (kept, theirs) = target.kept();
        drop(theirs);
        watched.put(&target.errand(1), Some(kept), keys(&["a"]));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(30)), Ok(vec![0]));
        assert_eq!(told(&watched, 0), Some(vec!["a".into()]));
    }
}
