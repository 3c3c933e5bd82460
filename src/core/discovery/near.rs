//! The order of what is far and near.

use std::sync::Arc;

use crate::core::model::{Node, NodeKey};

/// Puts what is on the node filed under `near` first and leaves the rest in order. There are no round-trip times here,
/// so a node is near itself and all others are equally far; an unknown node moves nothing.
pub fn near_first<T>(items: &mut [T], near: Option<&NodeKey>, node: impl Fn(&T) -> &Arc<Node>) {
    let Some(near) = near else { return };
    items.sort_by_key(|item| NodeKey::of(&node(item).name) != *near);
}
