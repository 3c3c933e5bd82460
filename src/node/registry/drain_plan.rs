//! Which drain has a step due, and when the next one is. Pure: the time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::{NodeKey, Service};

/// A step that was asked for and is not seen in the catalog is asked for again after this long: the queue may have been
/// full, or the store.
const RETRY_MS: u64 = 2_000;

/// An instance: the key of its node and its id.
pub type PlannedKey = (NodeKey, Text);

/// All drains by key, with what each has to do next.
#[derive(Debug, Default)]
pub struct DrainPlan {
    drains: BTreeMap<PlannedKey, Entry>,
    /// `(Unix time in milliseconds, key)` of everything that is still to come.
    due: BTreeSet<(u64, PlannedKey)>,
}

#[derive(Debug)]
struct Entry {
    service: Arc<Service>,
    due_ms: Option<u64>,
}

impl DrainPlan {
    /// Takes over what the catalog says of an instance; `None` when it is gone.
    pub fn update(&mut self, key: &PlannedKey, service: Option<&Arc<Service>>) {
        if let Some(Entry { due_ms: Some(due_ms), .. }) = self.drains.remove(key) {
            self.due.remove(&(due_ms, key.clone()));
        }
        let Some(service) = service else { return };
        let Some(drain) = &service.drain else { return };
        let due_ms = drain.next_ms(service.weights);
        self.due.extend(due_ms.map(|due_ms| (due_ms, key.clone())));
        self.drains.insert(key.clone(), Entry { service: service.clone(), due_ms });
    }

    /// The keys of those whose time has come. Each is given again after two seconds, unless it is updated by then.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<PlannedKey> {
        let mut taken = Vec::new();
        while let Some((due_ms, _)) = self.due.first()
            && *due_ms <= now_ms
            && let Some((_, key)) = self.due.pop_first()
        {
            taken.push(key);
        }
        for key in &taken {
            if let Some(entry) = self.drains.get_mut(key) {
                entry.due_ms = Some(now_ms + RETRY_MS);
                self.due.insert((now_ms + RETRY_MS, key.clone()));
            }
        }
        taken
    }

    /// When something is due next.
    pub fn next_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Every drain there is, by key.
    pub fn drains(&self) -> impl Iterator<Item = (&PlannedKey, &Arc<Service>)> {
        self.drains.iter().map(|(key, entry)| (key, &entry.service))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.drains.len()
    }

    /// Whether nothing drains.
    pub fn is_empty(&self) -> bool {
        self.drains.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::model::drain::Stage;
    use crate::core::model::{Drain, Weights};

    const START_MS: u64 = 50_000;

    fn key(id: &str) -> PlannedKey {
        ("n".into(), id.into())
    }

    fn service(id: &str, passing: u16, drain: Option<Drain>) -> Arc<Service> {
        let weights = Weights { passing, warning: 1 };
        Arc::new(Service { id: id.into(), weights, drain: drain.map(Box::new), ..Service::default() })
    }

    fn drain(seconds: u64, deregister: bool) -> Option<Drain> {
        Some(Drain::begin(START_MS, Duration::from_secs(seconds), 100, deregister, Text::default()))
    }

    /// What the writer would do with an instance whose time has come.
    fn advanced(before: &Service, now_ms: u64) -> Option<Arc<Service>> {
        let mut after = before.clone();
        let drain = after.drain.as_mut().expect("it drains");
        match drain.stage_at(now_ms) {
            Stage::Share(percent) => drain.share_percent = percent,
            Stage::Over => drain.share_percent = 0,
            Stage::Gone => return None,
        }
        Some(Arc::new(after))
    }

    /// Two minutes in a loop, a tick every 100 ms.
    #[test]
    fn every_step_comes_in_its_time_and_once() {
        let mut plan = DrainPlan::default();
        for (id, passing, seconds, deregister) in
            [("a", 10, 10, true), ("b", 1, 60, false), ("c", 4, 20, true)]
        {
            plan.update(&key(id), Some(&service(id, passing, drain(seconds, deregister))));
        }
        let mut seen: BTreeMap<Text, Vec<u64>> = BTreeMap::new();
        for now_ms in (START_MS..START_MS + 120_000).step_by(100) {
            for key in plan.take_due(now_ms) {
                let before = plan.drains().find(|(other, _)| **other == key).expect("it is there").1.clone();
                seen.entry(key.1.clone()).or_default().push((now_ms - START_MS) / 1000);
                plan.update(&key, advanced(&before, now_ms).as_ref());
            }
        }
        assert_eq!(seen[&Text::from("a")], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], "ten steps, then gone");
        assert_eq!(seen[&Text::from("b")], [60], "nothing shows before the end");
        assert_eq!(seen[&Text::from("c")], [6, 10, 16, 20, 22], "a weight of 4 falls where that shows");
        assert_eq!((plan.len(), plan.next_ms()), (1, None), "b stays, out, with nothing to come");
    }

    #[test]
    fn what_was_missed_comes_at_once_and_in_one() {
        let mut plan = DrainPlan::default();
        let draining = service("a", 10, drain(10, false));
        plan.update(&key("a"), Some(&draining));
        let now_ms = START_MS + 7_500;
        assert_eq!(plan.take_due(now_ms), [key("a")]);
        let after = advanced(&draining, now_ms).expect("it is not gone");
        assert_eq!(after.shown_weights().passing, 3);
        plan.update(&key("a"), Some(&after));
        assert_eq!(plan.next_ms(), Some(START_MS + 8_000), "and then it goes on as planned");
    }

    #[test]
    fn what_was_not_done_is_asked_for_again() {
        let mut plan = DrainPlan::default();
        plan.update(&key("a"), Some(&service("a", 10, drain(10, false))));
        let due_ms = START_MS + 1_000;
        assert_eq!(plan.take_due(due_ms - 1), []);
        assert_eq!(plan.take_due(due_ms), [key("a")]);
        assert_eq!(plan.take_due(due_ms + RETRY_MS - 1), []);
        assert_eq!(plan.take_due(due_ms + RETRY_MS), [key("a")]);
    }

    #[test]
    fn what_is_cancelled_or_gone_is_forgotten() {
        let mut plan = DrainPlan::default();
        for after in [Some(service("a", 10, None)), None] {
            plan.update(&key("a"), Some(&service("a", 10, drain(10, true))));
            assert_eq!(plan.len(), 1);
            plan.update(&key("a"), after.as_ref());
            assert!(plan.is_empty());
            assert_eq!((plan.next_ms(), plan.take_due(u64::MAX - RETRY_MS)), (None, vec![]));
        }
    }

    #[test]
    fn a_new_plan_replaces_the_old_one() {
        let mut plan = DrainPlan::default();
        plan.update(&key("a"), Some(&service("a", 1, drain(10, true))));
        plan.update(&key("a"), Some(&service("a", 1, drain(20, true))));
        assert_eq!(plan.next_ms(), Some(START_MS + 20_000));
        assert_eq!(plan.take_due(START_MS + 19_999), []);
    }
}
