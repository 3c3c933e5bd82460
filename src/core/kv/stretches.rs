//! When any key below a prefix was last changed, without a look at every key below it.
//!
//! All keys in their order are cut into stretches, each with the index of the last change in it. What a prefix covers
//! is whole stretches, whose indexes are known, and a part of two at most, whose keys are looked at.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::base::stdx::text::Text;

/// Keys of a stretch. At the bound it is cut in two. With a million keys a prefix covers some thousands of stretches.
const KEYS_MAX: usize = 512;

/// The stretches, by the first key that each may have: that of the first is empty.
#[derive(Clone, Debug)]
pub struct Stretches {
    by_start: BTreeMap<Text, Stretch>,
}

#[derive(Clone, Debug)]
struct Stretch {
    /// How many keys it has; more than it has once some of them are forgotten.
    keys: usize,
    /// The index of the last change of any key that it has or had.
    last: u64,
}

impl Stretches {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_start.len()
    }

    /// Those of `changes`: every key with the index of its last change, by key.
    pub fn of_all(changes: &[(Text, u64)]) -> Stretches {
        let mut stretches =
            Stretches { by_start: BTreeMap::from([(Text::from(""), Stretch { keys: 0, last: 0 })]) };
        stretches.cut("", changes);
        stretches
    }

    /// Notes that `key` was changed at `index`, which is later than all before. `is_new`: it was not known.
    ///
    /// Tells which keys are to be given to [`Stretches::cut`], from the first to below the second, if a stretch has
    /// grown too long.
    pub fn note(&mut self, key: &str, index: u64, is_new: bool) -> Option<(Text, Option<Text>)> {
        let until = (Bound::Unbounded, Bound::Included(key));
        let (start, stretch) = self.by_start.range_mut::<str, _>(until).next_back()?;
        stretch.last = stretch.last.max(index);
        stretch.keys += usize::from(is_new);
        if stretch.keys <= KEYS_MAX {
            return None;
        }
        let start = start.clone();
        let after = (Bound::Excluded(&*start), Bound::Unbounded);
        let end = self.by_start.range::<str, _>(after).next().map(|(end, _)| end.clone());
        Some((start, end))
    }

    /// Cuts the stretch that begins at `start` into pieces of half the bound. `changes` are all its keys.
    pub fn cut(&mut self, start: &str, changes: &[(Text, u64)]) {
        let mut pieces = changes.chunks(KEYS_MAX / 2);
        let stretch = |piece: &[(Text, u64)]| Stretch {
            keys: piece.len(),
            last: piece.iter().map(|(_, index)| *index).max().unwrap_or(0),
        };
        // What is forgotten was in the first as well as in any other.
        if let Some(first) = self.by_start.get_mut(start) {
            *first = stretch(pieces.next().unwrap_or_default());
        }
        self.by_start.extend(pieces.map(|piece| (piece[0].0.clone(), stretch(piece))));
    }

    /// The index of the last change of any key that begins with `prefix`; `None` if nothing is known of any.
    ///
    /// `last_between` gives it for the keys from the first on that begin with `prefix` and are below the second.
    pub fn last_under(
        &self,
        prefix: &str,
        last_between: impl Fn(&str, Option<&str>) -> Option<u64>,
    ) -> Option<u64> {
        let after = (Bound::Excluded(prefix), Bound::Unbounded);
        let mut inner =
            self.by_start.range::<str, _>(after).take_while(|(start, _)| start.starts_with(prefix));
        let mut following = inner.next();
        let mut last = last_between(prefix, following.map(|(start, _)| &**start));
        while let Some((start, stretch)) = following {
            following = inner.next();
            let of_stretch = if following.is_some() { Some(stretch.last) } else { last_between(start, None) };
            last = last.max(of_stretch);
        }
        last
    }
}
