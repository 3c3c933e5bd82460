//! Unix time by the calendar: one way to write it for logs, answers, events and files.

use jiff::Timestamp;

/// The moment; the beginning of the epoch for what no calendar has (past the year 9999).
pub fn at(unix_ms: u64) -> Timestamp {
    checked(unix_ms).unwrap_or_default()
}

/// In UTC to the millisecond, as RFC 3339 has it: `2026-11-25T05:00:00.000Z`; the number itself past the year 9999.
pub fn rfc3339(unix_ms: u64) -> String {
    checked(unix_ms).map_or_else(|| unix_ms.to_string(), |time| format!("{time:.3}"))
}

/// As [`rfc3339`]; `None` for 0, which stands for a time that is not known.
pub fn rfc3339_if_known(unix_ms: u64) -> Option<String> {
    (unix_ms > 0).then(|| rfc3339(unix_ms))
}

fn checked(unix_ms: u64) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_to_the_millisecond_up_to_the_last_year() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_366_245_678, "2026-01-02T15:04:05.678Z"),
            (253_402_207_200_000, "9999-12-30T22:00:00.000Z"),
            (400_000_000_000_000, "400000000000000"),
            (u64::MAX, "18446744073709551615"),
        ];
        for (unix_ms, expected) in rows {
            assert_eq!(rfc3339(unix_ms), expected);
            assert_eq!(rfc3339_if_known(unix_ms).as_deref(), (unix_ms > 0).then_some(expected));
        }
        assert_eq!(at(u64::MAX), Timestamp::UNIX_EPOCH);
    }
}
