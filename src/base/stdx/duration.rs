//! Durations as the Go language writes them: `1m30s`, `250ms`, `-1.5h`. Knows nothing of where they are used.
//!
//! Consul's users write intervals and timeouts in this notation and match on the texts of its errors, so both
//! follow Go's `time.ParseDuration` and `time.Duration.String` to the letter.

use std::fmt;
use std::time::Duration;

/// A signed span of time in nanoseconds, about 292 years either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration {
    /// The span in nanoseconds.
    pub nanoseconds: i64,
}

impl GoDuration {
    /// The same span for the standard library; `None` when it is negative.
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.nanoseconds).ok().map(Duration::from_nanos)
    }
}

impl From<Duration> for GoDuration {
    /// The same span, or the longest that fits.
    fn from(duration: Duration) -> Self {
        GoDuration { nanoseconds: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
    }
}

/// Why a text is no duration. Carries the text, because Go's messages do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// Not a run of numbers with units, or too long a span to count in nanoseconds.
    Invalid(String),
    /// A number stands without a unit.
    MissingUnit(String),
    /// A number stands with something else than `ns`, `us`, `ms`, `s`, `m` or `h`.
    UnknownUnit {
        /// What stands in the unit's place.
        unit: String,
        /// The whole text.
        duration: String,
    },
}

impl fmt::Display for DurationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DurationError::Invalid(text) => write!(formatter, "time: invalid duration {}", quote(text)),
            DurationError::MissingUnit(text) => {
                write!(formatter, "time: missing unit in duration {}", quote(text))
            }
            DurationError::UnknownUnit { unit, duration } => {
                write!(formatter, "time: unknown unit {} in duration {}", quote(unit), quote(duration))
            }
        }
    }
}

impl std::error::Error for DurationError {}

/// Reads `[-+]?([0-9]*(\.[0-9]*)?[a-z]+)+`, or a bare `0`. Digits beyond a nanosecond are cut off.
///
/// # Errors
/// When the text has another form, or the span does not fit in 64 bits of nanoseconds.
pub fn parse(text: &str) -> Result<GoDuration, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(GoDuration::default());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut magnitude = 0u64;
    while !rest.is_empty() {
        let term = Term::split(rest).ok_or_else(invalid)?;
        if term.unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let unit_nanoseconds = nanoseconds_of(term.unit).ok_or_else(|| DurationError::UnknownUnit {
            unit: term.unit.to_owned(),
            duration: text.to_owned(),
        })?;
        magnitude = term
            .nanoseconds(unit_nanoseconds)
            .and_then(|nanoseconds| magnitude.checked_add(nanoseconds))
            .filter(|sum| *sum <= MAGNITUDE_MAX)
            .ok_or_else(invalid)?;
        rest = term.rest;
    }
    let nanoseconds =
        if is_negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    nanoseconds.map(|nanoseconds| GoDuration { nanoseconds }).ok_or_else(invalid)
}

/// The magnitude of the most negative span, one more than that of the longest positive one.
const MAGNITUDE_MAX: u64 = 1 << 63;

/// One number with its unit, as written, and what follows them.
struct Term<'a> {
    whole: &'a str,
    fraction: &'a str,
    unit: &'a str,
    rest: &'a str,
}

impl<'a> Term<'a> {
    /// Splits off the first term; `None` when `text` does not begin with a number. The unit may come out
    /// empty.
    fn split(text: &'a str) -> Option<Term<'a>> {
        let (whole, after) = split_where(text, |character| !character.is_ascii_digit());
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_where(after, |character| !character.is_ascii_digit()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, rest) = split_where(after, |character| character == '.' || character.is_ascii_digit());
        Some(Term { whole, fraction, unit, rest })
    }

    /// The term's span; `None` when it is too long to count.
    fn nanoseconds(&self, unit_nanoseconds: u64) -> Option<u64> {
        let whole = if self.whole.is_empty() { 0 } else { self.whole.parse::<u64>().ok()? };
        let whole_nanoseconds = whole.checked_mul(unit_nanoseconds)?;
        whole_nanoseconds.checked_add(fraction_of(self.fraction, unit_nanoseconds))
    }
}

/// So many nanoseconds are `0.<digits>` of a unit, rounded down. Further digits than fit in 64 bits change
/// nothing.
fn fraction_of(digits: &str, unit_nanoseconds: u64) -> u64 {
    const DIGITS_MAX: usize = 18;
    let digits = &digits[..digits.len().min(DIGITS_MAX)];
    let numerator = digits.bytes().fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let nanoseconds = numerator * u128::from(unit_nanoseconds) / 10u128.pow(digits.len() as u32);
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

/// Splits before the first character that `is_end` accepts, or at the end of the text.
fn split_where(text: &str, is_end: fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(is_end).unwrap_or(text.len()))
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

fn nanoseconds_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look alike and are both in use.
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        _ => return None,
    })
}

impl fmt::Display for GoDuration {
    /// The largest unit below a second (`1.5ms`), else hours, minutes and seconds without leading zeros
    /// (`1m0s`).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.nanoseconds.unsigned_abs();
        let mut text = String::from(if self.nanoseconds < 0 { "-" } else { "" });
        match magnitude {
            0 => text.push_str("0s"),
            1..MICROSECOND => push_decimal(&mut text, magnitude, 1, "ns"),
            MICROSECOND..MILLISECOND => push_decimal(&mut text, magnitude, MICROSECOND, "\u{b5}s"),
            MILLISECOND..SECOND => push_decimal(&mut text, magnitude, MILLISECOND, "ms"),
            _ => push_clock(&mut text, magnitude),
        }
        formatter.pad(&text)
    }
}

