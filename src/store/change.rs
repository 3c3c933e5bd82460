//! What is written: changes of rows, gathered into batches. Owns the names of the tables on disk.

/// A family of rows. Stands on disk by its name, so the order and number of variants may change freely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Facts about the registry as a whole.
    Meta,
    /// Machines that services run on.
    Nodes,
    /// Instances of services.
    Services,
    /// Health checks with their last known status.
    Checks,
    /// Keys and their values.
    Kv,
    /// Policies, roles and tokens.
    Acl,
    /// Transitions of checks, one a row.
    History,
    /// Events that wait for a webhook.
    Deliveries,
    /// Events that could not be delivered.
    DeadLetters,
}

impl Table {
    /// Every table, in the order in which [`load`](super::rows::Store::load) hands out their rows: what is referred
    /// to comes before what refers to it.
    pub const ALL: [Table; 9] = [
        Table::Meta,
        Table::Nodes,
        Table::Services,
        Table::Checks,
        Table::Kv,
        Table::Acl,
        Table::History,
        Table::Deliveries,
        Table::DeadLetters,
    ];

    /// The table and the key in a row's name, as [`RowChange::name`] makes it.
    pub fn of_name(name: &str) -> Option<(Table, &str)> {
        let (table, key) = name.split_once('/')?;
        Table::ALL.into_iter().find(|known| known.name() == table).map(|table| (table, key))
    }

    /// The table's name on disk. Never changes once released.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Nodes => "nodes",
            Table::Services => "services",
            Table::Checks => "checks",
            Table::Kv => "kv",
            Table::Acl => "acl",
            Table::History => "history",
            Table::Deliveries => "deliveries",
            Table::DeadLetters => "dead_letters",
        }
    }
}

/// One row's new value, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The family the row belongs to.
    pub table: Table,
    /// The row's name within its table, at most [`KEY_BYTES_MAX`] long.
    pub key: String,
    /// The value from now on, JSON that a person can read; `None` deletes the row.
    pub value: Option<Vec<u8>>,
}

impl RowChange {
    /// The row holds `value` from now on, whether it existed or not.
    pub fn put(table: Table, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { table, key: key.into(), value: Some(value.into()) }
    }

    /// The row's name among those of all tables: `TABLE/KEY`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.table.name(), self.key)
    }

    /// The row is gone; deleting a row that never was is no error.
    pub fn delete(table: Table, key: impl Into<String>) -> Self {
        Self { table, key: key.into(), value: None }
    }
}

/// Changes that become durable together or not at all. A later change of the same row wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The highest index among the changes; what [`load`](super::rows::Store::load) reports after a restart.
    pub index: u64,
    /// The changes in the order they happened.
    pub changes: Vec<RowChange>,
}

/// Longest key a store accepts. The engine's limit is 65,535 with the table's name; the longest name this product lets
/// a client choose is far below, so a longer key is a fault of ours and is refused rather than truncated.
pub const KEY_BYTES_MAX: usize = 32 * 1024;
