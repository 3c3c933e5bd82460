//! Whole lives of checks, lived in a loop: the clock is a number, a week takes milliseconds.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::health::settings::{RESULT_GRACE, SETTLE_TIME};
use crate::health::{Arrival, CheckKey, Due, Full, Health, Run, Settings, Source, Verdict};
use crate::model::{Check, CheckDefinition, Observation, Origin, Probe, Status};
use crate::stdx::text::Text;

const SECOND: Duration = Duration::from_secs(1);

/// Health under test with its clock, and the catalog reduced to "whatever is asked for is shown at once".
struct World {
    health: Health,
    start: Instant,
    now: Instant,
    /// Whether changes arrive in the catalog; a full disk says no.
    catalog_works: bool,
}

impl World {
    fn new(settings: Settings) -> World {
        let start = Instant::now();
        World { health: Health::new(settings), start, now: start, catalog_works: true }
    }

    fn track(&mut self, check: &Check, arrival: Arrival) -> CheckKey {
        let key = CheckKey::new("n", check.id.clone());
        self.health.track(self.now, key.clone(), check, arrival).unwrap();
        key
    }

    /// Lives on for `duration`, always calling when asked to; what came up, with the time of each since the start.
    fn live(&mut self, duration: Duration) -> Vec<(Duration, Due)> {
        let end = self.now + duration;
        let mut events = Vec::new();
        let mut due = Vec::new();
        while let Some(next) = self.health.next_due().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.health.tick(self.now, &mut due);
            for event in due.drain(..) {
                if let Due::Expired { key, observation } | Due::Sync { key, observation } = &event {
                    self.settle(key, observation);
                }
                events.push((self.now - self.start, event));
            }
        }
        self.now = end;
        self.health.tick(self.now, &mut due);
        events.extend(due.into_iter().map(|event| (self.now - self.start, event)));
        events
    }

    fn settle(&mut self, key: &CheckKey, observation: &Observation) {
        if self.catalog_works {
            self.health.settled(self.now, key, observation.status, &observation.output);
        }
    }

    fn observe(&mut self, key: &CheckKey, status: Status, output: &str, source: Source) -> Verdict {
        let observation = Observation { status, output: Text::from(output) };
        let verdict = self.health.observe(self.now, key, observation, source);
        if let Verdict::Changed(observation) = &verdict {
            self.settle(key, observation);
        }
        verdict
    }
}

fn check(id: &str, probe: Option<Probe>) -> Check {
    let definition = CheckDefinition { probe, interval: 10 * SECOND, ..CheckDefinition::default() };
    Check { id: id.into(), service_id: "web".into(), definition, origin: Origin::Agent, ..Check::default() }
}

fn tcp(id: &str) -> Check {
    check(id, Some(Probe::Tcp { address: "127.0.0.1:80".into(), tls: None }))
}

fn ttl(id: &str, seconds: u64) -> Check {
    check(id, Some(Probe::Ttl { ttl: Duration::from_secs(seconds) }))
}

fn run_of(event: &Due) -> Option<Run> {
    match event {
        Due::Probe { run, .. } => Some(*run),
        _ => None,
    }
}

fn reaped_at(events: &[(Duration, Due)]) -> Option<Duration> {
    events.iter().find(|(_, event)| matches!(event, Due::Reap { .. })).map(|(at, _)| *at)
}

fn expired_at(events: &[(Duration, Due)]) -> Option<Duration> {
    events.iter().find(|(_, event)| matches!(event, Due::Expired { .. })).map(|(at, _)| *at)
}

#[test]
fn a_week_of_runs_does_not_drift() {
    let mut world = World::new(Settings::default());
    let key = world.track(&tcp("web"), Arrival::Registered);
    let week = 7 * 24 * 3600 * SECOND;
    let (mut runs, mut first_at) = (0_u32, None);
    while world.now < world.start + week {
        let next = world.health.next_due().unwrap() + Duration::from_micros(1_700);
        world.now = next;
        let mut due = Vec::new();
        world.health.tick(world.now, &mut due);
        for event in due {
            let late = world.now - world.start;
            let first_at = *first_at.get_or_insert(late);
            let off_grid = Duration::from_nanos(((late - first_at).as_nanos() % 10_000_000_000) as u64);
            assert!(off_grid < Duration::from_millis(3), "run {runs} is {off_grid:?} off");
            runs += 1;
            world.observe(&key, Status::Passing, "ok", Source::Probe(run_of(&event).unwrap()));
        }
    }
    assert!((60_479..=60_481).contains(&runs), "{runs}");
    assert!(first_at.unwrap() < 10 * SECOND + Duration::from_millis(3));
}

