//! What is known of one instance at one moment, and the few conclusions that everything said of it rests on.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::discovery::panic::Panic;
use crate::core::health::CheckDiagnostics;
use crate::core::model::{Check, Node, Service, Status, Transition, hold};
use crate::node::registry::checking::scheduler::SpeedClass;

/// Everything that bears on one instance.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Now, in milliseconds of Unix time.
    pub now_ms: u64,
    /// The node it is on.
    pub node: Arc<Node>,
    /// The instance.
    pub service: Arc<Service>,
    /// The node's checks, then its own.
    pub checks: Vec<CheckFacts>,
    /// The panic of its service that keeps it in `?passing` though it fails.
    pub kept_by: Option<Panic>,
}

/// Everything about one check.
#[derive(Clone, Debug)]
pub struct CheckFacts {
    /// The check with its freshest output.
    pub check: Arc<Check>,
    /// What the health engine knows; `None` when muster keeps no time for it.
    pub insight: Option<CheckDiagnostics>,
    /// For how long its next run has been waiting for a place, and among whom; `None` while that is no long time.
    pub overdue: Option<(Duration, SpeedClass)>,
    /// Its newest transition.
    pub last: Option<Arc<Transition>>,
}

/// What is remembered of an instance that is not registered.
#[derive(Clone, Debug)]
pub struct Departed {
    /// How its registration ended; of several checks' ends that of the worst.
    pub last: Option<Arc<Transition>>,
    /// A node on which an instance has the same id.
    pub elsewhere: Option<Text>,
    /// How others ended that had this id on another node, or whose service has this name; the newest first.
    pub others: Vec<Arc<Transition>>,
}

impl Facts {
    /// The worst status among its checks.
    pub fn status(&self) -> Status {
        self.checks.iter().map(|it| it.check.status).max().unwrap_or(Status::Passing)
    }

    /// Whether it is in `?passing`.
    pub fn is_in(&self) -> bool {
        self.status() == Status::Passing || self.kept_by.is_some()
    }

    /// The check that keeps it out of `?passing`, or would without a panic; `None` while all pass.
    pub fn deciding(&self) -> Option<&CheckFacts> {
        let failing = self.checks.iter().filter(|it| it.check.status != Status::Passing);
        failing.max_by_key(|it| weight(&it.check))
    }

    /// Since when all its checks pass, or one of them does not, in milliseconds of Unix time; 0 when that is not known.
    pub fn since_ms(&self) -> u64 {
        let since = |it: &CheckFacts| it.check.status_since_ms;
        match self.status() {
            Status::Passing => self.checks.iter().map(since).max().unwrap_or(0),
            _ => {
                let failing = self.checks.iter().filter(|it| it.check.status != Status::Passing);
                failing.map(since).min().unwrap_or(0)
            }
        }
    }

    /// The check by which the node or the instance is in maintenance.
    pub fn maintenance(&self) -> Option<&Check> {
        self.checks.iter().map(|it| &*it.check).find(|check| hold::is_maintenance(check))
    }
}

/// The check that keeps an instance out of `?passing`, among all that bear on it.
pub fn deciding(checks: &[Arc<Check>]) -> Option<&Arc<Check>> {
    let failing = checks.iter().filter(|check| check.status != Status::Passing);
    failing.max_by_key(|check| weight(check))
}

/// The worst decides; among equals what somebody has switched on, then what has failed longest.
fn weight(check: &Check) -> (Status, bool, Reverse<u64>) {
    (check.status, hold::is_hold(check), Reverse(check.status_since_ms))
}
