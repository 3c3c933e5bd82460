//! What the cache of answers has done: hits and misses by route, and what was asked for and not there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::base::telemetry::families;
use crate::base::telemetry::metrics::Metrics;
use crate::surface::answers::cache::{BodyCache, CacheLookup};
use crate::surface::answers::key::AnswerKey;

/// Questions whose misses are counted one by one. When another one misses, the one with the fewest makes room and the
/// new one takes over its count, so that whatever misses often comes up in time and none is counted too low.
const MISSED_MAX: usize = 128;

/// The counts.
pub struct CacheCounts {
    rows: Box<[RowCounts]>,
    /// By key. Locked on a miss alone, which costs far more than this.
    missed: Mutex<HashMap<AnswerKey, u64>>,
}

#[derive(Default)]
struct RowCounts {
    path: &'static str,
    hits: AtomicU64,
    changed: AtomicU64,
    absent: AtomicU64,
}

/// The counts of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Answers whose body was there.
    pub hits: u64,
    /// Answers whose body was there and old: what it shows had changed.
    pub changed: u64,
    /// Answers whose body was not there: asked for the first time, or evicted.
    pub absent: u64,
}

impl Counted {
    /// Answers in all.
    pub fn asked(&self) -> u64 {
        self.hits + self.changed + self.absent
    }

    /// The part of the answers whose body was there, in 0 to 1; `None` before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        (self.asked() > 0).then(|| self.hits as f64 / self.asked() as f64)
    }
}

impl CacheCounts {
    /// Nothing counted yet, for routes with these paths.
    pub fn new(paths: impl Iterator<Item = &'static str>) -> CacheCounts {
        let row = |path| RowCounts { path, ..RowCounts::default() };
        CacheCounts { rows: paths.map(row).collect(), missed: Mutex::default() }
    }

    /// Counts an answer of a route by what there was in the cache under its key.
    pub fn count(&self, row: usize, key: &AnswerKey, found: &CacheLookup) {
        let counts = &self.rows[row];
        match found {
            CacheLookup::Valid(_) => return self.hit(row),
            CacheLookup::Stale(_) => drop(counts.changed.fetch_add(1, Ordering::Relaxed)),
            CacheLookup::Nothing => drop(counts.absent.fetch_add(1, Ordering::Relaxed)),
        }
        self.note_missed(key);
    }

    /// Counts an answer of a route whose body was there.
    pub fn hit(&self, row: usize) {
        self.rows[row].hits.fetch_add(1, Ordering::Relaxed);
    }

    fn note_missed(&self, key: &AnswerKey) {
        let mut missed = self.missed.lock();
        if let Some(count) = missed.get_mut(key) {
            *count += 1;
            return;
        }
        let fewest =
            || missed.iter().min_by_key(|(_, count)| **count).map(|(key, count)| (key.clone(), *count));
        let inherited = (missed.len() >= MISSED_MAX).then(fewest).flatten();
        let count = inherited.map_or(0, |(key, count)| {
            missed.remove(&key);
            count
        });
        missed.insert(key.clone(), count + 1);
    }

    /// The path and the counts of every route, in the order of the table.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, Counted)> {
        self.rows.iter().enumerate().map(|(row, counts)| (counts.path, self.of(row)))
    }

    /// The counts of a route.
    pub fn of(&self, row: usize) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let RowCounts { hits, changed, absent, .. } = &self.rows[row];
        Counted { hits: read(hits), changed: read(changed), absent: read(absent) }
    }

    /// The counts of all routes together.
    pub fn total(&self) -> Counted {
        let sum = |total: Counted, row: usize| {
            let Counted { hits, changed, absent } = self.of(row);
            Counted {
                hits: total.hits + hits,
                changed: total.changed + changed,
                absent: total.absent + absent,
            }
        };
        (0..self.rows.len()).fold(Counted::default(), sum)
    }

    /// The keys that missed most, with how often, at most `count` of them, the first ones first.
    pub fn most_missed(&self, count: usize) -> Vec<(AnswerKey, u64)> {
        let mut missed: Vec<(AnswerKey, u64)> =
            self.missed.lock().iter().map(|(key, count)| (key.clone(), *count)).collect();
        missed.sort_unstable_by(|(left_key, left), (right_key, right)| {
            right.cmp(left).then_with(|| left_key.cmp(right_key))
        });
        missed.truncate(count);
        missed
    }
}

/// Has the metrics read what the cache holds and has done.
pub fn expose(metrics: &Metrics, cache: &Arc<BodyCache>, counts: &Arc<CacheCounts>) {
    let of_counts = |pick: fn(Counted) -> u64| {
        let counts = counts.clone();
        move || pick(counts.total()) as f64
    };
    metrics.read(families::CACHE_HITS, &[], of_counts(|counted| counted.hits));
    metrics.read(families::CACHE_MISSES, &["changed"], of_counts(|counted| counted.changed));
    metrics.read(families::CACHE_MISSES, &["absent"], of_counts(|counted| counted.absent));
    let of_cache = |pick: fn(&BodyCache) -> f64| {
        let cache = cache.clone();
        move || pick(&cache)
    };
    metrics.read(families::CACHE_EVICTIONS, &[], of_cache(|cache| cache.evictions() as f64));
    metrics.read(families::CACHE_ENTRIES, &[], of_cache(|cache| cache.len() as f64));
    metrics.read(families::CACHE_BYTES, &[], of_cache(|cache| cache.bytes() as f64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misses_often_stays_in_the_list_whatever_comes_once() {
        let counts = CacheCounts::new(["/v1/a", "/v1/b"].into_iter());
        for number in 0..10 * MISSED_MAX {
            counts.count(0, &AnswerKey::of_target(&format!("once {number}")), &CacheLookup::Nothing);
            counts.count(1, &AnswerKey::of_target("often"), &CacheLookup::Nothing);
        }
        let missed = counts.most_missed(2);
        assert_eq!((missed[0].0.target(), missed[0].1), ("often", 10 * MISSED_MAX as u64));
        assert!(missed[1].1 <= 10 * MISSED_MAX as u64 / (MISSED_MAX as u64 - 1) + 1, "{missed:?}");
        assert_eq!(counts.most_missed(usize::MAX).len(), MISSED_MAX);
        counts.hit(0);
        let expected = Counted { hits: 1, changed: 0, absent: 10 * MISSED_MAX as u64 };
        assert_eq!((counts.of(0), counts.total().hits), (expected, 1));
        assert_eq!((counts.of(1).hit_ratio(), Counted::default().hit_ratio()), (Some(0.0), None));
    }
}
