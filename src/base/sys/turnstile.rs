//! The turnstile: where coroutines wait that have more work than one turn takes, and come through by rounds, one for
//! each worker.
//!
//! A worker of the runtime empties its queue of coroutines, and takes from the others' queues, before it looks at any
//! socket. So those that give way to each other through the queues would keep workers from their sockets for as long as
//! they have work. Each worker therefore has a socket among those it looks after, as in [`crate::base::sys::pulse`],
//! and a round is over when every worker has been heard of by it. For how long the present round has lasted is for how
//! long some worker has not looked: all that have much work go by that, a hundred that came with one look as one that
//! came alone. So however many they are, what comes to a socket waits for little more than [`TURN_MAX`].

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use socket2::Socket;

use crate::base::sys::oneshot::{Sender, oneshot};
use crate::base::sys::pulse;
use crate::base::sys::registered::Registered;
use crate::base::sys::runtime;

/// For how long sockets wait for those that have much work. Shorter, and much work would not pay: a round costs some
/// ten microseconds of each worker.
const TURN_MAX: Duration = Duration::from_micros(500);

/// For how long a thread waits for its turn: twenty rounds.
const TURN_OF_THREAD_MAX: Duration = Duration::from_millis(10);

/// Work that is not yet much: none of it is worth a round.
const LITTLE: Duration = Duration::from_micros(100);

static TURNSTILE: OnceLock<Turnstile> = OnceLock::new();

struct Turnstile {
    /// A socket to each worker.
    asking: Vec<Socket>,
    round: Mutex<Round>,
    /// When the present round began, in nanoseconds after `since`; [`NO_ROUND`] while there is none.
    began_ns: AtomicU64,
    since: Instant,
}

const NO_ROUND: u64 = u64::MAX;

/// What has come of the present round.
struct Round {
    /// Those that wait for its end, the longest-waiting first.
    waiting: VecDeque<Sender<()>>,
    /// Those with work that comes by the thousand and that no client waits for: each stream of changes has one place at
    /// most. While others wait, they have every second place.
    crowd: VecDeque<Sender<()>>,
    /// Whether the last place went to the crowd.
    was_of_crowd: bool,
    /// The workers that have looked at their sockets since it began; all of them while there is none.
    has_looked: Vec<bool>,
}

/// Sets up the turnstile for `workers` workers; [`runtime::start`] calls this once.
///
/// # Errors
/// Without descriptors or coroutines there is none, and to wait at it is a short rest.
pub(crate) fn start(workers: usize) -> io::Result<()> {
    let mut ways = Vec::new();
    for worker in 0..workers {
        let (asking, place) = pulse::socket_to(worker, workers)?;
        ways.push(asking);
        runtime::spawn("turnstile", move || keep_gate(&place, worker)).map_err(io::Error::other)?;
    }
    let round = Mutex::new(Round::of_none(workers));
    let (began_ns, since) = (AtomicU64::new(NO_ROUND), Instant::now());
    let _ = TURNSTILE.set(Turnstile { asking: ways, round, began_ns, since });
    Ok(())
}

/// The turn of a coroutine: what it does between two waits.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    began: Option<Instant>,
}

impl Turn {
    /// It waits for something, and begins a new one with its next work. What it has done counts for those that come
    /// after it.
    pub(crate) fn end(&mut self) {
        if self.began.is_some() {
            let _ = self.is_over();
            self.began = None;
        }
    }

    /// For a coroutine that has more to do: whether sockets have waited for long enough, so that it is to wait.
    pub(crate) fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        match TURNSTILE.get() {
            Some(turnstile) => turnstile.is_over(now, now.duration_since(began) >= LITTLE),
            None => now.duration_since(began) >= TURN_MAX,
        }
    }

    /// For how long it has lasted.
    pub(crate) fn length(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Waits at the turnstile.
    pub(crate) fn wait(&mut self) {
        self.began = None;
        wait();
        // Another that came through with this one was on the same worker, and took all of the round.
        if self.is_over() {
            self.began = None;
            wait_at_the_head();
        }
    }

    /// Waits at the turnstile if the turn is over; tells whether it was.
    pub(crate) fn pass(&mut self) -> bool {
        let is_over = self.is_over();
        if is_over {
            self.wait();
        }
        is_over
    }
}

