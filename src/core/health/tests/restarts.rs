//! What restarts and stalls of muster do to nobody.

use super::*;

#[test]
fn after_a_restart_everybody_may_first_show_to_be_alive() {
    let hours = 3600 * SECOND;
    let rows = [
        ("deadline far off", 10 * SECOND, 60 * SECOND, 50 * SECOND),
        ("deadline passed while away", 100 * hours, 60 * SECOND, 30 * SECOND),
        ("deadline during the first TTL", 50 * SECOND, 60 * SECOND, 30 * SECOND),
    ];
    for (name, status_age, after, expected) in rows {
        let mut world = World::new(HealthSettings::default());
        let mut beat = ttl("beat", 30);
        beat.output = "TTL expired".into();
        Arc::make_mut(&mut beat.definition).deregister_critical_service_after = after;
        world.track(&beat, Arrival::Restored { status_age, saved: None });
        let events = world.live(55 * SECOND);
        assert_eq!(reaped_at(&events), Some(expected), "{name}");
        assert_eq!(expired_at(&events), None, "{name}: it is critical already");
    }
    let mut world = World::new(HealthSettings::default());
    let mut web = tcp("web");
    Arc::make_mut(&mut web.definition).deregister_critical_service_after = SECOND;
    world.track(&web, Arrival::Restored { status_age: hours, saved: None });
    let events = world.live(60 * SECOND);
    assert!(run_of(&events[0].1).is_some());
    assert_eq!(reaped_at(&events), Some(events[0].0 + 10 * SECOND + RESULT_GRACE));
}

#[test]
fn news_after_a_restart_needs_no_further_chance() {
    let mut world = World::new(HealthSettings::default());
    let mut beat = Check { status: Status::Passing, ..ttl("beat", 3600) };
    Arc::make_mut(&mut beat.definition).deregister_critical_service_after = 5 * SECOND;
    let key = world.track(&beat, Arrival::Restored { status_age: SECOND, saved: None });
    world.live(SECOND);
    world.observe(&key, Status::Critical, "I am ill", ResultSource::Report);
    assert_eq!(reaped_at(&world.live(60 * SECOND)), Some(6 * SECOND));
}

#[test]
fn a_restored_ttl_gets_its_whole_time_and_keeps_its_status() {
    let mut world = World::new(HealthSettings::default());
    let beat = Check { status: Status::Passing, output: "fine".into(), ..ttl("beat", 30) };
    world.track(&beat, Arrival::Restored { status_age: 1_000_000 * SECOND, saved: None });
    assert_eq!(expired_at(&world.live(100 * SECOND)), Some(30 * SECOND));
}

#[test]
fn a_failure_makes_no_restored_check_better() {
    for status in [Status::Critical, Status::Passing] {
        let mut world = World::new(HealthSettings::default());
        let mut web = Check { status, ..http("web") };
        Arc::make_mut(&mut web.definition).failures_before_warning = 1;
        Arc::make_mut(&mut web.definition).failures_before_critical = 5;
        let key = world.track(&web, Arrival::Restored { status_age: SECOND, saved: None });
        if status == Status::Critical {
            // Somebody else calls it well; the next failure says what it is.
            world.serve(60 * SECOND, |_| Some(Status::Critical));
            world.health.note_shown(world.now, &key, Status::Passing, &Text::from("by hand"));
        }
        let seen = world.serve(120 * SECOND, |_| Some(Status::Critical));
        let expected: &[Seen] = match status {
            Status::Critical => &[Seen::Shown(Status::Critical)],
            _ => &[Seen::Shown(Status::Warning), Seen::Shown(Status::Critical)],
        };
        let shown: Vec<Seen> = seen.into_iter().map(|(_, seen)| seen).filter(|it| is_shown(*it)).collect();
        assert_eq!(shown, expected, "{status} before the restart");
    }
}

