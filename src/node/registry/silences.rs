//! What a crash leaves of the TTLs: how long each instance may still be silent, on disk, coarsely.
//!
//! After a kill a TTL goes on where it was, so that an instance that has died is found out however often muster is
//! killed. The time muster was away does not count: the reckoning is in attended time, summed over all lives of the
//! process. A row of its own says how much of that there was, and a row of each check at how much of it the check's TTL
//! ends. So silence costs one small row now and then, for all checks together, and a report one row in the next batch;
//! nobody waits for a batch, and there are never two within [`BATCH_EVERY_MIN`].
//!
//! What a kill can take is the time since the last batch: silence that is not counted, at most as long as this life, a
//! quarter of the shortest TTL, or [`CLOCK_EVERY_MAX`]; or a report that came within the last second.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::sys::oneshot::Receiver;
use crate::core::health::{CheckKey, HealthEngine, Saved, TtlLeft};
use crate::core::model::NodeKey;
use crate::core::model::limits::TIME_MS_MAX;
use crate::node::registry::queue::{WriteQueue, WriteReply};
use crate::store::change::{KEY_BYTES_MAX, RowChange, Table};

/// What the key of a check's row begins with; its node and its id follow.
const OF_CHECK: &str = "silence/of/";

/// The key of the row that says how long muster has been there.
const CLOCK: &str = "silence/clock";

/// What separates node and id.
const SEPARATOR: char = '\t';

/// Least time between two batches: with ten thousand instances that report every ten seconds, one holds a thousand
/// rows.
const BATCH_EVERY_MIN: Duration = Duration::from_secs(1);

/// Time between two looks at what is under way: a batch, or runs of checks.
pub const TURN_EVERY: Duration = Duration::from_millis(200);

/// Longest time between two rows of the clock while a TTL runs. More would save writes that nobody notices.
const CLOCK_EVERY_MAX: Duration = Duration::from_secs(10);

/// Time from a start to the second row of the clock; each next one comes when muster is twice as old. So of a life,
/// however short, about half is counted, and a muster that is killed again and again finds out the dead all the same.
const CLOCK_FIRST: Duration = Duration::from_millis(100);

/// What a life before has left.
#[derive(Debug, Default)]
pub struct SavedSilences {
    /// Attended milliseconds of all lives.
    clock_ms: u64,
    /// At how many of them the TTL of each check ends.
    ends_ms: HashMap<CheckKey, u64>,
}

impl SavedSilences {
    /// Takes over a row of [`Table::Meta`], if it is one of these.
    ///
    /// # Errors
    /// A sentence when it is not as it was written.
    pub fn absorb(&mut self, key: &str, value: &[u8]) -> Result<(), String> {
        let number = || -> Result<u64, String> {
            let number: Option<u64> = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
            number
                .map(|number| number.min(TIME_MS_MAX))
                .ok_or_else(|| format!("row {key:?}: it is no number of milliseconds"))
        };
        if key == CLOCK {
            self.clock_ms = number()?;
        } else if let Some(place) = key.strip_prefix(OF_CHECK) {
            let (node, id) =
                place.split_once(SEPARATOR).ok_or_else(|| format!("row {key:?}: no tab in its key"))?;
            self.ends_ms.insert(CheckKey::new(NodeKey::filed(node), id), number()?);
        }
        Ok(())
    }

    /// What is known of one check.
    pub fn of(&self, key: &CheckKey) -> Option<Saved> {
        let end_ms = self.ends_ms.get(key)?;
        Some(Saved::after_crash(Duration::from_millis(end_ms.saturating_sub(self.clock_ms))))
    }
}

