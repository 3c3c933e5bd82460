//! Checks by status: the view behind `/v1/health/state`.

use crate::base::stdx::shared_map::{HeldPart, SharedMap};
use crate::core::catalog::instance::{CheckView, Position};
use crate::core::catalog::state::CatalogState;
use crate::core::model::Status;

/// Every check, filed under its status.
#[derive(Debug, Default)]
pub struct CheckTable {
    passing: SharedMap<Position, CheckView>,
    warning: SharedMap<Position, CheckView>,
    critical: SharedMap<Position, CheckView>,
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
        let [passing, warning, critical] = [passing, warning, critical].map(SharedMap::from_iter);
        CheckTable { passing, warning, critical }
    }

    /// Puts, or with `None` removes, a check; gives the status it was filed under.
    pub fn put(&mut self, key: &Position, view: Option<CheckView>) -> Option<Status> {
        // The usual case: the same check in the same status.
        if let Some(view) = &view
            && self.by_status_mut(view.check.status).replace(key, view.clone()).is_some()
        {
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
    pub fn by_status(&self, status: Status) -> &SharedMap<Position, CheckView> {
        match status {
            Status::Passing => &self.passing,
            Status::Warning => &self.warning,
            Status::Critical => &self.critical,
        }
    }

    /// Holds the checks in one status, or all, so that they can be looked at when the table is let go.
    pub fn hold(&self, status: Option<Status>) -> HeldChecks {
        let of = |status| self.by_status(status).hold_all();
        HeldChecks(match status {
            Some(status) => vec![of(status)],
            None => [Status::Passing, Status::Warning, Status::Critical].map(of).into(),
        })
    }

    fn by_status_mut(&mut self, status: Status) -> &mut SharedMap<Position, CheckView> {
        match status {
            Status::Passing => &mut self.passing,
            Status::Warning => &mut self.warning,
            Status::Critical => &mut self.critical,
        }
    }
}

/// Checks as they were at one moment, in parts that each are in order.
pub struct HeldChecks(Vec<HeldPart<Position, CheckView>>);

impl HeldChecks {
    /// All of them, by node and id.
    pub fn in_order(&self) -> Vec<CheckView> {
        let mut all: Vec<_> = self.0.iter().flat_map(HeldPart::iter).collect();
        if self.0.len() > 1 {
            all.sort_by_key(|(position, _)| *position);
        }
        all.into_iter().map(|(_, view)| view.clone()).collect()
    }
}
