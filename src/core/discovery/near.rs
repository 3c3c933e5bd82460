//! The order of what is far and near.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::Node;

/// Puts what is on the node called `near` (in lower case) first and leaves the rest in order. There are no round-trip
/// times here, so a node is near itself and all others are equally far; an unknown node moves nothing.
pub fn near_first<T>(items: &mut [T], near: Option<&Text>, node: impl Fn(&T) -> &Arc<Node>) {
    let Some(near) = near else { return };
    items.sort_by_key(|item| node(item).name.folded() != *near);
}
