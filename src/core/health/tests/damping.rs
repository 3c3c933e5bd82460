//! Flap damping: out at once, in slowly.

use super::*;
use crate::core::model::Damping;

const RULES: Damping = Damping { half_life: Duration::from_secs(60), suppress: 2_000, reuse: 750 };

fn damped(check: Check) -> Check {
    let definition = CheckDefinition { damping: Some(RULES), ..CheckDefinition::clone(&check.definition) };
    Check { definition: definition.into(), status: Status::Passing, ..check }
}

/// Two falls in quick succession are 2,000 less what a second takes off; a third suppresses.
fn flap(world: &mut World, key: &CheckKey, times: u32) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for _ in 0..times {
        for status in [Status::Critical, Status::Passing] {
            world.live(SECOND / 2);
            verdicts.push(world.observe(key, status, "x", ResultSource::Report));
        }
    }
    verdicts
}

#[test]
fn the_third_fall_is_shown_at_once_and_the_way_back_is_not() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&damped(ttl("beat", 3600)), Arrival::Registered);
    let verdicts = flap(&mut world, &key, 4);
    let shown: Vec<Option<Status>> = verdicts
        .iter()
        .map(|verdict| match verdict {
            Verdict::Changed(observation) => Some(observation.status),
            _ => None,
        })
        .collect();
    let (fall, rise) = (Some(Status::Critical), Some(Status::Passing));
    // The sixth change is the words that the check is held back; afterwards nothing moves.
    assert_eq!(shown, [fall, rise, fall, rise, fall, fall, None, None]);
    let Verdict::Changed(words) = &verdicts[5] else { panic!("{verdicts:?}") };
    assert_eq!(
        words.output,
        "Kept critical by flap damping for another 119 s although the check is passing now: x"
    );
    let insight = world.health.insight(world.now, &key).unwrap();
    assert_eq!(insight.held_back, Some(Status::Passing));
    assert!((2_900..=3_000).contains(&insight.penalty), "{insight:?}");
    assert!(insight.damped_for.is_some_and(|left| left < 119 * SECOND && left > 115 * SECOND), "{insight:?}");

    let events = world.live(200 * SECOND);
    let [(at, DueAction::Show { observation, .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*observation, Observation { status: Status::Passing, output: "x".into() });
    assert!((119..=122).contains(&at.as_secs()), "{at:?}");
    assert_eq!(world.health.insight(world.now, &key).unwrap().damped_for, None);
    let verdict = world.observe(&key, Status::Critical, "x", ResultSource::Report);
    assert!(matches!(verdict, Verdict::Changed(_)), "fast out");
}

#[test]
fn what_is_shown_in_the_end_is_the_latest_finding() {
    for (last, expected) in [
        (Status::Passing, Some(Status::Passing)),
        (Status::Warning, Some(Status::Warning)),
        (Status::Critical, None),
    ] {
        let mut world = World::new(HealthSettings::default());
        let key = world.track(&damped(ttl("beat", 3600)), Arrival::Registered);
        flap(&mut world, &key, 4);
        world.observe(&key, last, "last words", ResultSource::Report);
        let released: Vec<Option<Status>> = world
            .live(200 * SECOND)
            .into_iter()
            .map(|(_, event)| match event {
                DueAction::Show { observation, .. } => Some(observation.status),
                _ => None,
            })
            .collect();
        assert_eq!(released, Vec::from_iter(expected.map(Some)), "{last}");
    }
}

#[test]
fn a_release_that_did_not_arrive_comes_again() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&damped(ttl("beat", 3600)), Arrival::Registered);
    flap(&mut world, &key, 4);
    world.live(110 * SECOND);
    world.catalog_works = false;
    let lost = world.live(20 * SECOND);
    assert!(lost.len() >= 2 && lost.iter().all(|(_, due)| matches!(due, DueAction::Show { .. })), "{lost:?}");
    world.catalog_works = true;
    assert_eq!(world.live(100 * SECOND).len(), 1);
}

