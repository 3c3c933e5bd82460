//! What filters may select of each shape: the schemas, and the shapes as records.
//!
//! A shape is filtered before it is written, and shows a filter just what it would show a client.

mod check;
mod entry;
mod member;
mod node;
mod proxy;
mod service;
#[cfg(test)]
mod tests;

pub use check::CHECK;
pub use entry::INSTANCE;
pub use member::MEMBER;
pub use node::NODE;
pub use service::{CATALOG_SERVICE, SERVICE};
