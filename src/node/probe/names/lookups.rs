//! Which name is looked up next, and what is known of names: pure, `now` is an argument.
//!
//! A lookup blocks a thread until the name server answers or is given up, half a minute later, and cannot be ended from
//! outside. So names that were answered last time, names that are new and names whose servers are silent wait in queues
//! of their own and have threads of their own; within each the domains take turns, and none has more than
//! [`DOMAIN_MAX`] threads. An answer is kept: it serves for [`FRESH`], and when a server falls silent for
//! [`STALE_MAX`].

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Lookups under way at a time, each on a thread that waits.
pub const LOOKUPS_MAX: usize = 24;

/// Of these, lookups of one domain.
const DOMAIN_MAX: usize = 2;

/// Lookups of names whose server did not answer last time.
const SILENT_MAX: usize = 4;

/// Lookups of new names; those that take long do not count.
const NEW_MAX: usize = 8;

/// Slots that only names have that were answered last time.
const RESERVED: usize = 4;

/// From then on a lookup takes long: the slot of its class goes to the next.
const LONG: Duration = Duration::from_secs(1);

/// For so long an answer is not asked for again. Checks of a second would ask for the same each time.
const FRESH: Duration = Duration::from_secs(5);

/// For so long a name that does not exist is not asked for again.
const FRESH_REFUSAL: Duration = Duration::from_secs(1);

/// For so long the last answer serves while the server is silent.
const STALE_MAX: Duration = Duration::from_secs(3600);

/// Names that are remembered. One takes some two hundred bytes.
const NAMES_MAX: usize = 10_000;

/// What a name server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Its addresses, at least one, with port 0.
    Addresses(Vec<SocketAddr>),
    /// There is no such name, or it has no address.
    NoSuchName,
    /// No answer, or one that leaves it open.
    Silence,
}

/// What can be answered at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownAddresses {
    /// This.
    Answer(Resolution),
    /// Wait for the answer that is on its way.
    Wait,
    /// Wait for it a little; then this will do, the last there was.
    WaitOr(Vec<SocketAddr>),
    /// Too many names are known and asked for already.
    Full,
}

/// Names by what came of them last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum NameClass {
    Answered,
    New,
    Silent,
}

/// Names, their waiters (`W`), and the lookups under way.
#[derive(Debug)]
pub struct LookupTable<W> {
    names: HashMap<String, Name<W>>,
    queues: HashMap<NameClass, Domains>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Name<W> {
    good: Option<(Vec<SocketAddr>, Instant)>,
    /// The last answer, and when it came; `None` before the first answer.
    last: Option<(Resolution, Instant)>,
    stage: Stage,
    waiting: Vec<W>,
    /// When the last of them gives up.
    wanted_until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Queued,
    Running,
}

/// Names that wait, by domain, and the order in which the domains take turns.
#[derive(Debug, Default)]
struct Domains {
    turns: VecDeque<String>,
    waiting: HashMap<String, VecDeque<String>>,
}

#[derive(Debug)]
struct Running {
    name: String,
    class: NameClass,
    begun_at: Instant,
}

impl<W> Default for LookupTable<W> {
    fn default() -> LookupTable<W> {
        LookupTable { names: HashMap::new(), queues: HashMap::new(), running: Vec::new() }
    }
}

impl<W> LookupTable<W> {
    /// What is known of `name`. Where it is to be waited for, [`LookupTable::end`] gives `waiter` back, unless the name
    /// was not looked up until `until`.
    pub fn look_up(
        &mut self,
        name: &str,
        now: Instant,
        until: Instant,
        waiter: impl FnOnce() -> W,
    ) -> KnownAddresses {
        if !self.names.contains_key(name) && self.names.len() >= NAMES_MAX {
            self.names.retain(|_, it| it.stage != Stage::Idle || it.wanted_until + FRESH > now);
            if self.names.len() >= NAMES_MAX {
                return KnownAddresses::Full;
            }
        }
        let known = self.names.entry(name.to_owned()).or_insert_with(|| Name {
            good: None,
            last: None,
            stage: Stage::Idle,
            waiting: Vec::new(),
            wanted_until: now,
        });
        known.wanted_until = known.wanted_until.max(until);
        let age = |at: Instant| now.saturating_duration_since(at);
        match &known.last {
            Some((answer @ Resolution::Addresses(_), at)) if age(*at) < FRESH => {
                return KnownAddresses::Answer(answer.clone());
            }
            Some((Resolution::NoSuchName, at)) if age(*at) < FRESH_REFUSAL => {
                return KnownAddresses::Answer(Resolution::NoSuchName);
            }
            _ => {}
        }
        let good = known.good.as_ref().filter(|(_, at)| age(*at) < STALE_MAX).map(|(good, _)| good.clone());
        let is_silent = matches!(known.last, Some((Resolution::Silence, _)));
        if known.stage == Stage::Idle {
            known.stage = Stage::Queued;
            let class = match &known.last {
                None => NameClass::New,
                Some((Resolution::Silence, _)) => NameClass::Silent,
                Some(_) => NameClass::Answered,
            };
            self.queues.entry(class).or_default().push(name);
        }
        match good {
            // Its server is known to be silent, and is not waited for.
            Some(good) if is_silent => KnownAddresses::Answer(Resolution::Addresses(good)),
            good => {
                known.waiting.push(waiter());
                good.map_or(KnownAddresses::Wait, KnownAddresses::WaitOr)
            }
        }
    }

