//! A running registry: what its readers and its clients hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::core::acl::row::SharedSeal;
use crate::core::catalog::topic::Topic;
use crate::core::discovery::panic;
use crate::core::health::{CheckDiagnostics, CheckKey};
use crate::core::model::{Caller, Command, NodeKey, Observation, Service, ServiceKey};
use crate::node::registry::access::AccessControl;
use crate::node::registry::checking::Checking;
use crate::node::registry::checking::scheduler::SpeedClass;
use crate::node::registry::defined_ids::KnownIds;
use crate::node::registry::draining::Draining;
use crate::node::registry::error::WriteError;
use crate::node::registry::history::History;
use crate::node::registry::hot_queries::{self, HotQuery};
use crate::node::registry::interner::Interner;
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::panics::PanicThresholds;
use crate::node::registry::queue::{WriteQueue, Written};
use crate::node::registry::read_model::ReadModel;
use crate::node::registry::topics::Topics;
use crate::node::registry::views::Views;

/// A running registry.
pub struct Registry {
    pub(super) own_node: OwnNode,
    pub(super) seal: SharedSeal,
    pub(super) read_model: ReadModel,
    pub(super) interner: Interner,
    pub(super) queue: WriteQueue,
    pub(super) checking: Arc<Checking>,
    pub(super) draining: Arc<Draining>,
    pub(super) panic_thresholds: PanicThresholds,
    pub(super) hot_queries: Vec<HotQuery>,
    pub(super) defined_ids: KnownIds,
}

impl Registry {
    /// Who the agent is.
    pub fn own_node(&self) -> &OwnNode {
        &self.own_node
    }

    /// Under which secrets are kept.
    pub fn seal(&self) -> &SharedSeal {
        &self.seal
    }

    /// What readers see.
    pub fn views(&self) -> &Views {
        &self.read_model.views
    }

    /// Who may do what.
    pub fn access(&self) -> &Arc<AccessControl> {
        &self.read_model.access
    }

    /// Indexes and watchers.
    pub fn topics(&self) -> &Arc<Topics> {
        &self.read_model.topics
    }

    /// Where a topic stands, for a client that has seen it at `seen`.
    pub fn index(&self, topic: &Topic, seen: u64) -> u64 {
        let ReadModel { views, topics, .. } = &self.read_model;
        match topic {
            Topic::Key(key) => views.pairs(|table| table.index(key, seen)),
            Topic::Prefix(prefix) => {
                let known = topics.pairs().index_under(prefix);
                views.pairs(|table| table.index_under(prefix, seen, known))
            }
            _ => topics.index(topic),
        }
    }

    /// The queue of the writer.
    pub fn queue(&self) -> &WriteQueue {
        &self.queue
    }

    /// Shows every index as the next start from the same store will, so that none goes back for who meets both. To be
    /// called when no write is taken any more.
    pub fn stand_as_after_start(&self) {
        let ReadModel { views, topics, .. } = &self.read_model;
        let index = views.complete();
        topics.begin_move();
        views.forget_deletions(index);
        topics.stand_as_after_start(index);
        topics.end_move();
    }

    /// The health engine.
    pub fn checking(&self) -> &Arc<Checking> {
        &self.checking
    }

    /// What drains.
    pub fn draining(&self) -> &Draining {
        &self.draining
    }

    /// The transitions of checks that are remembered.
    pub fn history(&self) -> &History {
        &self.read_model.history
    }

    /// What the health engine knows of a check, by its node's key and its id; `None` when it keeps no time for it.
    pub fn insight(&self, node: &NodeKey, check_id: &Text) -> Option<CheckDiagnostics> {
        self.checking.insight(&CheckKey::new(node.clone(), check_id.clone()))
    }

    /// For how long the next run of a check has been waiting for a place, by its node's key and its id, and among whom;
    /// `None` while that is no long time.
    pub fn overdue(&self, node: &NodeKey, check_id: &Text) -> Option<(Duration, SpeedClass)> {
        self.checking.overdue(&CheckKey::new(node.clone(), check_id.clone()))
    }

