//! The filter language (`?filter=…`): text -> [`expression::Expression`] -> [`decision::Filter`] -> yes or no
//! on a record.
//!
//! The language is the one Consul's users know, with its precedence, its quoting and the texts of its errors.
//! This layer owns syntax, the check against a [`schema::Schema`], and evaluation; it does no I/O and knows
//! neither the catalog nor JSON: whoever wants to be filtered shows itself as a [`record::Record`].
//!
//! ```
//! use muster::core::filter::{self, record::{FieldValue, Record}, schema::{FieldKind, Schema}};
//!
//! struct Instance { name: String, tags: Vec<String> }
//!
//! impl Record for Instance {
//!     fn field(&self, name: &str) -> FieldValue<'_> {
//!         match name {
//!             "Name" => FieldValue::Text(&self.name),
//!             "Tags" => FieldValue::TextList(&self.tags),
//!             _ => FieldValue::Absent,
//!         }
//!     }
//! }
//!
//! static INSTANCE: Schema = Schema(&[("Name", FieldKind::Text), ("Tags", FieldKind::TextList)]);
//!
//! let filter = filter::parse(r#"Name == web and "prod" in Tags"#)?.bind(&INSTANCE)?;
//! assert!(filter.matches(&Instance { name: "web".into(), tags: vec!["prod".into()] }));
//! # Ok::<(), muster::core::filter::error::FilterError>(())
//! ```
//!
//! A filter is a stranger's program, so all of it is bounded: its length, its nesting, the number and the
//! compiled size of its patterns. Within these bounds every step fits the small stack of a coroutine.

pub mod error;
pub mod expression;
pub mod schema;
pub mod record;
pub mod decision;
mod bind;
mod parser;
mod pattern;
mod print;
mod syntax_error;

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;

use error::FilterError;
use expression::Expression;

/// Longest filter in bytes. Filters of people and templates stay far below; it bounds the work of everything
/// below.
pub const LENGTH_MAX: usize = 8 * 1024;

/// Deepest nesting of parentheses and `not`s. Parser, binder and evaluation recurse once per level, on a
/// coroutine's stack.
pub const DEPTH_MAX: usize = 32;

/// Most `matches` comparisons in one filter, since each may take up to [`PATTERN_BYTES_MAX`] of memory.
pub const PATTERNS_MAX: usize = 16;

/// Largest compiled pattern in bytes, and again for what its matcher caches. A few bytes of pattern can ask
/// for megabytes (`\w{500}`), and trying it takes time by its size.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Deepest nesting within one pattern: the compiler of patterns recurses too.
pub const PATTERN_DEPTH_MAX: u32 = 16;

/// Reads a filter. An empty text is no filter at all, which is for the caller to know; here it is an error.
///
/// # Errors
/// When the text is not of the language, or passes [`LENGTH_MAX`] or [`DEPTH_MAX`].
pub fn parse(text: &str) -> Result<Expression, FilterError> {
    if text.len() > LENGTH_MAX {
        return Err(FilterError::TooLong { bytes: text.len() });
    }
    parser::parse(text)
}
