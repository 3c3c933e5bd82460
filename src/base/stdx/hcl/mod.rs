//! HCL 1, the language of Consul's configuration files and rules: text to a tree of what stands where.
//!
//! The crates for HCL read its second version, which refuses what Consul takes: several settings in a line, quoted keys
//! (`"name" = "web"`), a `${` that means nothing. The first version is small: keys and values, blocks, lists, heredocs,
//! comments. A text that begins with `{` is JSON, and gives the tree that the same in HCL would give.
//!
//! The tree keeps the order of what was written, what was written twice, and where: what that means is for whoever
//! reads it. Reading takes time by the length of the text.

mod reader;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Number;

use crate::base::stdx::text_position::TextPosition;

/// Deepest nesting of blocks and lists, labels included. A tree is read, walked and dropped by recursion; definitions
/// are five deep, rules three.
pub const DEPTH_MAX: usize = 32;

/// `key = value`, or a block: `key "label" { … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct HclItem {
    /// The key.
    pub key: HclKey,
    /// What stands between the key and its block; empty for anything but blocks.
    pub labels: Vec<HclKey>,
    /// What stands under it.
    pub value: HclValue,
}

/// A key or a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HclKey {
    /// Without its quotes.
    pub text: String,
    /// The byte at which it begins.
    pub at: usize,
}

/// A value, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct HclValue {
    /// What it is.
    pub content: HclContent,
    /// The byte at which it begins.
    pub at: usize,
}

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum HclContent {
    /// `null`, which only JSON has.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text, also one of several lines.
    Text(String),
    /// `[…]`.
    List(Vec<HclValue>),
    /// `{…}`.
    Block(Vec<HclItem>),
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HclError {
    /// Where reading stopped.
    pub position: TextPosition,
    /// What is wrong.
    pub complaint: String,
}

impl fmt::Display for HclError {
    /// As HCL has it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TextPosition { line, column } = self.position;
        write!(formatter, "At {line}:{column}: {}", self.complaint)
    }
}

/// Reads a text. JSON may be cut off, as HCL 1 has it: what is complete counts.
///
/// # Errors
/// The first thing that is neither.
pub fn read(text: &str) -> Result<Vec<HclItem>, HclError> {
    reader::read(text, is_json(text))
}

/// Whether a text is JSON and no HCL.
pub fn is_json(text: &str) -> bool {
    text.trim_start_matches(reader::is_blank).starts_with('{')
}
