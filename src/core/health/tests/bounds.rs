//! What is refused.

use super::*;

#[test]
fn sources_that_a_check_does_not_have_are_ignored() {
    let mut world = World::new(HealthSettings::default());
    let beat = world.track(&ttl("beat", 10), Arrival::Registered);
    let kept = world.track(&check("kept", None), Arrival::Registered);
    let web = world.track(&tcp("web"), Arrival::Registered);
    let unknown = CheckKey::new("n", "unknown");
    let rows = [
        (&beat, ResultSource::Probe(Run(0))),
        (&beat, ResultSource::Alias),
        (&kept, ResultSource::Report),
        (&web, ResultSource::Report),
        (&web, ResultSource::Probe(Run(7))),
        (&unknown, ResultSource::Report),
    ];
    for (key, source) in rows {
        assert_eq!(world.observe(key, Status::Passing, "", source), Verdict::Ignored, "{key:?} {source:?}");
    }
}

#[test]
fn the_bound_refuses_new_checks_only() {
    let mut world = World::new(HealthSettings { checks_max: 1, ..HealthSettings::default() });
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