fn push_clock(text: &mut String, magnitude: u64) {
    let minutes = magnitude / (60 * SECOND);
    if minutes >= 60 {
        text.push_str(&format!("{}h", minutes / 60));
    }
    if minutes > 0 {
        text.push_str(&format!("{}m", minutes % 60));
    }
    push_decimal(text, magnitude % (60 * SECOND), SECOND, "s");
}

/// Appends `magnitude / scale` (a power of ten) without trailing zeros, then the unit.
fn push_decimal(text: &mut String, magnitude: u64, scale: u64, unit: &str) {
    text.push_str(&(magnitude / scale).to_string());
    if !magnitude.is_multiple_of(scale) {
        // Counting from `scale` upwards keeps the leading zeros of the fraction; the one in front is dropped.
        let fraction = (scale + magnitude % scale).to_string();
        text.push('.');
        text.push_str(fraction[1..].trim_end_matches('0'));
    }
    text.push_str(unit);
}

/// Go's quoting in errors about times: every byte outside printable ASCII in hexadecimal.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        let rows: &[(&str, i64)] = &[
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("-5s", -5_000_000_000),
            ("5.0s", 5_000_000_000),
            ("5.6s", 5_600_000_000),
            ("5.s", 5_000_000_000),
            (".5s", 500_000_000),
            ("1.004s", 1_004_000_000),
            ("1.0040s", 1_004_000_000),
            ("100.00100s", 100_001_000_000),
            ("10ns", 10),
            ("11us", 11_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("13ms", 13_000_000),
            ("15m", 900_000_000_000),
            ("16h", 57_600_000_000_000),
            ("3h30m", 12_600_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("10.5s4m", 250_500_000_000),
            ("-2m3.4s", -123_400_000_000),
            ("1h2m3s4ms5us6ns", 3_723_004_005_006),
            ("52763797000ns", 52_763_797_000),
            ("0.3333333333333333333h", 1_199_999_999_999),
            ("0.9223372036854775807h", 3_320_413_933_267),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775807ns", i64::MAX),
            ("9223372036854775.807us", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("-2562047h47m16.854775808s", i64::MIN),
            ("0.000000000000000000000000000000000001h", 0),
        ];
        for (text, nanoseconds) in rows {
            assert_eq!(parse(text), Ok(GoDuration { nanoseconds: *nanoseconds }), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses_in_its_words() {
        let rows = [
            ("", r#"time: invalid duration """#),
            ("x", r#"time: invalid duration "x""#),
            ("10", r#"time: missing unit in duration "10""#),
            ("1.5", r#"time: missing unit in duration "1.5""#),
            ("3s4", r#"time: missing unit in duration "3s4""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("1 s", r#"time: unknown unit " s" in duration "1 s""#),
            ("1s ", r#"time: unknown unit "s " in duration "1s ""#),
            ("1S", r#"time: unknown unit "S" in duration "1S""#),
            ("1h-2m", r#"time: unknown unit "h-" in duration "1h-2m""#),
            ("-", r#"time: invalid duration "-""#),
            ("+", r#"time: invalid duration "+""#),
            ("--5s", r#"time: invalid duration "--5s""#),
            ("s", r#"time: invalid duration "s""#),
            (".", r#"time: invalid duration ".""#),
            (".s", r#"time: invalid duration ".s""#),
            ("+.s", r#"time: invalid duration "+.s""#),
            (" 1s", r#"time: invalid duration " 1s""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
            ("9223372036854ms775us808ns", r#"time: invalid duration "9223372036854ms775us808ns""#),
            ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
            ("3000000h", r#"time: invalid duration "3000000h""#),
            ("1\u{e4}", r#"time: unknown unit "\xc3\xa4" in duration "1\xc3\xa4""#),
            ("\"\\\n", r#"time: invalid duration "\"\\\x0a""#),
        ];
        for (text, message) in rows {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text:?}");
        }
    }

    #[test]
    fn prints_as_go_prints() {
        let rows: &[(i64, &str)] = &[
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (300_000_000, "300ms"),
            (1_500_000_000, "1.5s"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (245_001_000_000, "4m5.001s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (480_000_000_001, "8m0.000000001s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000, "-1.5ms"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ];
        for (nanoseconds, text) in rows {
            assert_eq!(GoDuration { nanoseconds: *nanoseconds }.to_string(), *text);
        }
    }

    #[test]
    fn converts_to_and_from_the_standard_library() {
        let second = GoDuration { nanoseconds: 1_000_000_000 };
        assert_eq!(second.to_std(), Some(Duration::from_secs(1)));
        assert_eq!(GoDuration { nanoseconds: -1 }.to_std(), None);
        assert_eq!(GoDuration::from(Duration::from_secs(1)), second);
        assert_eq!(GoDuration::from(Duration::MAX).nanoseconds, i64::MAX);
    }

    proptest! {
        #[test]
        fn reading_undoes_printing(nanoseconds: i64) {
            let duration = GoDuration { nanoseconds };
            prop_assert_eq!(parse(&duration.to_string()), Ok(duration));
        }

        #[test]
        fn reading_never_panics(text in "[-+]?([0-9]{0,22}(\\.[0-9]{0,40})?[a-zµ]{0,3}){0,4}") {
            let _ = parse(&text);
        }
    }
}
