//! Instances that come and go by turns: what a watcher sees of it, with flap damping and without.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::figures::readable;
use super::together;
use super::victim::{Watcher, deregister, register};
use crate::instance::{Instance, Place};
use crate::support::process::Process;

/// How the instances flap, and for how long it is watched.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub interval: Duration,
    /// Good for so long, and then bad for as long.
    pub phase: Duration,
    pub watched_for: Duration,
    pub instances: usize,
}

/// As long as the penalties of some falls take to halve. Three falls within it reach [`SUPPRESS`].
const HALF_LIFE: &str = "30s";
const SUPPRESS: u32 = 2_000;
const REUSE: u32 = 750;

/// The fall that reaches [`SUPPRESS`]: each weighs 1000, and decays by less than half between two of them.
const FALLS_BEFORE_SUPPRESSED: usize = 3;

/// What was seen of one instance.
pub struct Seen {
    /// How often it fell out of the answer.
    pub falls: usize,
    /// How long it was in the answer, of the time it was watched.
    pub shown: Duration,
}

#[test]
fn damping_ends_the_flapping_and_nothing_else_does() {
    let server = Process::muster(&[]).expect("muster starts");
    let schedule = Schedule {
        interval: Duration::from_secs(1),
        phase: Duration::from_secs(2),
        watched_for: Duration::from_secs(26),
        instances: 3,
    };
    let (plain, damped) = std::thread::scope(|scope| {
        let plain = scope.spawn(|| watch(&server, "plain", schedule, false));
        let damped = watch(&server, "damped", schedule, true);
        (plain.join().expect("it does not panic"), damped)
    });
    println!("plain: {}\ndamped: {}", summary(&plain), summary(&damped));
    for seen in &plain {
        // Six times bad; the first and the last may be cut.
        assert!(seen.falls > FALLS_BEFORE_SUPPRESSED, "{} falls without damping", seen.falls);
    }
    for seen in &damped {
        assert_eq!(seen.falls, FALLS_BEFORE_SUPPRESSED, "fast out until it is suppressed, then out");
    }
}

/// Registers instances that flap, and watches each.
///
/// # Panics
/// When one cannot be started or registered.
pub fn watch(server: &Process, name: &str, schedule: Schedule, damped: bool) -> Vec<Seen> {
    let seen = together(0..schedule.instances, |at| {
        let name = format!("flapping-{name}-{at}");
        let seen = watch_one(server, &name, schedule, damped);
        deregister(server.address, &name).expect("the server is still there");
        seen.unwrap_or_else(|sentence| panic!("{sentence}"))
    });
    seen.into_iter().collect()
}

fn watch_one(server: &Process, name: &str, schedule: Schedule, damped: bool) -> Result<Seen, String> {
    let mut instance = Instance::start(&Place::here())?;
    register(server.address, &registration(name, &instance, schedule, damped))?;
    let mut watcher = Watcher::park(server.address, name)?;
    watcher.wait_until(true, Instant::now() + schedule.interval * 30)?.ok_or("it never passes")?;
    let phase_ms = schedule.phase.as_millis();
    let begin = instance.order(&format!("flap {phase_ms} {phase_ms}"));
    let end = begin + schedule.watched_for;
    let mut seen = Seen { falls: 0, shown: Duration::ZERO };
    let mut since = begin;
    loop {
        let Some(fell) = watcher.wait_until(false, end)? else {
            seen.shown += end.saturating_duration_since(since);
            return Ok(seen);
        };
        seen.falls += 1;
        seen.shown += fell.saturating_duration_since(since);
        let Some(rose) = watcher.wait_until(true, end)? else { return Ok(seen) };
        since = rose;
    }
}

fn registration(name: &str, instance: &Instance, schedule: Schedule, damped: bool) -> Value {
    let address = instance.address;
    let interval = format!("{}ms", schedule.interval.as_millis());
    let mut check = json!({"CheckID": format!("{name}-check"), "Name": "check", "Timeout": "1s",
        "HTTP": format!("http://{address}/health"), "Interval": interval});
    if damped {
        check["Damping"] = json!({"HalfLife": HALF_LIFE, "Suppress": SUPPRESS, "Reuse": REUSE});
    }
    json!({"Name": name, "Address": address.ip(), "Port": address.port(), "Check": check})
}

/// Falls of an instance, on average and at most, and how long it was shown on average.
pub fn summary(seen: &[Seen]) -> String {
    let falls: usize = seen.iter().map(|it| it.falls).sum();
    let most = seen.iter().map(|it| it.falls).max().unwrap_or_default();
    let shown: Duration = seen.iter().map(|it| it.shown).sum();
    let count = seen.len().max(1);
    let average = falls as f64 / count as f64;
    format!("{average:.1} | {most} | {}", readable(shown / count as u32))
}