/// Writes down, now and then, how long each instance may still be silent.
#[derive(Default)]
pub struct SilenceKeeper {
    /// Attended milliseconds of all lives before this one.
    before_ms: u64,
    /// The TTLs that run, by check, and how often there is each.
    running: HashMap<CheckKey, Duration>,
    ttls: BTreeMap<Duration, usize>,
    /// When the first batch was made.
    begun: Option<Instant>,
    /// When a batch was last made, and how long the clock then had time.
    last: Option<(Instant, Duration)>,
    /// Rows that are not known to be written, of a batch under way or one that was refused: key and milliseconds, or
    /// `None` for one that goes.
    unwritten: BTreeMap<String, Option<u64>>,
    under_way: Option<Receiver<WriteReply>>,
}

impl SilenceKeeper {
    /// Goes on from what was `left`; rows of checks that have no TTL any more go with the first batch.
    pub fn resumed(left: &SavedSilences) -> SilenceKeeper {
        let unwritten = left.ends_ms.keys().map(|key| (row_key(key), None)).collect();
        SilenceKeeper { before_ms: left.clock_ms, unwritten, ..SilenceKeeper::default() }
    }

    /// Has rows of [`Table::Meta`] removed with the next batch.
    pub fn remove(&mut self, keys: impl Iterator<Item = String>) {
        self.unwritten.extend(keys.map(|key| (key, None)));
    }

    /// What an orderly end writes with everything else.
    pub fn last(&mut self, now: Instant, health: &mut HealthEngine) -> Vec<RowChange> {
        self.batch(now, health).unwrap_or_default()
    }

    /// Hands a batch to the writer when there is something to write and it is time.
    pub fn turn(&mut self, now: Instant, health: &Mutex<HealthEngine>, queue: &WriteQueue) {
        if self.is_time(now)
            && self.has_settled()
            && let Some(rows) = self.batch(now, &mut health.lock())
        {
            // When the queue is full, there is a next time.
            self.under_way = queue.submit_rows(rows).ok();
        }
    }

    /// When [`SilenceKeeper::turn`] may have something to do, unless a TTL is set anew before.
    pub fn look_at(&self, now: Instant) -> Option<Instant> {
        match self.last {
            Some(_) if !self.unwritten.is_empty() => Some(now + TURN_EVERY),
            Some((at, pause)) => (!self.running.is_empty()).then_some(at + pause),
            None => (!self.unwritten.is_empty()).then_some(now),
        }
    }

    /// What is to be written by now, if there is anything.
    fn batch(&mut self, now: Instant, health: &mut HealthEngine) -> Option<Vec<RowChange>> {
        let is_clock_due = self.is_clock_due(now);
        if !is_clock_due && !health.has_ttl_news() && self.unwritten.is_empty() {
            return None;
        }
        let news = health.ttl_news(now);
        let clock_ms = self.before_ms.saturating_add(news.attended.as_millis() as u64);
        news.ttls.into_iter().for_each(|(key, left)| self.note(key, left, clock_ms));
        self.unwritten.insert(CLOCK.to_owned(), Some(clock_ms));
        let age = now.saturating_duration_since(*self.begun.get_or_insert(now));
        self.last = Some((now, age.max(CLOCK_FIRST).min(self.clock_every())));
        let row = |(key, value): (&String, &Option<u64>)| RowChange {
            table: Table::Meta,
            key: key.clone(),
            value: value.map(|number| number.to_string().into_bytes()),
        };
        Some(self.unwritten.iter().map(row).collect())
    }

    fn is_time(&self, now: Instant) -> bool {
        let Some((at, _)) = self.last else { return true };
        now.saturating_duration_since(at) >= BATCH_EVERY_MIN.min(self.clock_every()) || self.is_clock_due(now)
    }

    /// Silence has to be counted while a TTL runs.
    fn is_clock_due(&self, now: Instant) -> bool {
        let is_over = |(at, pause): (Instant, Duration)| now.saturating_duration_since(at) >= pause;
        !self.running.is_empty() && self.last.is_some_and(is_over)
    }

    fn clock_every(&self) -> Duration {
        let shortest = self.ttls.first_key_value().map_or(CLOCK_EVERY_MAX, |(ttl, _)| *ttl);
        (shortest / 4).clamp(CLOCK_FIRST, CLOCK_EVERY_MAX)
    }

