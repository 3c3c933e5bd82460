//! A queue that serves its clients in turns, so that none waits for everything that another has put.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Things that wait, each put by a client. The next one is of the client that has had no turn for the longest time.
///
/// Bounded for each and in all. When the queue is full, a client with fewer things than another takes a slot of that
/// one.
///
/// Cost: a look-up for each step; O(clients) to put one when the queue is full.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    /// The things of each client, in order; a client without any is not in it.
    waiting: HashMap<K, VecDeque<T>>,
    /// Whose turn it is, in order: the keys of `waiting`.
    order: VecDeque<K>,
    count: usize,
    share_max: usize,
    count_max: usize,
}

/// Why a thing does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueFull {
    /// Its client has as many there already as one may have.
    Share,
    /// The queue is full, and no client has more than this one.
    Full,
}

impl<K: Clone + Eq + Hash, T> FairQueue<K, T> {
    /// An empty queue for so many things of one, and of all.
    pub fn new(share_max: usize, count_max: usize) -> FairQueue<K, T> {
        FairQueue { waiting: HashMap::new(), order: VecDeque::new(), count: 0, share_max, count_max }
    }

    /// Has `thing` of `whose` wait. Given back is the last thing of another, where it had to make room.
    ///
    /// # Errors
    /// Why it does not wait; it is given back too.
    pub fn put(&mut self, whose: K, thing: T) -> Result<Option<T>, (QueueFull, T)> {
        let own = self.waiting.get(&whose).map_or(0, VecDeque::len);
        if own >= self.share_max {
            return Err((QueueFull::Share, thing));
        }
        let mut displaced = None;
        if self.count >= self.count_max {
            let most = self.waiting.iter().max_by_key(|(_, things)| things.len());
            match most.filter(|(_, things)| things.len() > own + 1) {
                Some((other, _)) => {
                    let other = other.clone();
                    displaced = self.waiting.get_mut(&other).and_then(VecDeque::pop_back);
                    self.count -= 1;
                }
                None => return Err((QueueFull::Full, thing)),
            }
        }
        if own == 0 {
            self.order.push_back(whose.clone());
        }
        self.waiting.entry(whose).or_default().push_back(thing);
        self.count += 1;
        Ok(displaced)
    }

    /// Takes the next one.
    pub fn take(&mut self) -> Option<T> {
        let whose = self.order.pop_front()?;
        let things = self.waiting.get_mut(&whose)?;
        let next = things.pop_front();
        if things.is_empty() {
            self.waiting.remove(&whose);
        } else {
            self.order.push_back(whose);
        }
        self.count -= 1;
        next
    }

    /// The things of a client.
    pub fn of(&self, whose: &K) -> impl Iterator<Item = &T> {
        self.waiting.get(whose).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(share_max: usize, count_max: usize, things: &[(char, u32)]) -> FairQueue<char, u32> {
        let mut turns = FairQueue::new(share_max, count_max);
        for (whose, thing) in things {
            assert_eq!(turns.put(*whose, *thing), Ok(None));
        }
        turns
    }

    fn all(turns: &mut FairQueue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| turns.take()).collect()
    }

    #[test]
    fn each_has_a_turn_before_anybody_has_two() {
        let mut turns = filled(9, 99, &[('a', 1), ('a', 2), ('a', 3), ('b', 10), ('c', 20), ('b', 11)]);
        assert_eq!(turns.take(), Some(1));
        assert_eq!(turns.put('d', 30), Ok(None));
        assert_eq!(all(&mut turns), [10, 20, 2, 30, 11, 3]);
        assert!(turns.waiting.is_empty() && turns.order.is_empty() && turns.count == 0);
    }

    #[test]
    fn one_has_a_share_and_no_more() {
        let mut turns = filled(2, 99, &[('a', 1), ('a', 2)]);
        assert_eq!(turns.put('a', 3), Err((QueueFull::Share, 3)));
        assert_eq!(turns.put('b', 4), Ok(None));
        assert_eq!(turns.of(&'a').copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(turns.of(&'z').count(), 0);
        assert_eq!(all(&mut turns), [1, 4, 2]);
        assert_eq!(turns.put('a', 3), Ok(None));
    }

    #[test]
    fn who_has_less_takes_a_place_of_who_has_more() {
        let mut turns = filled(9, 4, &[('a', 1), ('a', 2), ('a', 3), ('b', 10)]);
        assert_eq!(turns.put('a', 4), Err((QueueFull::Full, 4)));
        assert_eq!(turns.put('c', 20), Ok(Some(3)));
        assert_eq!(turns.put('c', 21), Err((QueueFull::Full, 21)), "it would be as many as anybody has");
        assert_eq!(turns.put('d', 30), Ok(Some(2)));
        assert_eq!(turns.put('e', 40), Err((QueueFull::Full, 40)), "everybody has one");
        assert_eq!(all(&mut turns), [1, 10, 20, 30]);
    }
}
