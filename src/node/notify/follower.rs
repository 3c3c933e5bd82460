//! The way from the writer to the thread of the webhooks. It never makes the writer wait.
//!
//! What does not fit is not lost: the history of transitions has it, and the thread reads it there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};

use crate::node::notify::context::{TransitionContext, join};
use crate::node::notify::engine::{EngineMessage, EventInbox, FeedShared};
use crate::node::registry::publish::{CommittedBatch, Follower};

/// Transitions that may be on their way. Each holds its instance alive, some 500 bytes; past this the thread is not
/// keeping up with the disk or with a burst, and reads the rest from the history.
pub const ON_THE_WAY_MAX: usize = 10_000;

/// Follows the writer.
pub struct EventFeed {
    shared: Arc<FeedShared>,
    messages: Sender<EngineMessage>,
}

/// Makes the two ends.
pub fn intake() -> (EventFeed, EventInbox) {
    let ((sender, messages), shared) = (channel(), Arc::new(FeedShared::default()));
    (EventFeed { shared: shared.clone(), messages: sender.clone() }, EventInbox { shared, messages, sender })
}

impl Follower for EventFeed {
    fn follow(&mut self, news: &CommittedBatch<'_>) {
        let shared = &*self.shared;
        let Some(last) = news.transitions.last() else { return };
        if !shared.is_listening.load(Ordering::Acquire) || shared.has_missed.load(Ordering::Acquire) {
            return;
        }
        let count = news.transitions.len();
        if shared.on_the_way.load(Ordering::Relaxed) + count > ON_THE_WAY_MAX {
            shared.has_missed.store(true, Ordering::Release);
            // If no thread receives, the process is ending.
            let _ = self.messages.send(EngineMessage::Missed);
            return;
        }
        let transitions: Vec<_> = news.transitions.iter().map(|entry| entry.transition.clone()).collect();
        let mut happened = join(
            &transitions,
            &mut |key, with| {
                if let Some(record) = news.state.catalog.node(key) {
                    with(record);
                }
            },
            &news.changes.catalog,
        );
        happened.retain(TransitionContext::is_notable);
        shared.on_the_way.fetch_add(happened.len(), Ordering::Relaxed);
        let _ = self.messages.send(EngineMessage::Transitions { happened, index: last.transition.index });
    }
}
