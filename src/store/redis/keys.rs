//! The names of what muster keeps in Redis. All begin with the prefix and the version of their layout:
//!
//! ```text
//! PREFIX:v1:meta … :nodes :services :checks :history    hashes, one for each table: KEY -> the row's JSON
//! PREFIX:v1:seal                                         string: how far the rows are, and their sum
//! PREFIX:v1:lock                                         string with a time to live: who may write
//! PREFIX:v1:fence                                        string: how often the lock has changed hands
//! PREFIX:v1:changes                                      stream, capped: what each batch changed
//! ```

use crate::store::change::Table;

/// Version of the layout. A later one takes other names, so that this muster does not see it.
pub const LAYOUT: &str = "v1";

/// The keys under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Who may write; see [`lease`](super::lease).
    pub lock: String,
    /// How often the lock has changed hands.
    pub fence: String,
    /// How far the rows are; see [`position`](super::position).
    pub seal: String,
    /// What each batch changed.
    pub changes: String,
    tables: [String; Table::ALL.len()],
}

impl Keys {
    /// The keys of `prefix`.
    pub fn new(prefix: &str) -> Self {
        let named = |name: &str| format!("{prefix}:{LAYOUT}:{name}");
        Self {
            lock: named("lock"),
            fence: named("fence"),
            seal: named("seal"),
            changes: named("changes"),
            tables: Table::ALL.map(|table| named(table.name())),
        }
    }

    /// The hash of a table.
    pub fn of(&self, table: Table) -> &str {
        let at = Table::ALL.iter().position(|known| *known == table);
        &self.tables[at.expect("ALL holds every table")]
    }

    /// The keys that only the holder of the lock may touch: a change of any of them by another client makes the next
    /// transaction fail. The stream is not among them, it is only read.
    pub fn guarded(&self) -> impl Iterator<Item = &str> {
        [&self.lock, &self.seal].into_iter().chain(&self.tables).map(String::as_str)
    }
}
