//! Answers that are kept: whose they are, how long they hold, and what has come of keeping them.
//!
//! Every read with an index goes through [`answer::indexed`]. What tells one answer from another is its
//! [`key::AnswerKey`], for everything here; the [`fast_path`] is a short cut for requests that repeat an earlier one.

pub mod answer;
pub mod body_history;
pub mod cache;
pub mod cached_answer;
pub mod counts;
pub mod etag;
pub mod fast_path;
pub mod key;
pub mod large_bodies;
pub mod list_fragments;
pub mod warm;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::base::telemetry::metrics::Metrics;
use crate::surface::answers::body_history::BodyHistory;
use crate::surface::answers::cache::{BodyCache, CacheBounds};
use crate::surface::answers::counts::CacheCounts;
use crate::surface::answers::etag::Tags;
use crate::surface::answers::fast_path::FastPath;

/// What is kept of answers.
pub struct Answers {
    /// Finished bodies.
    pub cache: Arc<BodyCache>,
    /// What was found in it, by route.
    pub counts: Arc<CacheCounts>,
    /// Finished heads.
    pub fast_path: FastPath,
    /// Differences and events that were written out.
    pub history: Arc<BodyHistory>,
    /// Makes their tags.
    pub tags: Tags,
    /// What was made before the first client asked; empty until then.
    pub warmed: OnceLock<Warmed>,
}

/// How warming went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Warmed {
    /// Answers made.
    pub answers: usize,
    /// Answers that were to be made; more than were made when the time was up.
    pub wanted: usize,
    /// How long it took.
    pub took: Duration,
}

impl Answers {
    /// None yet, of routes with these paths, and room for so many.
    pub fn new(bounds: CacheBounds, paths: impl Iterator<Item = &'static str>, metrics: &Metrics) -> Answers {
        let answers = Answers {
            cache: Arc::new(BodyCache::new(bounds)),
            counts: Arc::new(CacheCounts::new(paths)),
            fast_path: FastPath::new(bounds.entries_max),
            history: Arc::default(),
            tags: Tags::default(),
            warmed: OnceLock::new(),
        };
        counts::expose(metrics, &answers.cache, &answers.counts);
        answers
    }
}
