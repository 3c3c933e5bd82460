//! What is refused.

use super::*;

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
