//! Who may go next: work waits in line for its target, and no target takes the places of the others.
//!
//! Pure: `now` is an argument, and what the work is does not matter here. Work is of a [`SpeedClass`], by how its
//! target took it the last time, and each class has places of its own: however much of what hangs there is, what
//! answers finds its places free. Within a class each address (`host:port`) has a line of its own, first come, first
//! served, the addresses take turns, and one host never has more than half of the places.
//!
//! What is let go in good faith and then hangs loses its place after a while: it becomes *overdue*. Where too many are,
//! the oldest is called back, to be tried again among those that hang.

mod bounds;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::{Duration, Instant};

use crate::base::stdx::text::Text;
use crate::core::health::TargetReply;
use crate::core::model::Probe;
use crate::node::probe::Destination;

pub use bounds::ProbeBounds;

/// From then on an answer is slow. A healthy target nearby answers in a tenth of it.
pub const SLOW_AFTER: Duration = Duration::from_millis(100);

/// What is to be expected of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpeedClass {
    /// The target answered the last time, within [`SLOW_AFTER`].
    Quick,
    /// It answered, but took longer.
    Slow,
    /// It has not been asked yet.
    New,
    /// It did not answer the last time.
    Silent,
    /// No target but a program of this machine. Another bound decides how many run.
    Program,
}

impl SpeedClass {
    /// All of them, in the order in which they are served.
    pub const ALL: [SpeedClass; 5] =
        [SpeedClass::Quick, SpeedClass::Slow, SpeedClass::New, SpeedClass::Program, SpeedClass::Silent];

    /// What is to be expected of a run of `probe`, if its target took the last one like this.
    pub fn of(probe: &Probe, last: TargetReply) -> SpeedClass {
        match (probe, last) {
            (Probe::Script { .. } | Probe::OsService { .. }, _) => SpeedClass::Program,
            (_, TargetReply::Unknown) => SpeedClass::New,
            (_, TargetReply::After(span)) if span < SLOW_AFTER => SpeedClass::Quick,
            (_, TargetReply::After(_)) => SpeedClass::Slow,
            (_, TargetReply::Never) => SpeedClass::Silent,
        }
    }

    /// The word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            SpeedClass::Quick => "quick",
            SpeedClass::Slow => "slow",
            SpeedClass::New => "new",
            SpeedClass::Silent => "silent",
            SpeedClass::Program => "program",
        }
    }

    /// How long a run keeps its place, while nobody waits for one, and while somebody does. `None`: to its end.
    fn patience(self) -> Option<(Duration, Duration)> {
        let seconds = Duration::from_secs;
        match self {
            SpeedClass::Quick => Some((seconds(1), SLOW_AFTER)),
            SpeedClass::Slow => Some((seconds(30), seconds(2))),
            SpeedClass::New => Some((seconds(1), Duration::from_millis(250))),
            SpeedClass::Silent | SpeedClass::Program => None,
        }
    }

    /// Among whom a run is tried again that was called back.
    fn demoted(self) -> SpeedClass {
        match self {
            SpeedClass::Quick => SpeedClass::New,
            SpeedClass::Program => SpeedClass::Program,
            SpeedClass::Slow | SpeedClass::New | SpeedClass::Silent => SpeedClass::Silent,
        }
    }
}

/// The lines before all targets.
#[derive(Debug)]
pub struct ProbeScheduler<T> {
    bounds: ProbeBounds,
    scheduler: HashMap<(SpeedClass, Text), TargetQueue<T>>,
    hosts: HashMap<(SpeedClass, Text), HostUse>,
    classes: [ClassQueue; SpeedClass::ALL.len()],
    running: HashMap<ProbePermit, Running>,
    /// Runs that have lost their place and were not called back, the oldest first; with some that have ended.
    overdue: VecDeque<ProbePermit>,
    overdue_load: usize,
    /// Runs to be called back.
    recalls: Vec<ProbePermit>,
    permits: u64,
    waiting: usize,
}

/// Stands for one run under way; to be given back at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbePermit(u64);

/// What one class has in hand.
#[derive(Debug, Default)]
struct ClassQueue {
    /// Addresses whose next in line may go as far as the address is concerned.
    ready: VecDeque<Text>,
    /// How many more stand back for the bound of their host.
    held_back: usize,
    /// Runs that hold a place.
    load: usize,
    /// Who was let go when, for those who may yet lose their place.
    begun: VecDeque<(Instant, ProbePermit)>,
    /// Whether the newest address goes next, instead of the oldest.
    newest_is_next: bool,
}

