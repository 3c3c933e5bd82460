//! The engine under test, watched by the oracle at every call, and spoiled on purpose where a test wants to see that
//! the oracle notices.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use muster::base::stdx::text::Text;
use muster::core::health::{
    Arrival, CheckKey, DueAction, Full, HealthEngine, HealthSettings, ResultSource, Saved, Verdict,
};
use muster::core::model::{Check, Observation, Status};

use crate::health::mutants::Mutant;
use crate::health::oracle::{self, Judged, Oracle};
use crate::health::plan::NODE;
use crate::trace::At;

/// The instant that all worlds begin at; only differences to it are ever looked at.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Ticks after each of which every check is looked at, whether something happened to it or not.
const LOOK_AROUND_EVERY: u32 = 10;

/// The engine and its oracle.
pub struct Subject {
    settings: HealthSettings,
    engine: HealthEngine,
    oracle: Oracle,
    mutant: Option<Mutant>,
    calls: usize,
    ticks: u32,
    tracked: Vec<CheckKey>,
    /// What is on disk of the TTLs: at how much attended time each ends, and how much of that there was.
    ends: HashMap<CheckKey, Duration>,
    noted: Duration,
    noted_by_oracle: oracle::Saved,
    /// The engine is not told of the present write.
    is_deaf: bool,
    /// The first complaint, with the call that it is about.
    pub complaint: Option<String>,
}

/// Everything that an orderly restart takes along: what the engine gave, and what it should have given.
#[derive(Default)]
pub struct Luggage {
    engine: Vec<(CheckKey, Saved)>,
    oracle: oracle::Saved,
}

impl Subject {
    pub fn new(settings: HealthSettings, mutant: Option<Mutant>) -> Subject {
        let engine = HealthEngine::new(settings.clone());
        let oracle = Oracle::new(settings.clone());
        Subject {
            settings,
            engine,
            oracle,
            mutant,
            calls: 0,
            ticks: 0,
            tracked: Vec::new(),
            ends: HashMap::new(),
            noted: Duration::ZERO,
            noted_by_oracle: oracle::Saved::new(),
            is_deaf: false,
            complaint: None,
        }
    }

    /// What the next process gets from this one if its end is orderly. What the engine gives goes through its written
    /// form, as it does in earnest.
    pub fn save(&self, at: At) -> Luggage {
        let saved = self.engine.save(instant(at));
        let written = saved.iter().map(|(key, saved)| {
            let bytes = serde_json::to_vec(saved).expect("what is saved can be written");
            (key.clone(), serde_json::from_slice(&bytes).expect("what was written can be read"))
        });
        let engine = if self.is(Mutant::ForgetsSaved) { Vec::new() } else { written.collect() };
        Luggage { engine, oracle: self.oracle.save(at) }
    }

    /// Puts on disk what a crash from now on leaves.
    pub fn note(&mut self, at: At) {
        let news = self.engine.ttl_news(self.spoiled(at));
        for (key, left) in news.ttls {
            match left {
                Some(ttl) => self.ends.insert(key, news.attended + ttl.left),
                None => self.ends.remove(&key),
            };
        }
        self.noted = news.attended;
        self.noted_by_oracle = self.oracle.note(at);
    }

    /// What the next process gets from this one if it crashes: what was put on disk last.
    pub fn leave(&mut self) -> Luggage {
        let left = |end: &Duration| Saved::after_crash(end.saturating_sub(self.noted));
        let engine = self.ends.iter().map(|(key, end)| (key.clone(), left(end)));
        let engine = if self.is(Mutant::BeginsTtlsAnew) { Vec::new() } else { engine.collect() };
        Luggage { engine, oracle: std::mem::take(&mut self.noted_by_oracle) }
    }

    /// The next process.
    pub fn restarted(&self) -> Subject {
        Subject { calls: self.calls, ..Subject::new(self.settings.clone(), self.mutant) }
    }

    pub fn track(&mut self, at: At, key: &CheckKey, check: &Check) -> Result<(), Full> {
        // The driver tells of a write twice: by tracking what it is of, and by what it shows.
        self.is_deaf = self.tracked.contains(key) && self.now_and_then(Mutant::IsNotToldOfWrites);
        let tracked = match self.is_deaf {
            true => Ok(()),
            false => self.engine.track(self.spoiled(at), key.clone(), check, Arrival::Registered),
        };
        let judged = self.oracle.track(at, key, check, tracked);
        self.note_tracked(key, tracked);
        self.judge(at, Some(key), judged);
        tracked
    }

    pub fn restore(
        &mut self,
        at: At,
        key: &CheckKey,
        check: &Check,
        age: Duration,
        luggage: &mut Luggage,
    ) -> Result<(), Full> {
        let saved = luggage.engine.iter().find(|(it, _)| it == key).map(|(_, saved)| *saved);
        let status_age = if self.is(Mutant::RestoresAsNew) { Duration::ZERO } else { age };
        let arrival = Arrival::Restored { status_age, saved };
        let tracked = self.engine.track(instant(at), key.clone(), check, arrival);
        let carried = luggage.oracle.remove(key.check_id.as_str());
        let judged = self.oracle.restore(at, key, check, age, carried, tracked);
        self.note_tracked(key, tracked);
        self.judge(at, Some(key), judged);
        tracked
    }

    fn note_tracked(&mut self, key: &CheckKey, tracked: Result<(), Full>) {
        if tracked.is_ok() && !self.tracked.contains(key) {
            self.tracked.push(key.clone());
        }
    }

