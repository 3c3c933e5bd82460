//! What a run tries, and how: every fault of every call or a part that is drawn, on all processors, in directories where
//! syncs cost nothing.

use crate::chance::{Chance, seed};

/// For each call every kind of fault or, in a short run, one that is drawn.
pub fn trials<K: Copy>(calls: u64, kinds: &[K]) -> Vec<(u64, K)> {
    let mut chance = Chance::new(seed());
    let mut trials = Vec::new();
    for call in 1..=calls {
        match crate::all() {
            true => trials.extend(kinds.iter().map(|kind| (call, *kind))),
            false => trials.push((call, kinds[chance.below(kinds.len() as u64) as usize])),
        }
    }
    trials
}

/// Runs `work` on each item, on as many threads as there are processors, and gives what it found in their order.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut found: Vec<(usize, R)> = std::thread::scope(|scope| {
        let worker = || {
            let mut found = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(item) = items.get(at) else { return found };
                found.push((at, work(item)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no work panics")).collect()
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, found)| found).collect()
}

/// A directory where syncs cost nothing, if there is one.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}
