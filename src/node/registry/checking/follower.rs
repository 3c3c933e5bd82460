//! Tells the health engine what the writer has done: what to watch, what has changed, what is gone.

use std::sync::Arc;

use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state::CatalogState;
use crate::core::health::{Arrival, CheckKey, ResultSource};
use crate::core::kernel::state::State;
use crate::core::model::{Cause, Check, Origin};
use crate::node::registry::aliases::Aliases;
use crate::node::registry::checking::Checking;
use crate::node::registry::publish::{CommittedBatch, Follower};

/// Aliases judged between two batches: a millisecond or so.
const ALIASES_AT_A_TIME: usize = 512;

/// Checks that are looked at for them, after which the rest waits for the next time: there may be thousands on a node,
/// and an alias of the node looks at each.
const LOOKED_AT_MAX: usize = 16_384;

/// Tells the engine what the writer has done.
pub struct CheckingFollower {
    checking: Arc<Checking>,
    aliases: Aliases,
}

impl CheckingFollower {
    /// A follower of everything after `changes`, which led from nothing and are known to the engine.
    pub fn restored(checking: Arc<Checking>, changes: &[CatalogChange]) -> CheckingFollower {
        let mut follower = CheckingFollower { checking, aliases: Aliases::default() };
        follower.aliases.follow(changes);
        follower
    }

    fn follow_checks(&self, changes: &[CatalogChange]) {
        let checking = &self.checking;
        if !changes.iter().any(|change| matches!(change, CatalogChange::Check { .. })) {
            return;
        }
        let now = checking.clock.now();
        let mut programs = checking.programs.lock();
        checking.change(|health| {
            for change in changes {
                let CatalogChange::Check { node, id, before, after } = change else { continue };
                let key = CheckKey::new(node.clone(), id.clone());
                let is_ours = |check: &&Arc<Check>| checking.is_ours(node, check);
                let was_ours = before.as_ref().filter(is_ours).is_some();
                if *node == checking.own_node {
                    programs.forget(id);
                }
                let may_be =
                    |check: &&Arc<Check>| check.origin != Origin::Agent || programs.take(check, None);
                match after.as_ref().filter(is_ours).filter(may_be) {
                    Some(check) => {
                        if before.as_deref().is_some_and(|before| before.definition != check.definition) {
                            checking.watched.forget(&key);
                        }
                        if let Err(full) = health.track(now, key.clone(), check, Arrival::Registered) {
                            log::warn!(check = id.as_str(); "a new check is not run: {full}");
                        }
                        health.note_shown(now, &key, check.status, &check.output);
                    }
                    None if was_ours => {
                        health.forget(&key);
                        checking.watched.forget(&key);
                    }
                    None => {}
                }
            }
        });
    }

    /// Judges some of the aliases that are to be judged. What that finds is posted, for which half of the queue is left
    /// to others.
    fn judge_aliases(&mut self, state: &CatalogState) {
        let mut looked_at = 0;
        for _ in 0..ALIASES_AT_A_TIME.min(self.checking.queue.room().div_ceil(2)) {
            if !self.aliases.are_pending() || looked_at > LOOKED_AT_MAX {
                return;
            }
            if let Some((key, observation)) = self.aliases.judge_next(state, &mut looked_at) {
                let verdict = self.checking.observe(&key, observation, ResultSource::Alias);
                self.checking.record(&key, verdict, Cause::Alias);
            }
        }
    }
}

impl Follower for CheckingFollower {
    fn follow(&mut self, news: &CommittedBatch<'_>) {
        self.follow_checks(&news.changes.catalog);
        self.aliases.follow(&news.changes.catalog);
        // Of a few the verdicts are queued before the caller is answered.
        self.judge_aliases(&news.state.catalog);
    }

    fn go_on(&mut self, state: &State) -> bool {
        self.judge_aliases(&state.catalog);
        self.aliases.are_pending()
    }
}
