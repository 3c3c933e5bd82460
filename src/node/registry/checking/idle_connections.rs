//! The connections that are held to the targets of checks between runs, watched for their end.
//!
//! A target that dies ends its connections, and that is known within a millisecond, long before its next probe. There
//! is one for each address, however many checks it has: all of them hear of its end. Nothing is ever sent over it. It
//! knows nothing of what an end means.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::base::stdx::text::Text;
use crate::base::sys::hangup::HangupWatcher;
use crate::core::health::CheckKey;
use crate::node::probe::IdleConnection;

/// Ends remembered for checks whose run is just over. If more have come meanwhile, one waits for its next turn.
const ENDS_REMEMBERED: usize = 1_024;

/// Idle connections, each with the checks that are to hear of its end.
///
/// Memory of ours: below a kilobyte for a plain connection, with one check that keeps it. No coroutine waits on it.
#[derive(Debug)]
pub struct IdleConnections {
    sentinel: HangupWatcher,
    connections_max: usize,
    /// Locked to put in and to take out, never over a wait.
    places: Mutex<IdleSlots>,
    /// Connections that were not kept for want of room.
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct IdleSlots {
    by_address: HashMap<Text, IdleSlot>,
    /// Whose connection stands under a token in the sentinel. Tokens are used once.
    by_token: HashMap<u64, Text>,
    by_check: HashMap<CheckKey, Text>,
    tokens: u64,
    /// Whose connections have ended last, and when.
    ends: VecDeque<(Text, Instant)>,
}

#[derive(Debug)]
struct IdleSlot {
    idle: IdleConnection,
    /// Its token in the sentinel.
    token: u64,
    /// Never empty.
    checks: HashSet<CheckKey>,
}

impl IdleConnections {
    /// Holds nothing yet, and never more than `connections_max`.
    ///
    /// # Errors
    /// The operating system's: it gives no descriptor.
    pub fn new(connections_max: usize) -> io::Result<IdleConnections> {
        let (places, refused) = (Mutex::default(), AtomicU64::new(0));
        Ok(IdleConnections { sentinel: HangupWatcher::new()?, connections_max, places, refused })
    }

    /// Waits for ends as long as the process lives; call it on a thread of its own. `on_ends` is given the tokens of
    /// connections that have ended; [`IdleConnections::take_ended`] knows whose they were.
    pub fn run(&self, on_ends: impl Fn(&[u64])) {
        self.sentinel.run(on_ends);
    }

    /// Whether a connection to `address` is held.
    pub fn holds(&self, address: &Text) -> bool {
        self.places.lock().by_address.contains_key(address)
    }

    /// Holds a connection to `address` on behalf of `checks` and of those that held the former one, which is closed.
    /// Only for checks that are watched at this moment; without any, or without room, nothing is held.
    pub fn put(&self, address: &Text, kept: IdleConnection, checks: impl Iterator<Item = CheckKey>) {
        let mut places = self.places.lock();
        let mut checks: HashSet<CheckKey> = checks.collect();
        checks
            .iter()
            .filter(|key| places.by_check.get(key) != Some(address))
            .cloned()
            .collect::<Vec<_>>()
            .iter()
            .for_each(|key| self.drop_check(&mut places, key));
        if let Some(former) = self.drop_address(&mut places, address) {
            checks.extend(former.checks);
        }
        if checks.is_empty() {
            return;
        }
        if places.by_token.len() >= self.connections_max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let token = places.tokens;
        places.tokens += 1;
        if let Err(error) = self.sentinel.watch(&kept, token) {
            log::debug!("a connection is not kept, since it cannot be watched: {error}");
            self.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        places.by_token.insert(token, address.clone());
        places.by_check.extend(checks.iter().map(|key| (key.clone(), address.clone())));
        places.by_address.insert(address.clone(), IdleSlot { idle: kept, token, checks });
    }

    /// Has these checks hear of the end as well of a connection that is held already. Gives those that come too late:
    /// a connection to their target has ended `since` then.
    pub fn join(
        &self,
        address: &Text,
        checks: impl Iterator<Item = CheckKey>,
        since: Instant,
    ) -> Vec<CheckKey> {
        let mut late = Vec::new();
        let mut places = self.places.lock();
        for key in checks {
            if places.by_check.get(&key) != Some(address) {
                self.drop_check(&mut places, &key);
            }
            if let Some(place) = places.by_address.get_mut(address) {
                place.checks.insert(key.clone());
                places.by_check.insert(key, address.clone());
            } else if places.ends.iter().any(|(ended, at)| ended == address && *at >= since) {
                late.push(key);
            }
        }
        late
    }

    /// Closes the connection to `address`, if one is held.
    pub fn let_go(&self, address: &Text) {
        drop(self.drop_address(&mut self.places.lock(), address));
    }

    /// Forgets a check, and closes its connection unless others share it.
    pub fn forget(&self, key: &CheckKey) {
        self.drop_check(&mut self.places.lock(), key);
    }

    /// Removes the connection that ended under this token: who is to hear of it. `None` when it was closed meanwhile.
    pub fn take_ended(&self, token: u64) -> Option<impl Iterator<Item = CheckKey> + use<>> {
        let mut places = self.places.lock();
        let address = places.by_token.get(&token)?.clone();
        if places.ends.len() >= ENDS_REMEMBERED {
            places.ends.pop_front();
        }
        places.ends.push_back((address.clone(), Instant::now()));
        self.drop_address(&mut places, &address).map(|place| place.checks.into_iter())
    }

    /// Connections held now.
    pub fn held(&self) -> usize {
        self.places.lock().by_token.len()
    }

    /// Connections so far that were not kept for want of room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn drop_check(&self, places: &mut IdleSlots, key: &CheckKey) {
        let Some(address) = places.by_check.remove(key) else { return };
        let Some(place) = places.by_address.get_mut(&address) else { return };
        place.checks.remove(key);
        if place.checks.is_empty() {
            drop(self.drop_address(places, &address));
        }
    }