#[test]
fn runs_of_many_checks_are_spread_over_the_interval() {
    let mut world = World::new(Settings::default());
    for number in 0..1000 {
        world.track(&tcp(&format!("web-{number}")), Arrival::Registered);
    }
    let mut per_second = [0_u32; 10];
    for (at, event) in world.live(10 * SECOND) {
        assert!(run_of(&event).is_some());
        per_second[at.as_secs().min(9) as usize] += 1;
    }
    assert_eq!(per_second.iter().sum::<u32>(), 1000);
    assert!(per_second.iter().all(|count| (60..150).contains(count)), "{per_second:?}");
}

#[test]
fn a_run_is_handed_out_once_until_its_result_or_its_loss() {
    let mut world = World::new(Settings::default());
    let key = world.track(&tcp("web"), Arrival::Registered);
    let events = world.live(30 * SECOND);
    let lost_after = 10 * SECOND + RESULT_GRACE;
    let [first, second] = &events[..] else { panic!("{events:?}") };
    assert!(second.0 >= first.0 + lost_after);
    let (lost, current) = (run_of(&first.1).unwrap(), run_of(&second.1).unwrap());
    assert_eq!(world.observe(&key, Status::Passing, "late", Source::Probe(lost)), Verdict::Ignored);
    assert!(matches!(
        world.observe(&key, Status::Passing, "ok", Source::Probe(current)),
        Verdict::Changed(observation) if observation.status == Status::Passing
    ));
    assert_eq!(world.observe(&key, Status::Passing, "twice", Source::Probe(current)), Verdict::Ignored);
}

#[test]
fn registering_again_restarts_nothing_and_a_new_definition_everything() {
    let mut world = World::new(Settings::default());
    let mut web = tcp("web");
    web.definition.failures_before_critical = 3;
    let key = world.track(&web, Arrival::Registered);
    let first = world.live(10 * SECOND);
    world.observe(&key, Status::Passing, "ok", Source::Probe(run_of(&first[0].1).unwrap()));
    for expected in [Verdict::Unchanged, Verdict::Unchanged] {
        let shown = Check { status: Status::Passing, output: "ok".into(), ..web.clone() };
        world.track(&shown, Arrival::Registered);
        let next = world.live(10 * SECOND);
        assert_eq!(next.len(), 1);
        assert_eq!((next[0].0.as_nanos() - first[0].0.as_nanos()) % 10_000_000_000, 0);
        let run = run_of(&next[0].1).unwrap();
        assert_eq!(world.observe(&key, Status::Critical, "no", Source::Probe(run)), expected);
    }
    web.definition.timeout = SECOND;
    world.track(&Check { status: Status::Passing, output: "ok".into(), ..web }, Arrival::Registered);
    let next = world.live(10 * SECOND);
    let run = run_of(&next.last().unwrap().1).unwrap();
    let verdict = world.observe(&key, Status::Critical, "no", Source::Probe(run));
    assert!(matches!(verdict, Verdict::Changed(_)), "the counters start full: {verdict:?}");
}

