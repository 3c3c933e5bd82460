//! Whether a webhook wants to hear of something.
//!
//! What a status was before counts as much as what it is now: a webhook for `critical` also gets its end. But the
//! status that a check was registered with makes no event, and so its end makes none either.

use std::sync::Arc;

use crate::base::stdx::text::{Text, fold};
use crate::config::webhooks::Webhook;
use crate::core::catalog::instance::Instance;
use crate::core::filter::decision::Filter;
use crate::core::filter::{self, error::FilterError};
use crate::core::model::{Check, Node, NodeKey, Service, Status};
use crate::node::notify::context::TransitionContext;
use crate::wire::select::INSTANCE;
use crate::wire::show::HealthEntry;

/// What one webhook wants to hear of.
#[derive(Debug)]
pub struct Selection {
    /// In lower case; empty for all.
    services: Vec<String>,
    /// In lower case; empty for all.
    nodes: Vec<String>,
    /// In lower case; all of them are wanted.
    tags: Vec<String>,
    statuses: Vec<Status>,
    filter: Option<Filter>,
    /// What a filter sees of it.
    datacenter: Text,
}

impl Selection {
    /// The selection of `webhook`.
    ///
    /// # Errors
    /// When its filter is none; the configuration has checked that.
    pub fn new(webhook: &Webhook, datacenter: &Text) -> Result<Selection, FilterError> {
        let folded = |texts: &[String]| texts.iter().map(|text| fold(text).into_owned()).collect();
        let compile = |text: &String| filter::parse(text)?.bind(&INSTANCE);
        Ok(Selection {
            services: folded(&webhook.services),
            nodes: folded(&webhook.nodes),
            tags: folded(&webhook.tags),
            statuses: webhook.statuses.clone(),
            filter: webhook.filter.as_ref().map(compile).transpose()?,
            datacenter: datacenter.clone(),
        })
    }

    /// Whether something that happened is wanted. A check of a node is, when one of the instances on it is.
    ///
    /// What was gone before anybody looked cannot be compared with tags and filter any more: it counts as wanted, for
    /// an alarm that never clears is worse than one message too many.
    pub fn wants(&self, happened: &TransitionContext) -> bool {
        let transition = &*happened.transition;
        // That a check is better than it was registered ends nothing that made an event.
        let is_start = transition.is_first && transition.to < transition.from;
        let is_over = !is_start && self.wants_status(transition.from);
        if !is_over && !self.wants_status(transition.to) {
            return false;
        }
        if !self.wants_node(&transition.subject.node) {
            return false;
        }
        if happened.is_of_node() {
            return self.wants_all_instances() || happened.on_node.iter().any(|it| self.wants_instance(it));
        }
        if !self.wants_service(&transition.service_name) {
            return false;
        }
        let (Some(node), Some(service)) = (&happened.node, &happened.service) else { return true };
        if !self.wants_tags(service) {
            return false;
        }
        self.matches(node, service, &happened.checks) || self.matches(node, service, &checks_before(happened))
    }

    /// Whether a status is one of those wanted.
    pub fn wants_status(&self, status: Option<Status>) -> bool {
        status.is_some_and(|status| self.statuses.contains(&status))
    }

    /// Whether what is on the node filed under `key` is wanted.
    pub fn wants_node(&self, key: &NodeKey) -> bool {
        self.nodes.is_empty() || self.nodes.iter().any(|wanted| wanted == key.as_str())
    }

    /// Whether there is no wish about instances.
    pub fn wants_all_instances(&self) -> bool {
        self.services.is_empty() && self.tags.is_empty() && self.filter.is_none()
    }

    /// Whether an instance is wanted as it is, whatever its status.
    pub fn wants_instance(&self, instance: &Instance) -> bool {
        self.wants_service(&instance.service.name)
            && self.wants_tags(&instance.service)
            && self.matches(&instance.node, &instance.service, &instance.checks)
    }

    fn wants_service(&self, name: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|wanted| *wanted == fold(name))
    }

    fn wants_tags(&self, service: &Service) -> bool {
        self.tags.iter().all(|wanted| service.tags.iter().any(|tag| *wanted == fold(tag)))
    }

    fn matches(&self, node: &Node, service: &Service, checks: &[Arc<Check>]) -> bool {
        let entry = || HealthEntry::new(node, service, checks, &self.datacenter);
        self.filter.as_ref().is_none_or(|filter| filter.matches(&entry()))
    }
}

/// The checks with the one that changed as it was before.
fn checks_before(happened: &TransitionContext) -> Vec<Arc<Check>> {
    let (changed, from) = (&happened.transition.subject.check_id, happened.transition.from);
    let back = |check: &Arc<Check>| match from {
        Some(status) if check.id == *changed => Some(Arc::new(Check { status, ..Check::clone(check) })),
        None if check.id == *changed => None,
        _ => Some(check.clone()),
    };
    happened.checks.iter().filter_map(back).collect()
}

#[cfg(test)]
mod tests;
