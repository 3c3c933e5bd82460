//! What one client was told: which of its instances are registered, with what content, and which single operation was
//! sent but not answered when the server died. Knows how requests are written, not how answers are read.

use std::collections::BTreeMap;

use serde_json::json;

use super::chance::Chance;
use crate::support::client::{Answer, Request};
use crate::support::process::NODE_NAME;

/// Instances that a client registers and deregisters.
const INSTANCES: u64 = 10;

/// Names that instances of all clients share, so that a list is right only when every client's part of it is.
pub const NAMES: [&str; 4] = ["ledger-0", "ledger-1", "ledger-2", "ledger-3"];

/// Through which API a client registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As a service of the agent, with a TTL check.
    Agent,
    /// As an instance of a node of its own, with a check that is somebody else's finding.
    Catalog,
}

/// One instance as registered. The revision stands in its meta and in its check, so that a half-done write shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub node: String,
    pub id: String,
    pub name: &'static str,
    pub port: u64,
    pub tags: Vec<String>,
    pub revision: u64,
}

impl Instance {
    pub fn check_id(&self) -> String {
        format!("{}-check", self.id)
    }

    /// What the notes of its check say.
    pub fn notes(&self) -> String {
        format!("revision {}", self.revision)
    }
}

/// An operation that was sent and not answered: done or not, but nothing between.
#[derive(Clone, Debug)]
pub struct Doubt {
    pub id: String,
    /// What was acknowledged before.
    pub before: Option<Instance>,
    /// What holds if it was done; `None` for a deregistration.
    pub after: Option<Instance>,
}

/// One client's ledger.
#[derive(Clone, Debug)]
pub struct Ledger {
    client: usize,
    way: Way,
    pub instances: BTreeMap<String, Instance>,
    pub doubt: Option<Doubt>,
    revision: u64,
    /// Operations that were answered.
    pub acknowledged: u64,
}

impl Ledger {
    pub fn new(client: usize) -> Ledger {
        let way = if client.is_multiple_of(2) { Way::Agent } else { Way::Catalog };
        Ledger { client, way, instances: BTreeMap::new(), doubt: None, revision: 0, acknowledged: 0 }
    }

    /// The node that its instances are on.
    pub fn node(&self) -> String {
        match self.way {
            Way::Agent => NODE_NAME.to_owned(),
            Way::Catalog => format!("ledger-node-{}", self.client),
        }
    }

    /// The request that makes its node known without an instance, if the node is its own.
    pub fn node_request(&self) -> Option<Request> {
        let body = json!({"Node": self.node(), "Address": "127.0.0.9"});
        (self.way == Way::Catalog).then(|| Request::new("PUT", "/v1/catalog/register").body(body.to_string()))
    }

    /// Chooses the next operation, notes it as doubtful, and gives its request.
    pub fn next(&mut self, chance: &mut Chance) -> Request {
        let id = format!("client-{}-{}", self.client, chance.below(INSTANCES));
        let before = self.instances.get(&id).cloned();
        let leaves = before.is_some() && chance.below(5) < 2;
        let after = (!leaves).then(|| self.revised(&id, chance));
        let request = match &after {
            Some(instance) => self.registration(instance),
            None => self.deregistration(&id),
        };
        self.doubt = Some(Doubt { id, before, after });
        request
    }

    /// The doubtful operation was answered: it is done, or it is not, or nobody knows and it stays doubtful. Gives whether
    /// it is done.
    ///
    /// # Errors
    /// A sentence when the answer is none of these.
    pub fn answered(&mut self, answer: &Answer) -> Result<bool, String> {
        let is_refusal = matches!(answer.status, 503 | 507) && answer.header("Retry-After").is_some();
        match answer.status {
            200 => self.acknowledge(),
            _ if is_refusal && answer.text().starts_with("the outcome is unknown") => {}
            _ if is_refusal => self.settle(false),
            status => return Err(format!("{status} {}", answer.text())),
        }
        Ok(answer.status == 200)
    }

    /// The doubtful operation was done.
    pub fn acknowledge(&mut self) {
        self.acknowledged += 1;
        self.settle(true);
    }

    /// The doubtful operation is known to be done, or not.
    pub fn settle(&mut self, is_done: bool) {
        let Some(Doubt { id, before, after }) = self.doubt.take() else { return };
        match if is_done { after } else { before } {
            Some(instance) => self.instances.insert(id, instance),
            None => self.instances.remove(&id),
        };
    }

    /// A new content for `id`: port and tags change, sometimes the name.
    fn revised(&mut self, id: &str, chance: &mut Chance) -> Instance {
        self.revision += 1;
        let tags = (0..chance.below(4)).map(|_| format!("tag-{}", chance.below(9))).collect();
        Instance {
            node: self.node(),
            id: id.to_owned(),
            name: NAMES[chance.below(NAMES.len() as u64) as usize],
            port: 1 + chance.below(65_000),
            tags,
            revision: self.revision,
        }
    }

    fn registration(&self, instance: &Instance) -> Request {
        let Instance { node, id, name, port, tags, revision } = instance;
        let meta = json!({"revision": revision.to_string()});
        let (check_id, notes) = (instance.check_id(), instance.notes());
        let (target, body) = match self.way {
            Way::Agent => (
                "/v1/agent/service/register",
                json!({"ID": id, "Name": name, "Port": port, "Tags": tags, "Meta": meta, "Check": {
                    "CheckID": check_id, "Name": "beat", "TTL": "1h", "Status": "passing", "Notes": notes}}),
            ),
            Way::Catalog => (
                "/v1/catalog/register",
                json!({"Node": node, "Address": "127.0.0.9",
                    "Service": {"ID": id, "Service": name, "Port": port, "Tags": tags, "Meta": meta},
                    "Check": {"CheckID": check_id, "Name": "beat", "Status": "passing", "Notes": notes,
                        "ServiceID": id}}),
            ),
        };
        Request::new("PUT", target).body(body.to_string())
    }

    fn deregistration(&self, id: &str) -> Request {
        match self.way {
            Way::Agent => Request::new("PUT", &format!("/v1/agent/service/deregister/{id}")),
            Way::Catalog => {
                let body = json!({"Node": self.node(), "ServiceID": id});
                Request::new("PUT", "/v1/catalog/deregister").body(body.to_string())
            }
        }
    }
}