    /// The name to be looked up now, if there is one and a slot for it.
    pub fn next(&mut self, now: Instant) -> Option<String> {
        for class in [NameClass::Answered, NameClass::New, NameClass::Silent] {
            while self.has_slot(class, now) {
                let Some(name) = self.next_of(class) else { break };
                let known = self.names.get_mut(&name)?;
                if known.wanted_until <= now {
                    // Its waiters are gone. Passing over it lets a queue that a silent server filled drain at once.
                    known.stage = Stage::Idle;
                    known.waiting.clear();
                    continue;
                }
                known.stage = Stage::Running;
                self.running.push(Running { name: name.clone(), class, begun_at: now });
                return Some(name);
            }
        }
        None
    }

    /// Whether names wait for a slot.
    pub fn has_waiting(&self) -> bool {
        self.queues.values().any(|domains| !domains.turns.is_empty())
    }

    /// Takes an answer. Gives the waiters, and what they get.
    pub fn end(&mut self, name: &str, answer: Resolution, now: Instant) -> (Vec<W>, Resolution) {
        self.running.retain(|it| it.name != name);
        let Some(known) = self.names.get_mut(name) else { return (Vec::new(), answer) };
        known.stage = Stage::Idle;
        known.last = Some((answer.clone(), now));
        let resolution = match &answer {
            Resolution::Addresses(addresses) => {
                known.good = Some((addresses.clone(), now));
                answer
            }
            Resolution::NoSuchName => {
                known.good = None;
                answer
            }
            Resolution::Silence => {
                let good =
                    known.good.as_ref().filter(|(_, at)| now.saturating_duration_since(*at) < STALE_MAX);
                good.map_or(Resolution::Silence, |(good, _)| Resolution::Addresses(good.clone()))
            }
        };
        (mem::take(&mut known.waiting), resolution)
    }

    fn has_slot(&self, class: NameClass, now: Instant) -> bool {
        let of_class = |long_too: bool| {
            let is_long = |it: &Running| now.saturating_duration_since(it.begun_at) >= LONG;
            self.running.iter().filter(|it| it.class == class && (long_too || !is_long(it))).count()
        };
        let all = self.running.len();
        match class {
            NameClass::Answered => all < LOOKUPS_MAX,
            NameClass::New => of_class(false) < NEW_MAX && all < LOOKUPS_MAX - RESERVED,
            NameClass::Silent => of_class(true) < SILENT_MAX && all < LOOKUPS_MAX - RESERVED,
        }
    }

