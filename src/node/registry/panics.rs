//! When each service is in panic unless the query says otherwise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::base::stdx::text::Text;
use crate::core::discovery::panic::{self, PanicSettings};
use crate::node::registry::views::Views;

/// Panic thresholds by name of the service, in lower case. An operator may change them at any time; what is in force
/// when a query is answered counts.
#[derive(Debug, Default)]
pub struct PanicThresholds {
    /// Held for a look or an exchange, never across anything that waits.
    by_service: RwLock<HashMap<Text, PanicSettings>>,
    /// Up to which index a service was seen with another threshold than it has now, for those where that was so. Grows
    /// with the names that ever stood in a configuration.
    changed_at: RwLock<HashMap<Text, u64>>,
    /// Whether there are any, so that queries of agents without take no lock.
    any: AtomicBool,
}

impl PanicThresholds {
    /// Puts these in the place of all before, when the registry stands at `index`.
    pub(super) fn set(&self, thresholds: HashMap<Text, PanicSettings>, index: u64) {
        self.any.store(!thresholds.is_empty(), Ordering::Release);
        let before = std::mem::replace(&mut *self.by_service.write(), thresholds.clone());
        let names = before.keys().chain(thresholds.keys());
        let changed = names.filter(|name| before.get(*name) != thresholds.get(*name));
        self.changed_at.write().extend(changed.map(|name| (name.clone(), index)));
    }

    /// Up to which index answers were judged by another threshold than now, as far as they went by the service's own.
    pub fn changed_at(&self, name: &str) -> u64 {
        self.changed_at.read().get(name).copied().unwrap_or(0)
    }

    /// Whether no service has one.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The threshold of a service, if it has one.
    pub fn of(&self, name: &str) -> Option<PanicSettings> {
        if self.is_empty() {
            return None;
        }
        self.by_service.read().get(name).copied()
    }

    /// How many services are in panic now.
    pub fn in_panic(&self, views: &Views) -> usize {
        let thresholds = self.by_service.read().clone();
        let judged =
            thresholds.iter().map(|(name, settings)| panic::judge(&views.instances(name), *settings));
        judged.flatten().count()
    }
}