    /// Whether no batch is under way. Rows of one that was refused are kept for the next.
    fn has_settled(&mut self) -> bool {
        match self.under_way.take().map(Receiver::try_recv) {
            None => true,
            Some(Ok(outcome)) => {
                if outcome.is_ok_and(|reply| reply.is_ok()) {
                    self.unwritten.clear();
                }
                true
            }
            Some(Err(receiver)) => {
                self.under_way = Some(receiver);
                false
            }
        }
    }

    fn note(&mut self, key: CheckKey, left: Option<TtlLeft>, clock_ms: u64) {
        let (row, ttl) = (row_key(&key), left.map(|it| it.ttl));
        let before = match ttl {
            Some(ttl) => self.running.insert(key, ttl),
            None => self.running.remove(&key),
        };
        if let Some(count) = before.and_then(|ttl| self.ttls.get_mut(&ttl)) {
            *count -= 1;
        }
        self.ttls.retain(|_, count| *count > 0);
        if let Some(ttl) = ttl {
            *self.ttls.entry(ttl).or_default() += 1;
        }
        let end_ms = left.map(|it| clock_ms.saturating_add(it.left.as_millis() as u64));
        // One that is too long for a store could hardly be a check's own row either.
        if row.len() <= KEY_BYTES_MAX {
            self.unwritten.insert(row, end_ms);
        }
    }
}