/// Before work that is much by itself and may come by the thousand, as a run of a check is: waits while sockets have
/// waited for long enough.
pub(crate) fn pass() {
    if is_over() {
        wait();
    }
}

/// As [`pass`], for work that comes by the thousand, and nobody has asked for just now.
pub(crate) fn pass_with_the_crowd() {
    if is_over() {
        wait_as(|round, sender| round.crowd.push_back(sender));
    }
}

/// As [`pass`], before all others: for work that a client waits for.
pub(crate) fn pass_at_the_head() {
    if is_over() {
        wait_at_the_head();
    }
}

fn is_over() -> bool {
    TURNSTILE.get().is_some_and(|turnstile| turnstile.is_over(Instant::now(), true))
}

/// Waits until it is this coroutine's turn again; meanwhile the workers look at their sockets and serve what is there.
pub(crate) fn wait() {
    wait_as(|round, sender| round.waiting.push_back(sender));
}

/// As [`wait`], before all others: for the few that accept connections.
pub(crate) fn wait_at_the_head() {
    wait_as(|round, sender| round.waiting.push_front(sender));
}

/// As [`wait_at_the_head`], for a thread that makes work for the workers, and for a moment at most: one of them may be
/// held by something. Tells whether its turn came.
pub(crate) fn wait_on_a_thread() -> bool {
    let Some(turnstile) = TURNSTILE.get() else { return false };
    let (sender, receiver) = oneshot();
    turnstile.change(|round| round.waiting.push_front(sender));
    receiver.recv_timeout(TURN_OF_THREAD_MAX).is_ok()
}

fn wait_as(enter: fn(&mut Round, Sender<()>)) {
    let Some(turnstile) = TURNSTILE.get() else { return runtime::pause() };
    let (sender, receiver) = oneshot();
    turnstile.change(|round| enter(round, sender));
    // A lost turn is a turn.
    let _ = receiver.recv();
}

