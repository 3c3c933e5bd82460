//! How many streams are open and may be, and what is counted of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::telemetry::families;
use crate::base::telemetry::metrics::{IntCounter, Metrics};
use crate::surface::answers::body_history::Events;
use crate::surface::context::error::ApiError;

/// All streams of the process.
pub struct StreamSlots {
    open: AtomicUsize,
    max: usize,
    begun: [IntCounter; 3],
    snapshots: IntCounter,
    adds: IntCounter,
    updates: IntCounter,
    removes: IntCounter,
    bookmarks: IntCounter,
    cut: IntCounter,
}

/// How a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// With everything, as asked.
    New = 0,
    /// Where the reader was.
    Resumed = 1,
    /// With everything, because it is no longer known what the reader has missed.
    Reset = 2,
}

impl Beginning {
    /// How one begins that is resumed or not, and tells everything or not.
    pub(super) fn of(is_resumed: bool, tells_all: bool) -> Beginning {
        match (is_resumed, tells_all) {
            (false, _) => Beginning::New,
            (true, true) => Beginning::Reset,
            (true, false) => Beginning::Resumed,
        }
    }
}

/// The place of one stream, given back when dropped.
pub struct StreamSlot {
    streams: Arc<StreamSlots>,
}

impl StreamSlots {
    /// Room for `max` streams.
    pub fn new(max: usize, metrics: &Metrics) -> StreamSlots {
        let events = |kind| metrics.counter(families::STREAM_EVENTS, &[kind]);
        let begun = ["new", "resumed", "reset"].map(|kind| metrics.counter(families::STREAM_STARTS, &[kind]));
        StreamSlots {
            open: AtomicUsize::new(0),
            max,
            begun,
            snapshots: events("snapshot"),
            adds: events("add"),
            updates: events("update"),
            removes: events("remove"),
            bookmarks: events("bookmark"),
            cut: metrics.counter(families::STREAMS_CUT, &[]),
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub fn enter(self: &Arc<StreamSlots>) -> Result<StreamSlot, ApiError> {
        // Given back when it is dropped, on a refusal too.
        let place = StreamSlot { streams: self.clone() };
        if self.open.fetch_add(1, Ordering::AcqRel) >= self.max {
            let max = self.max;
            return Err(ApiError::busy(format!(
                "{max} streams are open already, as many as limits.streams_max allows: try again later"
            )));
        }
        Ok(place)
    }

    /// How many are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

impl StreamSlot {
    pub(super) fn count_beginning(&self, beginning: Beginning) {
        self.streams.begun[beginning as usize].inc();
    }

    pub(super) fn count_events(&self, events: &Events) {
        let StreamSlots { snapshots, adds, updates, removes, .. } = &*self.streams;
        snapshots.inc_by(events.snapshots);
        adds.inc_by(events.adds);
        updates.inc_by(events.updates);
        removes.inc_by(events.removes);
    }

    pub(super) fn count_bookmark(&self) {
        self.streams.bookmarks.inc();
    }

    pub(super) fn count_cut(&self) {
        self.streams.cut.inc();
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.streams.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let streams = Arc::new(StreamSlots::new(2, &Metrics::new().unwrap()));
        let (first, _second) = (streams.enter().unwrap(), streams.enter().unwrap());
        assert_eq!(streams.enter().err().map(|error| error.status), Some(503));
        drop(first);
        assert_eq!(streams.open(), 1);
        assert!(streams.enter().is_ok());
    }
}
