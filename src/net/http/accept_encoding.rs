//! Whether a client wants gzip, from its `Accept-Encoding` (RFC 9110 section 12.5.3).

/// Whether `value` lets us answer with gzip: it is named, or covered by `*`, with a weight above zero and not
/// below the weight of `identity` where that is named.
pub(crate) fn accepts_gzip(value: &[u8]) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    for item in value.split(|&byte| byte == b',') {
        let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next().unwrap_or_default();
        let slot = match () {
            () if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") => &mut gzip,
            () if coding.eq_ignore_ascii_case(b"identity") => &mut identity,
            () if coding == b"*" => &mut any,
            () => continue,
        };
        *slot = Some(parts.find_map(weight).unwrap_or(1000));
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// The weight of a `q=` parameter in thousandths; zero when it is malformed; none for another parameter.
fn weight(parameter: &[u8]) -> Option<u16> {
    let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return Some(0),
    };
    if !matches!(whole, b'0' | b'1') || !decimals.iter().all(u8::is_ascii_digit) {
        return Some(0);
    }
    let digit = |place: usize| decimals.get(place).map_or(0, |digit| u16::from(digit - b'0'));
    Some((u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2)).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_decide() {
        let rows = [
            ("", false),
            ("gzip", true),
            ("GZip", true),
            ("x-gzip", true),
            ("deflate, br", false),
            ("deflate, gzip;q=1.0, *;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=0.001", true),
            ("*", true),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("identity, gzip;q=0.5", false),
            ("identity;q=0.5, gzip", true),
            ("gzip;q=nonsense", false),
            ("gzipped", false),
        ];
        for (value, expected) in rows {
            assert_eq!(accepts_gzip(value.as_bytes()), expected, "{value}");
        }
    }
}
