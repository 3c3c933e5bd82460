//! How fast checks run that start, fail, are dead or are registered again.

use super::*;

const WELL: Option<Status> = Some(Status::Passing);
const ILL: Option<Status> = Some(Status::Critical);

fn phase(world: &World, key: &CheckKey) -> Option<CheckPhase> {
    world.health.insight(world.now, key).unwrap().phase
}

#[test]
fn a_new_instance_is_asked_quickly_until_it_passes() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&http("web"), Arrival::Registered);
    let seen = world.serve(10 * SECOND, |at| if at < 3 * SECOND { ILL } else { WELL });
    let runs = times(&seen, is_run);
    let gaps: Vec<u64> = runs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(runs[0] <= 50, "{runs:?}");
    assert_eq!(gaps[..5], [101, 201, 401, 801, 1601], "the gap doubles from each result on");
    assert_eq!(times(&seen, is_shown), [runs[5] + 1], "critical before and so not news");
    assert_eq!(phase(&world, &key), Some(CheckPhase::Steady));
    assert!(runs.len() <= 7 && seen.iter().all(|(_, seen)| *seen != EXTRA));
}

#[test]
fn an_instance_that_never_starts_is_asked_ever_less_often() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&http("web"), Arrival::Registered);
    assert_eq!(phase(&world, &key), Some(CheckPhase::Starting));
    let quick = times(&world.serve(20 * SECOND, |_| ILL), is_run);
    assert_eq!(quick.len(), 9, "{quick:?}");
    let runs = times(&world.serve(3600 * SECOND, |_| ILL), is_run);
    assert!((60..75).contains(&runs.len()), "{}", runs.len());
    assert_eq!(phase(&world, &key), Some(CheckPhase::BackingOff));
    assert!(runs.windows(2).all(|pair| pair[1] - pair[0] <= 60_000), "{runs:?}");
}

#[test]
fn a_first_failure_is_confirmed_within_a_second() {
    for (failures, interval_s) in [(2, 10), (3, 10), (3, 1), (5, 3600), (20, 60)] {
        let mut world = World::new(HealthSettings::default());
        let mut web = http("web");
        Arc::make_mut(&mut web.definition).interval = interval_s * SECOND;
        Arc::make_mut(&mut web.definition).failures_before_critical = failures;
        let key = world.track(&web, Arrival::Registered);
        let interval_ms = interval_s as u64 * 1000;
        world.serve((2 * interval_s + 1) * SECOND, |_| WELL);
        let mut first = None;
        let seen = world.serve(interval_s * SECOND + 3 * SECOND, |at| {
            first.get_or_insert(at);
            ILL
        });
        let first_ms = first.unwrap().as_millis() as u64;
        let shown = times(&seen, |seen| seen == Seen::Shown(Status::Critical));
        let tries = times(&seen, is_run).into_iter().filter(|at| *at <= shown[0]).collect::<Vec<_>>();
        assert_eq!(tries.len(), failures as usize, "{failures} at {interval_ms} ms: {seen:?}");
        assert!(shown[0] <= first_ms + 1_002, "{failures} at {interval_ms} ms: {seen:?}");
        assert!(tries[1] - tries[0] >= 20);
        assert!(matches!(phase(&world, &key), Some(CheckPhase::Dead | CheckPhase::BackingOff)));
    }
}

#[test]
fn a_failure_that_is_not_confirmed_changes_nothing() {
    let mut world = World::new(HealthSettings::default());
    let mut web = http("web");
    Arc::make_mut(&mut web.definition).failures_before_critical = 3;
    let key = world.track(&web, Arrival::Registered);
    let grid_ms = times(&world.serve(25 * SECOND, |_| WELL), is_run)[1] % 10_000;
    let mut results = [ILL, ILL].into_iter();
    let seen = world.serve(20 * SECOND, |_| results.next().unwrap_or(WELL));
    assert!(times(&seen, is_shown).is_empty(), "{seen:?}");
    let runs = times(&seen, is_run);
    assert_eq!(runs.len(), 4, "{runs:?}");
    assert_eq!((runs[0] % 10_000, runs[3] % 10_000), (grid_ms, grid_ms));
    assert_eq!(phase(&world, &key), Some(CheckPhase::Steady));
}

#[test]
fn a_warning_threshold_is_passed_on_the_way() {
    let mut world = World::new(HealthSettings::default());
    let mut web = http("web");
    let definition = Arc::make_mut(&mut web.definition);
    (definition.failures_before_warning, definition.failures_before_critical) = (2, 4);
    world.track(&web, Arrival::Registered);
    world.serve(25 * SECOND, |_| WELL);
    let seen = world.serve(12 * SECOND, |_| ILL);
    let shown: Vec<Seen> = seen.iter().map(|(_, seen)| *seen).filter(|seen| is_shown(*seen)).collect();
    assert_eq!(shown, [Seen::Shown(Status::Warning), Seen::Shown(Status::Critical)]);
}

