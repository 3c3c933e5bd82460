//! Entity tags of reads: a client that still holds an answer is told so (304) instead of being sent it again.
//!
//! A tag is made of what makes an answer what it is: the index of what it shows and the question. It is weak, for the
//! compressed and the plain answer have the same, and holds for one life of the process.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};

use crate::net::http::Request;
use crate::surface::answers::key::AnswerKey;

/// Makes tags that no other process makes.
#[derive(Debug, Default)]
pub struct Tags {
    hasher: RandomState,
}

impl Tags {
    /// The tag of what `key` asks for, at `index`: `W/"1f4-9ae16a3b2f90404f"`.
    pub fn tag(&self, index: u64, key: &AnswerKey) -> String {
        let mut tag = String::with_capacity(40);
        // Writing to text cannot fail.
        let _ = write!(tag, "W/\"{index:x}-{:016x}\"", self.hasher.hash_one(key));
        tag
    }
}

/// Whether the client says that it holds the answer with this tag.
pub fn is_held(request: &Request, tag: &str) -> bool {
    request.header("if-none-match").is_some_and(|held| names(held, tag))
}

/// Whether a list of tags, as `If-None-Match` gives it, has this one; compared without regard to weakness. `*` stands
/// for any. Our tags hold no commas, so the list may be split at them.
fn names(list: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let wanted = opaque(tag);
    list.split(',').map(str::trim).any(|held| held == "*" || opaque(held) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_answer_at_one_index_in_one_process() {
        let tags = Tags::default();
        let [x, y] = ["/v1/x", "/v1/y"].map(AnswerKey::of_target);
        let tag = tags.tag(500, &x);
        assert!(tag.starts_with("W/\"1f4-") && tag.ends_with('"') && tag.len() == 24, "{tag}");
        assert_eq!(tags.tag(500, &x), tag);
        for other in [tags.tag(501, &x), tags.tag(500, &y), Tags::default().tag(500, &x)] {
            assert_ne!(other, tag);
        }
    }

    #[test]
    fn lists_are_read_without_regard_to_weakness() {
        let rows = [
            ("W/\"a\"", true),
            ("\"a\"", true),
            ("*", true),
            ("\"b\", W/\"a\" ,\"c\"", true),
            ("", false),
            ("\"b\"", false),
            ("a", false),
            ("W/\"A\"", false),
        ];
        for (list, expected) in rows {
            assert_eq!(names(list, "W/\"a\""), expected, "{list}");
        }
    }
}
