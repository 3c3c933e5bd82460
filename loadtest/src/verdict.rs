//! Whether an answer is right.
//!
//! Each distinct body is read in full once; the next answer with the same bytes is known by its digest, so that judging
//! costs a hash and does not take the machine away from the server.

use std::collections::HashSet;
use std::io::Read;

use flate2::read::GzDecoder;
use serde::de::IgnoredAny;
use xxhash_rust::xxh3::Xxh3;

use crate::framing::Answer;
use crate::scenario::Expectation;

/// Bodies remembered as right, of 8 bytes each: enough for every state between two changes of a busy catalog.
const KNOWN_BODIES_MAX: usize = 16 * 1024;

/// Judges the answers to one kind of request.
#[derive(Debug)]
pub struct Judge {
    expected: Expectation,
    known: HashSet<u64>,
    first: Option<u64>,
}

impl Judge {
    /// A judge who knows no body yet.
    pub fn new(expected: Expectation) -> Self {
        Self { expected, known: HashSet::new(), first: None }
    }

    /// # Errors
    /// What is wrong with the answer, in few and constant words, so that like complaints can be counted.
    pub fn judge(&mut self, answer: &Answer<'_>) -> Result<(), String> {
        let expected = &self.expected;
        if answer.head.status != expected.status {
            return Err(format!("status {} instead of {}", answer.head.status, expected.status));
        }
        if expected.index && answer.head.index.is_none_or(|index| index == 0) {
            return Err("no X-Consul-Index above 0".into());
        }
        if !expected.constant && expected.elements.is_none() {
            return Ok(());
        }
        let mut digest = Xxh3::new();
        answer.pieces().for_each(|piece| digest.update(piece));
        let digest = digest.digest();
        if expected.constant && *self.first.get_or_insert(digest) != digest {
            return Err("a body that differs from the first".into());
        }
        let Some(elements) = expected.elements else { return Ok(()) };
        if !self.known.contains(&digest) {
            let counted = count_elements(answer)?;
            if counted != elements {
                return Err(format!("{counted} elements instead of {elements}"));
            }
            if self.known.len() == KNOWN_BODIES_MAX {
                self.known.clear();
            }
            self.known.insert(digest);
        }
        Ok(())
    }
}

fn count_elements(answer: &Answer<'_>) -> Result<usize, String> {
    let body = answer.body();
    let mut plain = Vec::new();
    let text = if answer.head.gzip {
        GzDecoder::new(&*body).read_to_end(&mut plain).map_err(|_| "a body that is no gzip")?;
        &plain
    } else {
        &*body
    };
    let elements: Vec<IgnoredAny> =
        serde_json::from_slice(text).map_err(|_| "a body that is no JSON array")?;
    Ok(elements.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
    }

    #[test]
    fn wrong_empty_and_changed_answers_are_errors() {
        let expected = Expectation { status: 200, elements: Some(2), constant: true, index: true };
        let mut judge = Judge::new(expected);
        let index = "X-Consul-Index: 5\r\n";
        let rows = [
            (answer(200, index, "[1,2]"), Ok(())),
            (answer(200, index, "[1,2]"), Ok(())),
            (answer(500, index, "[1,2]"), Err("status 500 instead of 200")),
            (answer(200, "", "[1,2]"), Err("no X-Consul-Index above 0")),
            (answer(200, "X-Consul-Index: 0\r\n", "[1,2]"), Err("no X-Consul-Index above 0")),
            (answer(200, index, "[1,3]"), Err("a body that differs from the first")),
        ];
        for (bytes, verdict) in rows {
            let answer = Answer::read(&bytes).expect("it is an answer").expect("it is whole");
            assert_eq!(judge.judge(&answer), verdict.map_err(str::to_owned));
        }
    }

    #[test]
    fn bodies_are_counted() {
        let rows = [
            ("[1,2]", Ok(())),
            ("[]", Err("0 elements instead of 2")),
            ("[1,2,3]", Err("3 elements instead of 2")),
            ("", Err("a body that is no JSON array")),
            ("{\"a\":1}", Err("a body that is no JSON array")),
            ("[1,2", Err("a body that is no JSON array")),
        ];
        let mut judge = Judge::new(Expectation { elements: Some(2), ..Expectation::default() });
        for (body, verdict) in rows {
            let bytes = answer(200, "", body);
            let answer = Answer::read(&bytes).expect("it is an answer").expect("it is whole");
            assert_eq!(judge.judge(&answer), verdict.map_err(str::to_owned), "{body}");
        }
    }
}
