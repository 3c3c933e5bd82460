//! Bodies that are too large to be kept, for as long as somebody is in the middle of one: fifty readers of one list
//! share its bytes rather than have it made fifty times.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::net::http::SharedBody;
use crate::surface::answers::cached_answer::CachedAnswer;
use crate::surface::answers::key::AnswerKey;

/// Bodies remembered. Each is some megabytes that a reader holds, so more are not under way at a time.
const REMEMBERED_MAX: usize = 64;

/// Where the bodies are that readers hold; it holds none itself.
#[derive(Default)]
pub struct LargeBodies(VecDeque<LargeBody>);

struct LargeBody {
    key: AnswerKey,
    index: u64,
    body: Weak<SharedBody>,
    header: Option<(&'static str, Arc<str>)>,
    hides: bool,
}

impl LargeBodies {
    /// The body made for `key` at `index`, while somebody holds it.
    pub fn get(&self, key: &AnswerKey, index: u64) -> Option<CachedAnswer> {
        let found = self.0.iter().find(|it| it.index == index && it.key == *key)?;
        let (body, header) = (found.body.upgrade()?, found.header.clone());
        Some(CachedAnswer { body, header, hides: found.hides, pieces: Arc::default(), asked: Arc::default() })
    }

    /// Remembers where a body is.
    pub fn put(&mut self, key: &AnswerKey, index: u64, kept: &CachedAnswer) {
        self.0.retain(|it| it.key != *key && it.body.strong_count() > 0);
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        let (body, header) = (Arc::downgrade(&kept.body), kept.header.clone());
        self.0.push_back(LargeBody { key: key.clone(), index, body, header, hides: kept.hides });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> CachedAnswer {
        let body = SharedBody::new(vec![b'x'; 10]);
        CachedAnswer { body, header: None, hides: false, pieces: Arc::default(), asked: Arc::default() }
    }

    #[test]
    fn a_body_is_found_while_somebody_holds_it() {
        let mut large = LargeBodies::default();
        let (held, key) = (kept(), AnswerKey::of_target);
        large.put(&key("a"), 1, &held);
        assert!(Arc::ptr_eq(&large.get(&key("a"), 1).unwrap().body, &held.body));
        assert!(large.get(&key("a"), 2).is_none() && large.get(&key("b"), 1).is_none());
        drop(held);
        assert!(large.get(&key("a"), 1).is_none());
        let many: Vec<CachedAnswer> = (0..=REMEMBERED_MAX).map(|_| kept()).collect();
        many.iter().enumerate().for_each(|(at, kept)| large.put(&key(&at.to_string()), 1, kept));
        assert_eq!(large.0.len(), REMEMBERED_MAX);
        assert!(large.get(&key("0"), 1).is_none() && large.get(&key("1"), 1).is_some());
    }
}
