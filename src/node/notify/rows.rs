//! Queues as stored rows, and back: JSON that a person can read.
//!
//! ```text
//! meta/position              -> {"registry_id":..,"index":..}    everything up to this index was taken
//! meta/webhook TAB NAME      -> {"since":..,"is_removed":..}     one for each webhook ever configured
//! deliveries/NAME TAB NUMBER -> {"since_ms":..,"event":{..}}
//! dead_letters/NAME TAB NUMBER -> {"died_ms":..,"attempts":..,"reason":..,"event":{..}}
//! ```
//!
//! Names hold no control characters; numbers have twenty digits, so that rows stand in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::model::limits::INDEX_MAX;
use crate::core::model::stored;
use crate::node::notify::event::Event;
use crate::node::notify::queue::{DeadLetter, QueueEdit, WaitingEvent};
use crate::store::change::{RowChange, Table};
use crate::store::error::StoreError;
use crate::store::rows::Store;

const SEPARATOR: char = '\t';
const POSITION: &str = "position";
const WEBHOOK: &str = "webhook";

/// How far the registry's transitions were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerPosition {
    /// Whose indexes these are.
    pub registry_id: Text,
    /// Everything up to this index was taken.
    pub index: u64,
}

/// A webhook as it was known last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownWebhook {
    /// It hears of what came after this index.
    pub since: u64,
    /// Whether it is no longer configured.
    pub is_removed: bool,
}

/// All that is stored of one webhook.
#[derive(Debug, Default)]
pub struct Stored {
    /// `None` when there are events of it and nothing else, which does not happen by itself.
    pub known: Option<KnownWebhook>,
    /// Events that wait.
    pub waiting: BTreeMap<u64, WaitingEvent>,
    /// Dead letters.
    pub dead: BTreeMap<u64, DeadLetter>,
}

/// All that is stored.
#[derive(Debug, Default)]
pub struct QueueRows {
    /// `None` in a store that never saw a commit.
    pub position: Option<FollowerPosition>,
    /// By the webhook's name.
    pub webhooks: BTreeMap<String, Stored>,
}

#[derive(Serialize, Deserialize)]
struct WaitingRow<E> {
    since_ms: u64,
    event: E,
}

#[derive(Serialize, Deserialize)]
struct DeadRow<E> {
    died_ms: u64,
    attempts: u32,
    reason: String,
    event: E,
}

/// Loads everything, and gives the index of the last batch.
///
/// # Errors
/// The store's; a row that cannot be read counts as damage.
pub fn load(store: &mut dyn Store) -> Result<(QueueRows, u64), StoreError> {
    let mut rows = QueueRows::default();
    let loaded = store.load(&mut |table, key, value| {
        if table == Table::Meta && key == POSITION {
            rows.position = Some(stored::read(key, value)?);
            return Ok(());
        }
        let (left, right) =
            key.split_once(SEPARATOR).ok_or_else(|| format!("row {key:?}: no tab in its key"))?;
        let number = || {
            let number = right.parse().ok().filter(|number| *number < INDEX_MAX);
            number.ok_or_else(|| format!("row {key:?}: no number below {INDEX_MAX} in its key"))
        };
        match table {
            Table::Meta if left == WEBHOOK => {
                let known = stored::read(key, value)?;
                rows.webhooks.entry(right.to_owned()).or_default().known = Some(known);
            }
            Table::Deliveries => {
                let WaitingRow::<Event> { since_ms, event } = stored::read(key, value)?;
                let stored = rows.webhooks.entry(left.to_owned()).or_default();
                stored.waiting.insert(number()?, WaitingEvent { event: Arc::new(event), since_ms });
            }
            Table::DeadLetters => {
                let row: DeadRow<Event> = stored::read(key, value)?;
                let stored = rows.webhooks.entry(left.to_owned()).or_default();
                let DeadRow { died_ms, attempts, reason, event } = row;
                let event = Arc::new(event);
                stored.dead.insert(number()?, DeadLetter { event, died_ms, attempts, reason });
            }
            _ => return Err(format!("row {key:?}: a store of webhooks has no such row")),
        }
        Ok(())
    })?;
    // It only counts batches, so nothing is lost by a lower one.
    Ok((rows, loaded.index.min(INDEX_MAX)))
}

/// The row that says how far the registry was followed.
pub fn position(position: &FollowerPosition) -> RowChange {
    RowChange::put(Table::Meta, POSITION, json(position))
}

/// The row that says what is known of the webhook called `name`; `None` removes it.
pub fn known(name: &str, known: Option<&KnownWebhook>) -> RowChange {
    let key = format!("{WEBHOOK}{SEPARATOR}{name}");
    match known {
        Some(known) => RowChange::put(Table::Meta, key, json(known)),
        None => RowChange::delete(Table::Meta, key),
    }
}

/// The row that an edit of the queue of `name` leaves, or removes.
pub fn edit(name: &str, edit: &QueueEdit) -> RowChange {
    let key = |number: &u64| format!("{name}{SEPARATOR}{number:020}");
    match edit {
        QueueEdit::Keep(number, WaitingEvent { event, since_ms }) => {
            let row = WaitingRow { since_ms: *since_ms, event: &**event };
            RowChange::put(Table::Deliveries, key(number), json(&row))
        }
        QueueEdit::Forget(number) => RowChange::delete(Table::Deliveries, key(number)),
        QueueEdit::Bury(number, DeadLetter { event, died_ms, attempts, reason }) => {
            let (event, reason) = (&**event, reason.clone());
            let row = DeadRow { died_ms: *died_ms, attempts: *attempts, reason, event };
            RowChange::put(Table::DeadLetters, key(number), json(&row))
        }
        QueueEdit::Unbury(number) => RowChange::delete(Table::DeadLetters, key(number)),
    }
}

fn json(row: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(row).expect("rows have text keys only")
}
