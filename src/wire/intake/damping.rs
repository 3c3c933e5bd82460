//! Flap damping as a registration asks for it.

use std::time::Duration;

use crate::model::Damping;
use crate::wire::body::check::{DampingBody, DampingChoice};
use crate::wire::intake::{Invalid, rules};

/// A minute: an instance that fell twice within it is out for about a minute and a half.
const HALF_LIFE_DEFAULT: Duration = Duration::from_secs(60);

/// Shorter ones forget between two runs; longer ones would keep an instance out for days.
const HALF_LIFE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// The limits that network routers come with, in falls of 1000 each.
const SUPPRESS_DEFAULT: u32 = 2_000;
const REUSE_DEFAULT: u32 = 750;

/// A hundred falls. With more, damping would as well be off.
const SUPPRESS_MAX: u32 = 100 * Damping::PENALTY;

/// The damping asked for; `None` is off.
pub fn damping(choice: &DampingChoice) -> Result<Option<Damping>, Invalid> {
    match choice {
        DampingChoice::Off => Ok(None),
        DampingChoice::Usual => given(&DampingBody::default()).map(Some),
        DampingChoice::Given(body) => given(body).map(Some),
    }
}

fn given(body: &DampingBody) -> Result<Damping, Invalid> {
    let half_life = match rules::duration("Damping.HalfLife", body.half_life)? {
        Duration::ZERO => HALF_LIFE_DEFAULT,
        given => given,
    };
    let suppress = match rules::count("Damping.Suppress", body.suppress)? {
        0 => SUPPRESS_DEFAULT,
        given => given,
    };
    let reuse = match rules::count("Damping.Reuse", body.reuse)? {
        0 => REUSE_DEFAULT,
        given => given,
    };
    let damping = Damping { half_life, suppress, reuse };
    check_damping(&damping).map(|()| damping)
}

/// Refuses damping that keeps nobody out, or for ever.
pub fn check_damping(damping: &Damping) -> Result<(), Invalid> {
    let Damping { half_life, suppress, reuse } = *damping;
    let fault = if !HALF_LIFE.contains(&half_life) {
        "Damping.HalfLife must be between 1s and 1h".to_owned()
    } else if suppress > SUPPRESS_MAX {
        format!("Damping.Suppress must be at most {SUPPRESS_MAX}; one fall counts {}", Damping::PENALTY)
    } else if reuse >= suppress {
        "Damping.Reuse must be below Damping.Suppress".to_owned()
    } else {
        return Ok(());
    };
    Err(Invalid::rejected(format!("Invalid check: {fault}")))
}