fn row_key(key: &CheckKey) -> String {
    format!("{OF_CHECK}{}{SEPARATOR}{}", key.node, key.check_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::health::{Arrival, HealthSettings};
    use crate::core::model::{Check, CheckDefinition, Probe, Status};

    const MS: Duration = Duration::from_millis(1);
    const TTL: Duration = Duration::from_secs(8);

    fn beat() -> (CheckKey, Check) {
        let definition =
            CheckDefinition { probe: Some(Probe::Ttl { ttl: TTL }), ..CheckDefinition::default() };
        let check = Check {
            id: "beat".into(),
            status: Status::Passing,
            definition: std::sync::Arc::new(definition),
            origin: crate::core::model::Origin::Agent,
            ..Check::default()
        };
        (CheckKey::new("n", "beat"), check)
    }

    /// One life of the process.
    struct Life {
        health: HealthEngine,
        silences: SilenceKeeper,
        now: Instant,
    }

    impl Life {
        /// Begins with what the rows say.
        fn begin(now: Instant, disk: &BTreeMap<String, Vec<u8>>) -> Life {
            let mut left = SavedSilences::default();
            disk.iter().for_each(|(key, value)| left.absorb(key, value).unwrap());
            let mut health = HealthEngine::new(HealthSettings::default());
            let (key, check) = beat();
            let arrival = match disk.is_empty() {
                true => Arrival::Registered,
                false => Arrival::Restored { status_age: Duration::ZERO, saved: left.of(&key) },
            };
            health.track(now, key, &check, arrival).unwrap();
            Life { health, silences: SilenceKeeper::resumed(&left), now }
        }

        /// Lives for a while, a hundredth of a second at a time; gives when the TTL ended, and how often was written.
        fn live(&mut self, time: Duration, disk: &mut BTreeMap<String, Vec<u8>>) -> (Option<Duration>, u32) {
            let (begun, mut due, mut expired, mut batches) = (self.now, Vec::new(), None, 0);
            while self.now < begun + time {
                self.now += 10 * MS;
                self.health.tick(self.now, &mut due);
                if !due.is_empty() && expired.is_none() {
                    expired = Some(self.now - begun);
                }
                if self.silences.is_time(self.now)
                    && let Some(rows) = self.silences.batch(self.now, &mut self.health)
                {
                    batches += 1;
                    self.silences.unwritten.clear();
                    for row in rows {
                        match row.value {
                            Some(value) => disk.insert(row.key, value),
                            None => disk.remove(&row.key),
                        };
                    }
                }
            }
            (expired, batches)
        }
    }

    #[test]
    fn kills_however_frequent_keep_no_silent_instance_alive() {
        for life_ms in [150, 300, 1_700, 5_000] {
            let (mut disk, mut now, mut lived) = (BTreeMap::new(), Instant::now(), Duration::ZERO);
            let ended = loop {
                let mut life = Life::begin(now, &disk);
                let (expired, _) = life.live(life_ms * MS, &mut disk);
                // A whole day away does not count.
                now = life.now + Duration::from_secs(86_400);
                if let Some(after) = expired {
                    break lived + after;
                }
                lived += life_ms * MS;
                assert!(lived < 3 * TTL, "lives of {life_ms} ms: it goes on and on");
            };
            assert!((TTL..=2 * TTL + TTL / 4).contains(&ended), "lives of {life_ms} ms: {ended:?}");
            if life_ms > 1_000 {
                assert!(ended <= TTL + TTL / 2, "lives of {life_ms} ms: {ended:?}");
            }
        }
    }

    #[test]
    fn silence_and_reports_cost_few_batches() {
        let mut disk = BTreeMap::new();
        let mut life = Life::begin(Instant::now(), &disk);
        let (_, batches) = life.live(TTL - 100 * MS, &mut disk);
        let few = "the first, some until it is old, and one each quarter of the TTL";
        assert!((5..=10).contains(&batches), "{few}: {batches}");
        let report = |life: &mut Life| {
            let observation = crate::core::model::Observation { status: Status::Passing, output: "".into() };
            let (now, key) = (life.now, beat().0);
            life.health.observe(now, &key, observation, crate::core::health::ResultSource::Report);
        };
        let mut batches = 0;
        for _ in 0..200 {
            report(&mut life);
            batches += life.live(50 * MS, &mut disk).1;
        }
        assert!((9..=11).contains(&batches), "two hundred reports within ten seconds: {batches}");
        // What is written is what is left.
        let mut next = Life::begin(life.now, &disk);
        let (expired, _) = next.live(2 * TTL, &mut disk);
        assert!(
            expired.is_some_and(|after| after <= TTL + 10 * MS && after >= TTL - BATCH_EVERY_MIN),
            "{expired:?}"
        );
        assert_eq!(disk.keys().collect::<Vec<_>>(), [CLOCK], "one that is over leaves nothing");
    }

    #[test]
    fn what_was_not_written_is_in_the_next_batch() {
        let mut life = Life::begin(Instant::now(), &BTreeMap::new());
        let first = life.silences.batch(life.now, &mut life.health).unwrap();
        assert_eq!(first.len(), 2);
        let again = life.silences.batch(life.now + BATCH_EVERY_MIN, &mut life.health).unwrap();
        assert_eq!(again[1], first[1], "the check, which has no news since");
        life.silences.unwritten.clear();
        life.health.forget(&beat().0);
        let last = life.silences.batch(life.now + 2 * BATCH_EVERY_MIN, &mut life.health).unwrap();
        assert_eq!((last.len(), &last[1].key, &last[1].value), (2, &first[1].key, &None));
        life.silences.unwritten.clear();
        assert_eq!(life.silences.batch(life.now + 60 * TTL, &mut life.health), None, "no TTL, no clock");
    }

    #[test]
    fn a_row_that_does_not_read_is_named() {
        for (key, value) in [(CLOCK, "x"), (CLOCK, "-1"), ("silence/of/n\tc", ""), ("silence/of/no-tab", "1")]
        {
            let error = SavedSilences::default().absorb(key, value.as_bytes()).unwrap_err();
            assert!(error.contains(&format!("{key:?}")), "{error}");
        }
        assert_eq!(SavedSilences::default().absorb("other", b"x"), Ok(()));
        let mut left = SavedSilences::default();
        left.absorb(CLOCK, u64::MAX.to_string().as_bytes()).unwrap();
        left.absorb("silence/of/n\tbeat", b"7").unwrap();
        assert_eq!(left.of(&beat().0), Some(Saved::after_crash(Duration::ZERO)));
    }
}
