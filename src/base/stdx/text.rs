//! Shared, immutable text: the string type of everything the registry keeps.
//!
//! A service's name stands in its record, its checks, its index and every answer in flight. `Text` lets them all hold
//! one allocation, so that cloning a record costs a counter and not a copy.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest text of an error in bytes: it may quote the body, and a client's log should survive it.
pub const ERROR_BYTES_MAX: usize = 1024;

/// Immutable text that is cheap to clone; reads as `&str` everywhere.
///
/// Most texts of a record are empty (remarks, kinds, outputs), and the empty one is no allocation.
#[derive(Clone, Default)]
pub struct Text(
    /// Never an empty string: that is `None`.
    Option<Arc<str>>,
);

impl Text {
    /// The text as a plain string slice.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Some(text) => text,
            None => "",
        }
    }

    /// This text in lower case; the same allocation when it is in lower case already, which names nearly always are.
    pub fn folded(&self) -> Text {
        match fold(self) {
            Cow::Borrowed(_) => self.clone(),
            Cow::Owned(folded) => folded.into(),
        }
    }
}

/// Lower-cases `text`, borrowing when there is nothing to change.
///
/// Names of nodes and services are looked up without regard to case; this gives the form under which they are filed.
pub fn fold(text: &str) -> Cow<'_, str> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// The text of an error, cut to [`ERROR_BYTES_MAX`].
pub fn bounded(mut text: String) -> String {
    if text.len() > ERROR_BYTES_MAX {
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX - "…".len()));
        text.push('…');
    }
    text
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

/// Texts are found by `&str` in maps and sets, so equality, order and hash are those of the string.
impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

/// Records of one node share its name: of what is one allocation no byte needs a look.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        let (left, right) = (self.as_str(), other.as_str());
        std::ptr::eq(left, right) || left == right
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        let (left, right) = (self.as_str(), other.as_str());
        if std::ptr::eq(left, right) { Ordering::Equal } else { left.cmp(right) }
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text((!text.is_empty()).then(|| Arc::from(text)))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::from(text.as_str())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Takes the string from where the deserializer has it, without one of its own in between.
struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn folding_keeps_the_allocation_of_lower_case_names() {
        let name = Text::from("web-1");
        assert!(std::ptr::eq(name.as_str(), name.folded().as_str()));
        assert_eq!(Text::from("Web-ÄÖ").folded(), "web-äö");
    }

    #[test]
    fn all_empty_texts_are_one_and_found_by_their_string() {
        let empties = [Text::default(), Text::from(""), Text::from(String::new())];
        let set: HashSet<Text> = empties.into_iter().collect();
        assert!(set.len() == 1 && set.contains(""));
        assert!(Text::default().cmp(&"a".into()).is_lt());
        let words: HashSet<Text> = ["a", "b"].into_iter().map(Text::from).collect();
        assert!(words.contains("a") && !words.contains("c"));
    }

    #[test]
    fn text_reads_as_json_string() {
        let text: Text = serde_json::from_str(r#""a\nb""#).unwrap();
        assert_eq!(text, "a\nb");
        assert_eq!(serde_json::to_string(&text).unwrap(), r#""a\nb""#);
    }
}
