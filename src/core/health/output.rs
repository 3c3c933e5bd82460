//! The texts of TTL checks: a report cut to size, and the words for silence.
//!
//! Outputs of probes are cut where they are read, in `probe`, since there the rest is never kept at all.

use crate::base::stdx::text::Text;
use crate::core::model::limits;

/// Bytes of output kept for a check whose definition says `output_max_size`: it may lower the bound, not raise it.
pub fn bytes_max(output_max_size: u32) -> usize {
    match output_max_size as usize {
        0 => limits::OUTPUT_BYTES_MAX,
        given => given.min(limits::OUTPUT_BYTES_MAX),
    }
}

/// Cuts what an instance reported to its first `bytes_max` bytes, with a remark how much there was.
///
/// Never splits a character: up to three bytes fewer are kept then, and the remark tells how many.
pub fn cut_report(output: &Text, bytes_max: usize) -> Text {
    if output.len() <= bytes_max {
        return output.clone();
    }
    let kept = &output[..output.floor_char_boundary(bytes_max)];
    Text::from(format!("{kept} ... (captured {} of {} bytes)", kept.len(), output.len()))
}

/// What a check says once its TTL has passed without a report.
pub fn expired(last_output: &str) -> Text {
    if last_output.is_empty() {
        return Text::from("TTL expired");
    }
    Text::from(format!("TTL expired (last output before timeout follows): {last_output}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_may_lower_the_bound_only() {
        for (given, expected) in [(0, 4096), (1, 1), (4096, 4096), (4097, 4096), (u32::MAX, 4096)] {
            assert_eq!(bytes_max(given), expected, "{given}");
        }
    }

    #[test]
    fn reports_are_cut_at_the_bound_and_not_before() {
        let rows = [
            ("12345678".to_owned(), 8, "12345678".to_owned()),
            ("123456789".to_owned(), 8, "12345678 ... (captured 8 of 9 bytes)".to_owned()),
            ("aaaaaä".to_owned(), 6, "aaaaa ... (captured 5 of 7 bytes)".to_owned()),
            ("x".repeat(5000), 4096, format!("{} ... (captured 4096 of 5000 bytes)", "x".repeat(4096))),
        ];
        for (output, bytes_max, expected) in rows {
            assert_eq!(cut_report(&Text::from(output.as_str()), bytes_max), expected.as_str());
        }
    }

    #[test]
    fn silence_quotes_the_last_words() {
        assert_eq!(expired(""), "TTL expired");
        assert_eq!(expired("ok"), "TTL expired (last output before timeout follows): ok");
    }
}
