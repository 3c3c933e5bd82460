//! Nodes with everything on them: the view behind everything that asks for a node, the agent's own included.

use std::collections::BTreeMap;

use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::node_record::NodeRecord;
use crate::core::catalog::state::CatalogState;
use crate::core::model::NodeKey;

/// Nodes by their keys.
///
/// The same records as in [`crate::core::catalog::state::CatalogState`], but only what is durable: changes are taken
/// over after their batch was committed.
#[derive(Clone, Debug, Default)]
pub struct NodeTable {
    nodes: BTreeMap<NodeKey, NodeRecord>,
}

impl NodeTable {
    /// All nodes of `state`.
    pub fn of_all(state: &CatalogState) -> NodeTable {
        NodeTable { nodes: state.all_nodes().clone() }
    }

    /// Takes over one change.
    pub fn absorb(&mut self, change: &CatalogChange) {
        let key = change.node();
        match (change, self.nodes.get_mut(key)) {
            (CatalogChange::Node { after: None, .. }, _) => drop(self.nodes.remove(key)),
            (CatalogChange::Node { after: Some(node), .. }, None) => {
                self.nodes.insert(key.clone(), NodeRecord::new(node.clone()));
            }
            (change, Some(record)) => record.absorb(change),
            (_, None) => {}
        }
    }

    /// The node filed under `key`.
    pub fn get(&self, key: &NodeKey) -> Option<&NodeRecord> {
        self.nodes.get(key)
    }

    /// All nodes by name.
    pub fn records(&self) -> impl ExactSizeIterator<Item = &NodeRecord> {
        self.nodes.values()
    }

    /// The node whose UUID is `id`, or begins with it where `id` is an even number of hex digits.
    pub fn by_id(&self, id: &str) -> Option<&NodeRecord> {
        let is_prefix = id.len() >= 2 && id.len().is_multiple_of(2);
        let matches = |record: &&NodeRecord| {
            let own = record.node().id.as_str();
            !own.is_empty() && (own.eq_ignore_ascii_case(id) || is_prefix && starts_with_hex(own, id))
        };
        self.nodes.values().find(matches)
    }
}

/// Whether the hex digits of `uuid`, dashes apart, begin with those of `prefix`, dashes apart.
fn starts_with_hex(uuid: &str, prefix: &str) -> bool {
    fn digits(text: &str) -> impl Iterator<Item = char> + '_ {
        text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase())
    }
    let mut own = digits(uuid);
    digits(prefix).all(|digit| digit.is_ascii_hexdigit() && own.next() == Some(digit))
}
