//! What should happen, reckoned a second time and as plainly as possible from what is specified. It shares no code with
//! the engine: where that keeps alarms in order, this looks at everything; where that has a hash to decide, this checks
//! the range, and from then on holds the engine to what it has decided.
//!
//! Each function takes one call of the engine with its outcome and complains if that is not right.

mod counting;
mod falls;
mod life;
mod reaping;
mod runs;
mod shown;
mod silence;
mod spec;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::health::{
    CheckDiagnostics, CheckKey, DueAction, Full, HealthSettings, ResultSource, Run, Verdict,
};
use muster::core::model::{Check, Observation, Status};

use crate::health::oracle::life::{Carried, Life, run_of};
use crate::health::oracle::runs::Grids;
use crate::health::oracle::spec::{DOUBT, HEARTBEAT, ROUNDING, STALL};
use crate::trace::At;

/// What should happen from one start of the process to its end.
#[derive(Debug)]
pub struct Oracle {
    settings: HealthSettings,
    lives: BTreeMap<String, Life>,
    grids: Grids,
    runs_used: HashSet<Run>,
    called_at: Option<At>,
    stalled: Duration,
    stalls: u32,
}

/// What an orderly restart takes along.
pub type Saved = BTreeMap<String, Carried>;

/// Right, or why not.
pub type Judged = Result<(), String>;

impl Oracle {
    pub fn new(settings: HealthSettings) -> Oracle {
        Oracle {
            settings,
            lives: BTreeMap::new(),
            grids: Grids::new(),
            runs_used: HashSet::new(),
            called_at: None,
            stalled: Duration::ZERO,
            stalls: 0,
        }
    }

    /// What a `Health::save` at `at` must keep.
    pub fn save(&self, at: At) -> Saved {
        let now = at - self.stalled;
        self.lives.iter().map(|(id, life)| (id.clone(), life.save(now))).collect()
    }

    /// What a crash leaves when it was put on disk now.
    pub fn note(&mut self, at: At) -> Saved {
        let now = self.attend(at);
        self.lives.iter().map(|(id, life)| (id.clone(), life.note(now))).collect()
    }

    /// Attended time: what is left when stalls are taken out.
    fn attend(&mut self, at: At) -> Duration {
        let silent = at - self.called_at.unwrap_or(at);
        if silent > DOUBT {
            self.stalls += 1;
        }
        if silent > STALL {
            self.stalled += silent - HEARTBEAT;
        }
        self.called_at = Some(at);
        at - self.stalled
    }

    pub fn track(&mut self, at: At, key: &CheckKey, check: &Check, tracked: Result<(), Full>) -> Judged {
        let now = self.attend(at);
        self.room(key, tracked)?;
        match self.lives.get_mut(key.check_id.as_str()) {
            Some(life) => life.update(now, check, &self.settings),
            None if tracked.is_ok() => {
                let life = Life::new(now, check, &self.settings);
                self.lives.insert(key.check_id.to_string(), life);
            }
            None => {}
        }
        Ok(())
    }

    pub fn restore(
        &mut self,
        at: At,
        key: &CheckKey,
        check: &Check,
        age: Duration,
        carried: Option<Carried>,
        tracked: Result<(), Full>,
    ) -> Judged {
        let now = self.attend(at);
        self.room(key, tracked)?;
        if tracked.is_ok() {
            let life = Life::restored(now, check, &self.settings, &self.grids, age, carried);
            self.lives.insert(key.check_id.to_string(), life);
        }
        Ok(())
    }

    fn room(&self, key: &CheckKey, tracked: Result<(), Full>) -> Judged {
        let is_known = self.lives.contains_key(key.check_id.as_str());
        let has_room = is_known || self.lives.len() < self.settings.checks_max;
        if has_room == tracked.is_ok() {
            Ok(())
        } else {
            Err(format!("{} checks are tracked", self.lives.len()))
        }
    }

    pub fn forget(&mut self, key: &CheckKey) {
        self.lives.remove(key.check_id.as_str());
    }

