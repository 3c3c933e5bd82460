//! What was denied of late, and where nothing is denied yet, what would have been.
//!
//! One row for each caller and each permission that he lacked: how often, and when last. So it stays short however
//! often the same is asked, and says by itself which rules a token would need.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use crate::base::stdx::text::Text;
use crate::core::acl::resource::{Access, Resource};

/// Rows that are kept: of more the one that was longest ago goes.
pub const ROWS_MAX: usize = 4_096;

/// Bytes of a name that are kept.
pub const NAME_BYTES_MAX: usize = 512;

/// What was lacking.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lack {
    /// By what the caller's token is known; empty for what is no token.
    pub accessor: Text,
    /// To what; `None` where the caller showed what is no token.
    pub permission: Option<(Resource, Access)>,
    /// Which one of its kind.
    pub name: Text,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What was lacking.
    pub lack: Lack,
    /// How often.
    pub count: u64,
    /// When first, in milliseconds of Unix time.
    pub first_ms: u64,
    /// When last.
    pub last_ms: u64,
}

/// The rows.
#[derive(Debug, Default)]
pub struct Denials(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    of: HashMap<Lack, (u64, Denial)>,
    /// By when each was touched, in order.
    order: BTreeMap<u64, Lack>,
    touched: u64,
    total: u64,
}

impl Denials {
    /// Counts one at `now_ms`.
    pub fn note(&self, accessor: &Text, permission: Option<(Resource, Access)>, name: &str, now_ms: u64) {
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        let lack = Lack { accessor: accessor.clone(), permission, name: name.into() };
        let Rows { of, order, touched, total } = &mut *self.0.lock();
        *total += 1;
        *touched += 1;
        let first = || Denial { lack: lack.clone(), count: 0, first_ms: now_ms, last_ms: now_ms };
        let (at, denial) = of.entry(lack.clone()).or_insert_with(|| (0, first()));
        order.remove(at);
        *at = *touched;
        denial.count += 1;
        denial.last_ms = now_ms;
        order.insert(*touched, lack);
        if of.len() > ROWS_MAX
            && let Some((_, oldest)) = order.pop_first()
        {
            of.remove(&oldest);
        }
    }

    /// All of them, the newest first.
    pub fn newest(&self) -> Vec<Denial> {
        let rows = self.0.lock();
        let newest = rows.order.values().rev().filter_map(|lack| rows.of.get(lack));
        newest.map(|(_, denial)| denial.clone()).collect()
    }

    /// How many there were in all.
    pub fn total(&self) -> u64 {
        self.0.lock().total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(denials: &Denials, accessor: &str, name: &str, now_ms: u64) {
        denials.note(&accessor.into(), Some((Resource::Service, Access::Write)), name, now_ms);
    }

    #[test]
    fn the_same_lack_is_one_row_and_the_newest_comes_first() {
        let denials = Denials::default();
        for (accessor, name, now_ms) in [("a", "web", 1), ("b", "web", 2), ("a", "web", 3), ("a", "db", 4)] {
            note(&denials, accessor, name, now_ms);
        }
        denials.note(&"".into(), None, "", 5);
        let rows = denials.newest();
        let shown: Vec<_> = rows.iter().map(|it| (&*it.lack.accessor, &*it.lack.name, it.count)).collect();
        assert_eq!(shown, [("", "", 1), ("a", "db", 1), ("a", "web", 2), ("b", "web", 1)]);
        assert_eq!((rows[2].first_ms, rows[2].last_ms, denials.total()), (1, 3, 5));
    }

    #[test]
    fn rows_and_names_are_bounded_and_the_oldest_goes() {
        let denials = Denials::default();
        for number in 0..=ROWS_MAX {
            note(&denials, "a", &number.to_string(), number as u64);
            note(&denials, "a", "0", number as u64);
        }
        let rows = denials.newest();
        assert_eq!((rows.len(), &*rows[0].lack.name), (ROWS_MAX, "0"));
        assert!(rows.iter().all(|row| row.lack.name != *"1"), "the oldest was the one that is kept");
        note(&denials, "a", &"é".repeat(NAME_BYTES_MAX), 0);
        assert_eq!(denials.newest()[0].lack.name.len(), NAME_BYTES_MAX);
    }
}