#[test]
fn a_stall_condemns_nobody() {
    for (stalled_ms, expected_ms) in [(900, 30_000), (25_500, 55_000), (600_500, 630_000)] {
        let mut world = World::new(HealthSettings::default());
        let mut beat = Check { status: Status::Passing, ..ttl("beat", 30) };
        Arc::make_mut(&mut beat.definition).deregister_critical_service_after = 5 * SECOND;
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
fn a_restart_is_followed_by_no_burst() {
    let mut world = World::new(HealthSettings::default());
    for number in 0..1000 {
        let status = if number % 2 == 0 { Status::Passing } else { Status::Critical };
        let check = Check { status, ..http(&format!("web-{number}")) };
        world.track(&check, Arrival::Restored { status_age: SECOND, saved: None });
    }
    let mut per_second = [0_u32; 10];
    for at_ms in times(&world.serve(10 * SECOND, |_| Some(Status::Critical)), is_run) {
        per_second[(at_ms / 1000) as usize] += 1;
    }
    assert!(per_second.iter().all(|count| (60..150).contains(count)), "{per_second:?}");
}

/// Restarts `world` in good order after `away`: what was saved goes on.
fn restart(world: World, checks: &[Check], away: Duration) -> World {
    let saved: HashMap<CheckKey, Saved> = world.health.save(world.now).into_iter().collect();
    let mut next = World::new(HealthSettings::default());
    (next.start, next.now) = (world.start, world.now + away);
    for check in checks {
        let saved = saved.get(&CheckKey::new("n", check.id.clone())).copied();
        next.track(check, Arrival::Restored { status_age: away, saved });
    }
    next
}

#[test]
fn an_orderly_restart_goes_on_where_it_was() {
    // Counters: two failures of three before it, the third after it.
    let mut web = Check { status: Status::Passing, ..http("web") };
    let definition = Arc::make_mut(&mut web.definition);
    (definition.failures_before_critical, definition.success_before_passing) = (3, 3);
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&web, Arrival::Registered);
    world.serve(25 * SECOND, |_| Some(Status::Passing));
    while world.health.insight(world.now, &key).unwrap().failures_in_a_row < 2 {
        world.serve(SECOND / 10, |_| Some(Status::Critical));
    }
    let mut world = restart(world, &[web], 100 * SECOND);
    let seen = world.serve(11 * SECOND, |_| Some(Status::Critical));
    assert_eq!(seen[1].1, Seen::Shown(Status::Critical), "the third failure: {seen:?}");

    // TTL: 10 s of 30 s are left, however long muster was away.
    let beat = Check { status: Status::Passing, ..ttl("beat", 30) };
    let mut world = World::new(HealthSettings::default());
    world.track(&beat, Arrival::Registered);
    world.live(20 * SECOND);
    let mut world = restart(world, &[beat], 3600 * SECOND);
    assert_eq!(expired_at(&world.live(100 * SECOND)), Some(3630 * SECOND));

    // Back-off: on the grid for once, and then as rare as before.
    let dead = http("dead");
    let mut world = World::new(HealthSettings::default());
    world.track(&dead, Arrival::Registered);
    world.serve(500 * SECOND, |_| Some(Status::Critical));
    let mut world = restart(world, &[dead], SECOND);
    let runs = times(&world.serve(130 * SECOND, |_| Some(Status::Critical)), is_run);
    assert!(runs[0] <= 511_000 && runs[1] - runs[0] >= 54_000, "{runs:?}");
}

#[test]
fn an_orderly_restart_takes_a_penalty_along() {
    let rules = crate::core::model::Damping { half_life: 60 * SECOND, suppress: 2_000, reuse: 1_000 };
    let mut beat = Check { status: Status::Passing, ..ttl("beat", 3600) };
    Arc::make_mut(&mut beat.definition).damping = Some(rules);
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&beat, Arrival::Registered);
    for _ in 0..3 {
        world.observe(&key, Status::Critical, "", ResultSource::Report);
        world.observe(&key, Status::Passing, "", ResultSource::Report);
    }
    let damped_for = world.health.insight(world.now, &key).unwrap().damped_for.unwrap();
    beat.status = Status::Critical;
    let mut world = restart(world, &[beat], 3600 * SECOND);
    let insight = world.health.insight(world.now, &key).unwrap();
    assert_eq!((insight.damped_for, insight.penalty), (Some(damped_for), 2_000));
    let verdict = world.observe(&key, Status::Passing, "ok", ResultSource::Report);
    assert_eq!(verdict, Verdict::OutputOnly, "it was told before the restart");
    let events = world.live(200 * SECOND);
    let [(at, DueAction::Show { .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!(at.as_secs(), (3600 * SECOND + damped_for).as_secs());
}

#[test]
fn what_is_saved_survives_its_encoding_and_healthy_checks_have_none() {
    let mut world = World::new(HealthSettings::default());
    world.track(&Check { status: Status::Passing, ..http("web") }, Arrival::Registered);
    world.track(&ttl("beat", 30), Arrival::Registered);
    world.track(&http("dead"), Arrival::Registered);
    let mut nth = 0;
    world.serve(100 * SECOND, |_| {
        nth += 1;
        Some(if nth == 1 { Status::Passing } else { Status::Critical })
    });
    let saved = world.health.save(world.now);
    assert!((1..=3).contains(&saved.len()), "{saved:?}");
    for (_, saved) in saved {
        let encoded = serde_json::to_string(&saved).unwrap();
        assert_eq!(serde_json::from_str::<Saved>(&encoded).unwrap(), saved, "{encoded}");
    }
    assert_eq!(serde_json::from_str::<Saved>("{}").unwrap(), Saved::default(), "a field may be missing");

    let mut world = World::new(HealthSettings::default());
    world.track(&http("web"), Arrival::Registered);
    world.serve(100 * SECOND, |_| Some(Status::Passing));
    assert_eq!(world.health.save(world.now), []);
}

#[test]
fn a_failure_while_muster_was_stopped_is_tried_again_before_it_counts() {
    for stopped_ms in [800, 30_000] {
        let mut world = World::new(HealthSettings::default());
        let mut web = http("web");
        Arc::make_mut(&mut web.definition).timeout = SECOND / 2;
        let key = world.track(&web, Arrival::Registered);
        world.serve(25 * SECOND, |_| Some(Status::Passing));
        let run = loop {
            let events = world.live(SECOND / 10);
            if let Some(run) = events.iter().find_map(|(_, event)| run_of(event)) {
                break run;
            }
        };
        world.now += Duration::from_millis(stopped_ms);
        let verdict = world.observe(&key, Status::Critical, "timeout", ResultSource::Probe(run));
        assert_eq!(verdict, Verdict::Unchanged, "{stopped_ms}");
        let events = world.live(SECOND / 100);
        let run = run_of(&events[0].1).expect("it runs again at once");
        // The second failure counts, stopped or not: a machine that always stalls must not hide the dead.
        world.now += Duration::from_millis(stopped_ms);
        let verdict = world.observe(&key, Status::Critical, "timeout", ResultSource::Probe(run));
        assert!(matches!(verdict, Verdict::Changed(_)), "{verdict:?}");
    }
}
