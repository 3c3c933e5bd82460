//! Flap damping as a registration asks for it.

use std::time::Duration;

use crate::core::model::Damping;
use crate::core::model::validate::{bounds, probes};
use crate::wire::body::check::{DampingBody, DampingChoice};
use crate::wire::intake::{Invalid, rules};

/// A minute: an instance that fell twice within it is out for about a minute and a half.
const HALF_LIFE_DEFAULT: Duration = Duration::from_secs(60);

/// The limits that network routers come with, in falls of 1000 each.
const SUPPRESS_DEFAULT: u32 = 2_000;
const REUSE_DEFAULT: u32 = 750;

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
    let suppress = match bounds::count("Damping.Suppress", body.suppress)? {
        0 => SUPPRESS_DEFAULT,
        given => given,
    };
    let reuse = match bounds::count("Damping.Reuse", body.reuse)? {
        0 => REUSE_DEFAULT,
        given => given,
    };
    let damping = Damping { half_life, suppress, reuse };
    probes::check_damping(&damping)?;
    Ok(damping)
}