fn keep_gate(place: &Registered, worker: usize) {
    let mut bytes = [0; 16];
    loop {
        // Before each read, so that the worker has looked at its other sockets.
        place.wait_io();
        match (&**place).read(&mut bytes) {
            Ok(0) => return,
            Ok(_) => TURNSTILE.get().into_iter().for_each(|turnstile| turnstile.has_looked(worker)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return log::error!("a turnstile is closed: {error}"),
        }
    }
}

impl Turnstile {
    /// Whether some worker has not looked for [`TURN_MAX`]. Begins a round for a coroutine that `has_much` to do.
    fn is_over(&self, now: Instant, has_much: bool) -> bool {
        match self.began_ns.load(Ordering::Relaxed) {
            NO_ROUND if has_much => {
                self.change(|_| ());
                false
            }
            NO_ROUND => false,
            began => now.duration_since(self.since) >= Duration::from_nanos(began) + TURN_MAX,
        }
    }

    /// Changes what has come of the round, and begins one unless one is under way.
    fn change(&self, change: impl FnOnce(&mut Round)) {
        let mut round = self.round.lock();
        change(&mut round);
        let begins = round.is_over();
        if begins {
            self.begin(&mut round);
        }
        drop(round);
        if begins {
            self.ask();
        }
    }

    fn begin(&self, round: &mut Round) {
        round.has_looked.fill(false);
        self.began_ns.store(self.since.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    /// Asks every worker to look, once in a round. Without the lock, which others want meanwhile.
    fn ask(&self) {
        self.asking.iter().for_each(|mut way| drop(way.write(&[1])));
    }

    /// Notes that a worker has looked at its sockets, and ends the round when it was the last.
    fn has_looked(&self, worker: usize) {
        let mut round = self.round.lock();
        round.has_looked[worker] = true;
        if !round.is_over() {
            return;
        }
        let next = round.next(self.asking.len());
        if next.is_empty() {
            self.began_ns.store(NO_ROUND, Ordering::Relaxed);
            return;
        }
        self.begin(&mut round);
        drop(round);
        next.into_iter().for_each(|next| next.send(()));
        self.ask();
    }
}

impl Round {
    fn of_none(workers: usize) -> Round {
        let (waiting, crowd) = Default::default();
        Round { waiting, crowd, was_of_crowd: false, has_looked: vec![true; workers] }
    }

    /// The next to come through, `places` of them at most.
    fn next(&mut self, places: usize) -> Vec<Sender<()>> {
        let next = std::iter::from_fn(|| {
            self.was_of_crowd = !self.crowd.is_empty() && (self.waiting.is_empty() || !self.was_of_crowd);
            (if self.was_of_crowd { &mut self.crowd } else { &mut self.waiting }).pop_front()
        });
        next.take(places).collect()
    }

    fn is_over(&self) -> bool {
        self.has_looked.iter().all(|has_looked| *has_looked)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc;

    use socket2::{Domain, Type};

    use super::*;

    /// Coroutines that never have nothing to do; on two workers.
    const BUSY: usize = 16;

    /// One that others wait for goes before a crowd, however early that came; the crowd goes on all the same.
    #[test]
    fn nobody_waits_for_a_whole_crowd() {
        for places in 1..=4 {
            let mut round = Round::of_none(places);
            let (crowd, behind): (Vec<_>, Vec<_>) = (0..100).map(|_| oneshot::<()>()).unzip();
            let (others, hears): (Vec<_>, Vec<_>) = (0..10).map(|_| oneshot::<()>()).unzip();
            round.crowd.extend(crowd);
            round.waiting.extend(others);
            let mut through = 0;
            while !round.waiting.is_empty() {
                let next = round.next(places);
                assert_eq!(next.len(), places, "no place is left free while anybody waits");
                through += next.len();
            }
            assert!((19..=20 + places).contains(&through), "{through} of which ten are the others");
            assert_eq!(round.next(200).len(), 110 - through);
            drop((behind, hears));
        }
    }

    #[test]
    fn sockets_are_looked_at_while_many_have_work() {
        runtime::start(2);
        let is_over = Arc::new(AtomicBool::new(false));
        let (ended, ends) = mpsc::channel();
        for _ in 0..BUSY {
            let (is_over, ended) = (is_over.clone(), ended.clone());
            runtime::spawn("busy", move || {
                let mut turns = 0_u64;
                while !is_over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    while began.elapsed() < Duration::from_micros(200) {}
                    wait();
                    turns += 1;
                }
                let _ = ended.send(turns);
            })
            .unwrap();
        }
        // Bytes that go from socket to socket are heard of all the while.
        let (asking, hearing) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let place = Registered::new(hearing).unwrap();
        let (heard, hears) = mpsc::channel();
        runtime::spawn("heard", move || {
            let mut byte = [0];
            loop {
                match (&*place).read(&mut byte) {
                    Ok(0) => return,
                    Ok(_) => drop(heard.send(())),
                    Err(_) => drop(place.wait_io()),
                }
            }
        })
        .unwrap();
        for _ in 0..50 {
            (&asking).write_all(&[1]).unwrap();
            hears.recv_timeout(Duration::from_secs(30)).expect("the byte is heard of");
        }
        is_over.store(true, Ordering::Relaxed);
        drop(ended);
        let turns: Vec<u64> = ends.iter().collect();
        assert!(turns.len() == BUSY && turns.iter().all(|turns| *turns > 0), "{turns:?}");
    }
}
