//! A mutant that needs hands in the views: it shows an instance that is gone.

use std::sync::Arc;

use muster::core::catalog::instance::{Instance, Position};
use muster::core::catalog::update::Update;
use muster::core::kernel::changes::Changes;
use muster::core::model::ServiceKey;

use super::World;
use crate::registry::mutants::Mutant;
use crate::registry::oracle::Catalog;

impl World<'_> {
    /// Puts back what the last batch has removed.
    pub(super) fn haunt(&self, before: &Catalog) {
        if self.mutant != Some(Mutant::ShowsGhosts) {
            return;
        }
        let gone = before.services.iter().find(|(place, _)| !self.truth.services.contains_key(*place));
        let Some(((node, id), service)) = gone else { return };
        let (key, service) = (node.clone(), service.clone());
        let ghost = Instance { node: before.nodes[&key].clone(), service, checks: Box::default() };
        let name = ServiceKey::of(&ghost.service.name);
        let position = Position::new(key, id.clone());
        let update = Update { instances: vec![(name, position, Some(Arc::new(ghost)))], ..Update::default() };
        let (views, index) = (&self.process().shown.views, self.truth.index);
        views.publish(&Changes::default(), views.prepare(update, index), index);
    }
}
