//! Instances that have been critical for too long.

use super::*;

#[test]
fn instances_are_reaped_to_the_second() {
    for (after_ms, expected_ms) in
        [(1, 1_000), (1_000, 1_000), (90_000, 90_000), (72 * 3_600_000, 72 * 3_600_000)]
    {
        let mut world = World::new(HealthSettings::default());
        let mut web = ttl("beat", 1_000_000);
        Arc::make_mut(&mut web.definition).deregister_critical_service_after =
            Duration::from_millis(after_ms);
        let key = world.track(&web, Arrival::Registered);
        world.observe(&key, Status::Passing, "", ResultSource::Report);
        world.live(100 * SECOND);
        world.observe(&key, Status::Critical, "", ResultSource::Report);
        world.live(Duration::from_millis(expected_ms - 1));
        let events = world.live(Duration::from_millis(1));
        let expected = 100 * SECOND + Duration::from_millis(expected_ms);
        let [(at, DueAction::Reap { service_id, critical_for, .. })] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((*at, *critical_for), (expected, Duration::from_millis(expected_ms)));
        assert_eq!(*service_id, "web");
        world.health.forget(&key);
        assert!(world.live(100 * SECOND).is_empty());
    }
}

#[test]
fn only_an_unbroken_time_in_critical_of_an_instance_reaps() {
    let mut world = World::new(HealthSettings::default());
    let mut beat = ttl("beat", 1_000_000);
    Arc::make_mut(&mut beat.definition).deregister_critical_service_after = 60 * SECOND;
    let of_the_node = Check { id: "node".into(), service_id: Text::default(), ..beat.clone() };
    world.track(&of_the_node, Arrival::Registered);
    let key = world.track(&beat, Arrival::Registered);
    world.live(50 * SECOND);
    world.observe(&key, Status::Warning, "", ResultSource::Report);
    world.observe(&key, Status::Critical, "a", ResultSource::Report);
    world.live(50 * SECOND);
    world.observe(&key, Status::Critical, "b", ResultSource::Report);
    assert_eq!(reaped_at(&world.live(3600 * SECOND)), Some(110 * SECOND));
}

#[test]
fn checks_of_the_catalog_are_not_run_but_reap() {
    let mut world = World::new(HealthSettings::default());
    let mut web = Check { origin: Origin::Catalog, ..tcp("web") };
    Arc::make_mut(&mut web.definition).deregister_critical_service_after = 30 * SECOND;
    world.track(&web, Arrival::Registered);
    let events = world.live(32 * SECOND);
    assert_eq!((events.len(), reaped_at(&events)), (1, Some(30 * SECOND)));
}

#[test]
fn nothing_but_health_resets_the_time_in_critical() {
    for origin in [Origin::Agent, Origin::Catalog] {
        let mut world = World::new(HealthSettings::default());
        let mut web = Check { origin, ..http("web") };
        Arc::make_mut(&mut web.definition).deregister_critical_service_after = 100 * SECOND;
        let key = world.track(&web, Arrival::Registered);
        for number in 0..9 {
            world.serve(10 * SECOND, |_| Some(Status::Critical));
            let again = Check {
                notes: format!("{number}").into(),
                output: format!("{number}").into(),
                ..web.clone()
            };
            world.track(&again, Arrival::Registered);
            world.health.registered_again(world.now, &key);
            world.health.note_shown(world.now, &key, Status::Critical, &again.output);
        }
        Arc::make_mut(&mut web.definition).timeout = SECOND;
        world.track(&web, Arrival::Registered);
        let seen = world.serve(11 * SECOND, |_| Some(Status::Critical));
        assert_eq!(times(&seen, |seen| seen == Seen::Reaped), [100_000], "{origin:?}");
    }
}

#[test]
fn a_pass_resets_the_time_in_critical() {
    let mut world = World::new(HealthSettings::default());
    let mut web = http("web");
    Arc::make_mut(&mut web.definition).deregister_critical_service_after = 60 * SECOND;
    world.track(&web, Arrival::Registered);
    let seen = world.serve(200 * SECOND, |at| {
        let is_up = (50..62).contains(&at.as_secs());
        Some(if is_up { Status::Passing } else { Status::Critical })
    });
    let shown = times(&seen, is_shown);
    let [_, down_at] = shown[..] else { panic!("up and down again: {shown:?}") };
    assert_eq!(times(&seen, |seen| seen == Seen::Reaped)[0], down_at + 60_000);
}

#[test]
fn an_instance_that_is_well_is_not_reaped_because_the_catalog_is_late() {
    let mut world = World::new(HealthSettings::default());
    let mut beat = ttl("beat", 1_000);
    Arc::make_mut(&mut beat.definition).deregister_critical_service_after = 30 * SECOND;
    let key = world.track(&beat, Arrival::Registered);
    world.live(20 * SECOND);
    world.catalog_works = false;
    world.observe(&key, Status::Passing, "", ResultSource::Report);
    assert_eq!(reaped_at(&world.live(100 * SECOND)), None);
    world.observe(&key, Status::Critical, "", ResultSource::Report);
    assert_eq!(reaped_at(&world.live(SECOND)), Some(120 * SECOND), "critical in the catalog without a break");
}
