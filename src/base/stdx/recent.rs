//! Values seen lately, so that equal ones can share an allocation.

use parking_lot::Mutex;

/// A bounded memory of values that are cheap to clone. Each has one place, chosen by its fingerprint, and the newer of
/// two takes it: what is common is found nearly always, what is rare costs nobody anything, and nothing is ever
/// cleared.
pub struct RecentSet<T> {
    fingerprint: fn(&T) -> u64,
    places: Box<[Mutex<Option<T>>]>,
}

impl<T: Clone + Eq> RecentSet<T> {
    /// A memory of at most so many values, at least one. Equal values have the same `fingerprint`; where others have it
    /// too, they only displace each other.
    pub fn new(places: usize, fingerprint: fn(&T) -> u64) -> RecentSet<T> {
        let places = (0..places.max(1)).map(|_| Mutex::new(None)).collect();
        RecentSet { fingerprint, places }
    }

    /// Takes the equal value that was remembered in the place of `value`, or else remembers `value` once `prepare` has
    /// been at it, which leaves it equal. A place that is locked counts as empty, and nobody waits.
    pub fn share(&self, value: &mut T, prepare: impl FnOnce(&mut T)) {
        let place = &self.places[(self.fingerprint)(value) as usize % self.places.len()];
        let known =
            place.try_lock().and_then(|place| place.as_ref().filter(|known| *known == value).cloned());
        if let Some(known) = known {
            *value = known;
            return;
        }
        prepare(value);
        let before = place.try_lock().and_then(|mut place| place.replace(value.clone()));
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
        assert_eq!(Arc::strong_count(&other), 1, "what lost its place is forgotten");
    }
}
