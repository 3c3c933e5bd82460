//! Why a filter is refused, in the words Consul's users know. Always the client's fault; statuses are not
//! known here.

use std::fmt;

use crate::base::stdx::go_literal::quote;
use crate::core::filter::expression::Operator;
use crate::core::filter::{DEPTH_MAX, LENGTH_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX};

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// Longer than [`LENGTH_MAX`].
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// More `matches` comparisons than [`PATTERNS_MAX`].
    TooManyPatterns,
    /// Not of the language; one or more places that are wrong.
    Syntax(Vec<FilterFault>),
    /// The selector leads nowhere in the records to be filtered.
    UnknownSelector {
        /// The selector up to and with the part that is unknown.
        selector: String,
    },
    /// What the selector finds does not allow the operator.
    WrongOperator {
        /// What was asked.
        operator: Operator,
        /// Of which selector.
        selector: String,
    },
    /// The value is not of the type that the selector finds.
    WrongValue {
        /// The value as written, unquoted.
        value: String,
        /// What it was to be compared with.
        selector: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pattern of a `matches` is not a regular expression.
    WrongPattern {
        /// The pattern as written, unquoted.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pattern of a `matches` is a regular expression, but passes [`PATTERN_BYTES_MAX`] when compiled.
    PatternTooBig {
        /// The pattern as written, unquoted.
        pattern: String,
    },
}

/// A place in the text of a filter, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterFault {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1; 0 is the line break before it.
    pub column: usize,
    /// Bytes before the place.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for FilterFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{} ({}): {}", self.line, self.column, self.offset, self.message)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Failed to create boolean expression evaluator: ")?;
        match self {
            FilterError::TooLong { bytes } => {
                write!(formatter, "Filter has {bytes} bytes, {LENGTH_MAX} is the limit: send a shorter one")
            }
            FilterError::TooDeep => {
                write!(
                    formatter,
                    "Filter nests deeper than {DEPTH_MAX} levels of parentheses and \"not\": flatten it"
                )
            }
            FilterError::TooManyPatterns => {
                write!(
                    formatter,
                    "Filter has more than {PATTERNS_MAX} regular expressions: join some with \"|\""
                )
            }
            FilterError::Syntax(faults) => {
                let lines: Vec<String> = faults.iter().map(FilterFault::to_string).collect();
                formatter.write_str(&lines.join("\n"))
            }
            FilterError::UnknownSelector { selector } => {
                write!(formatter, "Selector {} is not valid", quote(selector))
            }
            FilterError::WrongOperator { operator, selector } => {
                let name = operator.name();
                write!(formatter, "Invalid match operator \"{name}\" for selector {}", quote(selector))
            }
            FilterError::WrongValue { value, selector, reason } => {
                let (value, selector) = (quote(value), quote(selector));
                write!(formatter, "Failed to coerce value {value} for selector {selector}: {reason}")
            }
            FilterError::WrongPattern { pattern, reason } => {
                let pattern = quote(pattern);
                write!(
                    formatter,
                    "Failed to compile regular expression {pattern}: error parsing regexp: {reason}"
                )
            }
            FilterError::PatternTooBig { pattern } => {
                let pattern = quote(pattern);
                formatter.write_str("Failed to compile regular expression ")?;
                write!(
                    formatter,
                    "{pattern}: it takes more than {PATTERN_BYTES_MAX} bytes: use smaller repetitions"
                )
            }
        }
    }
}

impl std::error::Error for FilterError {}
