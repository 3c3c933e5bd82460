//! Numbers for rights: the same for callers that may do the same, and no other's.

use std::collections::HashMap;
use std::sync::Arc;

use crate::core::acl::authorizer::Authorizer;

/// Sets that are kept before it is first looked for those that nobody has any more.
const KEPT_MIN: usize = 64;

/// Hands out a number for each set of rights.
///
/// By comparing, not by a digest: answers are kept under it, so who could make two sets collide would read what others
/// are answered, and of digests that are quick to make it is known how. Numbers are never used twice, so an answer that
/// is kept under one that is gone is found by nobody. They hold for this process; whoever is behind a number is found
/// again in the time that it takes to read his rules.
#[derive(Debug, Default)]
pub struct RightsNumbers {
    numbers: HashMap<Arc<Authorizer>, u64>,
    last: u64,
    /// As many may be kept until it is looked for those that nobody has any more: so that costs little for each.
    kept_max: usize,
}

impl RightsNumbers {
    /// That of an authorizer, 1 or above, and the first one that was equal to it: both are the same for equal ones,
    /// while somebody holds the first.
    pub fn number(&mut self, authorizer: Arc<Authorizer>) -> (Arc<Authorizer>, u64) {
        if let Some((first, number)) = self.numbers.get_key_value(&authorizer) {
            return (first.clone(), *number);
        }
        if self.numbers.len() >= self.kept_max.max(KEPT_MIN) {
            self.numbers.retain(|kept, _| Arc::strong_count(kept) > 1);
            self.kept_max = 2 * self.numbers.len();
        }
        self.last += 1;
        self.numbers.insert(authorizer.clone(), self.last);
        (authorizer, self.last)
    }

    /// How many sets are kept.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }
}
