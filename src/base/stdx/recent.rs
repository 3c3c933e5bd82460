//! Values seen lately, so that equal ones can share an allocation.

use parking_lot::Mutex;

/// A bounded memory of values that are cheap to clone. Each has one slot, chosen by its fingerprint, and the newer of
/// two takes it: common values are nearly always found, rare ones cost little, and nothing has to be cleared.
pub struct RecentSet<T> {
    fingerprint: fn(&T) -> u64,
    slots: Box<[Mutex<Option<T>>]>,
}

impl<T: Clone + Eq> RecentSet<T> {
    /// A memory of at most so many values, at least one. Equal values have the same `fingerprint`; where others have it
    /// too, they only displace each other.
    pub fn new(slots: usize, fingerprint: fn(&T) -> u64) -> RecentSet<T> {
        let slots = (0..slots.max(1)).map(|_| Mutex::new(None)).collect();
        RecentSet { fingerprint, slots }
    }

    /// Takes the equal value that was remembered in the slot of `value`, or else remembers `value` once `prepare` has
    /// been at it, which leaves it equal. A slot that is locked counts as empty, so there is no wait.
    pub fn share(&self, value: &mut T, prepare: impl FnOnce(&mut T)) {
        let slot = &self.slots[(self.fingerprint)(value) as usize % self.slots.len()];
        let known = slot.try_lock().and_then(|slot| slot.as_ref().filter(|known| *known == value).cloned());
        if let Some(known) = known {
            *value = known;
            return;
        }
        prepare(value);
        let before = slot.try_lock().and_then(|mut slot| slot.replace(value.clone()));
        // Outside the lock: what is dropped may be large.
        drop(before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn equal_values_are_one_until_another_takes_their_place() {
        let lately = RecentSet::new(1, |number: &Arc<u64>| **number);
        let [first, second, other] = [1, 1, 2].map(Arc::new);
        for (value, expected) in [(&first, &first), (&second, &first), (&other, &other), (&second, &second)] {
            let mut shared = value.clone();
            lately.share(&mut shared, |_| {});
            assert!(Arc::ptr_eq(&shared, expected));
        }
        assert_eq!(Arc::strong_count(&other), 1, "what lost its slot is forgotten");
    }
}
