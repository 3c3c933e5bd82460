//! When an instance that reports by itself has been silent for too long.

use std::time::Duration;

use muster::model::{Observation, Status};
use muster::stdx::text::Text;

use crate::oracle::spec::{RETRY, Window};

/// The silence of one instance.
#[derive(Clone, Debug)]
pub struct Silence {
    ttl: Duration,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Silent since a while, which is too long within that window.
    Counted(Window),
    /// Too long, and the catalog was asked to say so.
    Asked(Observation, Duration),
    /// Too long, and everybody knows.
    Known,
}

impl Silence {
    /// Begins now.
    pub fn new(now: Duration, ttl: Duration) -> Silence {
        Silence { ttl, state: State::Counted(Window::at(now + ttl)) }
    }

    /// Goes on after a restart. `left`: what an orderly end saved of the time it may be silent.
    pub fn restored(now: Duration, ttl: Duration, status: Status, left: Option<Duration>) -> Silence {
        let state = match left {
            Some(left) => State::Counted(Window::at(now + left.min(ttl))),
            None if status == Status::Critical => State::Known,
            None => State::Counted(Window::at(now + ttl)),
        };
        Silence { ttl, state }
    }

    /// The instance has said something.
    pub fn reported(&mut self, now: Duration) {
        self.state = State::Counted(Window::at(now + self.ttl));
    }

    /// Time that it may still be silent; `None` when it has been for too long.
    pub fn left(&self, now: Duration) -> Option<Duration> {
        self.over_at().map(|window| window.most.saturating_sub(now))
    }

    /// When the silence has been too long, or is to be told again.
    pub fn deadline(&self) -> Option<Window> {
        match &self.state {
            State::Counted(window) => Some(*window),
            State::Asked(_, since) => Some(Window::at(*since + RETRY)),
            State::Known => None,
        }
    }

    /// When the TTL ends, while it has not.
    pub fn over_at(&self) -> Option<Window> {
        match &self.state {
            State::Counted(window) => Some(*window),
            _ => None,
        }
    }

    /// What there is to say of a silence that has been too long.
    pub fn finding(&self, newest: &Text) -> Observation {
        match &self.state {
            State::Asked(finding, _) => finding.clone(),
            _ if newest.is_empty() => critical("TTL expired".to_owned()),
            _ => critical(format!("TTL expired (last output before timeout follows): {newest}")),
        }
    }

    /// The catalog was asked to show it.
    pub fn asked(&mut self, now: Duration, finding: Observation) {
        self.state = State::Asked(finding, now);
    }

    /// Nobody needs to be told.
    pub fn known(&mut self) {
        self.state = State::Known;
    }

    /// The catalog shows this.
    pub fn settle(&mut self, status: Status, output: &Text) {
        if matches!(&self.state, State::Asked(it, _) if it.status == status && it.output == *output) {
            self.state = State::Known;
        }
    }
}

fn critical(output: String) -> Observation {
    Observation { status: Status::Critical, output: output.into() }
}
