//! Which name is looked up next, and what is known of names: pure, `now` is an argument.
//!
//! A lookup blocks a thread until the name server answers or is given up, half a minute later, and cannot be ended from
//! outside. So names that were answered last time, names that are new and names whose servers are silent wait in lines
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

/// Places that only names have that were answered last time.
const RESERVED: usize = 4;

/// From then on a lookup takes long: its place in its line goes to the next.
const LONG: Duration = Duration::from_secs(1);

/// For so long an answer is not asked for again. Checks of a second would ask for the same each time.
const FRESH: Duration = Duration::from_secs(5);

/// For so long a name that does not exist is not asked for again.
const FRESH_REFUSAL: Duration = Duration::from_secs(1);

/// For so long the last answer serves while the server is silent.
const STALE_MAX: Duration = Duration::from_secs(3600);

/// Names that are remembered. One takes some two hundred bytes.
const NAMES_MAX: usize = 10_000;

/// What a name server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its addresses, at least one, with port 0.
    Addresses(Vec<SocketAddr>),
    /// There is no such name, or it has no address.
    NoSuchName,
    /// Nothing that settles it.
    Silence,
}

/// What there is to say at once to whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// This.
    Answer(Answer),
    /// Wait for the answer that is on its way.
    Wait,
    /// Wait for it a little; then this will do, the last there was.
    WaitOr(Vec<SocketAddr>),
    /// Too many names are known and asked for already.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Line {
    Answered,
    New,
    Silent,
}

/// Names, those who wait for them (`W`), and the lookups under way.
#[derive(Debug)]
pub struct Desk<W> {
    names: HashMap<String, Name<W>>,
    lines: HashMap<Line, Domains>,
    running: Vec<Running>,
}

#[derive(Debug)]
struct Name<W> {
    good: Option<(Vec<SocketAddr>, Instant)>,
    /// What was said last, and when; `None` before the first answer.
    last: Option<(Answer, Instant)>,
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
    line: Line,
    begun_at: Instant,
}

impl<W> Default for Desk<W> {
    fn default() -> Desk<W> {
        Desk { names: HashMap::new(), lines: HashMap::new(), running: Vec::new() }
    }
}

impl<W> Desk<W> {
    /// What is known of `name`. Where it says to wait, `waiter` is told by [`Desk::end`], unless nobody has looked
    /// until `until`.
    pub fn ask(&mut self, name: &str, now: Instant, until: Instant, waiter: impl FnOnce() -> W) -> Known {
        if !self.names.contains_key(name) && self.names.len() >= NAMES_MAX {
            self.names.retain(|_, it| it.stage != Stage::Idle || it.wanted_until + FRESH > now);
            if self.names.len() >= NAMES_MAX {
                return Known::Full;
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
            Some((answer @ Answer::Addresses(_), at)) if age(*at) < FRESH => {
                return Known::Answer(answer.clone());
            }
            Some((Answer::NoSuchName, at)) if age(*at) < FRESH_REFUSAL => {
                return Known::Answer(Answer::NoSuchName);
            }
            _ => {}
        }
        let good = known.good.as_ref().filter(|(_, at)| age(*at) < STALE_MAX).map(|(good, _)| good.clone());
        let is_silent = matches!(known.last, Some((Answer::Silence, _)));
        if known.stage == Stage::Idle {
            known.stage = Stage::Queued;
            let line = match &known.last {
                None => Line::New,
                Some((Answer::Silence, _)) => Line::Silent,
                Some(_) => Line::Answered,
            };
            self.lines.entry(line).or_default().push(name);
        }
        match good {
            // Its server is known to say nothing: nobody waits for it.
            Some(good) if is_silent => Known::Answer(Answer::Addresses(good)),
            good => {
                known.waiting.push(waiter());
                good.map_or(Known::Wait, Known::WaitOr)
            }
        }
    }

    /// The name to be looked up now, if there is one and a place for it.
    pub fn next(&mut self, now: Instant) -> Option<String> {
        for line in [Line::Answered, Line::New, Line::Silent] {
            while self.has_place(line, now) {
                let Some(name) = self.take(line) else { break };
                let known = self.names.get_mut(&name)?;
                if known.wanted_until <= now {
                    // Nobody waits any more. Passing over it lets a line that a silent server filled drain at once.
                    known.stage = Stage::Idle;
                    known.waiting.clear();
                    continue;
                }
                known.stage = Stage::Running;
                self.running.push(Running { name: name.clone(), line, begun_at: now });
                return Some(name);
            }
        }
        None
    }

    /// Whether names wait for a place.
    pub fn has_waiting(&self) -> bool {
        self.lines.values().any(|domains| !domains.turns.is_empty())
    }

    /// Takes an answer. Who waits for it, and what they are to be told.
    pub fn end(&mut self, name: &str, answer: Answer, now: Instant) -> (Vec<W>, Answer) {
        self.running.retain(|it| it.name != name);
        let Some(known) = self.names.get_mut(name) else { return (Vec::new(), answer) };
        known.stage = Stage::Idle;
        known.last = Some((answer.clone(), now));
        let told = match &answer {
            Answer::Addresses(addresses) => {
                known.good = Some((addresses.clone(), now));
                answer
            }
            Answer::NoSuchName => {
                known.good = None;
                answer
            }
            Answer::Silence => {
                let good =
                    known.good.as_ref().filter(|(_, at)| now.saturating_duration_since(*at) < STALE_MAX);
                good.map_or(Answer::Silence, |(good, _)| Answer::Addresses(good.clone()))
            }
        };
        (mem::take(&mut known.waiting), told)
    }

    fn has_place(&self, line: Line, now: Instant) -> bool {
        let of_line = |long_too: bool| {
            let is_long = |it: &Running| now.saturating_duration_since(it.begun_at) >= LONG;
            self.running.iter().filter(|it| it.line == line && (long_too || !is_long(it))).count()
        };
        let all = self.running.len();
        match line {
            Line::Answered => all < LOOKUPS_MAX,
            Line::New => of_line(false) < NEW_MAX && all < LOOKUPS_MAX - RESERVED,
            Line::Silent => of_line(true) < SILENT_MAX && all < LOOKUPS_MAX - RESERVED,
        }
    }

    /// The first name of the next domain that has a place left.
    fn take(&mut self, line: Line) -> Option<String> {
        let domains = self.lines.get_mut(&line)?;
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
        desk: Desk<u32>,
        now: Instant,
    }

    impl World {
        fn new() -> World {
            World { desk: Desk::default(), now: Instant::now() }
        }

        fn ask(&mut self, name: &str) -> Known {
            self.desk.ask(name, self.now, self.now + Duration::from_secs(10), || 1)
        }

        fn begin(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.desk.next(self.now)).collect()
        }

        fn end(&mut self, name: &str, answer: Answer) -> (usize, Answer) {
            let (waiting, told) = self.desk.end(name, answer, self.now);
            (waiting.len(), told)
        }
    }

