//! Durations in a body: `"1m30s"`, or a number of nanoseconds.

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use crate::base::stdx::duration::{GoDuration, parse};
use crate::wire::decode::audit::Audit;
use crate::wire::decode::free_form::SkipValue;
use crate::wire::decode::json_path::JsonPath;
use crate::wire::decode::read::{FieldFault, ReadJson};

/// A span that may be given as text or as nanoseconds; any other JSON type counts as not given, as with
/// Consul. So does an empty text: that is how answers show a span that was not given, and they may be sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span(
    /// The span; zero when not given. May be negative.
    pub GoDuration,
);

impl Span {
    /// Whether it is longer than nothing.
    pub fn is_positive(self) -> bool {
        self.0.nanoseconds > 0
    }

    /// Whether it is less than nothing.
    pub fn is_negative(self) -> bool {
        self.0.nanoseconds < 0
    }
}

impl ReadJson for Span {
    fn go_type() -> String {
        "time.Duration".into()
    }

    fn text(&mut self, text: &str) -> Result<(), FieldFault> {
        if text.is_empty() {
            self.null();
            return Ok(());
        }
        self.0 = parse(text).map_err(|error| FieldFault::Nonsense(error.to_string()))?;
        Ok(())
    }

    fn integer(&mut self, number: i64) -> Result<(), FieldFault> {
        self.0 = GoDuration { nanoseconds: number };
        Ok(())
    }

    fn float(&mut self, number: f64) -> Result<(), FieldFault> {
        self.0 = GoDuration { nanoseconds: number as i64 };
        Ok(())
    }

    fn boolean(&mut self, _boolean: bool) -> Result<(), FieldFault> {
        Ok(())
    }

    fn list<'de, A: SeqAccess<'de>>(&mut self, mut items: A, _path: JsonPath<'_>) -> Result<(), A::Error> {
        while items.next_element_seed(SkipValue::part())?.is_some() {}
        Ok(())
    }

    fn object<'de, A: MapAccess<'de>>(
        &mut self,
        mut entries: A,
        _path: JsonPath<'_>,
    ) -> Result<(), A::Error> {
        while entries.next_key::<IgnoredAny>()?.is_some() {
            entries.next_value_seed(SkipValue::part())?;
        }
        Ok(())
    }
}

impl Audit for Span {}
