//! What a token or a role gives.

use crate::base::stdx::text::Text;

/// What a token or a role gives: links to policies and roles by their ids, which stay when what they lead to is gone
/// and then give nothing, and identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Ids of policies, each once.
    pub policies: Vec<Text>,
    /// Ids of roles, each once.
    pub roles: Vec<Text>,
    /// Services that whoever has it may be.
    pub services: Vec<ServiceIdentity>,
    /// Nodes that whoever has it may be.
    pub nodes: Vec<NodeIdentity>,
}

/// Being a service. It may register the service and its sidecar, and see what it needs of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceIdentity {
    /// Its name.
    pub service: Text,
    /// Where it counts; everywhere if it names none.
    pub datacenters: Vec<Text>,
}

/// Being a node. It may register the node, and see all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Its name.
    pub node: Text,
    /// The one datacenter where it counts.
    pub datacenter: Text,
}

impl Grants {
    pub(super) fn weight(&self) -> usize {
        let of = |texts: &[Text]| texts.iter().map(|it| size_of::<Text>() + it.len()).sum::<usize>();
        let services = self
            .services
            .iter()
            .map(|it| size_of::<ServiceIdentity>() + it.service.len() + of(&it.datacenters));
        let nodes =
            self.nodes.iter().map(|it| size_of::<NodeIdentity>() + it.node.len() + it.datacenter.len());
        of(&self.policies) + of(&self.roles) + services.sum::<usize>() + nodes.sum::<usize>()
    }
}
