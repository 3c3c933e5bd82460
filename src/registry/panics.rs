//! When each service is in panic unless the query says otherwise.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::catalog::panic::{self, Settings};
use crate::registry::views::Views;
use crate::stdx::text::Text;

/// Panic thresholds by name of the service, in lower case. An operator may change them at any time; what is in force
/// when a query is answered counts.
#[derive(Debug, Default)]
pub struct PanicThresholds {
    /// Held for a look or an exchange, never across anything that waits.
    by_service: RwLock<HashMap<Text, Settings>>,
    /// Whether there are any, so that queries of agents without take no lock.
    any: AtomicBool,
}

impl PanicThresholds {
    /// Puts these in the place of all before.
    pub fn set(&self, thresholds: HashMap<Text, Settings>) {
        self.any.store(!thresholds.is_empty(), Ordering::Release);
        *self.by_service.write() = thresholds;
    }

    /// Whether no service has one.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The threshold of a service, if it has one.
    pub fn of(&self, name: &str) -> Option<Settings> {
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
