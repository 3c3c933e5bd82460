//! What is durable becomes visible: to readers first, then to followers, then to those who watch.
//!
//! The one place that changes what readers see. It belongs to the writer, and knows no command and no store.

use crate::core::acl::change::AclChange;
use crate::core::catalog::topic::Topic;
use crate::core::catalog::update::Update;
use crate::core::kernel::changes::Changes;
use crate::core::kernel::state::State;
use crate::core::model::acl::AclKind;
use crate::node::registry::history::{History, HistoryEntry};
use crate::node::registry::read_model::ReadModel;
use crate::node::registry::waking::Waking;

/// What a batch has changed: durable, and seen by every reader.
pub struct CommittedBatch<'a> {
    /// The index after it. The views stand at it, and the history ends there.
    pub index: u64,
    /// The state after it.
    pub state: &'a State,
    /// The changes, those of each kind in their order; each record carries the index of its own.
    pub changes: &'a Changes,
    /// The transitions among them, with what brought each about; in the history already.
    pub transitions: &'a [HistoryEntry],
}

/// Whoever wants to know of changes when they are durable and published: the health engine above all.
pub trait Follower: Send {
    /// The changes are in force, and readers see them. Called on the writer's thread, so it must be quick and must not
    /// wait for a write.
    fn follow(&mut self, batch: &CommittedBatch<'_>);

    /// Does a piece of what was put off, and tells whether more is left. Called between two batches, so it must be
    /// quick as well; `state` is what readers see.
    fn go_on(&mut self, _state: &State) -> bool {
        false
    }
}

/// What is published beside the changes of records.
#[derive(Default)]
pub(super) struct Remembered {
    /// The transitions among the changes.
    pub transitions: Vec<HistoryEntry>,
    /// The history before them, where it is another now.
    pub history: Option<History>,
    /// Whether topics that did not move are lifted to the index as well.
    pub raises_floor: bool,
}

/// Makes changes visible.
pub(super) struct Publisher {
    read_model: ReadModel,
    waking: Waking,
    followers: Vec<Box<dyn Follower>>,
}

impl Publisher {
    /// Goes on from what `read_model` shows, for these followers.
    pub fn new(read_model: ReadModel, waking: Waking, followers: Vec<Box<dyn Follower>>) -> Publisher {
        Publisher { read_model, waking, followers }
    }

    /// The transitions that are remembered.
    pub fn history(&self) -> &History {
        &self.read_model.history
    }

    /// Has every follower do a piece of what it has put off; tells whether more is left.
    pub fn go_on(&mut self, state: &State) -> bool {
        let mut is_left = false;
        self.followers.iter_mut().for_each(|follower| is_left |= follower.go_on(state));
        is_left
    }

    /// Shows readers the changes that led to `state` at `index`, moves the topics, calls the followers and wakes the
    /// watchers.
    ///
    /// The order is the promise. Records come before the history, so whoever finds a transition there finds what it
    /// led to. Both come before the indexes that stand for them. All of it comes before the followers, some of which
    /// compare with what readers see. Topics do not wait for the followers, since no kept answer counts as valid until
    /// they have moved; the watchers do wait for them.
    pub fn publish(&mut self, (state, index): (&State, u64), changes: &Changes, remembered: Remembered) {
        let Remembered { transitions, history, raises_floor } = remembered;
        let ReadModel { views, topics, history: remembers, access } = &self.read_model;
        let update = Update::plan(&state.catalog, &changes.catalog);
        let update = views.prepare(update, index);
        topics.begin_move();
        let moved = views.publish(changes, update, index);
        access.absorb(&changes.acl);
        if let Some(history) = history {
            remembers.replace(history);
        }
        remembers.absorb(&transitions);
        if raises_floor {
            topics.raise_floor(index);
        }
        let mut watchers = topics.advance(moved.iter().chain(moved_by(&changes.acl)), index);
        watchers.join_all(topics.pairs().advance(&changes.kv));
        topics.end_move();
        let batch = CommittedBatch { index, state, changes, transitions: &transitions };
        self.followers.iter_mut().for_each(|follower| follower.follow(&batch));
        self.waking.wake(watchers);
    }
}

/// The lists that changes of access control move: those of their kinds, and those that show their names.
fn moved_by(changes: &[AclChange]) -> &'static [Topic] {
    const LISTS: [Topic; 3] = [Topic::Policies, Topic::Roles, Topic::Tokens];
    let first = changes.iter().filter_map(|change| match change.kind {
        AclKind::Policy => Some(0),
        AclKind::Role => Some(1),
        AclKind::Token => Some(2),
        AclKind::Bootstrap => None,
    });
    &LISTS[first.min().unwrap_or(LISTS.len())..]
}
