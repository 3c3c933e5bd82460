//! From a token to what it gives: the rules of its policies, its roles and its identities, as far as they count here.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::authorizer::Authorizer;
use crate::core::acl::identity;
use crate::core::acl::resource::DefaultPolicy;
use crate::core::acl::rules::Rules;
use crate::core::acl::state::AclState;
use crate::core::model::acl::grants::Grants;
use crate::core::model::acl::policy::Policy;
use crate::core::model::acl::record::{AclKind, AclRecord};
use crate::core::model::acl::token::Token;

/// What a token gives, and where it comes from.
#[derive(Debug)]
pub struct Resolved {
    /// Decides.
    pub authorizer: Authorizer,
    /// What the rules are of that it decides by, in the order of
    /// [`AppliedRule::policy`](super::authorizer::AppliedRule::policy): for people.
    pub sources: Vec<Text>,
}

/// Where and how tokens are resolved.
#[derive(Clone, Debug)]
pub struct Place {
    /// The datacenter: what counts in others only gives nothing here.
    pub datacenter: Text,
    /// What counts where no rule speaks.
    pub default_policy: DefaultPolicy,
}

impl Place {
    /// What `token` gives here, in the present `state`. `rules_of` reads the rules of a policy, or remembers them; a
    /// policy that cannot be read any more gives nothing.
    pub fn resolve(
        &self,
        state: &AclState,
        token: &Token,
        mut rules_of: impl FnMut(&Arc<Policy>) -> Option<Arc<Rules>>,
    ) -> Resolved {
        let mut found: Vec<(Text, Arc<Rules>)> = Vec::new();
        self.add(state, &token.grants, "", &mut rules_of, &mut found);
        for id in &token.grants.roles {
            if let Some(AclRecord::Role(role)) = state.get(AclKind::Role, id) {
                let of = format!(" of role {:?}", role.name);
                self.add(state, &role.grants, &of, &mut rules_of, &mut found);
            }
        }
        let authorizer = Authorizer::of(found.iter().map(|(_, rules)| &**rules), self.default_policy);
        Resolved { authorizer, sources: found.into_iter().map(|(source, _)| source).collect() }
    }

    fn add(
        &self,
        state: &AclState,
        grants: &Grants,
        of: &str,
        rules_of: &mut impl FnMut(&Arc<Policy>) -> Option<Arc<Rules>>,
        found: &mut Vec<(Text, Arc<Rules>)>,
    ) {
        for id in &grants.policies {
            let Some(AclRecord::Policy(policy)) = state.get(AclKind::Policy, id) else { continue };
            let rules = self.counts(&policy.datacenters).then(|| rules_of(policy)).flatten();
            found.extend(rules.map(|rules| (format!("policy {:?}{of}", policy.name).into(), rules)));
        }
        for service in grants.services.iter().filter(|service| self.counts(&service.datacenters)) {
            let rules = Arc::new(identity::service(&service.service));
            found.push((format!("service identity {:?}{of}", service.service).into(), rules));
        }
        for node in grants.nodes.iter().filter(|node| node.datacenter == self.datacenter) {
            let rules = Arc::new(identity::node(&node.node));
            found.push((format!("node identity {:?}{of}", node.node).into(), rules));
        }
    }

    /// Whether what names these datacenters counts here.
    fn counts(&self, datacenters: &[Text]) -> bool {
        datacenters.is_empty() || datacenters.contains(&self.datacenter)
    }
}