    pub fn forget(&mut self, at: At, key: &CheckKey) {
        self.engine.forget(key);
        self.oracle.forget(key);
        self.tracked.retain(|it| it != key);
        self.judge(at, Some(key), Ok(()));
    }

    pub fn settled(&mut self, at: At, key: &CheckKey, status: Status, output: &Text) {
        if !self.is_deaf {
            self.engine.note_shown(self.spoiled(at), key, status, output);
        }
        self.oracle.settled(at, key, status, output);
        self.judge(at, Some(key), Ok(()));
    }

    pub fn registered_again(&mut self, at: At, key: &CheckKey) {
        self.engine.registered_again(self.spoiled(at), key);
        self.oracle.registered_again(at, key);
        self.judge(at, Some(key), Ok(()));
    }

    pub fn connection_lost(&mut self, at: At, key: &CheckKey) {
        if !self.is(Mutant::IgnoresLostConnections) {
            self.engine.connection_lost(self.spoiled(at), key);
        }
        self.oracle.connection_lost(at, key);
        self.judge(at, Some(key), Ok(()));
    }

    pub fn observe(
        &mut self,
        at: At,
        key: &CheckKey,
        observation: Observation,
        source: ResultSource,
    ) -> Verdict {
        let mut verdict = self.engine.observe(self.spoiled(at), key, observation.clone(), source);
        if self.now_and_then(Mutant::SwallowsChanges) && matches!(verdict, Verdict::Changed(_)) {
            verdict = Verdict::Unchanged;
        }
        if self.now_and_then(Mutant::CriesWolf) && verdict == Verdict::Unchanged {
            verdict = Verdict::Changed(observation.clone());
        }
        let newest = self.newest(key);
        let judged = self.oracle.observe(at, key, &observation, source, (&verdict, &newest));
        self.judge(at, Some(key), judged);
        verdict
    }

    pub fn tick(&mut self, at: At) -> Vec<DueAction> {
        let mut due = Vec::new();
        self.engine.tick(self.spoiled(at), &mut due);
        self.spoil(&mut due);
        let told: Vec<(DueAction, Text)> =
            due.iter().map(|due| (due.clone(), self.newest(oracle::key_of(due)))).collect();
        let judged = self.oracle.tick(at, &told, |id| newest(&self.engine, &CheckKey::new(NODE, id)));
        self.judge(at, None, judged);
        for (due, _) in &told {
            self.look(at, oracle::key_of(due));
        }
        self.ticks += 1;
        if self.ticks.is_multiple_of(LOOK_AROUND_EVERY) {
            self.tracked.clone().iter().for_each(|key| self.look(at, key));
        }
        due
    }

    /// When the engine wants to be called.
    pub fn next_due(&self) -> Option<At> {
        self.engine.next_due().map(|it| it - *BEGINNING)
    }

    fn newest(&self, key: &CheckKey) -> Text {
        newest(&self.engine, key)
    }

    fn look(&mut self, at: At, key: &CheckKey) {
        let insight = self.engine.insight(self.spoiled(at), key);
        let told = insight.map(|insight| (insight, self.newest(key)));
        let judged = self.oracle.look(at, key, told);
        self.complain(judged);
    }

    fn judge(&mut self, at: At, key: Option<&CheckKey>, judged: Judged) {
        self.complain(judged);
        if let Some(key) = key {
            self.look(at, key);
        }
        let next_due = self.next_due();
        if self.is(Mutant::RunsAhead) {
            return;
        }
        let judged = self.oracle.next_due(at, next_due, key.is_none());
        self.complain(judged);
    }

    fn complain(&mut self, judged: Judged) {
        if let Err(complaint) = judged {
            self.complaint.get_or_insert(complaint);
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether that mutant strikes: every seventh time.
    fn now_and_then(&mut self, mutant: Mutant) -> bool {
        self.calls += 1;
        self.is(mutant) && self.calls.is_multiple_of(7)
    }

    fn spoil(&mut self, due: &mut Vec<DueAction>) {
        let is_struck = self.now_and_then(Mutant::LosesWhatIsDue);
        let of_kind = |due: &DueAction, mutant| match due {
            DueAction::Probe { .. } => mutant == Mutant::RunsTwice,
            DueAction::Reap { .. } => mutant == Mutant::ReapsLate,
            DueAction::Expired { .. } => mutant == Mutant::NeverExpires,
            DueAction::Show { .. } => mutant == Mutant::NeverShows,
            DueAction::Sync { .. } => mutant == Mutant::NeverSyncs,
        };
        match self.mutant {
            Some(Mutant::LosesWhatIsDue) if is_struck => due.clear(),
            Some(Mutant::RunsTwice) => {
                if let Some(again) = due.iter().find(|it| of_kind(it, Mutant::RunsTwice)) {
                    due.push(again.clone());
                }
            }
            Some(mutant) => due.retain(|it| !of_kind(it, mutant)),
            None => {}
        }
    }

    /// The instant that the engine is told.
    fn spoiled(&self, at: At) -> Instant {
        match self.mutant {
            Some(Mutant::RunsAhead) => instant(at + at / 1_000),
            _ => instant(at),
        }
    }
}

fn newest(engine: &HealthEngine, key: &CheckKey) -> Text {
    engine.output(key).cloned().unwrap_or_default()
}

fn instant(at: At) -> Instant {
    *BEGINNING + at
}
