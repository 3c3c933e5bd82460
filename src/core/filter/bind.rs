//! Checks an expression against a schema and readies it: selectors become paths, literals values, patterns
//! automata. Knows no syntax, and looks at no record: what is wrong with a filter is wrong whatever it would
//! find.

use crate::base::stdx::go_literal::{parse_boolean, parse_integer, quote};
use crate::core::filter::PATTERNS_MAX;
use crate::core::filter::decision::{Filter, PathStep, Rule, Test, ValueTest};
use crate::core::filter::error::FilterError;
use crate::core::filter::expression::{Comparison, Expression, Relation, Selector};
use crate::core::filter::pattern::Pattern;
use crate::core::filter::schema::{FieldKind, Schema};

impl Expression {
    /// Checks every selector, operator and value against the schema, from left to right.
    ///
    /// # Errors
    /// The first comparison that the schema does not allow, or whose pattern does not compile within its
    /// bounds.
    pub fn bind(self, schema: &'static Schema) -> Result<Filter, FilterError> {
        let filter = self.bind_untried(schema)?;
        filter.try_patterns().map(|()| filter)
    }

    /// As [`Expression::bind`], but leaves the patterns for [`Filter::try_patterns`]: to compile what a stranger wrote
    /// may take milliseconds.
    ///
    /// # Errors
    /// The first comparison that the schema does not allow.
    pub fn bind_untried(self, schema: &'static Schema) -> Result<Filter, FilterError> {
        match (Binder { schema, patterns: 0 }).rule(self) {
            Ok(rule) => Ok(Filter { rule }),
            Err(error) => Err(*error),
        }
    }
}

/// What makes a node of the nodes below it.
type Join = fn(Vec<Rule>) -> Rule;

struct Binder {
    schema: &'static Schema,
    /// Compiled so far; at most [`PATTERNS_MAX`].
    patterns: usize,
}

impl Binder {
    /// Recurses once per level of nesting. One function for all nodes and a boxed error keep that to one
    /// small frame.
    fn rule(&mut self, expression: Expression) -> Result<Rule, Box<FilterError>> {
        let (operands, join): (Vec<Expression>, Join) = match expression {
            Expression::Any(operands) => (operands, Rule::Any),
            Expression::All(operands) => (operands, Rule::All),
            Expression::Not(operand) => (vec![*operand], Rule::None),
            Expression::Comparison(comparison) => return self.leaf(comparison),
        };
        let mut rules = Vec::with_capacity(operands.len());
        for operand in operands {
            rules.push(self.rule(operand)?);
        }
        Ok(join(rules))
    }

    fn leaf(&mut self, comparison: Comparison) -> Result<Rule, Box<FilterError>> {
        self.test(comparison).map(Rule::Test).map_err(Box::new)
    }

    fn test(&mut self, comparison: Comparison) -> Result<Test, FilterError> {
        let Comparison { selector, operator, value } = comparison;
        let (path, kind) = resolve(&selector, self.schema)?;
        if !kind.allows(operator) {
            return Err(FilterError::WrongOperator { operator, selector: selector.to_string() });
        }
        let question = match operator.relation {
            Relation::Equal => equality(kind, value, &selector)?,
            Relation::In => ValueTest::Contains(value.into()),
            Relation::Empty => ValueTest::IsEmpty,
            Relation::Matches => ValueTest::Matches(self.pattern(value)?),
        };
        Ok(Test { path, question, is_negated: operator.is_negated })
    }

    fn pattern(&mut self, pattern: String) -> Result<Pattern, FilterError> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX {
            return Err(FilterError::TooManyPatterns);
        }
        Ok(Pattern::new(pattern))
    }
}

/// Follows a selector through the schema.
fn resolve(
    selector: &Selector,
    schema: &'static Schema,
) -> Result<(Box<[PathStep]>, FieldKind), FilterError> {
    let mut kind = FieldKind::Struct(schema);
    let mut path = Vec::with_capacity(selector.0.len());
    for (position, part) in selector.0.iter().enumerate() {
        let unknown = || FilterError::UnknownSelector { selector: selector.prefix(position + 1) };
        let (step, next) = match kind {
            FieldKind::Struct(schema) | FieldKind::StructList(schema) => {
                let (name, kind) = schema.field(part).ok_or_else(unknown)?;
                (PathStep::Field(name), kind)
            }
            FieldKind::TextMap => (PathStep::Key(part.as_str().into()), FieldKind::Text),
            FieldKind::StructMap(schema) => (PathStep::Key(part.as_str().into()), FieldKind::Struct(schema)),
            FieldKind::Text | FieldKind::Integer | FieldKind::Boolean | FieldKind::TextList => {
                return Err(unknown());
            }
        };
        path.push(step);
        kind = next;
    }
    Ok((path.into(), kind))
}

/// Reads the value as the type it is compared with.
fn equality(kind: FieldKind, value: String, selector: &Selector) -> Result<ValueTest, FilterError> {
    let reason = match kind {
        FieldKind::Integer => match parse_integer(&value) {
            Ok(integer) => return Ok(ValueTest::EqualsInteger(integer)),
            Err(error) => format!("strconv.ParseInt: parsing {}: {error}", quote(&value)),
        },
        FieldKind::Boolean => match parse_boolean(&value) {
            Some(boolean) => return Ok(ValueTest::EqualsBoolean(boolean)),
            None => format!("strconv.ParseBool: parsing {}: invalid syntax", quote(&value)),
        },
        _ => return Ok(ValueTest::EqualsText(value.into())),
    };
    Err(FilterError::WrongValue { value, selector: selector.to_string(), reason })
}
