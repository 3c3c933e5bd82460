//! Tells the health engine what the writer has done: what to watch, what has changed, what is gone.

use std::sync::Arc;

use crate::catalog::change::CatalogChange;
use crate::catalog::state::CatalogState;
use crate::health::{Arrival, CheckKey, ResultSource};
use crate::model::{Cause, Check, Origin};
use crate::registry::aliases::Aliases;
use crate::registry::checking::Checking;
use crate::registry::publish::{CommittedBatch, Follower};

/// Tells the engine what the writer has done.
pub struct CheckingFollower {
    checking: Arc<Checking>,
    aliases: Aliases,
}

impl CheckingFollower {
    /// A follower of everything after `changes`, which led from nothing to `state` and are known to the engine.
    pub fn restored(
        checking: Arc<Checking>,
        state: &CatalogState,
        changes: &[CatalogChange],
    ) -> CheckingFollower {
        let mut follower = CheckingFollower { checking, aliases: Aliases::default() };
        follower.follow_aliases(state, changes);
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

    fn follow_aliases(&mut self, state: &CatalogState, changes: &[CatalogChange]) {
        let judged = self.aliases.follow(state, changes);
        for (key, observation) in judged {
            let verdict = self.checking.observe(&key, observation, ResultSource::Alias);
            self.checking.record(&key, verdict, Cause::Alias);
        }
    }
}

impl Follower for CheckingFollower {
    fn follow(&mut self, news: &CommittedBatch<'_>) {
        self.follow_checks(&news.changes.catalog);
        self.follow_aliases(&news.state.catalog, &news.changes.catalog);
    }
}
