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

/// As [`rfc3339`], but without zeros at the end of the fraction, as the Go language writes it.
pub fn rfc3339_short(unix_ms: u64) -> String {
    checked(unix_ms).map_or_else(|| unix_ms.to_string(), |time| time.to_string())
}

/// The milliseconds of Unix time of a moment that is written as RFC 3339 has it.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse().ok().map(|time: Timestamp| time.as_millisecond())
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

    #[test]
    fn what_go_writes_is_read() {
        let rows = [
            ("2026-01-02T15:04:05.678912345Z", Some(1_767_366_245_678), "2026-01-02T15:04:05.678Z"),
            ("2026-01-02T16:04:05.5+01:00", Some(1_767_366_245_500), "2026-01-02T15:04:05.5Z"),
            ("2026-01-02T15:04:05Z", Some(1_767_366_245_000), "2026-01-02T15:04:05Z"),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000), ""),
            ("tomorrow", None, ""),
        ];
        for (text, expected, shown) in rows {
            let read = parse_rfc3339(text);
            assert_eq!(read, expected, "{text}");
            if let Some(unix_ms) = read.and_then(|it| u64::try_from(it).ok()) {
                assert_eq!(rfc3339_short(unix_ms), shown);
            }
        }
    }
}
