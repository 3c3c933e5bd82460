//! When an instance that reports by itself has been silent for too long.

use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::model::{Observation, Status};

use crate::health::oracle::spec::Window;

/// The silence of one instance.
#[derive(Clone, Debug)]
pub struct Silence {
    ttl: Duration,
    /// When it is too long; `None` once it has been.
    over_at: Option<Duration>,
}

impl Silence {
    /// Begins now.
    pub fn new(now: Duration, ttl: Duration) -> Silence {
        Silence { ttl, over_at: Some(now + ttl) }
    }

    /// Goes on after a restart. `left`: what an orderly end saved of the time it may be silent.
    pub fn restored(now: Duration, ttl: Duration, status: Status, left: Option<Duration>) -> Silence {
        let is_known = left.is_none() && status == Status::Critical;
        let left = left.unwrap_or(ttl).min(ttl);
        Silence { ttl, over_at: (!is_known).then_some(now + left) }
    }

    /// Another TTL counts from now on, for the silence that there was as well.
    pub fn redefined(&self, now: Duration, ttl: Duration) -> Silence {
        let silent_for = |left: Duration| self.ttl.saturating_sub(left);
        Silence { ttl, over_at: self.left(now).map(|left| now + ttl.saturating_sub(silent_for(left))) }
    }

    /// The instance has said something.
    pub fn reported(&mut self, now: Duration) {
        self.over_at = Some(now + self.ttl);
    }

    /// Time that it may still be silent; `None` when it has been for too long.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        self.over_at.map(|at| at.saturating_sub(now))
    }

    /// When it is too long.
    pub fn deadline(&self) -> Option<Window> {
        self.over_at.map(Window::at)
    }

    /// It is too long, and nobody needs to ask again.
    pub fn over(&mut self) {
        self.over_at = None;
    }

    /// Somebody else shows this of an instance that has been silent for too long: it has a TTL to confirm it.
    pub fn settle(&mut self, now: Duration, status: Status) {
        if self.over_at.is_none() && status != Status::Critical {
            self.reported(now);
        }
    }

    /// What there is to say of a silence that has been too long.
    pub fn finding(newest: &Text) -> Observation {
        let output = match newest.as_str() {
            "" => "TTL expired".to_owned(),
            newest => format!("TTL expired (last output before timeout follows): {newest}"),
        };
        Observation { status: Status::Critical, output: output.into() }
    }
}
