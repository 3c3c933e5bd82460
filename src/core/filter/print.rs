//! Writes an expression so that reading it gives the same expression again. Knows nothing of how it came
//! about.

use std::fmt;

use crate::base::stdx::go_literal::quote;
use crate::core::filter::expression::{Comparison, Expression, Relation, Selector};

impl fmt::Display for Expression {
    /// One spelling for all that mean the same: values quoted, `in` rather than `contains`, no needless
    /// parentheses.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Any(operands) => chain(formatter, operands, " or ", binds_like_or),
            Expression::All(operands) => chain(formatter, operands, " and ", binds_like_and),
            Expression::Not(operand) => {
                formatter.write_str("not ")?;
                operand_of(formatter, operand, binds_like_and)
            }
            Expression::Comparison(comparison) => comparison.fmt(formatter),
        }
    }
}

/// Whether the expression needs parentheses to be one of several joined by `or`.
fn binds_like_or(expression: &Expression) -> bool {
    matches!(expression, Expression::Any(_))
}

/// Whether the expression needs parentheses to be one of several joined by `and`, or to stand after `not`.
fn binds_like_and(expression: &Expression) -> bool {
    matches!(expression, Expression::Any(_) | Expression::All(_))
}

type NeedsParentheses = fn(&Expression) -> bool;

fn chain(
    formatter: &mut fmt::Formatter<'_>,
    operands: &[Expression],
    joint: &str,
    needs_parentheses: NeedsParentheses,
) -> fmt::Result {
    for (position, operand) in operands.iter().enumerate() {
        if position > 0 {
            formatter.write_str(joint)?;
        }
        operand_of(formatter, operand, needs_parentheses)?;
    }
    Ok(())
}

fn operand_of(
    formatter: &mut fmt::Formatter<'_>,
    operand: &Expression,
    needs_parentheses: NeedsParentheses,
) -> fmt::Result {
    if needs_parentheses(operand) { write!(formatter, "({operand})") } else { write!(formatter, "{operand}") }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selector = Readable(&self.selector);
        let value = literal(&self.value);
        let not = if self.operator.is_negated { "not " } else { "" };
        match self.operator.relation {
            Relation::Equal if self.operator.is_negated => write!(formatter, "{selector} != {value}"),
            Relation::Equal => write!(formatter, "{selector} == {value}"),
            Relation::In => write!(formatter, "{value} {not}in {selector}"),
            Relation::Empty => write!(formatter, "{selector} is {not}empty"),
            Relation::Matches => write!(formatter, "{selector} {not}matches {value}"),
        }
    }
}

/// A selector in the form that reads back, whatever its keys are made of.
struct Readable<'a>(&'a Selector);

impl fmt::Display for Readable<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.0.iter().enumerate() {
            match position {
                0 => formatter.write_str(part)?,
                _ if is_identifier(part) => write!(formatter, ".{part}")?,
                _ => write!(formatter, "[{}]", literal(part))?,
            }
        }
        Ok(())
    }
}

fn is_identifier(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphabetic())
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A string literal ends at the next quote, escaped or not, so quotes inside are written as their number.
fn literal(text: &str) -> String {
    let pieces: Vec<String> = text
        .split('"')
        .map(|piece| {
            let quoted = quote(piece);
            quoted[1..quoted.len() - 1].to_owned()
        })
        .collect();
    format!("\"{}\"", pieces.join("\\x22"))
}
