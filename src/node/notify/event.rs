//! An event: one change of a check's status, in the form in which webhooks get it.
//!
//! Its id depends on nothing but the change itself, so that an event found again after a crash is the same event, and a
//! receiver that has seen the id has seen it all.

use serde::{Deserialize, Serialize};

use crate::base::stdx::calendar::rfc3339;
use crate::base::stdx::text::Text;
use crate::core::model::{Meta, NodeKey, Status};
use crate::node::notify::context::{Overall, TransitionContext};

/// Names of services shown with an event of a whole node. Its purpose is to say roughly what is concerned.
const SERVICES_MAX: usize = 100;

/// An event, in the shape of its JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The same over retries, restarts and crashes, and no other event's: what receivers tell repetitions by.
    pub id: String,
    /// The registry's index of the change. Of two events of one instance, the later one has the higher index.
    pub index: u64,
    /// When it happened, RFC 3339 with milliseconds.
    pub time: String,
    /// The same in milliseconds of Unix time.
    pub time_ms: u64,
    /// The datacenter of the agent.
    pub datacenter: Text,
    /// The node it happened on.
    pub node: EventNode,
    /// The instance it happened to; `None` when it is the node as a whole.
    pub service: Option<EventService>,
    /// The check that tells.
    pub check: EventCheck,
    /// The check's status before; `None` when the check began with this.
    pub before: Option<Before>,
    /// Its status after; `None` when the check is gone, mostly with its instance.
    pub after: Option<After>,
    /// What brought it about: `probe`, `ttl`, `report`, …
    pub cause: String,
    /// Who asked for it: a client's address, or the part of muster that found out; empty where that is not known.
    #[serde(default)]
    pub by: Text,
    /// The id of the client's request; empty for muster itself.
    #[serde(default)]
    pub request_id: Text,
    /// The worst status of all checks that bear on the instance, its node's included, before and after; for an event of
    /// a node, of the node's checks. `None` after: it is gone.
    pub instance: Overall,
    /// With an event of a whole node, the names of up to [`SERVICES_MAX`] services that have instances on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Text>,
}

/// A node as an event shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // Each field is what its name says.
pub struct EventNode {
    pub name: Text,
    pub address: Text,
}

/// An instance as an event shows it. Of one that was gone before muster could look, only id and name are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EventService {
    pub id: Text,
    pub name: Text,
    pub tags: Vec<Text>,
    pub address: Text,
    pub port: u16,
    pub meta: Meta,
}

/// A check as an event shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EventCheck {
    pub id: Text,
    pub name: Text,
}

/// A check before the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Its status.
    pub status: Status,
    /// Since when, in milliseconds of Unix time; 0 when that is not known.
    pub since_ms: u64,
}

/// A check after the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// Its status.
    pub status: Status,
    /// The beginning of what the check said.
    pub output: Text,
}

/// Where events come from.
#[derive(Clone, Debug)]
pub struct EventSource {
    /// UUID of the registry.
    pub registry_id: Text,
    /// The datacenter of the agent.
    pub datacenter: Text,
}

impl Event {
    /// The event that tells of what happened.
    pub fn new(source: &EventSource, happened: &TransitionContext) -> Event {
        let transition = &*happened.transition;
        let (index, position, time_ms) = (transition.index, transition.position, transition.time_ms);
        let registry = source.registry_id.split('-').next().unwrap_or_default();
        let service_id = &transition.subject.service_id;
        let service = (!service_id.is_empty()).then(|| match &happened.service {
            Some(service) => EventService {
                id: service.id.clone(),
                name: service.name.clone(),
                tags: service.tags.clone(),
                address: service.address.clone(),
                port: service.port,
                meta: service.meta.clone().unwrap_or_default(),
            },
            None => EventService {
                id: service_id.clone(),
                name: transition.service_name.clone(),
                tags: Vec::new(),
                address: Text::default(),
                port: 0,
                meta: Meta::default(),
            },
        });
        let before = transition.from.map(|status| Before { status, since_ms: transition.from_since_ms });
        let after = transition.to.map(|status| After { status, output: transition.output.clone() });
        let mut services: Vec<Text> = happened.on_node.iter().map(|it| it.service.name.clone()).collect();
        services.sort_unstable();
        services.dedup();
        services.truncate(SERVICES_MAX);
        Event {
            // With the time, for a registry that was put back to a backup gives its indexes a second time.
            id: format!("{registry}-{index}-{position}-{time_ms:x}"),
            index,
            time: rfc3339(time_ms),
            time_ms,
            datacenter: source.datacenter.clone(),
            node: match &happened.node {
                Some(node) => EventNode { name: node.name.clone(), address: node.address.clone() },
                None => EventNode { name: transition.subject.node.text().clone(), address: Text::default() },
            },
            service,
            check: EventCheck {
                id: transition.subject.check_id.clone(),
                name: transition.check_name.clone(),
            },
            before,
            after,
            cause: transition.cause.as_str().to_owned(),
            by: transition.caller.by.clone(),
            request_id: transition.caller.request_id.clone(),
            instance: happened.overall,
            services,
        }
    }

    /// What must be delivered in order: the events of one instance, or those of a node itself.
    pub fn lane(&self) -> EventOrder {
        let service_id = self.service.as_ref().map(|service| service.id.clone()).unwrap_or_default();
        EventOrder { node: NodeKey::of(&self.node.name), service_id }
    }

    /// Its JSON.
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event has text keys only")
    }
}

/// Events of one lane are delivered one after the other; lanes do not wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventOrder {
    /// Key of the node.
    pub node: NodeKey,
    /// Id of the instance; empty for the node itself.
    pub service_id: Text,
}
