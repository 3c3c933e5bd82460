//! One instance that is going to die, and whoever waits for the news: a blocking query that is parked at the server when it
//! happens.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::scenario::{Fault, Pace, Scenario};
use crate::instance::{Instance, Place};
use crate::support::client::{Client, Request};
use crate::support::process::Process;

/// Longest wait for an instance to be shown as passing: many intervals, and longer than muster backs off from the dead.
const PASS_WAIT_MAX: Duration = Duration::from_secs(120);

/// How long one blocking query waits at most; then the next is parked.
const PARKED_FOR: &str = "30s";

/// A registered instance that passes, and its watcher.
pub struct Victim {
    instance: Instance,
    watcher: Watcher,
}

impl Victim {
    /// Starts an instance, registers it, and waits until it passes. A blocking query is parked when the call returns.
    ///
    /// # Errors
    /// A sentence when it does not pass in time.
    pub fn prepare(
        server: &Process,
        scenario: &Scenario,
        pace: Pace,
        name: &str,
        place: &Place,
    ) -> Result<Victim, String> {
        let instance = Instance::start(place)?;
        let watcher = Watcher::park(server.address, name)?;
        let mut victim = Victim { instance, watcher };
        victim.register(server, scenario, pace)?;
        victim.shown_again(Instant::now())?;
        Ok(victim)
    }

    /// Registers the instance.
    ///
    /// # Errors
    /// With the server's words when it refuses.
    pub fn register(&self, server: &Process, scenario: &Scenario, pace: Pace) -> Result<(), String> {
        let knows_watch = server.name == "muster";
        let registration = scenario.registration(&self.watcher.name, &self.instance, pace, knows_watch);
        register(server.address, &registration)
    }

    /// Waits until the answer is there that shows the instance: how long that is after `well_at`.
    ///
    /// # Errors
    /// A sentence when it does not pass in time.
    pub fn shown_again(&mut self, well_at: Instant) -> Result<Duration, String> {
        let shown_at = self.watcher.wait_until(true, Instant::now() + PASS_WAIT_MAX)?;
        let shown_at = shown_at
            .ok_or_else(|| format!("{} does not pass within {PASS_WAIT_MAX:?}", self.watcher.name))?;
        Ok(shown_at.saturating_duration_since(well_at))
    }

    /// Lets the instance be dead for `span`. Its watcher goes on watching, as a client does that wants to know.
    ///
    /// # Errors
    /// A sentence when it is shown meanwhile.
    pub fn stay_dead(&mut self, span: Duration) -> Result<(), String> {
        match self.watcher.wait_until(true, Instant::now() + span)? {
            Some(_) => Err(format!("{} was shown while it was dead", self.watcher.name)),
            None => Ok(()),
        }
    }

    /// Lets the instance live for `span`.
    ///
    /// # Errors
    /// A sentence when it is left out of the answer meanwhile: nothing is wrong with it.
    pub fn live(&mut self, span: Duration) -> Result<(), String> {
        match self.watcher.wait_until(false, Instant::now() + span)? {
            Some(_) => Err(format!("{} was left out before anything happened to it", self.watcher.name)),
            None => Ok(()),
        }
    }

    /// Has the fault happen to the instance; the moment just before. A host's is had by the host.
    pub fn suffer(&mut self, fault: Fault) -> Option<Instant> {
        match fault {
            Fault::Signal(signal) => Some(self.instance.signal(signal)),
            Fault::Order(order) => Some(self.instance.order(order)),
            Fault::Vanish => None,
        }
    }

    /// Waits until the answer is there that no longer shows the instance: how long that is after the fault.
    ///
    /// # Errors
    /// A sentence when that takes longer than `patience`.
    pub fn noticed(&mut self, fault_at: Instant, patience: Duration) -> Result<Duration, String> {
        let noticed_at = self.watcher.wait_until(false, fault_at + patience)?;
        let noticed_at =
            noticed_at.ok_or_else(|| format!("{} is still shown after {patience:?}", self.watcher.name))?;
        Ok(noticed_at.saturating_duration_since(fault_at))
    }
}

/// A client that follows `/v1/health/service/NAME?passing`; there is always a query under way.
pub struct Watcher {
    client: Client,
    pub name: String,
    index: u64,
}

impl Watcher {
    /// Begins with what is there at once.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn park(server: SocketAddr, name: &str) -> Result<Watcher, String> {
        let mut watcher = Watcher { client: Client::new(server), name: name.to_owned(), index: 0 };
        watcher.ask().map_err(|error| format!("{name}: {error}"))?;
        Ok(watcher)
    }

    /// When the answer was there that shows the instance, or does not; `None` when the deadline passes first.
    ///
    /// # Errors
    /// When the server cannot be reached, or answers with anything but 200.
    pub fn wait_until(&mut self, shown: bool, deadline: Instant) -> Result<Option<Instant>, String> {
        let failed = |name: &str, error: io::Error| format!("{name}: {error}");
        loop {
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let answered = self.client.answered_within(left);
            if !answered.map_err(|error| failed(&self.name, error))? {
                return Ok(None);
            }
            let answer = self.client.receive().map_err(|error| failed(&self.name, error))?;
            let at = Instant::now();
            if answer.status != 200 {
                return Err(format!("{}: {} {}", self.name, answer.status, answer.text()));
            }
            let is_shown = answer.json().as_array().is_some_and(|entries| !entries.is_empty());
            let index = answer.index().unwrap_or(0);
            self.index = if index < self.index { 0 } else { index };
            self.ask().map_err(|error| failed(&self.name, error))?;
            if is_shown == shown {
                return Ok(Some(at));
            }
        }
    }

    fn ask(&mut self) -> io::Result<()> {
        let (name, index) = (&self.name, self.index);
        let target = format!("/v1/health/service/{name}?passing&index={index}&wait={PARKED_FOR}");
        self.client.send(&Request::new("GET", &target))
    }
}

/// Registers an instance.
///
/// # Errors
/// With the server's words when it refuses.
pub fn register(server: SocketAddr, registration: &Value) -> Result<(), String> {
    let answer = Client::new(server).put("/v1/agent/service/register", &registration.to_string());
    let answer = answer.map_err(|error| format!("{}: {error}", registration["Name"]))?;
    if answer.status != 200 {
        return Err(format!("{}: {} {}", registration["Name"], answer.status, answer.text()));
    }
    Ok(())
}

/// Deregisters an instance, whose service is called as it is.
///
/// # Errors
/// When the server cannot be reached.
pub fn deregister(server: SocketAddr, name: &str) -> Result<(), String> {
    let answer = Client::new(server).put(&format!("/v1/agent/service/deregister/{name}"), "");
    answer.map(|_| ()).map_err(|error| format!("{name}: {error}"))
}
