//! Who goes when: tables, and a long life of chances.

use super::*;

const BOUNDS: ProbeBounds =
    ProbeBounds { total_max: 30, answering_max: 6, silent_max: 4, overdue_max: 3, address_max: 3 };

fn to(host: &str, port: usize) -> Destination {
    Destination { host: host.into(), address: format!("{host}:{port}").as_str().into() }
}

/// Lets everybody go who may, and tells who.
fn go<T>(scheduler: &mut ProbeScheduler<T>, now: Instant) -> Vec<(ProbePermit, T)> {
    std::iter::from_fn(|| scheduler.next(now)).collect()
}

fn works<T: Copy>(gone: &[(ProbePermit, T)]) -> Vec<T> {
    gone.iter().map(|(_, work)| *work).collect()
}

#[test]
fn the_last_run_tells_what_to_expect() {
    let tcp = Probe::Tcp { address: "h:1".into(), tls: None };
    let rows = [
        (TargetReply::Unknown, SpeedClass::New),
        (TargetReply::After(SLOW_AFTER - Duration::from_nanos(1)), SpeedClass::Quick),
        (TargetReply::After(SLOW_AFTER), SpeedClass::Slow),
        (TargetReply::Never, SpeedClass::Silent),
    ];
    for (last, class) in rows {
        assert_eq!(SpeedClass::of(&tcp, last), class);
        assert_eq!(SpeedClass::of(&Probe::Script { args: Vec::new() }, last), SpeedClass::Program);
    }
}

#[test]
fn each_target_is_served_in_turn_and_its_line_in_order() {
    let now = Instant::now();
    let mut scheduler = ProbeScheduler::new(BOUNDS);
    for work in [1, 2, 3, 4] {
        scheduler.push(SpeedClass::Quick, to("a", 1), work);
    }
    scheduler.push(SpeedClass::Quick, to("b", 1), 10);
    let gone = go(&mut scheduler, now);
    assert_eq!(works(&gone), [1, 10, 2, 3], "three at a time towards one address");
    assert_eq!((scheduler.waiting(), scheduler.running()), (1, 4));
    scheduler.end(gone[1].0);
    assert!(scheduler.next(now).is_none());
    scheduler.end(gone[0].0);
    assert_eq!(works(&go(&mut scheduler, now)), [4]);
}

#[test]
fn one_host_has_half_of_the_places() {
    let now = Instant::now();
    let mut scheduler = ProbeScheduler::new(BOUNDS);
    for port in 0..10 {
        scheduler.push(SpeedClass::Quick, to("a", port), port);
    }
    scheduler.push(SpeedClass::Quick, to("b", 0), 100);
    let gone = go(&mut scheduler, now);
    assert_eq!(works(&gone), [0, 1, 2, 100]);
    scheduler.end(gone[3].0);
    assert!(scheduler.next(now).is_none(), "a place of another host is not theirs");
    for (at, next) in [(0, 3), (1, 4)] {
        scheduler.end(gone[at].0);
        assert_eq!(works(&go(&mut scheduler, now)), [next]);
    }
}

#[test]
fn what_is_silent_takes_no_place_of_what_answers() {
    let now = Instant::now();
    let mut scheduler = ProbeScheduler::new(BOUNDS);
    for host in 0..1000 {
        scheduler.push(SpeedClass::Silent, to(&format!("silent{host}"), 1), host);
    }
    assert_eq!(go(&mut scheduler, now).len(), BOUNDS.silent_max);
    scheduler.push(SpeedClass::Quick, to("well", 1), 2000);
    assert_eq!(works(&go(&mut scheduler, now)), [2000]);
    let later = now + Duration::from_secs(3600);
    assert!(
        go(&mut scheduler, later).is_empty() && scheduler.take_recalls().is_empty(),
        "they keep their places"
    );
}

#[test]
fn what_hangs_unexpectedly_loses_its_place_and_is_called_back() {
    let mut now = Instant::now();
    let mut scheduler = ProbeScheduler::new(BOUNDS);
    for host in 0..20 {
        scheduler.push(SpeedClass::Quick, to(&format!("h{host}"), 1), host);
    }
    let first = go(&mut scheduler, now);
    assert_eq!(first.len(), BOUNDS.answering_max);
    assert_eq!(scheduler.look_at(), Some(now + SLOW_AFTER));
    now += SLOW_AFTER;
    assert_eq!(go(&mut scheduler, now).len(), BOUNDS.answering_max, "its places went to the next");
    let recalled = scheduler.take_recalls();
    assert_eq!(recalled, [first[0].0, first[1].0, first[2].0], "as many as are too many, the oldest first");
    assert!(scheduler.take_recalls().is_empty());
    assert_eq!(scheduler.class_again(recalled[0]), SpeedClass::New);
    recalled.into_iter().for_each(|permit| scheduler.end(permit));
    assert_eq!(scheduler.running(), 2 * BOUNDS.answering_max - 3);
    // Without anybody who waits they keep their places for a second.
    let mut scheduler = ProbeScheduler::new(BOUNDS);
    scheduler.push(SpeedClass::Quick, to("h", 1), 1);
    go(&mut scheduler, now);
    assert_eq!(scheduler.look_at(), None);
    scheduler.next(now + Duration::from_millis(999));
    assert_eq!(scheduler.overdue_load, 0);
    scheduler.next(now + Duration::from_secs(1));
    assert_eq!(scheduler.overdue_load, 1);
}

