//! What came of a run: counts, latencies and complaints.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

/// The longest latency told apart from longer ones, in microseconds.
const LATENCY_US_MAX: u64 = 120_000_000;

/// Three significant digits: an error below 0.1 %, in 200 kB a histogram.
const DIGITS: u8 = 3;

/// Different complaints kept a row; more than a few means that all is wrong.
const COMPLAINTS_MAX: usize = 32;

/// Latencies, in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_US_MAX, DIGITS).expect("the bounds are in order"))
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, nanoseconds: u64) {
        self.0.saturating_record(nanoseconds / 1_000);
    }

    /// Counts what another has counted as well.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// Microseconds that a share of all, from 0 to 1, do not exceed; 0 if there is none.
    pub fn at(&self, share: f64) -> u64 {
        self.0.value_at_quantile(share)
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The longest, in microseconds.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The mean, in microseconds.
    pub fn mean(&self) -> f64 {
        self.0.mean()
    }
}

/// Everything about one kind of request in the seconds that count.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// From the moment a request was due to the last byte of its answer; right answers only.
    pub latencies: Latencies,
    /// Bytes of those answers, heads included.
    pub bytes: u64,
    /// What was wrong with the others, and how often.
    pub complaints: BTreeMap<String, u64>,
}

impl Row {
    /// Counts a right answer.
    pub fn right(&mut self, nanoseconds: u64, bytes: usize) {
        self.latencies.record(nanoseconds);
        self.bytes += bytes as u64;
    }

    /// Counts a request without one.
    pub fn wrong(&mut self, complaint: String) {
        let full = self.complaints.len() >= COMPLAINTS_MAX && !self.complaints.contains_key(&complaint);
        let complaint = if full { "other complaints".into() } else { complaint };
        *self.complaints.entry(complaint).or_default() += 1;
    }

    /// Counts what another has counted as well.
    pub fn add(&mut self, other: &Self) {
        self.latencies.add(&other.latencies);
        self.bytes += other.bytes;
        for (complaint, count) in &other.complaints {
            *self.complaints.entry(complaint.clone()).or_default() += count;
        }
    }

    /// Requests without a right answer.
    pub fn errors(&self) -> u64 {
        self.complaints.values().sum()
    }
}

/// A stretch of time, to see how a run went rather than what it came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    /// Right answers that ended in it.
    pub answers: u64,
    /// Requests without one that ended in it.
    pub errors: u64,
    /// The longest latency among them, in microseconds.
    pub slowest_us: u64,
}

/// What a server's process used in the seconds that count.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time, in seconds.
    pub cpu_seconds: f64,
    /// Memory at the end, in bytes.
    pub rss_bytes: u64,
}

/// Everything about a run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The seconds that count.
    pub seconds: f64,
    /// Requests a second that were asked for, if they were.
    pub rate: Option<f64>,
    /// By the names of the requests.
    pub rows: Vec<(String, Row)>,
    /// Tenths of a second, one after the other.
    pub slots: Vec<Slot>,
    /// Processor time of the generator itself, in seconds: near the number of its threads, it is what was measured.
    pub own_cpu_seconds: f64,
    /// What the server used, if its process is known.
    pub server: Option<Usage>,
}

impl Figures {
    /// All rows together.
    pub fn total(&self) -> Row {
        let mut total = Row::default();
        self.rows.iter().for_each(|(_, row)| total.add(row));
        total
    }

    /// Right answers a second.
    pub fn per_second(&self) -> f64 {
        self.rows.iter().map(|(_, row)| row.latencies.count()).sum::<u64>() as f64 / self.seconds
    }

    /// The longest time without a single right answer, in seconds, to a tenth.
    pub fn silence_seconds(&self) -> f64 {
        let silences = self.slots.split(|slot| slot.answers > 0).map(<[Slot]>::len);
        silences.max().unwrap_or_default() as f64 / 10.0
    }

    /// Processor time of the server for each right answer, in microseconds.
    pub fn server_us_per_answer(&self) -> Option<f64> {
        let answers = self.total().latencies.count();
        // A server that was started anew in between has used less than before.
        let usage = self.server.filter(|it| answers > 0 && it.cpu_seconds >= 0.0)?;
        Some(usage.cpu_seconds * 1e6 / answers as f64)
    }
}
