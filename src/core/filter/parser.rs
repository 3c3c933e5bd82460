//! Text -> expression, by recursive descent. Knows the grammar, and nothing of what selectors mean.
//!
//! ```text
//! filter     = [_] or [_] end
//! or         = and { _ "or" _ and }
//! and        = not { _ "and" _ not }
//! not        = "not" _ not | "(" [_] or [_] ")" | comparison
//! comparison = selector ( [_] ( "==" | "!=" ) [_] | _ [ "not" _ ] ( "contains" | "matches" ) _ ) value
//!            | selector _ "is" _ [ "not" _ ] "empty"
//!            | value _ [ "not" _ ] "in" _ selector
//! value      = selector | number | string
//! selector   = identifier { "." identifier | "[" [_] string [_] "]" }
//! number     = [ "-" ] ( "0" | [1-9] { [0-9] } ) [ "." [0-9] { [0-9] } ]     before _, ")" or the end
//! string     = `"` … `"` with Go's escapes, but no quote inside; or "`" … "`" without escapes
//! identifier = [a-zA-Z] { [a-zA-Z0-9_] }
//! _          = one or more of blank, tab, carriage return, line feed
//! ```
//!
//! There are no reserved words: `not in Tags` asks for a tag named `not`. So `not` and comparisons are tried
//! in order and taken back when they fail, which happens at most once at each place: time is linear in the
//! text per level of nesting.

use crate::base::stdx::go_literal::unquote;
use crate::core::filter::DEPTH_MAX;
use crate::core::filter::error::FilterError;
use crate::core::filter::expression::{Comparison, Expression, Operator, Relation, Selector};
use crate::core::filter::syntax_error::{Expected, Failures};

/// Reads a whole filter.
pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    let mut parser = Parser { text, at: 0, depth: 0, is_too_deep: false, failures: Failures::default() };
    parser.blanks();
    let expression = parser.chain(Joint::Or).filter(|_| {
        parser.blanks();
        parser.end()
    });
    if parser.is_too_deep {
        return Err(FilterError::TooDeep);
    }
    match expression {
        Some(expression) if !parser.failures.has_fault() => Ok(expression),
        _ => Err(FilterError::Syntax(parser.failures.into_faults(text))),
    }
}

/// Methods that return `Option` or `bool` read one thing; when they fail, they have moved nothing.
struct Parser<'a> {
    text: &'a str,
    /// Offset of what is to be read next.
    at: usize,
    /// Parentheses and `not`s that are open; at most [`DEPTH_MAX`].
    depth: usize,
    /// Whether a level was refused. The rest of the parse then means nothing.
    is_too_deep: bool,
    failures: Failures,
}

/// What joins the operands of a chain.
#[derive(Clone, Copy)]
enum Joint {
    Or,
    And,
}

/// Expressions. `chain` and `not` recurse and are kept lean: a level of nesting costs three of their frames.
impl Parser<'_> {
    /// Operands of one kind, joined. A single one stands for itself. Iterates, since only the length of the
    /// text bounds it.
    fn chain(&mut self, joint: Joint) -> Option<Expression> {
        let mut operands = Vec::new();
        let mut end = self.at;
        loop {
            let operand = match joint {
                Joint::Or => self.chain(Joint::And),
                Joint::And => self.not(),
            };
            let Some(operand) = operand else { break };
            operands.push(operand);
            end = self.at;
            if !self.joint(joint) {
                break;
            }
        }
        self.at = end;
        match joint {
            _ if operands.len() < 2 => operands.pop(),
            Joint::Or => Some(Expression::Any(operands)),
            Joint::And => Some(Expression::All(operands)),
        }
    }

    fn joint(&mut self, joint: Joint) -> bool {
        let word = match joint {
            Joint::Or => "or",
            Joint::And => "and",
        };
        self.blanks() && self.literal(word) && self.blanks()
    }

    fn not(&mut self) -> Option<Expression> {
        let start = self.at;
        if self.spaced_word("not") && self.enter() {
            let operand = self.not();
            self.depth -= 1;
            if let Some(operand) = operand {
                return Some(Expression::Not(Box::new(operand)));
            }
        }
        self.at = start;
        if self.literal("(") && self.enter() {
            self.blanks();
            let inner = self.chain(Joint::Or);
            self.depth -= 1;
            if inner.is_some() && self.closes_group() {
                return inner;
            }
        }
        self.at = start;
        self.comparison()
    }

    /// Opens a level of nesting, which the caller closes. Once one is refused, so are all: the parse is over.
    fn enter(&mut self) -> bool {
        self.is_too_deep |= self.depth == DEPTH_MAX;
        if !self.is_too_deep {
            self.depth += 1;
        }
        !self.is_too_deep
    }

    fn closes_group(&mut self) -> bool {
        self.blanks();
        let closes = self.literal(")");
        if !closes {
            self.fault("grouping", "Unmatched parentheses");
        }
        closes
    }

    fn comparison(&mut self) -> Option<Expression> {
        let comparison = self.attempt(Self::selector_first).or_else(|| self.attempt(Self::value_first))?;
        Some(Expression::Comparison(comparison))
    }

    fn selector_first(&mut self) -> Option<Comparison> {
        let selector = self.selector()?;
        let operator = self.operator()?;
        let value = if operator.relation == Relation::Empty { String::new() } else { self.value()? };
        Some(Comparison { selector, operator, value })
    }

    /// An operator with the blanks around it.
    fn operator(&mut self) -> Option<Operator> {
        let is_spaced = self.blanks();
        for (sign, is_negated) in [("==", false), ("!=", true)] {
            if self.literal(sign) {
                self.blanks();
                return Some(Operator { relation: Relation::Equal, is_negated });
            }
        }
        if !is_spaced {
            return None;
        }
        if self.literal("is") {
            self.expect_blanks()?;
            let is_negated = self.spaced_word("not");
            self.expect("empty")?;
            return Some(Operator { relation: Relation::Empty, is_negated });
        }
        let is_negated = self.spaced_word("not");
        let relation = match () {
            () if self.literal("contains") => Relation::In,
            () if self.literal("matches") => Relation::Matches,
            () => return None,
        };
        self.expect_blanks()?;
        Some(Operator { relation, is_negated })
    }

    fn value_first(&mut self) -> Option<Comparison> {
        let value = self.value()?;
        self.expect_blanks()?;
        let is_negated = self.spaced_word("not");
        self.expect("in")?;
        self.expect_blanks()?;
        let selector = self.selector();
        if selector.is_none() {
            self.fault("match", "Invalid selector");
        }
        Some(Comparison {
            selector: selector?,
            operator: Operator { relation: Relation::In, is_negated },
            value,
        })
    }
}