#[test]
fn a_dead_instance_is_asked_less_often_and_back_in_time_when_it_passes() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&http("web"), Arrival::Registered);
    let grid_ms = times(&world.serve(25 * SECOND, |_| WELL), is_run)[1] % 10_000;
    let runs = times(&world.serve(1000 * SECOND, |_| ILL), is_run);
    let gaps: Vec<u64> = runs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps[..3], [10_000, 10_000, 10_000]);
    assert!((18_000..=22_000).contains(&gaps[3]) && (36_000..=44_000).contains(&gaps[4]), "{gaps:?}");
    assert!(gaps[5..].iter().all(|gap| (54_000..=60_000).contains(gap)), "{gaps:?}");
    assert_eq!(phase(&world, &key), Some(CheckPhase::BackingOff));
    let back_at = (world.now - world.start).as_millis() as u64;
    let seen = world.serve(200 * SECOND, |_| WELL);
    assert!(times(&seen, is_shown)[0] <= back_at + 60_002);
    let runs = times(&seen, is_run);
    assert!(runs[1..].iter().all(|at| at % 10_000 == grid_ms), "back on the grid at once: {runs:?}");
}

#[test]
fn back_off_has_its_bounds() {
    for (backoff_s, interval_s, gap_s) in [(0, 10, 10..=10), (30, 10, 27..=30), (60, 100, 100..=100)] {
        let backoff_max = backoff_s * SECOND;
        let mut world = World::new(HealthSettings { backoff_max, ..HealthSettings::default() });
        let mut web = http("web");
        Arc::make_mut(&mut web.definition).interval = interval_s * SECOND;
        world.track(&web, Arrival::Registered);
        world.serve(2000 * SECOND, |_| ILL);
        let runs = times(&world.serve(1000 * SECOND, |_| ILL), is_run);
        assert!(
            runs.windows(2).all(|pair| gap_s.contains(&((pair[1] - pair[0]) / 1000))),
            "{backoff_s}: {runs:?}"
        );
    }
}

#[test]
fn a_registration_again_is_a_new_try_for_the_dead_and_nothing_to_the_living() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&http("web"), Arrival::Registered);
    let grid_ms = times(&world.serve(25 * SECOND, |_| WELL), is_run)[1] % 10_000;
    for _ in 0..50 {
        world.health.registered_again(world.now, &key);
        let runs = times(&world.serve(10 * SECOND, |_| WELL), is_run);
        assert_eq!((runs.len(), runs[0] % 10_000), (1, grid_ms));
    }
    world.serve(500 * SECOND, |_| ILL);
    let again_at = (world.now - world.start).as_millis() as u64;
    world.health.registered_again(world.now, &key);
    assert_eq!(phase(&world, &key), Some(CheckPhase::Starting));
    let up_at = Duration::from_millis(again_at + 1_000);
    let seen = world.serve(10 * SECOND, |at| if at < up_at { ILL } else { WELL });
    let runs = times(&seen, is_run);
    assert!(runs[0] <= again_at + 50, "at once");
    assert_eq!(runs[1..4].iter().map(|at| at - runs[0]).collect::<Vec<_>>(), [101, 302, 703]);
    assert_eq!(times(&seen, is_shown).len(), 1);
    assert!(times(&seen, is_shown)[0] <= again_at + 1_600);
}

#[test]
fn the_record_of_a_dead_check_may_change_without_a_new_try() {
    let mut world = World::new(HealthSettings::default());
    let web = http("web");
    world.track(&web, Arrival::Registered);
    world.serve(500 * SECOND, |_| ILL);
    for _ in 0..10 {
        world.track(&Check { notes: "new".into(), ..web.clone() }, Arrival::Registered);
    }
    assert!(times(&world.serve(20 * SECOND, |_| ILL), is_run).len() <= 1);
}

#[test]
fn a_new_definition_starts_over_with_full_counters() {
    let mut world = World::new(HealthSettings::default());
    let mut web = http("web");
    Arc::make_mut(&mut web.definition).failures_before_critical = 3;
    world.track(&web, Arrival::Registered);
    world.serve(25 * SECOND, |_| WELL);
    Arc::make_mut(&mut web.definition).timeout = SECOND;
    let shown = Check { status: Status::Passing, ..web };
    world.track(&shown, Arrival::Registered);
    let seen = world.serve(SECOND, |_| ILL);
    assert!(is_run(seen[0].1) && seen[0].0 <= 25_050, "{seen:?}");
    assert_eq!(seen[1], (seen[0].0 + 1, Seen::Shown(Status::Critical)), "the first result counts");
}
