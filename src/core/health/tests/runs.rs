//! When healthy checks run, and over which connections.

use super::*;

const WELL: Option<Status> = Some(Status::Passing);
const ILL: Option<Status> = Some(Status::Critical);

#[test]
fn a_week_of_runs_does_not_drift() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&tcp("web"), Arrival::Registered);
    let week = 7 * 24 * 3600 * SECOND;
    let (mut runs, mut first_at) = (0_u32, None);
    while world.now < world.start + week {
        // Always a little late.
        world.now = world.health.next_due().unwrap() + Duration::from_micros(1_700);
        let mut due = Vec::new();
        world.health.tick(world.now, &mut due);
        for event in due {
            let late = world.now - world.start;
            world.observe(&key, Status::Passing, "ok", ResultSource::Probe(run_of(&event).unwrap()));
            runs += 1;
            if runs == 1 {
                assert!(late < Duration::from_millis(52), "it starts at once: {late:?}");
                continue;
            }
            let first_at = *first_at.get_or_insert(late);
            let off_grid = Duration::from_nanos(((late - first_at).as_nanos() % 10_000_000_000) as u64);
            assert!(off_grid < Duration::from_millis(3), "run {runs} is {off_grid:?} off");
        }
    }
    assert!((60_480..=60_482).contains(&runs), "{runs}");
}

#[test]
fn runs_of_many_checks_are_spread_over_the_interval() {
    let mut world = World::new(HealthSettings::default());
    for number in 0..1000 {
        world.track(&http(&format!("web-{number}")), Arrival::Registered);
    }
    let first = world.serve(Duration::from_millis(52), |_| WELL);
    assert!(times(&first, is_run).len() >= 1000, "each runs at once");
    world.serve(SECOND, |_| WELL);
    let mut per_second = [0_u32; 10];
    for at_ms in times(&world.serve(10 * SECOND, |_| WELL), is_run) {
        per_second[(at_ms / 1000 % 10) as usize] += 1;
    }
    assert_eq!(per_second.iter().sum::<u32>(), 1000);
    assert!(per_second.iter().all(|count| (60..150).contains(count)), "{per_second:?}");
}

#[test]
fn identical_checks_are_due_at_the_same_instant_and_use_connections_alike() {
    let mut world = World::new(HealthSettings::default());
    let mut checks = Vec::new();
    for number in 0..10 {
        let twin = Check { id: format!("twin-{number}").into(), ..http("twin") };
        checks.push(world.track(&twin, Arrival::Registered));
        world.serve(1_234 * Duration::from_millis(1), |_| WELL);
    }
    let other = Check {
        definition: CheckDefinition { timeout: SECOND, ..CheckDefinition::clone(&http("twin").definition) }
            .into(),
        ..http("other")
    };
    world.track(&other, Arrival::Registered);
    world.serve(10 * SECOND, |_| WELL);
    let mut runs: HashMap<u64, Vec<Seen>> = HashMap::new();
    for (at_ms, seen) in world.serve(600 * SECOND, |_| WELL) {
        runs.entry(at_ms).or_default().push(seen);
    }
    assert_eq!(runs.len(), 120, "60 instants of the twins, 60 of the other");
    for (at_ms, runs) in runs {
        assert!(runs.len() == 10 || runs.len() == 1, "{at_ms}: {}", runs.len());
        assert!(runs.iter().all(|run| *run == runs[0]), "{at_ms}: {runs:?}");
    }
}

#[test]
fn steady_runs_may_join_one_that_is_under_way() {
    let mut world = World::new(HealthSettings::default());
    world.track(&http("web"), Arrival::Restored { status_age: SECOND, saved: None });
    let seen = world.serve(1000 * SECOND, |_| WELL);
    assert_eq!(times(&seen, is_run).len(), 100);
    assert_eq!(times(&seen, |seen| seen == USUAL).len(), 100);
}

#[test]
fn connections_are_kept_where_that_is_wanted() {
    let keeps = |check: Check, watch: Option<bool>, watch_connections: bool| {
        let mut world = World::new(HealthSettings { watch_connections, ..HealthSettings::default() });
        let definition = CheckDefinition { watch, ..CheckDefinition::clone(&check.definition) };
        world.track(&Check { definition: definition.into(), ..check }, Arrival::Registered);
        let first = world.serve(SECOND, |_| WELL)[0].1;
        let unkept = Seen::Run(ConnectionUse { joins: false, keep: false, linger: false });
        assert!(first == FRESH || first == unkept, "{first:?}");
        first == FRESH
    };
    let udp = || check("udp", Some(Probe::Udp { address: "127.0.0.1:53".into() }));
    let rows = [
        ("HTTP", http("web"), None, true, true),
        ("HTTP, wanted", http("web"), Some(true), true, true),
        ("HTTP, not wanted", http("web"), Some(false), true, false),
        ("TCP", tcp("web"), None, true, false),
        ("TCP, wanted", tcp("web"), Some(true), true, true),
        ("TCP, not wanted", tcp("web"), Some(false), true, false),
        ("nothing to keep", udp(), Some(true), true, false),
        ("switched off", http("web"), Some(true), false, false),
        ("switched off", tcp("web"), Some(true), false, false),
    ];
    for (name, check, watch, watch_connections, expected) in rows {
        assert_eq!(keeps(check, watch, watch_connections), expected, "{name}");
    }
}

