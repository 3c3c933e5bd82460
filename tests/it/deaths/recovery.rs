//! The way back: how soon an instance that was dead for a while is shown again.

use std::time::{Duration, Instant};

use super::figures::{Figures, readable};
use super::scenario::{Fault, Kind, Pace, Promise, Scenario};
use super::victim::{Victim, deregister};
use super::{INTERVAL, TIMEOUT, moment, together};
use crate::instance::Place;
use crate::instance::certificates::Certificates;
use crate::support::process::Process;

/// Instances that come back when the whole is a test among others.
const RETURNS: usize = 10;

/// How soon one that registers again must be shown, on a busy machine; the next run may be an interval away.
const REGISTERED_AGAIN_MAX: Duration = Duration::from_secs(3);

/// How they die; the first word of their names.
const DYING: Scenario = Scenario {
    name: "returning",
    kind: Kind::Http,
    fault: Fault::Order("fail"),
    on_host: false,
    failures: 1,
    promise: Promise::NextRun,
};

#[test]
fn who_registers_again_is_shown_at_once() {
    let certificates = Certificates::create();
    let server = super::muster(&certificates);
    let pace = Pace { interval: INTERVAL, timeout: TIMEOUT, deaths: RETURNS };
    let figures = come_back(&server, pace, Duration::ZERO, true);
    println!("back and registered again: {figures} (p50 | p99 | max)");
    assert_eq!(figures.failures, [""; 0]);
    let latest = figures.quantile(100);
    assert!(latest <= REGISTERED_AGAIN_MAX, "shown after {}", readable(latest));
}

/// Has instances answer 503 until that is noticed and for `dead_for` longer, and then be well again: how soon each is
/// shown. With `registers` it registers when it comes back, as a process does that was started anew.
pub fn come_back(server: &Process, pace: Pace, dead_for: Duration, registers: bool) -> Figures {
    let outcomes = together(0..pace.deaths, |at| {
        let name = format!("{}-{}-{registers}-{at}", DYING.name, dead_for.as_secs());
        let outcome = come_back_once(server, pace, &name, dead_for + moment(at, pace.interval), registers);
        deregister(server.address, &name).expect("the server is still there");
        outcome
    });
    Figures::new(outcomes)
}

fn come_back_once(
    server: &Process,
    pace: Pace,
    name: &str,
    dead_for: Duration,
    registers: bool,
) -> Result<Duration, String> {
    let mut victim = Victim::prepare(server, &DYING, pace, name, &Place::here())?;
    let fault_at = victim.suffer(DYING.fault).unwrap_or_else(Instant::now);
    victim.noticed(fault_at, DYING.patience(pace))?;
    victim.stay_dead(dead_for)?;
    let well_at = victim.suffer(Fault::Order("pass")).unwrap_or_else(Instant::now);
    if registers {
        victim.register(server, &DYING, pace)?;
    }
    victim.shown_again(well_at)
}
