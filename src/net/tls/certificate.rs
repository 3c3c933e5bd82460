//! What a certificate says that nobody else reads out of it: until when it holds, and whom it names. Whether it is good
//! was found out elsewhere.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

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

/// Reads a certificate; `None` for what is none.
pub(crate) fn facts(certificate: &[u8]) -> Option<CertificateFacts> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    // One before 1970 is its first second.
    let seconds = |time: ASN1Time| u64::try_from(time.timestamp()).unwrap_or_default();
    let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let other_names = certificate.subject_alternative_name().ok().flatten();
    let uri = other_names.iter().flat_map(|names| &names.value.general_names).find_map(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    Some(CertificateFacts {
        not_before_s: seconds(certificate.validity().not_before),
        not_after_s: seconds(certificate.validity().not_after),
        common_name: common_name.map(str::to_owned),
        uri,
    })
}

/// Whom a client's certificate names.
pub(crate) fn named_client(certificate: &[u8]) -> Option<String> {
    let facts = facts(certificate)?;
    facts.uri.or(facts.common_name)
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
        assert_eq!((facts.common_name, facts.uri, facts.not_after_s), (None, None, 253_402_214_400));
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
