//! Which addresses muster may be sent to, at present: judged on the address that is connected to, after every name was
//! looked up.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::base::stdx::network::Network;
use crate::base::sys::host;
use crate::core::model::Probe;
use crate::core::model::target::{TargetPolicy, TargetRefusal};

/// Decides on addresses, after names were looked up and just before connecting. A handle: its clones are one set of
/// rules, and a change holds for all of them from the next connection on.
#[derive(Clone, Debug, Default)]
pub struct TargetRules {
    /// Locked to copy or replace a few words; nothing waits under it.
    policy: Arc<RwLock<TargetPolicy>>,
}

impl TargetRules {
    /// Rules as [`TargetPolicy`] has them.
    pub fn new(policy: TargetPolicy) -> TargetRules {
        TargetRules { policy: Arc::new(RwLock::new(policy)) }
    }

    /// From now on only addresses in these networks are permitted; see [`TargetPolicy::allowed`].
    pub fn allow_only(&self, networks: Vec<Network>) {
        self.policy.write().allowed = networks;
    }

    /// Where muster itself listens, which no probe may reach. A wildcard stands for every address of this machine.
    pub fn set_own_listeners(&self, listeners: Vec<SocketAddr>) {
        self.policy.write().own_listeners = listeners;
    }

    /// See [`TargetPolicy::refusal`].
    pub fn refusal(&self, probe: &Probe) -> Option<String> {
        self.policy.read().refusal(probe, host::has_address)
    }

    /// See [`TargetPolicy::lasting_refusal`].
    pub fn lasting_refusal(&self, probe: &Probe) -> Option<String> {
        self.policy.read().lasting_refusal(probe)
    }

    /// Whether a connection to `address` may be opened.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_connection(&self, address: SocketAddr) -> Result<(), TargetRefusal> {
        self.policy.read().check_connection(address, host::has_address)
    }

    /// Whether anything may be sent to `address`, whatever the port.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_network(&self, address: IpAddr) -> Result<(), TargetRefusal> {
        self.policy.read().check_network(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_holds_for_every_clone() {
        let (one, address) = (TargetRules::default(), "127.0.0.1".parse().unwrap());
        let other = one.clone();
        assert_eq!(other.check_network(address), Ok(()));
        one.allow_only(vec!["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(other.check_network(address), Err(TargetRefusal::NotAllowed));
    }
}
