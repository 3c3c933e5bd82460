//! Snapshots that are taken by themselves: when, into which files, and how that goes.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::base::sys::disk;
use crate::base::sys::runtime;
use crate::base::sys::supervision::{self, Habit};
use crate::base::telemetry::families;
use crate::base::telemetry::metrics::Metrics;
use crate::node::registry::Registry;
use crate::node::registry::snapshot::decoded;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::store::snapshot::files;

/// The longest time after a failure until the next attempt: a full disk may have room again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Bytes of a snapshot after which it is looked whether others have room.
const LOOK_BYTES: usize = 1 << 20;

/// When snapshots are taken, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Where they are kept.
    pub directory: PathBuf,
    /// Time between two; zero for none at all.
    pub interval: Duration,
    /// How many are kept.
    pub keep: usize,
    /// What the store must be left of its disk.
    pub reserve: Reserve,
}

/// Room on a disk that is somebody's.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// A directory on that disk.
    pub directory: PathBuf,
    /// Bytes that must stay free there.
    pub bytes: u64,
}

/// Writes as long as there is room for others.
struct RoomGuard<'a> {
    out: &'a mut dyn Write,
    reserve: Option<&'a Reserve>,
    /// Bytes since the last look.
    unlooked: usize,
}

impl Write for RoomGuard<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(reserve) = self.reserve
            && self.unlooked >= LOOK_BYTES
        {
            let free = disk::free_bytes(&reserve.directory)?;
            if free < reserve.bytes {
                let sentence = format!(
                    "{free} bytes are free, and {} are kept for the store; free some space, or set snapshot_dir to \
                     another disk",
                    reserve.bytes
                );
                return Err(io::Error::new(io::ErrorKind::StorageFull, sentence));
            }
            self.unlooked = 0;
        }
        let written = self.out.write(bytes)?;
        self.unlooked = self.unlooked.saturating_add(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
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
    supervision::thread("snapshots", Habit::Lives, move || run(&schedule, &registry, &stats))
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
    let view = registry.queue().snapshot().map_err(io::Error::other)?;
    let path = schedule.directory.join(files::name(now, view.index));
    let header = view.header(registry.own_node(), now);
    // On a disk of its own it may have all of it.
    let reserve = Some(&schedule.reserve).filter(|it| disk::is_shared(&schedule.directory, &it.directory));
    let contents = files::write(
        &path,
        |out| view.write(&header, &mut RoomGuard { out, reserve, unlooked: LOOK_BYTES }),
        |file| decoded::verify(file, &RowRules::default(), |_| ()).map_err(io::Error::other),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_into_the_room_of_others() {
        let directory = tempfile::tempdir().unwrap();
        let reserve = |bytes| Reserve { directory: directory.path().to_owned(), bytes };
        for (reserve, is_written) in
            [(None, true), (Some(reserve(1)), true), (Some(reserve(u64::MAX)), false)]
        {
            let mut out = Vec::new();
            let mut heedful = RoomGuard { out: &mut out, reserve: reserve.as_ref(), unlooked: LOOK_BYTES };
            match heedful.write_all(b"row") {
                Ok(()) => assert!(is_written),
                Err(error) => assert!(!is_written && error.to_string().contains("snapshot_dir"), "{error}"),
            }
            assert_eq!(out.len(), if is_written { 3 } else { 0 });
        }
    }
}