    /// When each service is in panic.
    pub fn panic_thresholds(&self) -> &PanicThresholds {
        &self.panic_thresholds
    }

    /// Has services be in panic by other thresholds from now on.
    pub fn set_panic_thresholds(&self, thresholds: HashMap<ServiceKey, panic::PanicSettings>) {
        self.panic_thresholds.set(thresholds, self.read_model.views.complete());
    }

    /// Has a command carried out for somebody; answers when it is durable and visible.
    ///
    /// # Errors
    /// See [`WriteError`]; nothing was changed then.
    pub fn write_for(&self, caller: Caller, mut command: Command) -> Result<Written, WriteError> {
        self.interner.intern(&mut command);
        let registered = registered_checks(&command);
        let written = self.queue.write_for(caller, command)?;
        self.checking.registered_again(&registered);
        Ok(written)
    }

    /// Leaves for the next start what no record shows of the checks' lives: counts, times left, penalties. The last
    /// thing an orderly end does.
    ///
    /// # Errors
    /// See [`WriteError`]; the next start is then like one after a crash.
    pub fn save_health(&self) -> Result<(), WriteError> {
        self.queue.write_rows(self.checking.save())
    }

    /// What was asked for most before this start, as far as it is known.
    pub fn hot_queries(&self) -> &[HotQuery] {
        &self.hot_queries
    }

    /// Leaves for the next start what was asked for most.
    ///
    /// # Errors
    /// See [`WriteError`]; the next start then goes by an older list, or by none.
    pub fn save_hot_queries(&self, queries: &[HotQuery]) -> Result<(), WriteError> {
        self.queue.write_rows(vec![hot_queries::row(queries)])
    }

    /// Takes what an instance of the agent says of its check.
    ///
    /// # Errors
    /// When that is a new status which could not be written.
    pub fn report_for(
        &self,
        caller: impl FnOnce() -> Caller,
        check_id: &Text,
        observation: Observation,
    ) -> Result<(), WriteError> {
        self.checking.report(&self.own_check(check_id), observation, caller)
    }

    /// As [`Registry::write_for`], for a test.
    #[cfg(test)]
    pub fn write(&self, command: Command) -> Result<Written, WriteError> {
        self.write_for(Caller::own("test"), command)
    }

    /// As [`Registry::report_for`], for a test.
    #[cfg(test)]
    pub fn report(&self, check_id: &Text, observation: Observation) -> Result<(), WriteError> {
        self.report_for(|| Caller::own("test"), check_id, observation)
    }

    /// The freshest output of a check of the agent, where it is fresher than the catalog's.
    pub fn fresh_output(&self, check_id: &Text) -> Option<Text> {
        self.checking.output(&self.own_check(check_id))
    }

    /// An instance of the agent.
    pub fn own_service(&self, service_id: &Text) -> Option<Arc<Service>> {
        let own = self.own_node.key();
        self.read_model.views.node(&own, |record| record.services().get(service_id).cloned())?
    }

    /// What stands under `key` in the metadata of an instance of the agent.
    pub fn own_service_meta(&self, service_id: &Text, key: &str) -> Option<Text> {
        let service = self.own_service(service_id)?;
        service.meta.as_ref().and_then(|meta| meta.get(key).cloned())
    }

    /// The name of the service that the agent's instance `service_id` is of.
    pub fn own_service_name(&self, service_id: &Text) -> Option<Text> {
        self.own_service(service_id).map(|service| service.name.clone())
    }

    fn own_check(&self, check_id: &Text) -> CheckKey {
        CheckKey::new(self.own_node.key(), check_id.clone())
    }
}

/// The checks that a registration names: whoever registers them (again) may have started their instance anew.
fn registered_checks(command: &Command) -> Vec<CheckKey> {
    let Command::Register(registration) = command else { return Vec::new() };
    let node = NodeKey::of(registration.node.name());
    registration.checks.iter().map(|check| CheckKey::new(node.clone(), check.id.clone())).collect()
}