#[test]
fn of_new_targets_every_other_is_the_newest() {
    let now = Instant::now();
    let mut scheduler = ProbeScheduler::new(BOUNDS);
    for host in 0..100 {
        scheduler.push(SpeedClass::New, to(&format!("h{host}"), 1), host);
    }
    assert_eq!(works(&go(&mut scheduler, now)), [99, 0, 98, 1, 97, 2]);
}

#[test]
fn the_bounds_hold_together_at_every_size() {
    for total_max in [0, 12, 100, 128, 3_072, usize::MAX] {
        let bounds = ProbeBounds::within(total_max);
        let places: usize = SpeedClass::ALL.iter().map(|class| bounds.places(*class)).sum();
        assert!(places + bounds.overdue_max <= bounds.total_max, "{bounds:?}");
        assert!(SpeedClass::ALL.iter().all(|class| bounds.places(*class) > 0), "{bounds:?}");
        assert!(bounds.places(SpeedClass::Silent) * 4 <= bounds.total_max, "a quarter: {bounds:?}");
    }
}

/// Whatever comes and goes, everything is served once, nothing is left behind, and no bound is passed.
#[test]
fn nothing_is_lost() {
    for seed in 0..200_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = |sides: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % sides
        };
        let mut now = Instant::now();
        let mut scheduler = ProbeScheduler::new(BOUNDS);
        let (mut pushed, mut served) = (0_u32, Vec::new());
        let mut under_way = Vec::new();
        let settle = |scheduler: &mut ProbeScheduler<u32>,
                      under_way: &mut Vec<(ProbePermit, u32)>,
                      served: &mut Vec<u32>,
                      now| {
            for (permit, work) in go(scheduler, now) {
                under_way.push((permit, work));
            }
            // What is called back comes again.
            for permit in scheduler.take_recalls() {
                let at = under_way.iter().position(|(it, _)| *it == permit).unwrap();
                let (_, work) = under_way.swap_remove(at);
                let class = scheduler.class_again(permit);
                scheduler.end(permit);
                scheduler.push(class, to("again", work as usize % 5), work);
            }
            let _ = served;
        };
        for step in 0..600 {
            match dice(4) {
                0 | 1 if step < 400 => {
                    let (class, host) =
                        (SpeedClass::ALL[dice(5) as usize], ["a", "b", "c"][dice(3) as usize]);
                    scheduler.push(class, to(host, dice(4) as usize), pushed);
                    pushed += 1;
                }
                2 => now += Duration::from_millis(dice(1500)),
                _ if !under_way.is_empty() => {
                    let at = dice(under_way.len() as u64) as usize;
                    let (permit, work) = under_way.swap_remove(at);
                    scheduler.end(permit);
                    served.push(work);
                }
                _ => {}
            }
            settle(&mut scheduler, &mut under_way, &mut served, now);
            assert!(scheduler.running() <= BOUNDS.total_max && scheduler.overdue_load <= BOUNDS.overdue_max);
            for class in SpeedClass::ALL {
                assert!(scheduler.classes[class as usize].load <= BOUNDS.places(class));
            }
        }
        settle(&mut scheduler, &mut under_way, &mut served, now);
        while let Some((permit, work)) = under_way.pop() {
            scheduler.end(permit);
            served.push(work);
            settle(&mut scheduler, &mut under_way, &mut served, now);
        }
        served.sort_unstable();
        assert_eq!(served, (0..pushed).collect::<Vec<_>>(), "seed {seed}");
        assert_eq!((scheduler.waiting(), scheduler.running()), (0, 0), "seed {seed}");
        assert!(scheduler.scheduler.is_empty() && scheduler.hosts.is_empty(), "seed {seed}");
        assert!(
            scheduler.classes.iter().all(|class_queue| class_queue.load == 0 && class_queue.held_back == 0),
            "seed {seed}"
        );
    }
}
