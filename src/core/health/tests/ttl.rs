//! Instances that report by themselves, and outputs that change alone.

use super::*;

#[test]
fn silence_expires_a_ttl_and_a_report_revives_it() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&ttl("beat", 15), Arrival::Registered);
    world.live(10 * SECOND);
    assert!(matches!(
        world.observe(&key, Status::Passing, "fine", ResultSource::Report),
        Verdict::Changed(_)
    ));
    for _ in 0..1000 {
        assert!(world.live(14 * SECOND).is_empty());
        assert_eq!(world.observe(&key, Status::Passing, "fine", ResultSource::Report), Verdict::Unchanged);
    }
    let beaten_at = world.now - world.start;
    let events = world.live(3600 * SECOND);
    let [(at, DueAction::Expired { observation, .. })] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*at, beaten_at + 15 * SECOND);
    assert_eq!(observation.status, Status::Critical);
    assert_eq!(observation.output, "TTL expired (last output before timeout follows): fine");
    assert!(matches!(world.observe(&key, Status::Warning, "", ResultSource::Report), Verdict::Changed(_)));
    assert_eq!(expired_at(&world.live(20 * SECOND)), Some(beaten_at + (3600 + 15) * SECOND));
}

#[test]
fn an_expiry_that_did_not_arrive_comes_again_in_the_same_words() {
    let mut world = World::new(HealthSettings::default());
    let key = world.track(&ttl("beat", 10), Arrival::Registered);
    world.observe(&key, Status::Passing, "fine", ResultSource::Report);
    world.catalog_works = false;
    let events = world.live(10 * SECOND + 2 * SETTLE_TIME);
    let [(_, DueAction::Expired { observation, .. }), again @ ..] = &events[..] else { panic!("{events:?}") };
    assert_eq!(observation.output, "TTL expired (last output before timeout follows): fine");
    assert_eq!(again.len(), 2);
    let expected = DueAction::Show { key, observation: observation.clone(), cause: Cause::Ttl };
    assert!(again.iter().all(|(_, event)| *event == expected), "{again:?}");
    world.catalog_works = true;
    assert_eq!(world.live(3600 * SECOND).len(), 1);
}

#[test]
fn a_silent_instance_that_others_call_well_has_a_ttl_to_confirm_it() {
    for status in [Status::Passing, Status::Warning] {
        let mut world = World::new(HealthSettings::default());
        let key = world.track(&Check { status: Status::Passing, ..ttl("beat", 10) }, Arrival::Registered);
        assert_eq!(expired_at(&world.live(60 * SECOND)), Some(10 * SECOND));
        world.health.note_shown(world.now, &key, status, &Text::from("by hand"));
        assert_eq!(expired_at(&world.live(60 * SECOND)), Some(70 * SECOND), "{status}");
    }
}

#[test]
fn an_altered_ttl_counts_from_the_last_report() {
    let passing = |seconds| Check { status: Status::Passing, ..ttl("beat", seconds) };
    // `(TTLs it is registered with, one each second after a report, when it expires after that report)`
    let rows: [(&[u64], u64); 6] = [
        (&[5, 5, 5], 5),
        (&[5, 6, 5, 6, 5, 6, 5, 6], 5),
        (&[5, 20], 20),
        (&[20, 20, 20, 2], 3),
        (&[20, 10], 10),
        (&[5, 5, 5, 5, 5, 5, 20], 5),
    ];
    for (seconds, expected) in rows {
        let mut world = World::new(HealthSettings::default());
        let key = world.track(&passing(seconds[0]), Arrival::Registered);
        world.live(3 * SECOND);
        world.observe(&key, Status::Passing, "", ResultSource::Report);
        let mut expired = None;
        for seconds in seconds {
            // Registered again it keeps the status that it has.
            let status = if expired.is_some() { Status::Critical } else { Status::Passing };
            world.track(&Check { status, ..passing(*seconds) }, Arrival::Registered);
            expired = expired.or(expired_at(&world.live(SECOND)));
        }
        expired = expired.or(expired_at(&world.live(60 * SECOND)));
        assert_eq!(expired, Some(Duration::from_secs(3 + expected)), "{seconds:?}");
        assert_eq!(expired_at(&world.live(60 * SECOND)), None, "{seconds:?}: once");
        // It has to report in its new TTL then.
        assert!(matches!(
            world.observe(&key, Status::Passing, "", ResultSource::Report),
            Verdict::Changed(_)
        ));
        let last = seconds[seconds.len() - 1];
        let reported_at = world.now - world.start;
        assert_eq!(expired_at(&world.live(60 * SECOND)), Some(reported_at + Duration::from_secs(last)));
    }
}

#[test]
fn outputs_are_written_late_and_shown_at_once() {
    let mut world = World::new(HealthSettings::default());
    let mut counts = HashMap::new();
    for number in 0..100 {
        let beat = Check { status: Status::Passing, ..ttl(&format!("beat-{number}"), 1_000_000) };
        let key = world.track(&beat, Arrival::Registered);
        assert_eq!(world.observe(&key, Status::Passing, "new", ResultSource::Report), Verdict::OutputOnly);
        assert_eq!(world.health.output(&key), Some(&Text::from("new")));
    }
    for (at, event) in world.live(600 * SECOND) {
        let DueAction::Sync { observation, .. } = event else { panic!("{event:?}") };
        assert_eq!(observation, Observation { status: Status::Passing, output: "new".into() });
        assert!((150..450).contains(&at.as_secs()), "{at:?}");
        *counts.entry(at.as_secs() / 100).or_insert(0) += 1;
    }
    assert_eq!(counts.values().sum::<u32>(), 100);
    assert!(counts.len() >= 3, "spread: {counts:?}");
}
