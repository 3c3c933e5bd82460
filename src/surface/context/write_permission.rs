//! What a command asks of whoever sends it. Decided by the command alone, so no route to it asks for less.
//!
//! <https://developer.hashicorp.com/consul/docs/security/acl/acl-rules>

use crate::base::stdx::text::Text;
use crate::core::acl::resource::Access::Write;
use crate::core::acl::resource::Resource::{self, Acl, Key, Node, Service};
use crate::core::model::acl::AclWrite;
use crate::core::model::{Check, Command, NodeKey, NodePart, PairWrite, Registration};
use crate::node::registry::views::Views;
use crate::surface::context::error::ApiError;
use crate::surface::context::rights::Rights;

/// Whether a caller with such rights may have `command` carried out. What is not there asks for nothing where the
/// writer will say so.
///
/// # Errors
/// 403 that says what is missing.
pub fn check(rights: &Rights, views: &Views, command: &Command) -> Result<(), ApiError> {
    if matches!(rights, Rights::Everything) {
        return Ok(());
    }
    let asked = Asked { rights, views };
    match command {
        Command::Register(registration) => asked.register(registration),
        Command::DeregisterNode { node } => asked.write(Node, &asked.node_name(node)),
        Command::DeregisterService { node, service_id, must_exist } => {
            match (asked.service_name(node, service_id), must_exist) {
                (Some(name), true) => asked.write(Service, &name),
                (Some(name), false) => asked.node_or(node, || asked.write(Service, &name)),
                (None, true) => Ok(()),
                (None, false) => {
                    asked.node_or(node, || Err(ApiError::new(500, format!("Unknown service '{service_id}'"))))
                }
            }
        }
        Command::DeregisterCheck { node, check_id, must_exist } => {
            match (asked.owner(node, check_id), must_exist) {
                (Some(Owner::Service(name)), false) => asked.node_or(node, || asked.write(Service, &name)),
                (Some(owner), _) => asked.write_owned(&owner),
                (None, true) => Ok(()),
                (None, false) => {
                    asked.node_or(node, || Err(ApiError::new(500, format!("Unknown check '{check_id}'"))))
                }
            }
        }
        Command::UpdateCheck { node, check_id, .. } => {
            asked.owner(node, check_id).map_or(Ok(()), |owner| asked.write_owned(&owner))
        }
        Command::Drain { node, service_id, .. } | Command::Reap { node, service_id, .. } => {
            asked.service_name(node, service_id).map_or(Ok(()), |name| asked.write(Service, &name))
        }
        Command::WritePair(PairWrite::Put { key, .. } | PairWrite::Delete { key, .. }) => {
            asked.write(Key, key)
        }
        Command::WritePair(PairWrite::DeleteTree { prefix }) => rights.require_key_tree(prefix),
        Command::WriteAcl(write) if matches!(**write, AclWrite::Bootstrap { .. }) => Ok(()),
        Command::WriteAcl(_) | Command::Restore(_) | Command::Define(_) => asked.write(Acl, ""),
    }
}

/// Whose right a check is: its service's, or its node's.
enum Owner {
    Service(Text),
    Node(Text),
}

/// A caller, and the tables that say what there is.
#[derive(Clone, Copy)]
struct Asked<'a> {
    rights: &'a Rights,
    views: &'a Views,
}

impl Asked<'_> {
    fn write(self, resource: Resource, name: &str) -> Result<(), ApiError> {
        self.rights.require(resource, name, Write)
    }

    fn write_owned(self, owner: &Owner) -> Result<(), ApiError> {
        match owner {
            Owner::Service(name) => self.write(Service, name),
            Owner::Node(name) => self.write(Node, name),
        }
    }

    /// Who may write a node may remove everything on it; others ask for less.
    fn node_or(self, node: &NodeKey, other: impl FnOnce() -> Result<(), ApiError>) -> Result<(), ApiError> {
        let may_write_node = self.rights.include(Node, &self.node_name(node), Write);
        if may_write_node { Ok(()) } else { other() }
    }

    /// The name of a node as it was registered, or its key if it is not there.
    fn node_name(self, key: &NodeKey) -> Text {
        self.views.node(key, |record| record.node().name.clone()).unwrap_or_else(|| key.text().clone())
    }

    fn service_name(self, node: &NodeKey, id: &Text) -> Option<Text> {
        self.views.node(node, |record| record.services().get(id).map(|it| it.name.clone())).flatten()
    }

    /// Whose a check is that is there.
    fn owner(self, node: &NodeKey, check_id: &Text) -> Option<Owner> {
        let found = self.views.node(node, |record| {
            let check = record.checks().get(check_id)?;
            let service = record.services().get(&check.service_id);
            Some(match service {
                Some(service) => Owner::Service(service.name.clone()),
                None => Owner::Node(record.node().name.clone()),
            })
        });
        found.flatten()
    }

    fn register(self, registration: &Registration) -> Result<(), ApiError> {
        let Registration { node, service, checks, .. } = registration;
        let key = NodeKey::of(node.name());
        self.register_node(node, &key)?;
        if let Some(service) = service {
            self.write(Service, &service.name)?;
            if let Some(before) = self.service_name(&key, &service.id) {
                self.write(Service, &before)?;
            }
            if let Some(proxy) = &service.proxy {
                self.write(Service, &proxy.destination_service_name)?;
            }
        }
        checks.iter().try_for_each(|check| self.register_check(registration, &key, check))
    }

    /// Of the node only where something of it changes: what it is called now, and what it will be.
    fn register_node(self, part: &NodePart, key: &NodeKey) -> Result<(), ApiError> {
        let NodePart::Set { name, id, address, tagged_addresses, meta, keep_existing } = part else {
            return Ok(());
        };
        let before = self.views.node(key, |record| record.node().clone());
        let is_known = before.as_ref().is_some_and(|before| before.id.eq_ignore_ascii_case(id));
        if !id.is_empty() && !is_known {
            // Who brings the UUID of another node renames that.
            let renamed = self.views.node_with_id(id, |record| record.node().name.clone());
            renamed.map_or(Ok(()), |renamed| self.write(Node, &renamed))?;
        }
        let Some(before) = before else { return self.write(Node, name) };
        let is_same = before.name == *name
            && (id.is_empty() || before.id.eq_ignore_ascii_case(id))
            && before.address == *address
            && before.tagged_addresses == *tagged_addresses
            && before.meta == *meta;
        if *keep_existing || is_same {
            return Ok(());
        }
        self.write(Node, &before.name)?;
        self.write(Node, name)
    }

    /// Of whose it will be, and of whose it is now.
    fn register_check(
        self,
        registration: &Registration,
        key: &NodeKey,
        check: &Check,
    ) -> Result<(), ApiError> {
        if let Some(owner) = self.owner(key, &check.id) {
            self.write_owned(&owner)?;
        }
        if check.is_node_level() {
            return self.write(Node, registration.node.name());
        }
        let with_it = registration.service.as_ref().filter(|service| service.id == check.service_id);
        let name = with_it.map(|service| service.name.clone());
        match name.or_else(|| self.service_name(key, &check.service_id)) {
            Some(name) => self.write(Service, &name),
            // The writer says that there is no such service, to whom that is no news.
            None => self.write(Node, registration.node.name()),
        }
    }
}
