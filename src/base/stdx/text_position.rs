//! A position in a text, as it is told to whoever wrote it.

use std::fmt;

/// A position in a text, in lines and characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl TextPosition {
    /// That of the byte `at`. Takes time by what stands before it.
    pub fn of(text: &str, at: usize) -> TextPosition {
        let before = &text[..text.floor_char_boundary(at)];
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        TextPosition { line: 1 + before.matches('\n').count(), column: 1 + before[begin..].chars().count() }
    }
}

impl fmt::Display for TextPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
    }
}
