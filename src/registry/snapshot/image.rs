//! What a snapshot says the registry shall be, read and understood before anything is touched.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use crate::catalog::change::Change;
use crate::model::{Node, Origin, Restoration};
use crate::persist::change::Table;
use crate::persist::snapshot::decode::{Contents, Decoder};
use crate::persist::snapshot::error::SnapshotError;
use crate::registry::history::Entry;
use crate::registry::own_node::OwnNode;
use crate::registry::recover::{renamed, retold};
use crate::registry::rows;
use crate::stdx::text::Text;

/// A snapshot's records and transitions.
#[derive(Debug)]
pub struct Image {
    /// What it is of.
    pub contents: Contents,
    records: Vec<Change>,
    history: Vec<Entry>,
}

/// Reads a whole snapshot and every record in it. `progress` is told how many rows are read.
///
/// # Errors
/// See [`SnapshotError`].
pub fn read(input: impl Read, progress: impl FnMut(u64)) -> Result<Image, SnapshotError> {
    let (mut records, mut history) = (Vec::new(), Vec::new());
    let contents = walk(input, progress, |item| match item {
        Item::Record(record) => records.push(record),
        Item::Transition(entry) => history.push(entry),
    })?;
    Ok(Image { contents, records, history })
}

/// Reads as [`read`] does and keeps nothing: whether it could be restored, in constant memory.
///
/// # Errors
/// See [`SnapshotError`].
pub fn verify(input: impl Read, progress: impl FnMut(u64)) -> Result<Contents, SnapshotError> {
    walk(input, progress, drop)
}

enum Item {
    Record(Change),
    Transition(Entry),
}

fn walk(
    input: impl Read,
    mut progress: impl FnMut(u64),
    mut keep: impl FnMut(Item),
) -> Result<Contents, SnapshotError> {
    let decoder = Decoder::open(input)?;
    let (mut last_table, mut last_key, mut count) = (Table::Meta, String::new(), 0);
    let mut reader = rows::Reader::default();
    decoder.rows(&mut |table, key, value| {
        count += 1;
        progress(count);
        if table == Table::History {
            keep(Item::Transition(rows::transition(key, value)?));
            return Ok(());
        }
        if table == last_table && *key <= *last_key {
            return Err(format!("row {key:?} is out of order"));
        }
        last_table = table;
        last_key.clear();
        last_key.push_str(key);
        if let Some(record) = reader.change(table, key, value)? {
            keep(Item::Record(in_its_place(record)?));
        }
        Ok(())
    })
}

/// A record must say of itself what its key says of it.
fn in_its_place(record: Change) -> Result<Change, String> {
    let is_in_place = match &record {
        Change::Node { key, after, .. } => after.as_ref().is_some_and(|node| node.name.folded() == *key),
        Change::Service { id, after, .. } => after.as_ref().is_some_and(|service| service.id == *id),
        Change::Check { id, after, .. } => after.as_ref().is_some_and(|check| check.id == *id),
    };
    if is_in_place { Ok(record) } else { Err("the row's key is another than its record's".to_owned()) }
}

impl Image {
    /// What it comes to for the agent `own`, with the transitions that belong to it.
    ///
    /// What was on the own node of the agent that took the snapshot comes to this agent's own node: an agent's services
    /// are its own, and their checks are run by it. What an agent says of itself (its node, the `consul` service,
    /// `serfHealth`) is left out.
    ///
    /// # Errors
    /// A sentence when the two cannot be told apart.
    pub fn restoration(self, own: &OwnNode) -> Result<(Restoration, Vec<Entry>), String> {
        let Image { contents, mut records, mut history } = self;
        let (theirs, ours) = (Text::from(contents.header.node.as_str()).folded(), own.name.folded());
        if theirs != ours {
            let is_ours = |record: &Change| *record.node() == ours;
            if records.iter().any(is_ours) {
                return Err(format!(
                    "the snapshot was taken by agent {:?} and holds another node {:?}, which is this agent's name; \
                     start this agent with another --node",
                    contents.header.node,
                    own.name.as_str()
                ));
            }
            for record in records.iter_mut().filter(|record| *record.node() == theirs) {
                *record = renamed(record, &own.name, contents.header.index);
            }
            for entry in history.iter_mut().filter(|entry| entry.transition.subject.node == theirs) {
                *entry = retold(entry, &own.name);
            }
        }
        let mut restoration = Restoration { index: contents.header.index, ..Restoration::default() };
        for record in records {
            let is_own = *record.node() == ours;
            match record {
                Change::Node { .. } if is_own => {}
                Change::Node { after: Some(node), .. } => restoration.nodes.push(foreign(node, own)?),
                Change::Service { node, after: Some(service), .. } => {
                    if !(is_own && service.origin == Origin::Server) {
                        restoration.services.push((node, service));
                    }
                }
                Change::Check { node, after: Some(check), .. } => {
                    if !(is_own && check.origin == Origin::Server) {
                        restoration.checks.push((node, check));
                    }
                }
                Change::Node { .. } | Change::Service { .. } | Change::Check { .. } => {}
            }
        }
        Ok((restoration, history))
    }
}

/// A snapshot that was read and fits this agent.
pub struct Understood {
    /// What it is of.
    contents: Contents,
    /// What the registry shall hold.
    pub restoration: Restoration,
    /// The transitions that come with it.
    pub history: Vec<Entry>,
}

impl Understood {
    /// What it is of, for people.
    pub fn summary(&self) -> serde_json::Value {
        let Contents { header, bytes, .. } = &self.contents;
        serde_json::json!({
            "Node": header.node,
            "NodeID": header.node_id,
            "Index": header.index,
            "CreatedAt": header.created_at,
            "Version": header.muster_version,
            "Rows": header.rows,
            "Bytes": bytes,
        })
    }
}

/// Why a snapshot cannot be restored. `Display` is a sentence with the remedy.
#[derive(Debug)]
pub struct Unfit {
    /// Whether that is the doing of the system and not of the snapshot.
    pub is_of_the_system: bool,
    sentence: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence)
    }
}

/// Reads a whole snapshot and works out what it comes to for the agent `own`.
///
/// # Errors
/// See [`Unfit`].
pub fn understand(input: impl Read, own: &OwnNode) -> Result<Understood, Unfit> {
    let image = read(input, |_| ()).map_err(|error| Unfit {
        is_of_the_system: matches!(error, SnapshotError::Io(_)),
        sentence: error.to_string(),
    })?;
    let contents = image.contents.clone();
    let (restoration, history) =
        image.restoration(own).map_err(|sentence| Unfit { is_of_the_system: false, sentence })?;
    Ok(Understood { contents, restoration, history })
}

/// A node other than the agent's own, which cannot have its UUID.
fn foreign(node: Arc<Node>, own: &OwnNode) -> Result<Arc<Node>, String> {
    if node.id != own.id {
        return Ok(node);
    }
    let name = node.name.as_str();
    Err(format!(
        "the snapshot's node {name:?} has the UUID of this agent's own node; give it to one of them only"
    ))
}
