//! A node with everything on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::instance::{CheckView, Instance};
use crate::core::model::{Check, Node, Service};

/// One node, its service instances, and its checks.
#[derive(Clone, Debug)]
pub struct NodeRecord {
    node: Arc<Node>,
    services: BTreeMap<Text, Arc<Service>>,
    checks: BTreeMap<Text, Arc<Check>>,
    /// `(service id, check id)` of every check, so that an instance finds its own among ten thousand on the node.
    checks_by_service: BTreeSet<(Text, Text)>,
}

impl NodeRecord {
    /// A node with nothing on it.
    pub fn new(node: Arc<Node>) -> NodeRecord {
        let (services, checks, checks_by_service) = Default::default();
        NodeRecord { node, services, checks, checks_by_service }
    }

    /// The node itself.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// The instances on it, by id.
    pub fn services(&self) -> &BTreeMap<Text, Arc<Service>> {
        &self.services
    }

    /// The checks of the node and of its instances, by id.
    pub fn checks(&self) -> &BTreeMap<Text, Arc<Check>> {
        &self.checks
    }

    /// Puts the node in the place of the one before.
    pub fn set_node(&mut self, node: Arc<Node>) -> Arc<Node> {
        std::mem::replace(&mut self.node, node)
    }

    /// Puts, or with `None` removes, the instance `id`; gives the one before.
    pub fn set_service(&mut self, id: &Text, service: Option<Arc<Service>>) -> Option<Arc<Service>> {
        match service {
            Some(service) => self.services.insert(id.clone(), service),
            None => self.services.remove(id),
        }
    }

    /// Puts, or with `None` removes, the check `id`; gives the one before.
    pub fn set_check(&mut self, id: &Text, check: Option<Arc<Check>>) -> Option<Arc<Check>> {
        let new_entry = check.as_ref().map(|check| (check.service_id.clone(), id.clone()));
        let before = match check {
            Some(check) => self.checks.insert(id.clone(), check),
            None => self.checks.remove(id),
        };
        if let Some(before) = &before {
            self.checks_by_service.remove(&(before.service_id.clone(), id.clone()));
        }
        self.checks_by_service.extend(new_entry);
        before
    }

    /// Takes over one change of this node's record or of something on it. The node's removal is its owner's business.
    pub fn absorb(&mut self, change: &CatalogChange) {
        match change {
            CatalogChange::Node { after: Some(node), .. } => drop(self.set_node(node.clone())),
            CatalogChange::Node { after: None, .. } => {}
            CatalogChange::Service { id, after, .. } => drop(self.set_service(id, after.clone())),
            CatalogChange::Check { id, after, .. } => drop(self.set_check(id, after.clone())),
        }
    }

    /// Puts all instances and checks among `changes`, each of which is new, in one go: rows come in order, and a tree
    /// made of what is in order takes half the room and no search.
    pub fn fill(&mut self, changes: &[CatalogChange]) {
        let services = changes.iter().filter_map(|change| match change {
            CatalogChange::Service { id, after, .. } => Some((id.clone(), after.clone()?)),
            _ => None,
        });
        let checks = changes.iter().filter_map(|change| match change {
            CatalogChange::Check { id, after, .. } => Some((id.clone(), after.clone()?)),
            _ => None,
        });
        self.services.append(&mut services.collect());
        let mut checks: BTreeMap<Text, Arc<Check>> = checks.collect();
        let by_service = checks.iter().map(|(id, check)| (check.service_id.clone(), id.clone()));
        self.checks_by_service.append(&mut by_service.collect());
        self.checks.append(&mut checks);
    }

    /// Ids of the checks of one instance; with an empty id, of the node itself.
    pub fn check_ids_of<'a>(&'a self, service_id: &Text) -> impl Iterator<Item = &'a Text> + use<'a> {
        let from = (service_id.clone(), Text::default());
        let service_id = service_id.clone();
        self.checks_by_service.range(from..).take_while(move |(of, _)| *of == service_id).map(|(_, id)| id)
    }

    /// The instance `id` as readers see it: with its node, the node's checks first and then its own.
    pub fn instance(&self, id: &Text) -> Option<Instance> {
        let service = self.services.get(id)?;
        Some(self.joined(service, self.check_ids_of(&Text::default()).chain(self.check_ids_of(id))))
    }

    /// Every instance as [`NodeRecord::instance`] gives it, by id. None has to be sought, nor its checks.
    pub fn instances(&self) -> impl Iterator<Item = (&Text, Instance)> {
        let of_node: Vec<&Text> = self.check_ids_of(&Text::default()).collect();
        let mut checks = self.checks_by_service.iter().peekable();
        self.services.iter().map(move |(id, service)| {
            while checks.next_if(|(of, _)| of < id).is_some() {}
            let own = std::iter::from_fn(|| checks.next_if(|(of, _)| of == id).map(|(_, check)| check));
            (id, self.joined(service, of_node.iter().copied().chain(own)))
        })
    }

    fn joined<'a>(&self, service: &Arc<Service>, check_ids: impl Iterator<Item = &'a Text>) -> Instance {
        let mut checks: Box<[Arc<Check>]> = check_ids.filter_map(|id| self.checks.get(id).cloned()).collect();
        checks.sort_by_cached_key(|check| (!check.is_node_level(), check.id.folded()));
        Instance { node: self.node.clone(), service: service.clone(), checks }
    }

    /// A check as readers see it: with its node and the instance it is of.
    pub fn check(&self, id: &Text) -> Option<CheckView> {
        self.checks.get(id).map(|check| self.view(check))
    }

    /// All checks as readers see them, by id.
    pub fn checks_joined(&self) -> impl Iterator<Item = (&Text, CheckView)> {
        self.checks.iter().map(|(id, check)| (id, self.view(check)))
    }

    /// All checks as readers see them, in answer order.
    pub fn check_views(&self) -> Vec<CheckView> {
        let mut views: Vec<CheckView> = self.checks.values().map(|check| self.view(check)).collect();
        views.sort_by_cached_key(CheckView::position);
        views
    }

    fn view(&self, check: &Arc<Check>) -> CheckView {
        let service = self.services.get(&check.service_id).cloned();
        CheckView { node: self.node.clone(), service, check: check.clone() }
    }
}