    pub fn settled(&mut self, at: At, key: &CheckKey, status: Status, output: &Text) {
        let now = self.attend(at);
        if let Some(life) = self.lives.get_mut(key.check_id.as_str()) {
            life.settle(now, status, output);
        }
    }

    pub fn registered_again(&mut self, at: At, key: &CheckKey) {
        let now = self.attend(at);
        if let Some(life) = self.lives.get_mut(key.check_id.as_str()) {
            life.registered_again(now);
        }
    }

    pub fn connection_lost(&mut self, at: At, key: &CheckKey) {
        let now = self.attend(at);
        if let Some(life) = self.lives.get_mut(key.check_id.as_str()) {
            life.connection_lost(now);
        }
    }

    pub fn observe(
        &mut self,
        at: At,
        key: &CheckKey,
        observation: &Observation,
        source: ResultSource,
        (verdict, newest): (&Verdict, &Text),
    ) -> Judged {
        let now = self.attend(at);
        let (stalls, grids) = (self.stalls, &self.grids);
        match self.lives.get_mut(key.check_id.as_str()) {
            Some(life) => life.observe(now, observation, source, stalls, grids, (verdict, newest)),
            None if *verdict == Verdict::Ignored => Ok(()),
            None => Err(format!("{verdict:?} of a check that is not tracked")),
        }
    }

    /// A tick, and what it handed out, each with the newest output of its check.
    pub fn tick(&mut self, at: At, due: &[(DueAction, Text)], newest: impl Fn(&str) -> Text) -> Judged {
        let now = self.attend(at);
        let (stalls, grids) = (self.stalls, &self.grids);
        for (due, newest) in due {
            let id = key_of(due).check_id.as_str();
            let of_check = |complaint| format!("{id}: {due:?}: {complaint}");
            if run_of(due).is_some_and(|run| !self.runs_used.insert(run)) {
                return Err(of_check("the number of this run was used before".into()));
            }
            let Some(life) = self.lives.get_mut(id) else { return Err(of_check("it is not tracked".into())) };
            life.due(now, due, stalls, grids, newest).map_err(of_check)?;
        }
        for (id, life) in &mut self.lives {
            life.ticked(now, &newest(id)).map_err(|complaint| format!("{id}: {complaint}"))?;
        }
        Ok(())
    }

    /// Compares what the engine tells of a check, after a call at `at`.
    pub fn look(&mut self, at: At, key: &CheckKey, told: Option<(CheckDiagnostics, Text)>) -> Judged {
        let now = at - self.stalled;
        match (self.lives.get_mut(key.check_id.as_str()), told) {
            (Some(life), Some((insight, newest))) => life
                .look(now, &insight, &newest, &mut self.grids)
                .map_err(|complaint| format!("{}: {complaint}", key.check_id)),
            (None, None) => Ok(()),
            (life, _) => Err(format!("{}: is it tracked: {}", key.check_id, life.is_none())),
        }
    }

    /// Whether the engine wants to be called early enough, after a call at `at`.
    pub fn next_due(&self, at: At, next_due: Option<At>, is_after_tick: bool) -> Judged {
        let Some(next) = next_due else {
            return if self.lives.is_empty() { Ok(()) } else { Err("it wants to be called no more".into()) };
        };
        if is_after_tick && next <= at {
            return Err(format!("something is due at {next:?} already, which this tick left"));
        }
        if next > at + HEARTBEAT {
            return Err(format!("it wants to be called at {next:?}, more than a heartbeat from now"));
        }
        let earliest = self.lives.values().filter_map(Life::deadline).min().map(|it| it + self.stalled);
        match earliest {
            Some(earliest) if next > earliest.max(at) + ROUNDING => {
                Err(format!("it wants to be called at {next:?}, but must be at {earliest:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// The check that `due` is about.
pub fn key_of(due: &DueAction) -> &CheckKey {
    match due {
        DueAction::Probe { key, .. }
        | DueAction::Expired { key, .. }
        | DueAction::Show { key, .. }
        | DueAction::Sync { key, .. }
        | DueAction::Reap { key, .. } => key,
    }
}
