//! The `Date` header's value: a calendar second as text (RFC 9110 section 5.6.7).

const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The header of one second, kept until the second changes: a connection formats it once a second at most.
pub(crate) struct DateText {
    unix_seconds: u64,
    /// Such as `Date: Sun, 06 Nov 1994 08:49:37 GMT` with its line end and that of the head.
    line: [u8; 39],
}

impl DateText {
    pub(crate) fn new(unix_seconds: u64) -> DateText {
        let mut line = *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
        line[6..35].copy_from_slice(&format(unix_seconds));
        DateText { unix_seconds, line }
    }

    /// The last line of a head at `unix_seconds`, and the empty one behind it: formatted anew only when it is another
    /// second than last time.
    pub(crate) fn at(&mut self, unix_seconds: u64) -> &[u8; 39] {
        if self.unix_seconds != unix_seconds {
            *self = DateText::new(unix_seconds);
        }
        &self.line
    }
}

fn format(unix_seconds: u64) -> [u8; 29] {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[0..3].copy_from_slice(WEEKDAYS[(days % 7) as usize]);
    put_two_digits(&mut text[5..7], day);
    text[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    put_two_digits(&mut text[12..14], year / 100);
    put_two_digits(&mut text[14..16], year % 100);
    put_two_digits(&mut text[17..19], second / 3600);
    put_two_digits(&mut text[20..22], second / 60 % 60);
    put_two_digits(&mut text[23..25], second % 60);
    text
}

/// Year, month and day of the `days`th day since 1 January 1970: years are counted from March, so that the
/// leap day is the last of its year, in eras of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

fn put_two_digits(text: &mut [u8], number: u64) {
    text[0] = b'0' + (number / 10 % 10) as u8;
    text[1] = b'0' + (number % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds_have_their_known_text() {
        let rows = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ];
        let mut date = DateText::new(1);
        for (unix_seconds, text) in rows {
            let line = format!("Date: {text}\r\n\r\n");
            assert_eq!(str::from_utf8(date.at(unix_seconds)).unwrap(), line);
        }
    }
}
