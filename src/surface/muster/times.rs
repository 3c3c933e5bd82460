//! Times and spans as muster's own answers show them to people.

use std::time::Duration;

use crate::base::stdx::calendar;
use crate::base::stdx::duration::GoDuration;

/// A time by the calendar, for the middle of a sentence.
pub fn told(unix_ms: u64) -> String {
    calendar::rfc3339_if_known(unix_ms).unwrap_or_else(|| "a time not recorded".to_owned())
}

/// A span as people say it: with a millisecond's precision below ten seconds, whole seconds above.
pub fn span(span: Duration) -> String {
    let step_ms = if span < Duration::from_secs(10) { 1 } else { 1_000 };
    let whole_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX) / step_ms * step_ms;
    GoDuration::from(Duration::from_millis(whole_ms)).to_string()
}

/// The time from one calendar time to a later one; zero when the calendar was set back in between.
pub fn between(from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(to_ms.saturating_sub(from_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_alike_everywhere() {
        for (ms, expected) in
            [(0, "0s"), (7, "7ms"), (9_999, "9.999s"), (10_001, "10s"), (3_723_456, "1h2m3s")]
        {
            assert_eq!(span(Duration::from_millis(ms)), expected, "{ms}");
        }
    }
}
