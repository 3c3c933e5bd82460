//! Clients that watch every topic there is: what they have been told, and whether they hear what they must and nothing
//! else.

use std::collections::BTreeMap;

use muster::base::sys::park::Waker;
use muster::core::catalog::topic::Topic;
use muster::node::registry::topics::{Topics, Watch};

use crate::registry::mutants::Mutant;
use crate::registry::oracle::{Catalog, universe};

/// Right, or what is not.
type Judged = Result<(), String>;

/// One client for each topic.
pub struct Watchers {
    told: BTreeMap<Topic, Told>,
    mutant: Option<Mutant>,
    looks: usize,
}

/// What a client knows.
#[derive(Clone, Copy, Default)]
struct Told {
    /// The index of its last answer.
    index: u64,
    /// What the answer was.
    answer: u64,
    /// What lay around it.
    surroundings: u64,
}

/// Clients that wait, each with its waker.
pub struct Waiting<'a>(Vec<(Topic, Waker, Watch<'a>)>);

impl Watchers {
    /// Clients that know nothing yet.
    pub fn new(own_names: &[&str], mutant: Option<Mutant>) -> Watchers {
        let told = universe(own_names).into_iter().map(|topic| (topic, Told::default())).collect();
        Watchers { told, mutant, looks: 0 }
    }

    /// Has each client wait for its topic.
    pub fn wait<'a>(&self, topics: &'a Topics) -> Waiting<'a> {
        let wait = |topic: &Topic| {
            let waker = Waker::without_socket();
            let watch = topics.watch(topic.clone(), waker.clone()).expect("there is room for these");
            (topic.clone(), waker, watch)
        };
        Waiting(self.told.keys().map(wait).collect())
    }

    /// After a batch that was answered: who had to be woken was, and who had not was left in peace.
    ///
    /// `steps` are the states that the batch went through, the last of them the truth from now on.
    pub fn after_batch(&mut self, waiting: &Waiting<'_>, topics: &Topics, steps: &[Catalog]) -> Judged {
        let truth = steps.last().expect("a batch leads somewhere");
        for (topic, waker, _) in &waiting.0 {
            self.looks += 1;
            let is_struck = self.looks.is_multiple_of(11);
            let before = self.told[topic];
            let mut after = Told {
                index: topics.index(topic),
                answer: truth.answer(topic),
                surroundings: truth.surroundings(topic),
            };
            let mut is_woken = waker.take_wake();
            match self.mutant {
                Some(Mutant::LetsSleep) if is_struck => is_woken = false,
                Some(Mutant::SticksToIndexes) if is_struck => after.index = before.index,
                Some(Mutant::WakesEverybody) => is_woken = true,
                _ => {}
            }
            let has_moved = after.index > before.index;
            let wrong = if after.index < before.index {
                Some("its index goes back")
            } else if after.index > truth.index.max(1) {
                Some("its index is ahead of the registry's")
            } else if after.answer != before.answer && !has_moved {
                Some("its answer changes and its index does not")
            } else if has_moved && !is_woken {
                Some("it moves and nobody is woken")
            } else if (has_moved || is_woken)
                && steps.iter().all(|step| step.surroundings(topic) == before.surroundings)
            {
                Some("it moves, or wakes, when nothing near it has changed")
            } else {
                None
            };
            if let Some(wrong) = wrong {
                return Err(format!("{topic:?}: {wrong} ({} -> {})", before.index, after.index));
            }
            self.told.insert(topic.clone(), after);
        }
        Ok(())
    }

    /// After a batch that was refused, or said nothing new: nobody has heard of it.
    pub fn in_peace(&self, waiting: &Waiting<'_>, topics: &Topics) -> Judged {
        for (topic, waker, _) in &waiting.0 {
            let (before, after) = (self.told[topic].index, topics.index(topic));
            if waker.take_wake() || before != after {
                return Err(format!(
                    "{topic:?}: it moves with a write that has changed nothing ({before} -> {after})"
                ));
            }
        }
        Ok(())
    }

    /// After a start: every client asks again with the index that it has, and must not miss what it has not seen.
    pub fn after_start(&mut self, topics: &Topics, truth: &Catalog) -> Judged {
        for (topic, told) in &mut self.told {
            let now = Told {
                index: topics.index(topic),
                answer: truth.answer(topic),
                surroundings: truth.surroundings(topic),
            };
            let (before, after) = (told.index, now.index);
            if after < before {
                return Err(format!("{topic:?}: its index goes back with a start ({before} -> {after})"));
            }
            if now.answer != told.answer && after == before {
                return Err(format!("{topic:?}: a start changes its answer and not its index ({before})"));
            }
            *told = now;
        }
        Ok(())
    }
}
