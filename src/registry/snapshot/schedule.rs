//! Snapshots that are taken by themselves: when, into which files, and how that goes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::persist::snapshot::files;
use crate::registry::Registry;
use crate::registry::snapshot::image;
use crate::sys::runtime;
use crate::telemetry::families;
use crate::telemetry::metrics::Metrics;

/// The longest time after a failure until the next attempt: a full disk may have room again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// When snapshots are taken, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Where they are kept.
    pub directory: PathBuf,
    /// Time between two; zero for none at all.
    pub interval: Duration,
    /// How many are kept.
    pub keep: usize,
}

/// How it goes; times are in milliseconds of Unix time, 0 for never.
#[derive(Debug, Default)]
struct Stats {
    last_success_ms: AtomicU64,
    last_failure_ms: AtomicU64,
    last_bytes: AtomicU64,
    taken: AtomicU64,
    failed: AtomicU64,
}

/// Begins to take snapshots, on a thread of its own. The first is due one interval after the newest that is there, or
/// at once.
///
/// # Errors
/// When the directory cannot be used, or the system gives no thread.
pub fn start(schedule: Schedule, registry: Arc<Registry>, metrics: &Metrics) -> io::Result<()> {
    if schedule.interval.is_zero() {
        return Ok(());
    }
    files::prepare(&schedule.directory).map_err(|error| {
        let sentence = format!(
            "snapshot_dir {} cannot be used: {error}; give another, or set snapshot_interval to 0",
            schedule.directory.display()
        );
        io::Error::new(error.kind(), sentence)
    })?;
    let stats = Arc::new(Stats::default());
    let newest = files::list(&schedule.directory)?.into_iter().next();
    let written = newest.and_then(|path| fs::metadata(path).and_then(|it| it.modified()).ok());
    stats.last_success_ms.store(written.map_or(0, unix_ms), Ordering::Relaxed);
    expose(metrics, &stats);
    runtime::thread("snapshots", move || run(&schedule, &registry, &stats)).map(drop)
}

fn run(schedule: &Schedule, registry: &Registry, stats: &Stats) {
    let last = Duration::from_millis(stats.last_success_ms.load(Ordering::Relaxed));
    let age = Duration::from_millis(unix_ms(SystemTime::now())).saturating_sub(last);
    let mut wait = schedule.interval.saturating_sub(age);
    loop {
        runtime::sleep(wait);
        wait = match take(schedule, registry) {
            Ok((path, bytes)) => {
                log::info!(path = path.display().to_string(), bytes = bytes; "took a snapshot");
                stats.last_success_ms.store(unix_ms(SystemTime::now()), Ordering::Relaxed);
                stats.last_bytes.store(bytes, Ordering::Relaxed);
                stats.taken.fetch_add(1, Ordering::Relaxed);
                schedule.interval
            }
            Err(error) => {
                log::error!("no snapshot was taken in {}: {error}", schedule.directory.display());
                stats.last_failure_ms.store(unix_ms(SystemTime::now()), Ordering::Relaxed);
                stats.failed.fetch_add(1, Ordering::Relaxed);
                schedule.interval.min(RETRY_MAX)
            }
        };
    }
}

/// Takes one snapshot, reads it again, and only then lets go of those that are too many.
fn take(schedule: &Schedule, registry: &Registry) -> io::Result<(PathBuf, u64)> {
    let now = jiff::Timestamp::now();
    let picture = registry.queue().picture().map_err(io::Error::other)?;
    let path = schedule.directory.join(files::name(now, picture.index));
    let header = picture.header(registry.own_node(), now);
    let contents = files::write(
        &path,
        |out| picture.write(&header, out),
        |file| image::verify(file, |_| ()).map_err(io::Error::other),
    )?;
    retain(&schedule.directory, schedule.keep)?;
    Ok((path, contents.bytes))
}

fn retain(directory: &Path, keep: usize) -> io::Result<()> {
    for gone in files::retain(directory, keep)? {
        log::info!(path = gone.display().to_string(); "removed a snapshot, as there are newer ones");
    }
    Ok(())
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn expose(metrics: &Metrics, stats: &Arc<Stats>) {
    let read = |family, read: fn(&Stats) -> f64| {
        let stats = stats.clone();
        metrics.read(family, &[], move || read(&stats));
    };
    read(families::SNAPSHOT_LAST_SUCCESS, |it| it.last_success_ms.load(Ordering::Relaxed) as f64 / 1e3);
    read(families::SNAPSHOT_LAST_FAILURE, |it| it.last_failure_ms.load(Ordering::Relaxed) as f64 / 1e3);
    read(families::SNAPSHOT_BYTES, |it| it.last_bytes.load(Ordering::Relaxed) as f64);
    read(families::SNAPSHOTS, |it| it.taken.load(Ordering::Relaxed) as f64);
    read(families::SNAPSHOT_FAILURES, |it| it.failed.load(Ordering::Relaxed) as f64);
    let (stats, started_ms) = (stats.clone(), unix_ms(SystemTime::now()));
    metrics.read(families::SNAPSHOT_AGE, &[], move || {
        let last_ms = match stats.last_success_ms.load(Ordering::Relaxed) {
            0 => started_ms,
            last_ms => last_ms,
        };
        unix_ms(SystemTime::now()).saturating_sub(last_ms) as f64 / 1e3
    });
}