    /// The first name of the next domain that has a slot left.
    fn next_of(&mut self, class: NameClass) -> Option<String> {
        let domains = self.queues.get_mut(&class)?;
        for _ in 0..domains.turns.len() {
            let domain = domains.turns.pop_front()?;
            let running = self.running.iter().filter(|it| domain_of(&it.name) == domain).count();
            if running >= DOMAIN_MAX {
                domains.turns.push_back(domain);
                continue;
            }
            let waiting = domains.waiting.get_mut(&domain)?;
            let name = waiting.pop_front();
            if waiting.is_empty() {
                domains.waiting.remove(&domain);
            } else {
                domains.turns.push_back(domain);
            }
            return name;
        }
        None
    }
}

impl Domains {
    fn push(&mut self, name: &str) {
        let domain = domain_of(name);
        let waiting = self.waiting.entry(domain.to_owned()).or_default();
        if waiting.is_empty() {
            self.turns.push_back(domain.to_owned());
        }
        waiting.push_back(name.to_owned());
    }
}

/// The last two labels of a name: mostly what one set of name servers answers for.
fn domain_of(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    dots.nth(1).map_or(name, |at| &name[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        table: LookupTable<u32>,
        now: Instant,
    }

    impl World {
        fn new() -> World {
            World { table: LookupTable::default(), now: Instant::now() }
        }

        fn look_up(&mut self, name: &str) -> KnownAddresses {
            self.table.look_up(name, self.now, self.now + Duration::from_secs(10), || 1)
        }

        fn begin(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.table.next(self.now)).collect()
        }

        fn end(&mut self, name: &str, answer: Resolution) -> (usize, Resolution) {
            let (waiting, resolution) = self.table.end(name, answer, self.now);
            (waiting.len(), resolution)
        }
    }

    fn addresses(last: u8) -> Resolution {
        Resolution::Addresses(vec![SocketAddr::from(([10, 0, 0, last], 0))])
    }

    #[test]
    fn an_answer_serves_all_who_wait_and_is_kept() {
        let mut world = World::new();
        assert_eq!(
            (world.look_up("a.b"), world.look_up("a.b")),
            (KnownAddresses::Wait, KnownAddresses::Wait)
        );
        assert_eq!(world.begin(), ["a.b"]);
        assert_eq!(world.look_up("a.b"), KnownAddresses::Wait, "while it is looked up");
        assert_eq!(world.end("a.b", addresses(1)), (3, addresses(1)));
        world.now += FRESH - Duration::from_millis(1);
        assert_eq!(world.look_up("a.b"), KnownAddresses::Answer(addresses(1)));
        assert!(world.begin().is_empty());
        world.now += Duration::from_millis(1);
        let Resolution::Addresses(former) = addresses(1) else { unreachable!() };
        assert_eq!(world.look_up("a.b"), KnownAddresses::WaitOr(former.clone()));
        assert_eq!(world.begin(), ["a.b"]);
        assert_eq!(world.end("a.b", Resolution::Silence), (1, addresses(1)), "the last good answer");
        assert_eq!(
            world.look_up("a.b"),
            KnownAddresses::Answer(addresses(1)),
            "nobody waits for a silent server"
        );
        world.now += STALE_MAX;
        assert_eq!(world.look_up("a.b"), KnownAddresses::Wait);
        assert_eq!(world.begin(), ["a.b"]);
        assert_eq!(world.end("a.b", Resolution::NoSuchName), (1, Resolution::NoSuchName));
        assert_eq!(world.look_up("a.b"), KnownAddresses::Answer(Resolution::NoSuchName));
        world.now += FRESH_REFUSAL;
        assert_eq!(world.look_up("a.b"), KnownAddresses::Wait);
    }

    #[test]
    fn domains_take_turns_and_have_few_places() {
        let mut world = World::new();
        for name in
            ["1.evil.example", "2.evil.example", "3.evil.example", "4.evil.example", "web.good.example"]
        {
            assert_eq!(world.look_up(name), KnownAddresses::Wait);
        }
        assert_eq!(world.begin(), ["1.evil.example", "web.good.example", "2.evil.example"]);
        world.end("1.evil.example", Resolution::Silence);
        assert_eq!(world.begin(), ["3.evil.example"]);
    }

    #[test]
    fn the_silent_do_not_hold_up_the_others() {
        let mut world = World::new();
        for at in 0..40 {
            world.look_up(&format!("silent{at}.example{at}"));
        }
        assert_eq!(world.begin().len(), NEW_MAX);
        world.now += LONG;
        assert_eq!(world.begin().len(), NEW_MAX, "what takes long leaves its place to the next");
        loop {
            let running: Vec<String> = world.table.running.iter().map(|it| it.name.clone()).collect();
            running.iter().for_each(|name| drop(world.end(name, Resolution::Silence)));
            if world.begin().is_empty() {
                break;
            }
        }
        for at in 0..40 {
            world.look_up(&format!("silent{at}.example{at}"));
        }
        assert_eq!(world.begin().len(), SILENT_MAX);
        world.now += LONG;
        assert!(world.begin().is_empty(), "what was silent last time has these places only");
        world.look_up("new.example");
        assert_eq!(world.begin(), ["new.example"]);
        world.end("new.example", addresses(1));
        world.now += FRESH;
        world.look_up("new.example");
        assert_eq!(world.begin(), ["new.example"]);
    }

    #[test]
    fn what_nobody_waits_for_is_passed_over_and_names_are_bounded() {
        let mut world = World::new();
        world.look_up("late.example");
        world.now += Duration::from_secs(10);
        assert!(world.begin().is_empty() && !world.table.has_waiting());
        for at in 1..NAMES_MAX {
            assert_eq!(world.look_up(&format!("n{at}.d{at}")), KnownAddresses::Wait, "{at}");
        }
        assert_eq!(world.look_up("one.more"), KnownAddresses::Full);
        world.now += Duration::from_secs(20);
        assert!(world.begin().is_empty());
        assert_eq!(world.look_up("one.more"), KnownAddresses::Wait, "what nobody asks for is forgotten");
    }

    #[test]
    fn a_domain_is_two_labels() {
        for (name, domain) in [("web", "web"), ("a.b", "a.b"), ("a.b.c", "b.c"), ("a.b.c.d", "c.d")] {
            assert_eq!(domain_of(name), domain);
        }
    }
}
