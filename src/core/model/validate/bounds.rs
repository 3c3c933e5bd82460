//! What numbers, times and depths may be.

use std::time::Duration;

use serde_json::Value;

use crate::base::stdx::duration::GoDuration;
use crate::core::model::limits::{INDEX_MAX, TIME_MS_MAX};
use crate::core::model::validate::Violation;
use crate::core::model::{Indexes, Weights};

/// The port, which must be one. `what` names it in the sentence.
///
/// # Errors
/// When it is none.
pub fn port(what: &str, number: i64) -> Result<u16, Violation> {
    u16::try_from(number)
        .map_err(|_| Violation::new(format!("Invalid {what} {number}: must be between 0 and 65535")))
}

/// The shares of traffic, which must be such.
///
/// # Errors
/// When a share is none that DNS knows, or the instance would get nothing while it passes.
pub fn weights(passing: i64, warning: i64) -> Result<Weights, Violation> {
    let invalid = |fault: &str| Violation::new(format!("Invalid Weights: {fault}"));
    if passing < 1 {
        return Err(invalid("Passing must be greater than 0"));
    }
    if warning < 0 {
        return Err(invalid("Warning must be greater or equal than 0"));
    }
    match (u16::try_from(passing), u16::try_from(warning)) {
        (Ok(passing), Ok(warning)) => Ok(Weights { passing, warning }),
        _ => Err(invalid("DNS Weight must be between 0 and 65535")),
    }
}

/// The span as a time to wait, which cannot be negative. `what` names it in the sentence.
///
/// # Errors
/// When it is.
pub fn duration(what: &str, span: GoDuration) -> Result<Duration, Violation> {
    span.to_std().ok_or_else(|| Violation::new(format!("Invalid check: {what} must not be negative")))
}

/// A number of results in a row. `what` names it in the sentence.
///
/// # Errors
/// When it cannot be counted.
pub fn count(what: &str, number: i64) -> Result<u32, Violation> {
    u32::try_from(number)
        .map_err(|_| Violation::new(format!("Invalid check: {what} must be between 0 and {}", u32::MAX)))
}

/// Refuses times that no calendar has.
pub fn check_time(prefix: &str, unix_ms: u64) -> Result<(), Violation> {
    match unix_ms {
        0..=TIME_MS_MAX => Ok(()),
        _ => Err(Violation::new(format!("{prefix}: a time after the year 9999"))),
    }
}

/// Refuses indexes that no record can have.
pub fn check_indexes(indexes: Indexes) -> Result<(), Violation> {
    let Indexes { create, modify } = indexes;
    if create > modify || modify > INDEX_MAX {
        let sentence =
            format!("Invalid indexes: {create} and {modify} must ascend and be at most {INDEX_MAX}");
        return Err(Violation::new(sentence));
    }
    Ok(())
}

/// Levels of lists and objects. Bounded by the reader of JSON, which goes no deeper than 128.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
