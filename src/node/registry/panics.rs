//! When each service is in panic unless the query says otherwise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::core::discovery::panic::{self, PanicSettings};
use crate::core::model::ServiceKey;
use crate::node::registry::views::Views;

/// Panic thresholds by service. An operator may change them at any time; what is in force when a query is answered
/// counts.
#[derive(Debug, Default)]
pub struct PanicThresholds {
    /// Held for a look or an exchange, never across anything that waits.
    by_service: RwLock<HashMap<ServiceKey, PanicSettings>>,
    /// Up to which index a service was seen with another threshold than it has now, for those where that was so. Grows
    /// with the names that ever stood in a configuration.
    changed_at: RwLock<HashMap<ServiceKey, u64>>,
    /// Whether there are any, so that queries of agents without take no lock.
    any: AtomicBool,
}

impl PanicThresholds {
    /// Puts these in the place of all before, when the registry stands at `index`.
    pub(super) fn set(&self, thresholds: HashMap<ServiceKey, PanicSettings>, index: u64) {
        self.any.store(!thresholds.is_empty(), Ordering::Release);
        let before = std::mem::replace(&mut *self.by_service.write(), thresholds.clone());
        let keys = before.keys().chain(thresholds.keys());
        let changed = keys.filter(|key| before.get(*key) != thresholds.get(*key));
        self.changed_at.write().extend(changed.map(|key| (key.clone(), index)));
    }

    /// Up to which index answers were judged by another threshold than now, as far as they went by the service's own.
    pub fn changed_at(&self, key: &ServiceKey) -> u64 {
        self.changed_at.read().get(key).copied().unwrap_or(0)
    }

    /// Whether no service has one.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The threshold of a service, if it has one.
    pub fn of(&self, key: &ServiceKey) -> Option<PanicSettings> {
        if self.is_empty() {
            return None;
        }
        self.by_service.read().get(key).copied()
    }

    /// How many services are in panic now.
    pub fn in_panic(&self, views: &Views) -> usize {
        let thresholds = self.by_service.read().clone();
        let judged = thresholds.iter().map(|(key, settings)| panic::judge(&views.instances(key), *settings));
        judged.flatten().count()
    }
}