    fn addresses(last: u8) -> Answer {
        Answer::Addresses(vec![SocketAddr::from(([10, 0, 0, last], 0))])
    }

    #[test]
    fn an_answer_serves_all_who_wait_and_is_kept() {
        let mut world = World::new();
        assert_eq!((world.ask("a.b"), world.ask("a.b")), (Known::Wait, Known::Wait));
        assert_eq!(world.begin(), ["a.b"]);
        assert_eq!(world.ask("a.b"), Known::Wait, "while it is looked up");
        assert_eq!(world.end("a.b", addresses(1)), (3, addresses(1)));
        world.now += FRESH - Duration::from_millis(1);
        assert_eq!(world.ask("a.b"), Known::Answer(addresses(1)));
        assert!(world.begin().is_empty());
        world.now += Duration::from_millis(1);
        let Answer::Addresses(former) = addresses(1) else { unreachable!() };
        assert_eq!(world.ask("a.b"), Known::WaitOr(former.clone()));
        assert_eq!(world.begin(), ["a.b"]);
        assert_eq!(world.end("a.b", Answer::Silence), (1, addresses(1)), "the last good answer");
        assert_eq!(world.ask("a.b"), Known::Answer(addresses(1)), "nobody waits for a silent server");
        world.now += STALE_MAX;
        assert_eq!(world.ask("a.b"), Known::Wait);
        assert_eq!(world.begin(), ["a.b"]);
        assert_eq!(world.end("a.b", Answer::NoSuchName), (1, Answer::NoSuchName));
        assert_eq!(world.ask("a.b"), Known::Answer(Answer::NoSuchName));
        world.now += FRESH_REFUSAL;
        assert_eq!(world.ask("a.b"), Known::Wait);
    }

    #[test]
    fn domains_take_turns_and_have_few_places() {
        let mut world = World::new();
        for name in
            ["1.evil.example", "2.evil.example", "3.evil.example", "4.evil.example", "web.good.example"]
        {
            assert_eq!(world.ask(name), Known::Wait);
        }
        assert_eq!(world.begin(), ["1.evil.example", "web.good.example", "2.evil.example"]);
        world.end("1.evil.example", Answer::Silence);
        assert_eq!(world.begin(), ["3.evil.example"]);
    }

    #[test]
    fn the_silent_do_not_hold_up_the_others() {
        let mut world = World::new();
        for at in 0..40 {
            world.ask(&format!("silent{at}.example{at}"));
        }
        assert_eq!(world.begin().len(), NEW_MAX);
        world.now += LONG;
        assert_eq!(world.begin().len(), NEW_MAX, "what takes long leaves its place to the next");
        loop {
            let running: Vec<String> = world.desk.running.iter().map(|it| it.name.clone()).collect();
            running.iter().for_each(|name| drop(world.end(name, Answer::Silence)));
            if world.begin().is_empty() {
                break;
            }
        }
        for at in 0..40 {
            world.ask(&format!("silent{at}.example{at}"));
        }
        assert_eq!(world.begin().len(), SILENT_MAX);
        world.now += LONG;
        assert!(world.begin().is_empty(), "what was silent last time has these places only");
        world.ask("new.example");
        assert_eq!(world.begin(), ["new.example"]);
        world.end("new.example", addresses(1));
        world.now += FRESH;
        world.ask("new.example");
        assert_eq!(world.begin(), ["new.example"]);
    }

    #[test]
    fn what_nobody_waits_for_is_passed_over_and_names_are_bounded() {
        let mut world = World::new();
        world.ask("late.example");
        world.now += Duration::from_secs(10);
        assert!(world.begin().is_empty() && !world.desk.has_waiting());
        for at in 1..NAMES_MAX {
            assert_eq!(world.ask(&format!("n{at}.d{at}")), Known::Wait, "{at}");
        }
        assert_eq!(world.ask("one.more"), Known::Full);
        world.now += Duration::from_secs(20);
        assert!(world.begin().is_empty());
        assert_eq!(world.ask("one.more"), Known::Wait, "what nobody asks for is forgotten");
    }

    #[test]
    fn a_domain_is_two_labels() {
        for (name, domain) in [("web", "web"), ("a.b", "a.b"), ("a.b.c", "b.c"), ("a.b.c.d", "c.d")] {
            assert_eq!(domain_of(name), domain);
        }
    }
}
