//! What a durable registration costs: `cargo bench --bench store [-- DIRECTORY]`.
//!
//! Each registration writes what the registry writes for one: a service row of about 350 bytes and two check rows of
//! about 300. Batches of 1, 8 and 64 stand for as many writers waiting for the same commit. The bare log is the limit
//! set by the disk: the same bytes appended to a preallocated file, one `fdatasync` a batch. The two take turns in
//! every round, so that a busy disk hits both; compare their ratio, not the absolute figures, between machines.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muster::store::change::{Batch, RowChange, Table};
use muster::store::embedded::{EmbeddedStore, EngineLimits};
use muster::store::rows::Store;

/// 33,334 registrations are 100,002 rows.
const LIVE_REGISTRATIONS: u64 = 33_334;
const ROUNDS: usize = 5;
/// Registrations a batch, and batches a round.
const SHAPES: [(u64, usize); 3] = [(1, 400), (8, 200), (64, 100)];
const LOG_BYTES: u64 = 256 << 20;

fn main() {
    let parent = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parent = parent.map_or_else(|| std::env::current_dir().expect("a working directory"), PathBuf::from);
    let directory = tempfile::tempdir_in(&parent).expect("a directory that can be written to");
    let path = directory.path().join("data");
    let mut log = BareLog::create(&directory.path().join("log"));
    let mut store = open(&path);
    store.load(&mut |_, _, _| Ok(())).expect("an empty store loads");
    let mut workload = Workload { index: 0, state: 0x9e37_79b9_7f4a_7c15 };

    let started = Instant::now();
    let mut inserts = Figures::default();
    for first in (0..LIVE_REGISTRATIONS).step_by(64) {
        let batch = workload.batch(first..(first + 64).min(LIVE_REGISTRATIONS));
        inserts.time(64, || store.commit(&batch).expect("the disk has room"));
    }
    println!("{:<28} {inserts}", "insert, 64 a batch");
    println!("{:<28} {:?}", "100,002 rows inserted in", started.elapsed());

    for (size, batches) in SHAPES {
        let (mut bare, mut durable) = (Figures::default(), Figures::default());
        for _ in 0..ROUNDS {
            let batches: Vec<Batch> = (0..batches).map(|_| workload.updates(size)).collect();
            for batch in &batches {
                bare.time(size, || log.append(batch));
            }
            let processor = processor_time();
            for batch in &batches {
                durable.time(size, || store.commit(batch).expect("the disk has room"));
            }
            durable.processor += processor_time() - processor;
        }
        println!("{:<28} {bare}", format!("bare log, {size} a batch"));
        println!("{:<28} {durable}", format!("embedded, {size} a batch"));
    }

    println!("{:<28} {:?}", "at the end", store.describe());
    drop(store);
    let started = Instant::now();
    let mut store = open(&path);
    let opened = started.elapsed();
    let loaded = store.load(&mut |_, _, _| Ok(())).expect("the store is whole");
    println!("{:<28} open {opened:?}, open and load {:?}, {loaded:?}", "restart", started.elapsed());
}

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, jiff::Timestamp::now(), EngineLimits::default()).expect("the directory is ours")
}

/// User and system time of all threads of this process, to a hundredth of a second.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The limit: what the disk takes to keep these bytes at all.
struct BareLog {
    file: File,
    at: u64,
}

impl BareLog {
    fn create(path: &Path) -> Self {
        let mut file = File::create(path).expect("a file can be made");
        let zeros = vec![0; 4096];
        (0..LOG_BYTES / 4096).for_each(|_| file.write_all(&zeros).expect("the disk has room"));
        file.sync_all().expect("the disk works");
        Self { file, at: 0 }
    }

    fn append(&mut self, batch: &Batch) {
        let mut bytes = Vec::new();
        for change in &batch.changes {
            bytes.extend_from_slice(change.key.as_bytes());
            bytes.extend_from_slice(change.value.as_deref().unwrap_or_default());
        }
        if self.at + bytes.len() as u64 > LOG_BYTES {
            self.at = 0;
        }
        self.file.write_all_at(&bytes, self.at).expect("the file is preallocated");
        self.file.sync_data().expect("the disk works");
        self.at += bytes.len() as u64;
    }
}

/// An endless, repeatable stream of registrations.
struct Workload {
    index: u64,
    state: u64,
}

impl Workload {
    /// Xorshift: the same picks and fillers in every run.
    fn draw(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    fn updates(&mut self, size: u64) -> Batch {
        let picks: Vec<u64> = (0..size).map(|_| self.draw() % LIVE_REGISTRATIONS).collect();
        self.batch(picks.into_iter())
    }

    fn batch(&mut self, registrations: impl Iterator<Item = u64>) -> Batch {
        self.index += 1;
        let mut changes = Vec::new();
        for registration in registrations {
            let id = format!("{:016x}", registration.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            changes.push(RowChange::put(Table::Services, format!("node-1/{id}"), self.row(&id, 350)));
            for check in 1..=2 {
                let key = format!("node-1/service:{id}:{check}");
                changes.push(RowChange::put(Table::Checks, key, self.row(&id, 300)));
            }
        }
        changes.push(RowChange::put(Table::Meta, "index", self.index.to_string()));
        Batch { index: self.index, changes }
    }

    fn row(&mut self, id: &str, bytes: usize) -> String {
        let mut text = format!("{{\"ID\":\"{id}\",\"ModifyIndex\":{},\"Filler\":\"", self.index);
        while text.len() < bytes {
            text.push_str(&format!("{:016x}", self.draw()));
        }
        text.truncate(bytes - 2);
        text + "\"}"
    }
}

/// Latencies of many batches.
#[derive(Default)]
struct Figures {
    registrations: u64,
    latencies: Vec<Duration>,
    processor: Duration,
}

impl Figures {
    fn time(&mut self, registrations: u64, commit: impl FnOnce()) {
        let started = Instant::now();
        commit();
        self.latencies.push(started.elapsed());
        self.registrations += registrations;
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.latencies.clone();
        sorted.sort();
        let seconds = sorted.iter().sum::<Duration>().as_secs_f64();
        let per_second = |count: f64| count / seconds;
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize].as_micros();
        write!(
            out,
            "{:>6.0} commits/s {:>7.0} registrations/s  p50 {:>5} us  p99 {:>6} us  max {:>6} us",
            per_second(sorted.len() as f64),
            per_second(self.registrations as f64),
            at(0.5),
            at(0.99),
            at(1.0)
        )?;
        if self.processor > Duration::ZERO {
            write!(out, "  processor {} us/commit", self.processor.as_micros() / sorted.len() as u128)?;
        }
        Ok(())
    }
}
