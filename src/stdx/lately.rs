//! Values seen lately, so that equal ones can share an allocation.

use std::hash::{BuildHasher, Hash, RandomState};

use parking_lot::Mutex;

/// A bounded memory of values that are cheap to clone. Each has one place, chosen by its hash, and the newer of two
/// takes it: what is common is found nearly always, what is rare costs nobody anything, and nothing is ever cleared.
pub struct Lately<T> {
    hasher: RandomState,
    places: Box<[Mutex<Option<T>>]>,
}

impl<T: Clone + Eq + Hash> Lately<T> {
    /// A memory of at most so many values, at least one.
    pub fn new(places: usize) -> Lately<T> {
        let places = (0..places.max(1)).map(|_| Mutex::new(None)).collect();
        Lately { hasher: RandomState::new(), places }
    }

    /// The value that was remembered and equals `value`. Somebody else at the same place counts as no.
    pub fn find(&self, value: &T) -> Option<T> {
        self.place(value).try_lock()?.as_ref().filter(|known| *known == value).cloned()
    }

    /// Remembers `value`, in the place of another.
    pub fn remember(&self, value: &T) {
        let before = self.place(value).try_lock().and_then(|mut place| place.replace(value.clone()));
        // Outside the lock: what is dropped may be large.
        drop(before);
    }

    /// The equal value that was remembered, or else `value`, remembered from now on.
    pub fn share(&self, value: T) -> T {
        self.find(&value).unwrap_or_else(|| {
            self.remember(&value);
            value
        })
    }

    fn place(&self, value: &T) -> &Mutex<Option<T>> {
        &self.places[self.hasher.hash_one(value) as usize % self.places.len()]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn equal_values_are_one_until_another_takes_their_place() {
        let lately = Lately::new(1);
        let [first, second, other] = [1, 1, 2].map(Arc::new);
        assert!(Arc::ptr_eq(&lately.share(first.clone()), &first));
        assert!(Arc::ptr_eq(&lately.share(second.clone()), &first));
        assert!(Arc::ptr_eq(&lately.share(other.clone()), &other));
        assert!(Arc::ptr_eq(&lately.share(second.clone()), &second));
        assert_eq!(Arc::strong_count(&other), 1, "what lost its place is forgotten");
    }
}