    /// Takes a connection out; it is closed with what comes back.
    fn drop_address(&self, places: &mut IdleSlots, address: &Text) -> Option<IdleSlot> {
        let place = places.by_address.remove(address)?;
        for key in &place.checks {
            places.by_check.remove(key);
        }
        places.by_token.remove(&place.token);
        self.sentinel.leave(&place.idle);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::*;
    use crate::base::sys::recall::Recall;
    use crate::base::sys::runtime;
    use crate::core::model::Probe;
    use crate::node::probe::{self, Prober, Task};

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

        fn text(&self) -> Text {
            self.address.to_string().as_str().into()
        }

        /// What a probe keeps, and the other end of it.
        fn kept(&self) -> (IdleConnection, TcpStream) {
            runtime::start(2);
            let (address, (sender, receiver)) = (self.text(), mpsc::channel());
            runtime::spawn("test", move || {
                let prober = Prober::new(probe::ProbeSettings::default()).unwrap();
                let task = Task {
                    probe: &Probe::Tcp { address, tls: None },
                    timeout: Duration::from_secs(30),
                    output_bytes_max: 10,
                    keep: true,
                    linger: false,
                    recall: Recall::default(),
                    courtesy: None,
                };
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

    fn told(watched: &IdleConnections, token: u64) -> Option<Vec<String>> {
        let mut names: Vec<_> = watched.take_ended(token)?.map(|key| key.check_id.to_string()).collect();
        names.sort();
        Some(names)
    }

    #[test]
    fn all_who_share_a_connection_hear_of_its_end_once() {
        let (watched, target) = (IdleConnections::new(10).unwrap(), Target::new());
        let address = target.text();
        watched.put(&address, target.kept().0, keys(&["a", "b"]));
        // A later run of another check puts its own in its place.
        watched.put(&address, target.kept().0, keys(&["c"]));
        assert!(watched.held() == 1 && watched.holds(&address));
        assert!(told(&watched, 0).is_none(), "its token went with it");
        let begun = Instant::now();
        assert!(watched.join(&address, keys(&["d"]), begun).is_empty());
        let all = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(told(&watched, 1), Some(all));
        assert!(told(&watched, 1).is_none());
        assert_eq!(watched.held(), 0);
        assert_eq!(watched.join(&address, keys(&["d"]), begun), keys(&["d"]).collect::<Vec<_>>(), "too late");
        assert!(watched.join(&address, keys(&["d"]), Instant::now()).is_empty());
        assert!(watched.places.lock().by_check.is_empty(), "there is nothing to hear of");
    }

    #[test]
    fn a_connection_is_closed_with_the_last_check_that_wants_it() {
        let (watched, target, other) = (IdleConnections::new(10).unwrap(), Target::new(), Target::new());
        watched.put(&target.text(), target.kept().0, keys(&["a", "b"]));
        keys(&["a", "unknown"]).for_each(|key| watched.forget(&key));
        assert_eq!(watched.held(), 1);
        // The other has a new definition, and with it another target.
        watched.put(&other.text(), other.kept().0, keys(&["b"]));
        assert_eq!(watched.held(), 1);
        assert!(!watched.holds(&target.text()) && told(&watched, 0).is_none());
        watched.let_go(&other.text());
        watched.put(&target.text(), target.kept().0, keys(&[]));
        assert_eq!(watched.held(), 0, "nobody wants it");
        assert!(watched.places.lock().by_check.is_empty() && watched.places.lock().by_address.is_empty());
    }

    #[test]
    fn no_more_are_held_than_may_be() {
        let watched = IdleConnections::new(2).unwrap();
        let targets = [Target::new(), Target::new(), Target::new()];
        for (target, name) in targets.iter().zip(["a", "b", "c"]) {
            watched.put(&target.text(), target.kept().0, keys(&[name]));
        }
        assert_eq!((watched.held(), watched.refused()), (2, 1));
        watched.put(&targets[1].text(), targets[1].kept().0, keys(&["b", "d"]));
        assert_eq!((watched.held(), watched.refused()), (2, 1), "a newer one takes the former's place");
    }

    #[test]
    fn an_end_before_the_watch_is_told_too() {
        let (watched, target) = (Arc::new(IdleConnections::new(10).unwrap()), Target::new());
        let (sender, receiver) = mpsc::channel();
        let running = watched.clone();
        runtime::thread("sentinel", move || running.run(|tokens| sender.send(tokens.to_vec()).unwrap()))
            .unwrap();
        let (kept, theirs) = target.kept();
        drop(theirs);
        watched.put(&target.text(), kept, keys(&["a"]));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(30)), Ok(vec![0]));
        assert_eq!(told(&watched, 0), Some(vec!["a".into()]));
    }
}