#[test]
fn silence_expires_a_ttl_and_a_report_revives_it() {
    let mut world = World::new(Settings::default());
    let key = world.track(&ttl("beat", 15), Arrival::Registered);
    world.live(10 * SECOND);
    assert!(matches!(world.observe(&key, Status::Passing, "fine", Source::Report), Verdict::Changed(_)));
    for _ in 0..1000 {
        assert!(world.live(14 * SECOND).is_empty());
        assert_eq!(world.observe(&key, Status::Passing, "fine", Source::Report), Verdict::Unchanged);
    }
    let beaten_at = world.now - world.start;
    let events = world.live(3600 * SECOND);
    let [(at, Due::Expired { observation, .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*at, beaten_at + 15 * SECOND);
    assert_eq!(observation.status, Status::Critical);
    assert_eq!(observation.output, "TTL expired (last output before timeout follows): fine");
    assert!(matches!(world.observe(&key, Status::Warning, "", Source::Report), Verdict::Changed(_)));
    assert_eq!(expired_at(&world.live(20 * SECOND)), Some(beaten_at + (3600 + 15) * SECOND));
}

#[test]
fn an_expiry_that_did_not_arrive_comes_again_in_the_same_words() {
    let mut world = World::new(Settings::default());
    let key = world.track(&ttl("beat", 10), Arrival::Registered);
    world.observe(&key, Status::Passing, "fine", Source::Report);
    world.catalog_works = false;
    let events = world.live(10 * SECOND + 2 * SETTLE_TIME);
    assert_eq!(events.len(), 3);
    assert!(events.iter().all(|(_, event)| matches!(event, Due::Expired { observation, .. }
        if observation.output == "TTL expired (last output before timeout follows): fine")));
    world.catalog_works = true;
    assert_eq!(world.live(3600 * SECOND).len(), 1);
}

#[test]
fn sources_that_a_check_does_not_have_are_ignored() {
    let mut world = World::new(Settings::default());
    let beat = world.track(&ttl("beat", 10), Arrival::Registered);
    let kept = world.track(&check("kept", None), Arrival::Registered);
    let web = world.track(&tcp("web"), Arrival::Registered);
    let unknown = CheckKey::new("n", "unknown");
    let rows = [
        (&beat, Source::Probe(Run(0))),
        (&beat, Source::Alias),
        (&kept, Source::Report),
        (&web, Source::Report),
        (&web, Source::Probe(Run(7))),
        (&unknown, Source::Report),
    ];
    for (key, source) in rows {
        assert_eq!(world.observe(key, Status::Passing, "", source), Verdict::Ignored, "{key:?} {source:?}");
    }
}

#[test]
fn instances_are_reaped_to_the_second() {
    for (after_ms, expected_ms) in
        [(1, 1_000), (1_000, 1_000), (90_000, 90_000), (72 * 3_600_000, 72 * 3_600_000)]
    {
        let mut world = World::new(Settings::default());
        let mut web = ttl("beat", 1_000_000);
        web.definition.deregister_critical_service_after = Duration::from_millis(after_ms);
        let key = world.track(&web, Arrival::Registered);
        world.observe(&key, Status::Passing, "", Source::Report);
        world.live(100 * SECOND);
        world.observe(&key, Status::Critical, "", Source::Report);
        world.live(Duration::from_millis(expected_ms - 1));
        let events = world.live(Duration::from_millis(1));
        let expected = 100 * SECOND + Duration::from_millis(expected_ms);
        let [(at, Due::Reap { service_id, critical_for, .. })] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*at, *critical_for), (expected, Duration::from_millis(expected_ms)));
        assert_eq!(*service_id, "web");
        world.health.forget(&key);
        assert!(world.live(100 * SECOND).is_empty());
    }
}

#[test]
fn only_an_unbroken_time_in_critical_of_an_instance_reaps() {
    let mut world = World::new(Settings::default());
    let mut beat = ttl("beat", 1_000_000);
    beat.definition.deregister_critical_service_after = 60 * SECOND;
    let of_the_node = Check { id: "node".into(), service_id: Text::default(), ..beat.clone() };
    world.track(&of_the_node, Arrival::Registered);
    let key = world.track(&beat, Arrival::Registered);
    world.live(50 * SECOND);
    world.observe(&key, Status::Warning, "", Source::Report);
    world.observe(&key, Status::Critical, "a", Source::Report);
    world.live(50 * SECOND);
    world.observe(&key, Status::Critical, "b", Source::Report);
    assert_eq!(reaped_at(&world.live(3600 * SECOND)), Some(110 * SECOND));
}

#[test]
fn checks_of_the_catalog_are_not_run_but_reap() {
    let mut world = World::new(Settings::default());
    let mut web = Check { origin: Origin::Catalog, ..tcp("web") };
    web.definition.deregister_critical_service_after = 30 * SECOND;
    world.track(&web, Arrival::Registered);
    let events = world.live(32 * SECOND);
    assert_eq!((events.len(), reaped_at(&events)), (1, Some(30 * SECOND)));
}

