//! Values by name: small, immutable maps that are shared, such as metadata.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::stdx::text::Text;

/// Values by name, each name once, ordered by name. A clone is a counter.
///
/// Reads as a slice of pairs. One allocation of the size of its pairs, where a tree has room for eleven: an instance
/// has three pairs of metadata or four, and ten thousand instances have ten thousand such maps.
#[derive(Clone, PartialEq, Eq)]
pub struct Pairs<V>(Arc<[(Text, V)]>);

impl<V> Pairs<V> {
    /// The value under `name`.
    pub fn get(&self, name: &str) -> Option<&V> {
        let found = self.binary_search_by(|(other, _)| other.as_str().cmp(name));
        found.ok().map(|at| &self.0[at].1)
    }
}

impl<V> Pairs<V> {
    /// The pairs, to put equal names and values in the place of theirs; `None` where they are shared.
    pub fn get_mut(&mut self) -> Option<&mut [(Text, V)]> {
        Arc::get_mut(&mut self.0)
    }
}

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Pairs(Arc::default())
    }
}

impl<V> Deref for Pairs<V> {
    type Target = [(Text, V)];

    fn deref(&self) -> &[(Text, V)] {
        &self.0
    }
}

/// Of a name that comes several times, the last value counts.
impl<V> FromIterator<(Text, V)> for Pairs<V> {
    fn from_iter<I: IntoIterator<Item = (Text, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(Text, V)> = pairs.into_iter().collect();
        if !pairs.is_sorted_by(|(left, _), (right, _)| left < right) {
            pairs.reverse();
            pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
            pairs.dedup_by(|(later, _), (earlier, _)| later == earlier);
        }
        if pairs.is_empty() { Pairs::default() } else { Pairs(pairs.into()) }
    }
}

impl<V, const N: usize> From<[(Text, V); N]> for Pairs<V> {
    fn from(pairs: [(Text, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

impl<V: fmt::Debug> fmt::Debug for Pairs<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter().map(|(name, value)| (name, value))).finish()
    }
}

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_with(deserializer, |value| value)
    }
}

/// Reads pairs whose values stand there in another shape, which `convert` turns into theirs one by one.
///
/// # Errors
/// Those of the deserializer.
pub fn deserialize_with<'de, D: Deserializer<'de>, W: Deserialize<'de>, V>(
    deserializer: D,
    convert: impl FnMut(W) -> V,
) -> Result<Pairs<V>, D::Error> {
    deserializer.deserialize_map(PairsVisitor(convert, PhantomData))
}

struct PairsVisitor<F, W>(F, PhantomData<W>);

impl<'de, W: Deserialize<'de>, V, F: FnMut(W) -> V> Visitor<'de> for PairsVisitor<F, W> {
    type Value = Pairs<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Pairs<V>, A::Error> {
        let mut entry = || Ok(entries.next_entry()?.map(|(name, value)| (name, self.0(value))));
        std::iter::from_fn(|| entry().transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pairs_say_what_a_tree_says(pairs in prop::collection::vec(("[a-d]{0,2}", 0u8..9), 0..12)) {
            let pairs = || pairs.iter().map(|(name, value)| (Text::from(name.as_str()), *value));
            let (kept, tree): (Pairs<u8>, BTreeMap<Text, u8>) = (pairs().collect(), pairs().collect());
            prop_assert!(kept.iter().map(|(name, value)| (name, value)).eq(&tree));
            for name in pairs().map(|(name, _)| name).chain(["e".into()]) {
                prop_assert_eq!(kept.get(&name), tree.get(&name));
            }
            let written = serde_json::to_string(&kept).unwrap();
            prop_assert_eq!(&written, &serde_json::to_string(&tree).unwrap());
            prop_assert_eq!(format!("{kept:?}"), format!("{tree:?}"));
            prop_assert_eq!(serde_json::from_str::<Pairs<u8>>(&written).unwrap(), kept);
        }
    }

    #[test]
    fn of_a_name_that_is_written_twice_the_last_value_counts() {
        let pairs: Pairs<u8> = serde_json::from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert_eq!(format!("{pairs:?}"), r#"{"a": 2, "b": 3}"#);
        assert!(serde_json::from_str::<Pairs<u8>>("[]").is_err());
    }
}
