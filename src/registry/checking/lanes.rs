//! Who may go next: work waits in line for its target, and no target takes the places of the others.
//!
//! Pure: `now` is an argument, and what the work is does not matter here. Each address (`host:port`) has a line of its
//! own, first come, first served. An address that has kept somebody waiting for [`SLOW_AFTER`] counts as slow, until it
//! is quick again: slow addresses have places of their own, so that however many of them hang, the quick ones find
//! theirs free. One host never has more than half of either.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::probe::Destination;
use crate::stdx::text::Text;

/// From then on a run is slow. A healthy target answers in a hundredth of it; with longer, a burst of targets that
/// begin to hang would hold the places of the quick for that long.
pub const SLOW_AFTER: Duration = Duration::from_secs(1);

/// The bounds. Each run holds a coroutine and a descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Runs under way of quick addresses. They take milliseconds, so this is some ten thousand a second.
    pub quick_max: usize,
    /// Runs that are begun towards slow addresses. With 10 s timeouts this still tries a hundred a second.
    pub slow_max: usize,
    /// All runs under way. Above the other two together, since runs turn slow while they are under way.
    pub total_max: usize,
    /// Runs of either sort towards one address: what a target that is in trouble can bear, beside its own clients.
    pub address_max: usize,
}

impl Bounds {
    /// The usual bounds, or less in proportion where fewer runs may be under way.
    pub fn within(total_max: usize) -> Bounds {
        let total_max = total_max.clamp(6, Bounds::default().total_max);
        Bounds { quick_max: total_max / 3, slow_max: total_max / 3, total_max, ..Bounds::default() }
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { quick_max: 1_024, slow_max: 1_024, total_max: 3_072, address_max: 256 }
    }
}

/// Addresses that are remembered as slow. At the bound all are forgotten, and the slow ones found out anew within
/// [`SLOW_AFTER`]; the memory is for speed only.
const SLOW_REMEMBERED_MAX: usize = 50_000;

/// The lines before all targets.
#[derive(Debug)]
pub struct Lanes<T> {
    bounds: Bounds,
    lanes: HashMap<Text, Lane<T>>,
    hosts: HashMap<Text, Host>,
    /// Addresses, by their pace, whose next in line may go as far as the address is concerned.
    ready: ByPace<VecDeque<Text>>,
    load: ByPace<usize>,
    running: HashMap<Ticket, Running>,
    /// Who was let go when, for those who may yet turn slow.
    begun: VecDeque<(Instant, Ticket)>,
    tickets: u64,
    slow: HashSet<Text>,
    waiting: usize,
}

/// Stands for one run under way; to be given back at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Quick,
    Slow,
}

/// One of something for each pace.
#[derive(Debug, Default)]
struct ByPace<V> {
    quick: V,
    slow: V,
}

impl<V> ByPace<V> {
    fn of(&mut self, pace: Pace) -> &mut V {
        match pace {
            Pace::Quick => &mut self.quick,
            Pace::Slow => &mut self.slow,
        }
    }
}

/// The line before one address. It exists while somebody waits or runs.
#[derive(Debug)]
struct Lane<T> {
    host: Text,
    line: VecDeque<T>,
    running: usize,
    pace: Pace,
    /// Whether the address stands in `ready` or is held back by its host. It stands in one place at most.
    is_listed: bool,
}

/// What a host's addresses take up together. It exists while anything of it runs.
#[derive(Debug, Default)]
struct Host {
    load: ByPace<usize>,
    /// Addresses that are ready but for the bound of their host.
    held_back: ByPace<VecDeque<Text>>,
}

#[derive(Debug)]
struct Running {
    address: Text,
    host: Text,
    pace: Pace,
    begun_at: Instant,
}

impl<T> Lanes<T> {
    /// Nobody waits, nobody runs.
    pub fn new(bounds: Bounds) -> Lanes<T> {
        Lanes {
            bounds,
            lanes: HashMap::new(),
            hosts: HashMap::new(),
            ready: ByPace::default(),
            load: ByPace::default(),
            running: HashMap::new(),
            begun: VecDeque::new(),
            tickets: 0,
            slow: HashSet::new(),
            waiting: 0,
        }
    }

    /// Puts work at the end of the line before its target.
    pub fn push(&mut self, destination: Destination, work: T) {
        let Destination { host, address } = destination;
        let slow = &self.slow;
        let lane = self.lanes.entry(address.clone()).or_insert_with(|| {
            let pace = if slow.contains(&address) { Pace::Slow } else { Pace::Quick };
            Lane { host, line: VecDeque::new(), running: 0, pace, is_listed: false }
        });
        lane.line.push_back(work);
        self.waiting += 1;
        self.list(&address);
    }

    /// The next that may go, if any; it runs from now on.
    pub fn next(&mut self, now: Instant) -> Option<(Ticket, T)> {
        self.turn_slow(now);
        self.next_of(Pace::Quick, now).or_else(|| self.next_of(Pace::Slow, now))
    }

