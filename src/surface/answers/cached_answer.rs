//! An answer as it is kept.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::net::http::SharedBody;
use crate::surface::answers::list_fragments::ListFragment;

/// What is kept of an answer.
#[derive(Clone)]
pub struct CachedAnswer {
    /// The body.
    pub body: Arc<SharedBody>,
    /// A header that belongs to it.
    pub header: Option<(&'static str, Arc<str>)>,
    /// Whether something is left out that its reader may not see.
    pub hides: bool,
    /// Where each entry of a list stands in the body; empty for what is no list of instances.
    pub pieces: Arc<[ListFragment]>,
    /// How often it was asked for, as it is now and as it was before.
    pub asked: Arc<AtomicU64>,
}