/// Selectors and values.
impl Parser<'_> {
    fn selector(&mut self) -> Option<Selector> {
        let mut parts = vec![self.identifier()?];
        while let Some(part) = self.attempt(Self::member).or_else(|| self.attempt(Self::index)) {
            parts.push(part);
        }
        Some(Selector(parts))
    }

    fn member(&mut self) -> Option<String> {
        self.expect(".")?;
        self.identifier()
    }

    fn index(&mut self) -> Option<String> {
        self.expect("[")?;
        self.blanks();
        let key = self.string();
        if key.is_none() {
            self.fault("index", "Invalid index");
        }
        let key = key?;
        self.blanks();
        let closed = self.expect("]");
        if closed.is_none() {
            self.fault("index", "Unclosed index expression");
        }
        closed.map(|()| key)
    }

    fn identifier(&mut self) -> Option<String> {
        let start = self.at;
        if !self.class("[a-zA-Z]", |byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        while self.class("[a-zA-Z0-9_]", |byte| byte.is_ascii_alphanumeric() || byte == b'_') {}
        Some(self.text[start..self.at].to_owned())
    }

    /// A value as the text it stands for. A bare word may look like a selector; it is never looked up.
    fn value(&mut self) -> Option<String> {
        let word = self.selector().map(|selector| selector.to_string());
        word.or_else(|| self.attempt(Self::number)).or_else(|| self.string())
    }

    fn number(&mut self) -> Option<String> {
        let start = self.at;
        self.literal("-");
        if !self.literal("0") {
            if !self.class("[1-9]", |byte| matches!(byte, b'1'..=b'9')) {
                return None;
            }
            self.digits();
        }
        let before_fraction = self.at;
        if self.literal(".") && !self.digits() {
            self.at = before_fraction;
        }
        let number = self.text[start..self.at].to_owned();
        if !self.is_after_number() {
            self.fault("number", "Invalid number literal");
            return None;
        }
        Some(number)
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.class("[0-9]", |byte| byte.is_ascii_digit()) {}
        self.at > start
    }

    /// Whether a number may end here. Looks, but reads nothing.
    fn is_after_number(&mut self) -> bool {
        let end = self.at;
        let may_end = self.blanks() || self.end() || self.literal(")");
        self.at = end;
        may_end
    }

    fn string(&mut self) -> Option<String> {
        let start = self.at;
        let quote = match () {
            () if self.literal("`") => '`',
            () if self.literal("\"") => '"',
            () => return None,
        };
        let Some(length) = self.text[self.at..].find(quote) else {
            self.at = self.text.len();
            self.fault("string", "Unterminated string literal");
            self.at = start;
            return None;
        };
        let end = self.at + length + quote.len_utf8();
        let text = unquote(&self.text[start..end]);
        if text.is_none() {
            self.at = start;
            self.fault("string", "invalid syntax");
        }
        self.at = end;
        // After the fault any text will do: reading on may find more faults to report.
        Some(text.unwrap_or_default())
    }
}

/// Characters and words.
impl Parser<'_> {
    /// Takes back what was read when `read` fails.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let found = read(self);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn literal(&mut self, literal: &'static str) -> bool {
        let is_here = self.text[self.at..].starts_with(literal);
        if is_here {
            self.at += literal.len();
        } else {
            self.failures.note(self.at, Expected::Literal(literal));
        }
        is_here
    }

    fn expect(&mut self, literal: &'static str) -> Option<()> {
        self.literal(literal).then_some(())
    }

    /// A word and the blanks after it.
    fn spaced_word(&mut self, word: &'static str) -> bool {
        self.attempt(|parser| {
            parser.expect(word)?;
            parser.expect_blanks()
        })
        .is_some()
    }

    fn class(&mut self, class: &'static str, contains: fn(u8) -> bool) -> bool {
        let is_here = self.text.as_bytes().get(self.at).is_some_and(|byte| contains(*byte));
        if is_here {
            self.at += 1;
        } else {
            self.failures.note(self.at, Expected::Class(class));
        }
        is_here
    }

    /// Reads as many blanks as there are; whether there was one.
    fn blanks(&mut self) -> bool {
        let start = self.at;
        while self.class(r"[ \t\r\n]", |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {}
        self.at > start
    }

    fn expect_blanks(&mut self) -> Option<()> {
        self.blanks().then_some(())
    }

    fn end(&mut self) -> bool {
        let is_end = self.at == self.text.len();
        if !is_end {
            self.failures.note(self.at, Expected::End);
        }
        is_end
    }

    fn fault(&mut self, rule: &str, message: &str) {
        self.failures.fault(self.text, self.at, &format!("rule \"{rule}\": {message}"));
    }
}
