//! Differences that were written out already: ten thousand readers who have seen the same want the same bytes.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use crate::net::http::SharedBody;
use crate::surface::answers::key::AnswerKey;

/// Renderings kept. What counts is that readers woken by one change find it, so a few for each busy question do.
const ENTRIES_MAX: usize = 1_024;

/// Bytes kept, compressed twins included as far as they are foreseen: a handful of the largest services as a whole.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Bytes written out once, for whoever wants the same.
#[derive(Clone)]
pub struct Rendering {
    /// The bytes.
    pub body: Arc<SharedBody>,
    /// The index that they lead to.
    pub index: u64,
    /// What they say of a panic.
    pub panic: Option<Arc<str>>,
    /// Whether something is left out that their reader may not see.
    pub hides: bool,
    /// What they consist of, where that is counted.
    pub events: Events,
}

/// Events of a stream by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events {
    /// Lists that replace what was there before.
    pub snapshots: u64,
    /// Instances that are new.
    pub adds: u64,
    /// Instances that look different.
    pub updates: u64,
    /// Instances that are there no longer.
    pub removes: u64,
}

/// Renderings by what they are of. A key says everything they depend on, so none is ever wrong.
pub struct BodyHistory {
    kept: Mutex<CachedBody>,
}

struct CachedBody {
    entries: LruCache<AnswerKey, Rendering>,
    bytes: usize,
}

impl BodyHistory {
    /// None yet.
    pub fn new() -> BodyHistory {
        let entries = LruCache::new(NonZeroUsize::new(ENTRIES_MAX).unwrap_or(NonZeroUsize::MIN));
        BodyHistory { kept: Mutex::new(CachedBody { entries, bytes: 0 }) }
    }

    /// What is kept under `key`.
    pub fn get(&self, key: &AnswerKey) -> Option<Rendering> {
        self.kept.lock().entries.get(key).cloned()
    }

    /// How many are kept.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.kept.lock().entries.len()
    }

    /// What is kept under `key`, or else what `render` makes, which is then kept; it may give up, and then nothing is.
    pub fn get_or_try(
        &self,
        key: AnswerKey,
        render: impl FnOnce() -> Option<Rendering>,
    ) -> Option<Rendering> {
        // Two may render the same at once; that is cheaper than to have one wait for the other.
        self.get(&key).or_else(|| {
            let rendering = render()?;
            self.kept.lock().put(key, rendering.clone());
            Some(rendering)
        })
    }
}

impl Default for BodyHistory {
    fn default() -> Self {
        BodyHistory::new()
    }
}

impl CachedBody {
    fn put(&mut self, key: AnswerKey, rendering: Rendering) {
        self.bytes += bytes(&key, &rendering);
        if let Some((key, old)) = self.entries.push(key, rendering) {
            self.bytes -= bytes(&key, &old);
        }
        while self.bytes > BYTES_MAX
            && let Some((key, old)) = self.entries.pop_lru()
        {
            self.bytes -= bytes(&key, &old);
        }
    }
}

/// The compressed twin is made later and is a fraction of the body; it is counted as if it were there.
fn bytes(key: &AnswerKey, rendering: &Rendering) -> usize {
    key.bytes() + rendering.body.plain().len() * 5 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: impl Into<String>) -> AnswerKey {
        AnswerKey::of_target(&name.into())
    }

    fn rendering(bytes: usize) -> Rendering {
        let body = SharedBody::new(vec![b'x'; bytes]);
        Rendering { body, index: 1, panic: None, hides: false, events: Events::default() }
    }

    #[test]
    fn what_is_kept_is_not_made_again() {
        let renderings = BodyHistory::new();
        let first = renderings.get_or_try(key("a"), || Some(rendering(3))).unwrap();
        let again = renderings.get_or_try(key("a"), || panic!("it is kept")).unwrap();
        assert!(Arc::ptr_eq(&first.body, &again.body));
        assert!(renderings.get_or_try(key("b"), || None).is_none() && renderings.get(&key("b")).is_none());
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let renderings = BodyHistory::new();
        (0..2 * ENTRIES_MAX)
            .for_each(|at| drop(renderings.get_or_try(key(at.to_string()), || Some(rendering(1)))));
        assert_eq!(renderings.kept.lock().entries.len(), ENTRIES_MAX);
        for at in 0..9 {
            renderings.get_or_try(key(format!("big {at}")), || Some(rendering(BYTES_MAX / 4)));
            // The same once more, as two might that began at once.
            renderings.kept.lock().put(key(format!("big {at}")), rendering(BYTES_MAX / 4));
        }
        renderings.get_or_try(key("too big"), || Some(rendering(2 * BYTES_MAX)));
        let kept = renderings.kept.lock();
        assert!(kept.bytes <= BYTES_MAX && kept.entries.is_empty());
        assert_eq!(kept.bytes, kept.entries.iter().map(|(key, it)| bytes(key, it)).sum::<usize>());
    }
}