#[test]
fn a_lost_connection_costs_a_healthy_instance_one_run() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&http("web"), Arrival::Registered);
    let runs = times(&world.serve(35 * SECOND, |_| WELL), is_run);
    let grid_ms = runs[1] % 10_000;
    for _ in 0..100 {
        world.health.connection_lost(world.now, &key);
        let lost_at = (world.now - world.start).as_millis() as u64;
        let seen = world.serve(10 * SECOND, |_| WELL);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(seen[0], (lost_at, EXTRA));
        assert_eq!(seen[1].0 % 10_000, grid_ms, "the grid stays");
        assert_ne!(seen[1].1, EXTRA);
    }
}

#[test]
fn a_connection_lost_during_a_run_costs_nothing() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&http("web"), Arrival::Registered);
    let first = world.live(SECOND);
    world.health.connection_lost(world.now, &key);
    assert_eq!(world.live(SECOND), []);
    assert_eq!(first.len(), 1);
}

#[test]
fn a_dead_process_is_noticed_when_its_connection_breaks() {
    for (failures, expected_ms) in [(1, 1), (3, 1 + 667), (10, 1 + 900)] {
        let mut world = World::new(HealthSettings::default());
        let mut web = http("web");
        Arc::make_mut(&mut web.definition).interval = 3600 * SECOND;
        Arc::make_mut(&mut web.definition).failures_before_critical = failures;
        let key = world.track(&web, Arrival::Registered);
        world.serve(100 * SECOND, |_| WELL);
        world.health.connection_lost(world.now, &key);
        let seen = world.serve(2 * SECOND, |_| ILL);
        let shown = times(&seen, |seen| seen == Seen::Shown(Status::Critical));
        let (lost_at, took) = (100_000, shown[0] - 100_000);
        assert!(took.abs_diff(expected_ms) <= 2, "{failures} failures: {took} ms");
        assert_eq!(seen[0], (lost_at, EXTRA));
        assert!(seen.iter().all(|(_, seen)| *seen != USUAL), "{seen:?}");
    }
}

#[test]
fn a_run_is_handed_out_once_until_its_result_or_its_loss() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&tcp("web"), Arrival::Registered);
    let events = world.live(30 * SECOND);
    let lost_after = 10 * SECOND + RESULT_GRACE;
    let [first, second] = &events[..] else { panic!("{events:?}") };
    assert!(second.0 >= first.0 + lost_after);
    let (lost, current) = (run_of(&first.1).unwrap(), run_of(&second.1).unwrap());
    assert_eq!(world.observe(&key, Status::Passing, "late", ResultSource::Probe(lost)), Verdict::Ignored);
    assert!(matches!(
        world.observe(&key, Status::Passing, "ok", ResultSource::Probe(current)),
        Verdict::Changed(observation) if observation.status == Status::Passing
    ));
    assert_eq!(world.observe(&key, Status::Passing, "twice", ResultSource::Probe(current)), Verdict::Ignored);
}

#[test]
fn a_change_that_was_lost_is_asked_for_again_without_waiting_for_a_run() {
    let mut world = World::new(HealthSettings::default());
    let mut web = http("web");
    Arc::make_mut(&mut web.definition).interval = 3600 * SECOND;
    let key = world.track(&web, Arrival::Registered);
    let first = world.live(SECOND / 10);
    world.catalog_works = false;
    let run = run_of(&first[0].1).unwrap();
    let verdict = world.observe(&key, Status::Passing, "ok", ResultSource::Probe(run));
    let Verdict::Changed(observation) = verdict else { panic!("{verdict:?}") };
    let expected = DueAction::Show { key, observation, cause: Cause::Probe };
    let events = world.live(2 * SETTLE_TIME);
    assert_eq!(events.iter().map(|(_, event)| event).collect::<Vec<_>>(), [&expected, &expected]);
    world.catalog_works = true;
    assert_eq!(world.live(SETTLE_TIME).len(), 1);
    assert_eq!(world.live(10 * SETTLE_TIME), []);
}
