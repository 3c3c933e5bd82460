//! The panic threshold of a health query: the service's own, or what the query says. `docs/panic.md` tells users.

use crate::base::stdx::duration::{self, GoDuration};
use crate::core::discovery::panic::{
    PanicSettings, THRESHOLD_PERCENT_MAX, THRESHOLD_PERCENT_MIN, WINDOW_DEFAULT, WINDOW_MAX, WINDOW_MIN,
};
use crate::net::http::Query;
use crate::surface::context::error::ApiError;

/// The header of an answer in panic.
pub const HEADER: &str = "X-Muster-Panic";

/// The threshold that counts for a query: `?panic_threshold=50&panic_window=30s` over `default`, the service's. What is
/// not said stays as there; a threshold of 0 is none.
///
/// # Errors
/// 400 for numbers and durations out of their bounds, and for a window without a threshold.
pub fn effective(query: &Query, default: Option<PanicSettings>) -> Result<Option<PanicSettings>, ApiError> {
    let threshold_percent = query.first("panic_threshold").map(threshold).transpose()?;
    let window = query.first("panic_window").map(window).transpose()?;
    let threshold_percent = threshold_percent.or(default.map(|default| default.threshold_percent));
    match (threshold_percent, window) {
        (None, None) | (Some(0), _) => Ok(None),
        (None, Some(_)) => Err(ApiError::bad_request(
            "panic_window without a threshold: give panic_threshold too, this service has none by default",
        )),
        (Some(threshold_percent), window) => {
            let window = window.or(default.map(|default| default.window)).unwrap_or(WINDOW_DEFAULT);
            Ok(Some(PanicSettings { threshold_percent, window }))
        }
    }
}

/// What tells answers with these settings from answers with others, for the cache.
pub fn variant(settings: Option<PanicSettings>) -> String {
    settings.map_or_else(String::new, |settings| {
        format!("{}%{}", settings.threshold_percent, settings.window.as_nanos())
    })
}

fn threshold(word: &str) -> Result<u8, ApiError> {
    let percent = Some(word).filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let percent = percent.and_then(|word| word.parse().ok());
    let is_fine =
        |percent: &u8| *percent == 0 || (THRESHOLD_PERCENT_MIN..=THRESHOLD_PERCENT_MAX).contains(percent);
    percent.filter(is_fine).ok_or_else(|| {
        ApiError::bad_request(format!(
            "invalid panic_threshold {word:?}: a whole number of percent from {THRESHOLD_PERCENT_MIN} to \
             {THRESHOLD_PERCENT_MAX}, or 0 for none"
        ))
    })
}

fn window(word: &str) -> Result<std::time::Duration, ApiError> {
    let window = duration::parse(word).ok().and_then(GoDuration::to_std);
    window.filter(|window| (WINDOW_MIN..=WINDOW_MAX).contains(window)).ok_or_else(|| {
        ApiError::bad_request(format!("invalid panic_window {word:?}: a duration from 1s to 1h, as in 30s"))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(threshold_percent: u8, window_s: u64) -> Option<PanicSettings> {
        Some(PanicSettings { threshold_percent, window: Duration::from_secs(window_s) })
    }

    #[test]
    fn a_query_prevails_over_the_default() {
        let rows = [
            ("", None, None),
            ("", settings(50, 10), settings(50, 10)),
            ("panic_threshold=60", None, settings(60, 30)),
            ("panic_threshold=60", settings(50, 10), settings(60, 10)),
            ("panic_threshold=1&panic_window=1s", None, settings(1, 1)),
            ("panic_threshold=99&panic_window=1h", settings(50, 10), settings(99, 3600)),
            ("panic_window=20s", settings(50, 10), settings(50, 20)),
            ("panic_threshold=0", settings(50, 10), None),
            ("panic_threshold=0&panic_window=20s", None, None),
        ];
        for (query, default, expected) in rows {
            assert_eq!(effective(&Query::parse(query), default), Ok(expected), "{query}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let rows = [
            "panic_threshold=",
            "panic_threshold=100",
            "panic_threshold=-1",
            "panic_threshold=%2B5",
            "panic_threshold=50%25",
            "panic_threshold=half",
            "panic_threshold=256",
            "panic_window=20s",
            "panic_threshold=50&panic_window=",
            "panic_threshold=50&panic_window=999ms",
            "panic_threshold=50&panic_window=1h1ns",
            "panic_threshold=50&panic_window=-5s",
            "panic_threshold=50&panic_window=soon",
        ];
        for query in rows {
            let refused = effective(&Query::parse(query), None).expect_err(query);
            assert!(
                refused.status == 400 && refused.message.contains("panic_"),
                "{query}: {}",
                refused.message
            );
        }
    }

    #[test]
    fn other_settings_are_another_variant() {
        let all = [None, settings(50, 30), settings(50, 31), settings(5, 30)].map(variant);
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    }
}
