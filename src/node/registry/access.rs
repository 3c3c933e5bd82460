//! Who may do what: the policies, roles and tokens as readers see them, and what each token gives.

use parking_lot::RwLock;

use crate::config::acl::AclSettings;
use crate::core::acl::change::AclChange;
use crate::core::acl::state::AclState;

/// Who may do what.
#[derive(Debug)]
pub struct AccessControl {
    settings: AclSettings,
    state: RwLock<AclState>,
}

impl AccessControl {
    /// What `state` says, as far as it counts by these settings.
    pub fn new(settings: AclSettings, state: AclState) -> AccessControl {
        AccessControl { settings, state: RwLock::new(state) }
    }

    /// As it is configured.
    pub fn settings(&self) -> &AclSettings {
        &self.settings
    }

    /// Looks at the policies, roles and tokens; briefly, for the writer waits.
    pub fn read<T>(&self, look: impl FnOnce(&AclState) -> T) -> T {
        look(&self.state.read())
    }

    /// Takes over what has changed.
    pub(super) fn absorb(&self, changes: &[AclChange]) {
        if changes.is_empty() {
            return;
        }
        let mut state = self.state.write();
        changes.iter().for_each(|change| state.absorb(change));
    }
}
