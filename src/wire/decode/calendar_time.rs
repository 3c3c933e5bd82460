//! Moments in a body, as RFC 3339 writes them.

use crate::base::stdx::calendar::parse_rfc3339;
use crate::wire::decode::audit::Audit;
use crate::wire::decode::read::{FieldFault, ReadJson};

/// How Go writes a moment that is none: the beginning of the year 1.
const GO_ZERO_MS: i64 = -62_135_596_800_000;

/// The form that Go names where a text has another.
const FORM: &str = "\"2006-01-02T15:04:05Z07:00\"";

/// A moment in milliseconds of Unix time, if one is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CalendarTime(
    /// The milliseconds; what is finer is cut off.
    pub Option<i64>,
);

impl ReadJson for CalendarTime {
    fn go_type() -> String {
        "time.Time".into()
    }

    fn text(&mut self, text: &str) -> Result<(), FieldFault> {
        let read = parse_rfc3339(text);
        let fault = || FieldFault::Nonsense(format!("parsing time \"\"{text}\"\" as \"{FORM}\""));
        self.0 = Some(read.ok_or_else(fault)?).filter(|unix_ms| *unix_ms != GO_ZERO_MS);
        Ok(())
    }
}

impl Audit for CalendarTime {}