#[test]
fn after_a_restart_everybody_may_first_show_to_be_alive() {
    let hours = 3600 * SECOND;
    let rows = [
        ("deadline far off", 10 * SECOND, 60 * SECOND, 50 * SECOND),
        ("deadline passed while away", 100 * hours, 60 * SECOND, 30 * SECOND),
        ("deadline during the first TTL", 50 * SECOND, 60 * SECOND, 30 * SECOND),
    ];
    for (name, status_age, after, expected) in rows {
        let mut world = World::new(Settings::default());
        let mut beat = ttl("beat", 30);
        beat.output = "TTL expired".into();
        beat.definition.deregister_critical_service_after = after;
        world.track(&beat, Arrival::Restored { status_age });
        let events = world.live(55 * SECOND);
        assert_eq!(reaped_at(&events), Some(expected), "{name}");
        assert_eq!(expired_at(&events), None, "{name}: it is critical already");
    }
    let mut world = World::new(Settings::default());
    let mut web = tcp("web");
    web.definition.deregister_critical_service_after = SECOND;
    world.track(&web, Arrival::Restored { status_age: hours });
    let events = world.live(60 * SECOND);
    assert!(run_of(&events[0].1).is_some());
    assert_eq!(reaped_at(&events), Some(events[0].0 + 10 * SECOND + RESULT_GRACE));
}

#[test]
fn news_after_a_restart_needs_no_further_chance() {
    let mut world = World::new(Settings::default());
    let mut beat = Check { status: Status::Passing, ..ttl("beat", 3600) };
    beat.definition.deregister_critical_service_after = 5 * SECOND;
    let key = world.track(&beat, Arrival::Restored { status_age: SECOND });
    world.live(SECOND);
    world.observe(&key, Status::Critical, "I am ill", Source::Report);
    assert_eq!(reaped_at(&world.live(60 * SECOND)), Some(6 * SECOND));
}

#[test]
fn a_restored_ttl_gets_its_whole_time_and_keeps_its_status() {
    let mut world = World::new(Settings::default());
    let beat = Check { status: Status::Passing, output: "fine".into(), ..ttl("beat", 30) };
    world.track(&beat, Arrival::Restored { status_age: 1_000_000 * SECOND });
    assert_eq!(expired_at(&world.live(100 * SECOND)), Some(30 * SECOND));
}

#[test]
fn a_stall_condemns_nobody() {
    for (stalled_ms, expected_ms) in [(900, 30_000), (25_500, 55_000), (600_500, 630_000)] {
        let mut world = World::new(Settings::default());
        let mut beat = Check { status: Status::Passing, ..ttl("beat", 30) };
        beat.definition.deregister_critical_service_after = 5 * SECOND;
        world.track(&beat, Arrival::Registered);
        world.live(20 * SECOND);
        world.now += Duration::from_millis(stalled_ms);
        let events = world.live(100 * SECOND);
        let expected = Duration::from_millis(expected_ms);
        assert_eq!(expired_at(&events), Some(expected), "{stalled_ms}");
        assert_eq!(reaped_at(&events), Some(expected + 5 * SECOND), "{stalled_ms}");
    }
}

#[test]
fn outputs_are_written_late_and_shown_at_once() {
    let mut world = World::new(Settings::default());
    let mut counts = HashMap::new();
    for number in 0..100 {
        let beat = Check { status: Status::Passing, ..ttl(&format!("beat-{number}"), 1_000_000) };
        let key = world.track(&beat, Arrival::Registered);
        assert_eq!(world.observe(&key, Status::Passing, "new", Source::Report), Verdict::OutputOnly);
        assert_eq!(world.health.output(&key), Some(&Text::from("new")));
    }
    for (at, event) in world.live(600 * SECOND) {
        let Due::Sync { observation, .. } = event else { panic!("{event:?}") };
        assert_eq!(observation, Observation { status: Status::Passing, output: "new".into() });
        assert!((150..450).contains(&at.as_secs()), "{at:?}");
        *counts.entry(at.as_secs() / 100).or_insert(0) += 1;
    }
    assert_eq!(counts.values().sum::<u32>(), 100);
    assert!(counts.len() >= 3, "spread: {counts:?}");
}

#[test]
fn the_bound_refuses_new_checks_only() {
    let mut world = World::new(Settings { checks_max: 1, ..Settings::default() });
    let key = world.track(&tcp("web"), Arrival::Registered);
    world.track(&tcp("web"), Arrival::Registered);
    let other = CheckKey::new("n", "other");
    let refused = world.health.track(world.now, other.clone(), &tcp("other"), Arrival::Registered);
    assert_eq!(refused, Err(Full { checks_max: 1 }));
    world.health.forget(&key);
    assert!(world.health.is_empty());
    assert_eq!(world.health.next_due(), None);
    world.health.track(world.now, other, &tcp("other"), Arrival::Registered).unwrap();
}