#[test]
fn a_day_of_flapping_is_over_four_half_lives_after_the_last_fall() {
    for rules in [
        RULES,
        Damping { suppress: 1, reuse: 0, ..RULES },
        Damping { suppress: 1_000_000, reuse: 1, ..RULES },
        Damping { suppress: 0, reuse: u32::MAX, half_life: Duration::ZERO },
    ] {
        let mut world = World::new(HealthSettings::default());
        let mut beat = damped(ttl("beat", 24 * 3600));
        Arc::make_mut(&mut beat.definition).damping = Some(rules);
        let key = world.track(&beat, Arrival::Registered);
        let mut falls = 0;
        for second in 0..24 * 3600 {
            let status = if second % 2 == 0 { Status::Critical } else { Status::Passing };
            let before = world.health.insight(world.now, &key).unwrap().held_back;
            let verdict = world.observe(&key, status, "x", ResultSource::Report);
            falls += u32::from(before.is_none() && matches!(verdict, Verdict::Changed(_)));
            world.live(SECOND);
        }
        assert!(falls > 0);
        world.observe(&key, Status::Passing, "x", ResultSource::Report);
        world.live(241 * SECOND);
        let insight = world.health.insight(world.now, &key).unwrap();
        assert_eq!((insight.damped_for, insight.held_back), (None, None), "{rules:?}");
    }
}

#[test]
fn runs_and_aliases_are_damped_as_well() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&damped(http("web")), Arrival::Registered);
    let seen = world.serve(600 * SECOND, |at| {
        let is_up = at > 100 * SECOND || (at.as_secs() / 10).is_multiple_of(2);
        Some(if is_up { Status::Passing } else { Status::Critical })
    });
    let shown: Vec<Seen> = seen.iter().map(|(_, seen)| *seen).filter(|seen| is_shown(*seen)).collect();
    assert_eq!(shown.last(), Some(&Seen::Shown(Status::Passing)));
    let falls = shown.iter().filter(|seen| **seen == Seen::Shown(Status::Critical)).count();
    assert!((4..=5).contains(&falls), "three or four falls and the words once: {shown:?}");
    assert_eq!(world.health.insight(world.now, &key).unwrap().phase, Some(CheckPhase::Steady));

    let target = Probe::Alias { node: Text::default(), service_id: "db".into() };
    let key = world.track(&damped(check("alias", Some(target))), Arrival::Registered);
    for _ in 0..3 {
        world.observe(&key, Status::Critical, "", ResultSource::Alias);
        world.observe(&key, Status::Passing, "", ResultSource::Alias);
    }
    assert_eq!(world.health.insight(world.now, &key).unwrap().held_back, Some(Status::Passing));
}

#[test]
fn an_instance_that_is_only_held_back_is_not_reaped() {
    let mut world = World::new(HealthSettings::default());
    let mut beat = damped(ttl("beat", 3600));
    Arc::make_mut(&mut beat.definition).deregister_critical_service_after = 30 * SECOND;
    let key = world.track(&beat, Arrival::Registered);
    flap(&mut world, &key, 4);
    let at = world.now - world.start;
    assert_eq!(reaped_at(&world.live(60 * SECOND)), None);
    world.observe(&key, Status::Critical, "x", ResultSource::Report);
    assert_eq!(reaped_at(&world.live(31 * SECOND)), Some(at + 90 * SECOND));
}

#[test]
fn a_new_definition_is_no_way_out() {
    let mut world = World::new(HealthSettings::default());
    let mut beat = damped(ttl("beat", 3600));
    let key = world.track(&beat, Arrival::Registered);
    flap(&mut world, &key, 4);
    beat.status = Status::Critical;
    Arc::make_mut(&mut beat.definition).timeout = SECOND;
    world.track(&beat, Arrival::Registered);
    assert!(world.health.insight(world.now, &key).unwrap().damped_for.is_some());
    assert!(matches!(&world.live(200 * SECOND)[..], [(_, DueAction::Show { .. })]));
    flap(&mut world, &key, 4);
    Arc::make_mut(&mut beat.definition).damping = None;
    world.track(&beat, Arrival::Registered);
    assert_eq!(world.health.insight(world.now, &key).unwrap().penalty, 0);
    let verdict = world.observe(&key, Status::Passing, "x", ResultSource::Report);
    assert!(matches!(verdict, Verdict::Changed(_)), "{verdict:?}");
}
