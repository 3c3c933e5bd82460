//! What filters may select of each shape: the schemas, and the shapes as records.
//!
//! A shape is filtered before it is written, and shows a filter just what it would show a client. The agent's services
//! have the selectors of [`NODE_SERVICE`]: filter them as a [`NodeService`](crate::wire::show::NodeService).

mod check;
mod entry;
mod node;
mod proxy;
mod service;
#[cfg(test)]
mod tests;

pub use check::CHECK;
pub use entry::HEALTH_ENTRY;
pub use node::CATALOG_NODE;
pub use service::{CATALOG_SERVICE, NODE_SERVICE};
