//! What the API of access control is told.

use crate::base::stdx::text::Text;
use crate::core::model::acl::TokenSecret;
use crate::wire::decode::audit::Audit;
use crate::wire::decode::calendar_time::CalendarTime;
use crate::wire::decode::duration::Span;
use crate::wire::decode::free_form::FreeForm;
use crate::wire::decode::object;
use crate::wire::decode::read::{FieldFault, ReadJson};

object! {
    /// `/v1/acl/policy`.
    pub struct PolicyBody as "" of "structs.ACLPolicy" {
        /// Its id, where it is there already.
        "ID" => id: Text,
        /// Its name.
        "Name" => name: Text,
        /// For people.
        "Description" => description: Text,
        /// The text of its rules.
        "Rules" => rules: Text,
        /// Where it counts.
        "Datacenters" => datacenters: Vec<Text>,
    }
}

object! {
    /// `/v1/acl/role`.
    pub struct RoleBody as "" of "structs.ACLRole" {
        /// Its id, where it is there already.
        "ID" => id: Text,
        /// Its name.
        "Name" => name: Text,
        /// For people.
        "Description" => description: Text,
        /// Policies that it has.
        "Policies" => policies: Vec<LinkBody>,
        /// Services that it may be.
        "ServiceIdentities" => services: Vec<ServiceIdentityBody>,
        /// Nodes that it may be.
        "NodeIdentities" => nodes: Vec<NodeIdentityBody>,
        /// What newer versions of Consul make policies of.
        "TemplatedPolicies" => templated: Vec<FreeForm>,
    }
}

object! {
    /// `/v1/acl/token`.
    pub struct TokenBody as "" of "structs.ACLToken" {
        /// Its accessor.
        "AccessorID" => accessor: Text,
        /// What is shown.
        "SecretID" => secret: TokenSecret,
        /// For people.
        "Description" => description: Text,
        /// Policies that it has.
        "Policies" => policies: Vec<LinkBody>,
        /// Roles that it has.
        "Roles" => roles: Vec<LinkBody>,
        /// Services that it may be.
        "ServiceIdentities" => services: Vec<ServiceIdentityBody>,
        /// Nodes that it may be.
        "NodeIdentities" => nodes: Vec<NodeIdentityBody>,
        /// What newer versions of Consul make policies of.
        "TemplatedPolicies" => templated: Vec<FreeForm>,
        /// Rules, as tokens had them before there were policies.
        "Rules" => rules: Text,
        /// Whether it counts in its own datacenter only.
        "Local" => is_local: Option<bool>,
        /// The auth method whose login made it.
        "AuthMethod" => auth_method: Text,
        /// How long it counts.
        "ExpirationTTL" => ttl: Span,
        /// Until when it counts.
        "ExpirationTime" => expires: CalendarTime,
        /// When it was made.
        "CreateTime" => created: CalendarTime,
    }
}

object! {
    /// A link to a policy or a role.
    pub struct LinkBody as "ACLTokenPolicyLink" of "structs.ACLTokenPolicyLink" {
        /// Its id.
        "ID" => id: Text,
        /// Its name, which counts where there is no id.
        "Name" => name: Text,
    }
}

object! {
    /// Being a service.
    pub struct ServiceIdentityBody as "ACLServiceIdentity" of "structs.ACLServiceIdentity" {
        /// Its name.
        "ServiceName" => service: Text,
        /// Where.
        "Datacenters" => datacenters: Vec<Text>,
    }
}

object! {
    /// Being a node.
    pub struct NodeIdentityBody as "ACLNodeIdentity" of "structs.ACLNodeIdentity" {
        /// Its name.
        "NodeName" => node: Text,
        /// Where.
        "Datacenter" => datacenter: Text,
    }
}

object! {
    /// `/v1/acl/bootstrap`.
    pub struct BootstrapBody as "" of "structs.BootstrapRequest" {
        /// What the first token shows; one is made up where none is given.
        "BootstrapSecret" => secret: TokenSecret,
    }
}

object! {
    /// One question of `/v1/internal/acl/authorize`.
    pub struct AuthorizationBody as "ACLAuthorizationRequest" of "structs.ACLAuthorizationRequest" {
        /// Of which kind.
        "Resource" => resource: Text,
        /// Which of its kind.
        "Segment" => segment: Text,
        /// What is to be done with it.
        "Access" => access: Text,
    }
}

object! {
    /// `/v1/agent/token/`.
    pub struct AgentTokenBody as "AgentToken" of "api.AgentToken" {
        /// What the agent is to show.
        "Token" => secret: TokenSecret,
    }
}

impl ReadJson for TokenSecret {
    fn go_type() -> String {
        "string".into()
    }

    fn text(&mut self, text: &str) -> Result<(), FieldFault> {
        *self = TokenSecret::new(text);
        Ok(())
    }
}

impl Audit for TokenSecret {}