    /// Ends a run.
    pub fn end(&mut self, ticket: Ticket, now: Instant) {
        let Some(Running { address, host, pace, begun_at }) = self.running.remove(&ticket) else { return };
        *self.load.of(pace) -= 1;
        let is_quick = now.saturating_duration_since(begun_at) < SLOW_AFTER;
        if is_quick {
            self.slow.remove(&address);
        }
        if let Some(lane) = self.lanes.get_mut(&address) {
            lane.running -= 1;
            if is_quick {
                lane.pace = Pace::Quick;
            }
            if lane.running == 0 && lane.line.is_empty() && !lane.is_listed {
                self.lanes.remove(&address);
            } else {
                self.list(&address);
            }
        }
        self.leave_host(&host, pace);
    }

    /// Whether a run counts as one towards a slow address.
    pub fn is_slow(&self, ticket: Ticket) -> bool {
        self.running.get(&ticket).is_some_and(|running| running.pace == Pace::Slow)
    }

    /// How much waits.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How much runs.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn next_of(&mut self, pace: Pace, now: Instant) -> Option<(Ticket, T)> {
        let (load_max, host_max) = match pace {
            Pace::Quick => (self.bounds.quick_max, self.bounds.quick_max / 2),
            Pace::Slow => (self.bounds.slow_max, self.bounds.slow_max / 2),
        };
        while *self.load.of(pace) < load_max && self.running.len() < self.bounds.total_max {
            let address = self.ready.of(pace).pop_front()?;
            let Some(lane) = self.lanes.get_mut(&address) else { continue };
            lane.is_listed = false;
            if lane.pace != pace {
                self.list(&address);
                continue;
            }
            if lane.running >= self.bounds.address_max {
                continue;
            }
            let host = self.hosts.entry(lane.host.clone()).or_default();
            if *host.load.of(pace) >= host_max.max(1) {
                lane.is_listed = true;
                host.held_back.of(pace).push_back(address);
                continue;
            }
            let Some(work) = lane.line.pop_front() else { continue };
            lane.running += 1;
            *host.load.of(pace) += 1;
            *self.load.of(pace) += 1;
            self.waiting -= 1;
            let ticket = Ticket(self.tickets);
            self.tickets += 1;
            let running = Running { address: address.clone(), host: lane.host.clone(), pace, begun_at: now };
            self.running.insert(ticket, running);
            self.begun.push_back((now, ticket));
            self.list(&address);
            return Some((ticket, work));
        }
        None
    }

    /// Moves runs that have been under way for long, and their addresses, over to the slow.
    fn turn_slow(&mut self, now: Instant) {
        while let Some(&(begun_at, ticket)) = self.begun.front()
            && now.saturating_duration_since(begun_at) >= SLOW_AFTER
        {
            self.begun.pop_front();
            let Some(running) = self.running.get_mut(&ticket).filter(|it| it.pace == Pace::Quick) else {
                continue;
            };
            running.pace = Pace::Slow;
            let (address, host) = (running.address.clone(), running.host.clone());
            self.load.quick -= 1;
            self.load.slow += 1;
            if let Some(host) = self.hosts.get_mut(&host) {
                host.load.slow += 1;
            }
            if let Some(lane) = self.lanes.get_mut(&address) {
                lane.pace = Pace::Slow;
            }
            if self.slow.len() >= SLOW_REMEMBERED_MAX {
                self.slow.clear();
            }
            self.slow.insert(address);
            self.leave_host(&host, Pace::Quick);
        }
    }

    /// Lists an address among the ready, if somebody waits before it and it is not listed yet.
    fn list(&mut self, address: &Text) {
        if let Some(lane) = self.lanes.get_mut(address)
            && !lane.is_listed
            && !lane.line.is_empty()
        {
            lane.is_listed = true;
            self.ready.of(lane.pace).push_back(address.clone());
        }
    }

    /// Gives back a place of a host, to the first that it holds back.
    fn leave_host(&mut self, name: &Text, pace: Pace) {
        let Some(host) = self.hosts.get_mut(name) else { return };
        *host.load.of(pace) -= 1;
        while let Some(address) = host.held_back.of(pace).pop_front() {
            // One that has changed its pace meanwhile has no use for the place: it finds its own line.
            let fits = self.lanes.get(&address).is_some_and(|lane| lane.pace == pace);
            self.ready.of(pace).push_back(address);
            if fits {
                return;
            }
        }
        let is_idle = host.load.quick + host.load.slow == 0;
        if is_idle && host.held_back.quick.is_empty() && host.held_back.slow.is_empty() {
            self.hosts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { quick_max: 8, slow_max: 4, total_max: 14, address_max: 3 };

    fn to(host: &str, port: usize) -> Destination {
        Destination { host: host.into(), address: format!("{host}:{port}").as_str().into() }
    }

    /// Lets everybody go who may, and tells who.
    fn go<T>(lanes: &mut Lanes<T>, now: Instant) -> Vec<(Ticket, T)> {
        std::iter::from_fn(|| lanes.next(now)).collect()
    }

    fn works<T: Copy>(gone: &[(Ticket, T)]) -> Vec<T> {
        gone.iter().map(|(_, work)| *work).collect()
    }

    #[test]
    fn each_target_is_served_in_turn_and_its_line_in_order() {
        let now = Instant::now();
        let mut lanes = Lanes::new(BOUNDS);
        for work in [1, 2, 3, 4] {
            lanes.push(to("a", 1), work);
        }
        lanes.push(to("b", 1), 10);
        let gone = go(&mut lanes, now);
        assert_eq!(works(&gone), [1, 10, 2, 3], "three at a time towards one address");
        assert_eq!((lanes.waiting(), lanes.running()), (1, 4));
        lanes.end(gone[1].0, now);
        assert!(lanes.next(now).is_none());
        lanes.end(gone[0].0, now);
        assert_eq!(works(&go(&mut lanes, now)), [4]);
    }

    #[test]
    fn one_host_has_half_of_the_places() {
        let now = Instant::now();
        let mut lanes = Lanes::new(BOUNDS);
        for port in 0..10 {
            lanes.push(to("a", port), port);
        }
        lanes.push(to("b", 0), 100);
        let gone = go(&mut lanes, now);
        assert_eq!(works(&gone), [0, 1, 2, 3, 100]);
        lanes.end(gone[4].0, now);
        assert!(lanes.next(now).is_none(), "a place of another host is not theirs");
        for (at, next) in [(0, 4), (1, 5)] {
            lanes.end(gone[at].0, now);
            assert_eq!(works(&go(&mut lanes, now)), [next]);
        }
    }

    #[test]
    fn the_slow_do_not_take_the_places_of_the_quick() {
        let mut now = Instant::now();
        let mut lanes = Lanes::new(BOUNDS);
        for port in 0..8 {
            lanes.push(to("hanging", port), port);
        }
        assert_eq!(go(&mut lanes, now).len(), 4);
        now += SLOW_AFTER;
        // The four that hang are slow now, so that the next four are tried.
        assert_eq!(go(&mut lanes, now).len(), 4);
        now += SLOW_AFTER;
        for port in 0..8 {
            lanes.push(to("hanging", port), port);
            lanes.push(to("hanging", port + 100), port + 100);
        }
        // Two slow ones a host are the bound, and eight run: only those that are not known to be slow go.
        let mut gone = works(&go(&mut lanes, now));
        gone.sort_unstable();
        assert_eq!(gone, [100, 101, 102, 103]);
    }

    #[test]
    fn an_address_that_answers_is_quick_again() {
        let mut now = Instant::now();
        let mut lanes = Lanes::new(BOUNDS);
        lanes.push(to("a", 1), 0);
        let (first, _) = lanes.next(now).unwrap();
        now += SLOW_AFTER;
        assert!(lanes.next(now).is_none());
        assert!(lanes.slow.contains("a:1"));
        lanes.end(first, now);
        lanes.push(to("a", 1), 1);
        let (second, _) = lanes.next(now).unwrap();
        assert_eq!(lanes.load.slow, 1);
        lanes.end(second, now);
        lanes.push(to("a", 1), 2);
        let (third, _) = lanes.next(now).unwrap();
        assert_eq!(lanes.load.quick, 1);
        lanes.end(third, now);
        assert!(lanes.lanes.is_empty() && lanes.hosts.is_empty() && lanes.slow.is_empty());
    }

    /// Whatever comes and goes, everything is served once, nothing is left behind, and no bound is passed.
    #[test]
    fn nothing_is_lost() {
        for seed in 0..200_u64 {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut dice = |sides: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % sides
            };
            let mut now = Instant::now();
            let mut lanes = Lanes::new(BOUNDS);
            let (mut pushed, mut served) = (0_u32, Vec::new());
            let mut under_way = Vec::new();
            for step in 0..600 {
                match dice(4) {
                    0 | 1 if step < 400 => {
                        let host = ["a", "b", "c"][dice(3) as usize];
                        lanes.push(to(host, dice(4) as usize), pushed);
                        pushed += 1;
                    }
                    2 => now += Duration::from_millis(dice(1500)),
                    _ if !under_way.is_empty() => {
                        let at = dice(under_way.len() as u64) as usize;
                        lanes.end(under_way.swap_remove(at), now);
                    }
                    _ => {}
                }
                for (ticket, work) in go(&mut lanes, now) {
                    under_way.push(ticket);
                    served.push(work);
                }
                assert!(lanes.running() <= BOUNDS.total_max && lanes.load.quick <= BOUNDS.quick_max);
            }
            while let Some(ticket) = under_way.pop() {
                lanes.end(ticket, now);
                for (ticket, work) in go(&mut lanes, now) {
                    under_way.push(ticket);
                    served.push(work);
                }
            }
            served.sort_unstable();
            assert_eq!(served, (0..pushed).collect::<Vec<_>>(), "seed {seed}");
            assert_eq!((lanes.waiting(), lanes.running()), (0, 0), "seed {seed}");
            assert!(lanes.lanes.is_empty() && lanes.hosts.is_empty(), "seed {seed}");
        }
    }
}
