//! What a certificate says that nobody else reads out of it: until when it holds, and whom it names. A reader of DER
//! for these few places (RFC 5280, section 4.1); whether the certificate is good was found out elsewhere.

use jiff::civil::DateTime;

/// What is read out of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    /// From when it holds, in seconds of Unix time.
    pub(crate) not_before_s: u64,
    /// The last second in which it holds.
    pub(crate) not_after_s: u64,
    /// The common name of its subject.
    pub(crate) common_name: Option<String>,
    /// The first URI among the other names of its subject, such as a SPIFFE ID.
    pub(crate) uri: Option<String>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Context-specific, constructed: the version, the extensions; and, primitive, a URI among names.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const URI: u8 = 0x86;

/// The last second of 9999, which says that a certificate does not end (RFC 5280, section 4.1.2.5).
const LAST_S: i64 = 253_402_300_799;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// Reads a certificate; `None` for what is none.
pub(crate) fn facts(certificate: &[u8]) -> Option<CertificateFacts> {
    let mut certificate = Der(Der(certificate).take(SEQUENCE)?);
    let mut fields = Der(certificate.take(SEQUENCE)?);
    if fields.is(VERSION) {
        fields.take(VERSION)?;
    }
    fields.take(INTEGER)?;
    fields.take(SEQUENCE)?;
    fields.take(SEQUENCE)?;
    let mut validity = Der(fields.take(SEQUENCE)?);
    let (not_before_s, not_after_s) = (validity.time()?, validity.time()?);
    let common_name = common_name(Der(fields.take(SEQUENCE)?));
    fields.take(SEQUENCE)?;
    // Unique identifiers, which nobody has, may stand before the extensions.
    let mut uri = None;
    while let Some((tag, contents)) = fields.next() {
        if tag == EXTENSIONS {
            uri = first_uri(Der(Der(contents).take(SEQUENCE)?));
        }
    }
    Some(CertificateFacts { not_before_s, not_after_s, common_name, uri })
}

/// Whom a client's certificate names.
pub(crate) fn named_client(certificate: &[u8]) -> Option<String> {
    let facts = facts(certificate)?;
    facts.uri.or(facts.common_name)
}

fn common_name(mut names: Der<'_>) -> Option<String> {
    while let Some((SET, set)) = names.next() {
        let mut attributes = Der(set);
        while let Some((SEQUENCE, attribute)) = attributes.next() {
            let mut attribute = Der(attribute);
            if attribute.take(OBJECT)? == COMMON_NAME {
                let (_, text) = attribute.next()?;
                return Some(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    None
}

fn first_uri(mut extensions: Der<'_>) -> Option<String> {
    while let Some((SEQUENCE, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.take(OBJECT)? != SUBJECT_ALTERNATIVE_NAME {
            continue;
        }
        // Whether it is critical may stand between.
        while let Some((tag, contents)) = extension.next() {
            if tag == OCTETS {
                let mut names = Der(Der(contents).take(SEQUENCE)?);
                let uri = std::iter::from_fn(|| names.next()).find(|(tag, _)| *tag == URI);
                return uri.map(|(_, text)| String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    None
}

/// What is left to be read of a run of elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The contents of the next element, if it has this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }

    /// The next element: its tag and its contents.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ ..0x80 => (short.into(), rest),
            long => {
                let count = usize::from(long & 0x7f);
                let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
                let length = digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
                (length, &rest[count..])
            }
        };
        let contents = rest.get(..length)?;
        self.0 = &rest[length..];
        Some((*tag, contents))
    }

    /// The next element, a time in UTC; one before 1970 is its first second.
    fn time(&mut self) -> Option<u64> {
        let (tag, text) = self.next()?;
        let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let year: i16 = text.get(..2)?.parse().ok()?;
                (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
            }
            GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
            _ => return None,
        };
        let part = |at: usize| rest.get(at..at + 2).and_then(|digits| digits.parse::<i8>().ok());
        let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
        let seconds = jiff::tz::Offset::UTC.to_timestamp(time).map_or(LAST_S, |it| it.as_second());
        Some(u64::try_from(seconds).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    #[test]
    fn the_few_things_are_read() {
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2024, 2, 29);
        params.not_after = date_time_ymd(2051, 1, 2);
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, "web Ä");
        params.subject_alt_names.push(SanType::URI("spiffe://example.org/web".try_into().unwrap()));
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expected = CertificateFacts {
            not_before_s: 1_709_164_800,
            not_after_s: 2_556_230_400,
            common_name: Some("web Ä".to_owned()),
            uri: Some("spiffe://example.org/web".to_owned()),
        };
        assert_eq!(facts(certificate.der()), Some(expected));
        let mut bare = CertificateParams::default();
        (bare.distinguished_name, bare.not_after) = (DistinguishedName::new(), date_time_ymd(9999, 12, 31));
        let bare = bare.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let facts = facts(bare.der()).unwrap();
        assert_eq!((facts.common_name, facts.uri, facts.not_after_s), (None, None, LAST_S as u64));
    }

    #[test]
    fn what_is_none_is_none() {
        let certificate = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        let whole = certificate.der().to_vec();
        for length in 0..whole.len() {
            assert_eq!(facts(&whole[..length]), None, "the first {length} bytes");
        }
        for at in 0..whole.len() {
            for byte in [0x00, 0x30, 0x80, 0x84, 0xff] {
                let mut altered = whole.clone();
                altered[at] = byte;
                // Whatever comes of it, it comes without a panic.
                let _ = facts(&altered);
            }
        }
    }
}
