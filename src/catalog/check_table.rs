//! Checks by status: the view behind `/v1/health/state`.

use std::collections::BTreeMap;

use crate::catalog::instance::{CheckView, Position};
use crate::catalog::state::CatalogState;
use crate::model::Status;

/// Every check, filed under its status.
#[derive(Debug, Default)]
pub struct CheckTable {
    passing: BTreeMap<Position, CheckView>,
    warning: BTreeMap<Position, CheckView>,
    critical: BTreeMap<Position, CheckView>,
}

impl CheckTable {
    /// All checks of `state`.
    ///
    /// What putting one after the other comes to, at a part of the cost: the trees are made of what is in order.
    pub fn of_all(state: &CatalogState) -> CheckTable {
        let [mut passing, mut warning, mut critical] = [const { Vec::new() }; 3];
        for (key, record) in state.nodes() {
            for (id, view) in record.checks_joined() {
                let filed = match view.check.status {
                    Status::Passing => &mut passing,
                    Status::Warning => &mut warning,
                    Status::Critical => &mut critical,
                };
                filed.push((Position::new(key.clone(), id.clone()), view));
            }
        }
        let [passing, warning, critical] = [passing, warning, critical].map(BTreeMap::from_iter);
        CheckTable { passing, warning, critical }
    }

    /// Puts, or with `None` removes, a check; gives the status it was filed under.
    pub fn put(&mut self, key: &Position, view: Option<CheckView>) -> Option<Status> {
        // The usual case: the same check in the same status.
        if let Some(view) = &view
            && let Some(place) = self.by_status_mut(view.check.status).get_mut(key)
        {
            *place = view.clone();
            return Some(view.check.status);
        }
        let before = [Status::Passing, Status::Warning, Status::Critical]
            .into_iter()
            .find(|status| self.by_status_mut(*status).remove(key).is_some());
        if let Some(view) = view {
            self.by_status_mut(view.check.status).insert(key.clone(), view);
        }
        before
    }

    /// The checks in one status, by node and id.
    pub fn by_status(&self, status: Status) -> &BTreeMap<Position, CheckView> {
        match status {
            Status::Passing => &self.passing,
            Status::Warning => &self.warning,
            Status::Critical => &self.critical,
        }
    }

    /// All checks, by node and id.
    pub fn all(&self) -> Vec<&CheckView> {
        let mut all: Vec<_> = self.passing.iter().chain(&self.warning).chain(&self.critical).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all.into_iter().map(|(_, view)| view).collect()
    }

    fn by_status_mut(&mut self, status: Status) -> &mut BTreeMap<Position, CheckView> {
        match status {
            Status::Passing => &mut self.passing,
            Status::Warning => &mut self.warning,
            Status::Critical => &mut self.critical,
        }
    }
}