/// The line before one address. It exists while somebody waits or runs.
#[derive(Debug)]
struct TargetQueue<T> {
    host: Text,
    line: VecDeque<T>,
    /// Runs that hold a place.
    running: usize,
    /// Whether the address stands in `ready` or is held back by its host. It stands in one place at most.
    is_listed: bool,
}

/// What a host's addresses take up together in one class. It exists while anything of it runs.
#[derive(Debug, Default)]
struct HostUse {
    load: usize,
    /// Addresses that are ready but for the bound of their host.
    held_back: VecDeque<Text>,
}

#[derive(Debug)]
struct Running {
    class: SpeedClass,
    destination: Destination,
    place: CountedAs,
}

/// What a run counts among.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CountedAs {
    OfItsClass,
    Overdue,
    CalledBack,
}

impl<T> ProbeScheduler<T> {
    /// Nobody waits, nobody runs.
    pub fn new(bounds: ProbeBounds) -> ProbeScheduler<T> {
        ProbeScheduler {
            bounds,
            scheduler: HashMap::new(),
            hosts: HashMap::new(),
            classes: Default::default(),
            running: HashMap::new(),
            overdue: VecDeque::new(),
            overdue_load: 0,
            recalls: Vec::new(),
            permits: 0,
            waiting: 0,
        }
    }

    /// Puts work at the end of the line before its target.
    pub fn push(&mut self, class: SpeedClass, destination: Destination, work: T) {
        let Destination { host, address } = destination;
        let lane = self.scheduler.entry((class, address.clone()));
        let lane =
            lane.or_insert_with(|| TargetQueue { host, line: VecDeque::new(), running: 0, is_listed: false });
        lane.line.push_back(work);
        self.waiting += 1;
        self.list(class, address);
    }

    /// The next that may go, if any; it runs from now on.
    pub fn next(&mut self, now: Instant) -> Option<(ProbePermit, T)> {
        for class in SpeedClass::ALL {
            self.turn_overdue(class, now);
        }
        SpeedClass::ALL.into_iter().find_map(|class| self.next_of(class, now))
    }

    /// Runs that are to end before their time, so that others can begin. Each is named once.
    pub fn take_recalls(&mut self) -> Vec<ProbePermit> {
        mem::take(&mut self.recalls)
    }

    /// When [`ProbeScheduler::next`] may find something though nothing has ended; `None` while nobody waits in vain.
    pub fn look_at(&self) -> Option<Instant> {
        let due = SpeedClass::ALL.into_iter().filter(|class| self.is_pressed(*class)).filter_map(|class| {
            let (_, patience) = class.patience()?;
            self.classes[class as usize].begun.front().map(|(begun_at, _)| *begun_at + patience)
        });
        due.min()
    }

    /// Ends a run.
    pub fn end(&mut self, permit: ProbePermit) {
        let Some(Running { class, destination, place }) = self.running.remove(&permit) else { return };
        match place {
            CountedAs::OfItsClass => self.leave_place(class, &destination),
            CountedAs::Overdue => self.overdue_load -= 1,
            CountedAs::CalledBack => {}
        }
    }

    /// The class that a run is to be tried in again after it was called back.
    pub fn class_again(&self, permit: ProbePermit) -> SpeedClass {
        self.running.get(&permit).map_or(SpeedClass::Silent, |running| running.class.demoted())
    }

    /// The class of a run.
    pub fn class(&self, permit: ProbePermit) -> SpeedClass {
        self.running.get(&permit).map_or(SpeedClass::New, |running| running.class)
    }

    /// How much waits.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How much runs.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn next_of(&mut self, class: SpeedClass, now: Instant) -> Option<(ProbePermit, T)> {
        let (load_max, address_max) = (self.bounds.places(class), self.bounds.address_max(class));
        while self.classes[class as usize].load < load_max && self.running.len() < self.bounds.total_max {
            let address = self.classes[class as usize].take_ready(class)?;
            let Some(lane) = self.scheduler.get_mut(&(class, address.clone())) else { continue };
            lane.is_listed = false;
            if lane.running >= address_max {
                continue;
            }
            let host = self.hosts.entry((class, lane.host.clone())).or_default();
            if class != SpeedClass::Program && host.load >= (load_max / 2).max(1) {
                lane.is_listed = true;
                host.held_back.push_back(address);
                self.classes[class as usize].held_back += 1;
                continue;
            }
            let Some(work) = lane.line.pop_front() else { continue };
            lane.running += 1;
            host.load += 1;
            self.waiting -= 1;
            let permit = ProbePermit(self.permits);
            self.permits += 1;
            let destination = Destination { host: lane.host.clone(), address: address.clone() };
            self.running.insert(permit, Running { class, destination, place: CountedAs::OfItsClass });
            let class_queue = &mut self.classes[class as usize];
            class_queue.load += 1;
            if class.patience().is_some() {
                class_queue.begun.push_back((now, permit));
            }
            self.list(class, address);
            return Some((permit, work));
        }
        None
    }

    /// Whether somebody waits for a place of this class that others hold.
    fn is_pressed(&self, class: SpeedClass) -> bool {
        let class_queue = &self.classes[class as usize];
        let is_full = class_queue.load >= self.bounds.places(class);
        // A host's own bound presses as well: what hangs of it keeps out what does not.
        (is_full && !class_queue.ready.is_empty()) || class_queue.held_back > 0
    }

    /// Takes the places of runs that have been under way for too long, and calls back those that are overdue for
    /// longest where they are too many.
    fn turn_overdue(&mut self, class: SpeedClass, now: Instant) {
        let Some((patience, under_pressure)) = class.patience() else { return };
        let patience = if self.is_pressed(class) { under_pressure } else { patience };
        while let Some(&(begun_at, permit)) = self.classes[class as usize].begun.front()
            && now.saturating_duration_since(begun_at) >= patience
        {
            self.classes[class as usize].begun.pop_front();
            let Some(running) = self.running.get_mut(&permit) else { continue };
            running.place = CountedAs::Overdue;
            let destination = running.destination.clone();
            self.leave_place(class, &destination);
            self.overdue.push_back(permit);
            self.overdue_load += 1;
        }
        while self.overdue_load > self.bounds.overdue_max
            && let Some(permit) = self.overdue.pop_front()
        {
            let Some(running) = self.running.get_mut(&permit) else { continue };
            running.place = CountedAs::CalledBack;
            self.overdue_load -= 1;
            self.recalls.push(permit);
        }
        // Those that ended by themselves are forgotten before they are many.
        if self.overdue.len() > 2 * (self.overdue_load + self.bounds.overdue_max) {
            let running = &self.running;
            self.overdue.retain(|permit| running.contains_key(permit));
        }
    }

    /// Lists an address among the ready, if somebody waits before it and it is not listed yet.
    fn list(&mut self, class: SpeedClass, address: Text) {
        let key = (class, address);
        if let Some(lane) = self.scheduler.get_mut(&key)
            && !lane.is_listed
            && !lane.line.is_empty()
        {
            lane.is_listed = true;
            self.classes[class as usize].ready.push_back(key.1);
        }
    }

    /// Gives back a place: of the class, of the address, and of the host to the first that it holds back.
    fn leave_place(&mut self, class: SpeedClass, destination: &Destination) {
        let class_queue = &mut self.classes[class as usize];
        class_queue.load -= 1;
        let host_key = (class, destination.host.clone());
        if let Some(host) = self.hosts.get_mut(&host_key) {
            host.load -= 1;
            if let Some(address) = host.held_back.pop_front() {
                class_queue.held_back -= 1;
                class_queue.ready.push_back(address);
            } else if host.load == 0 {
                self.hosts.remove(&host_key);
            }
        }
        let key = (class, destination.address.clone());
        if let Some(lane) = self.scheduler.get_mut(&key) {
            lane.running -= 1;
            if lane.running == 0 && lane.line.is_empty() && !lane.is_listed {
                self.scheduler.remove(&key);
            } else {
                self.list(class, key.1);
            }
        }
    }
}

impl ClassQueue {
    /// The address whose turn it is. Of new ones every other time the one that came last: a healthy target that is
    /// registered now does not wait for all that were registered before and hang.
    fn take_ready(&mut self, class: SpeedClass) -> Option<Text> {
        if class == SpeedClass::New {
            self.newest_is_next = !self.newest_is_next;
            if self.newest_is_next {
                return self.ready.pop_back();
            }
        }
        self.ready.pop_front()
    }
}
