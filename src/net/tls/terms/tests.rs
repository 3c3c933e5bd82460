//! What is wrong with files is told by a sentence that helps.

use std::fs;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

use super::*;

/// A day of 2026, in seconds of Unix time.
const NOW_S: u64 = 1_790_000_000;

struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Files {
        let files = Files { directory: tempfile::tempdir().unwrap() };
        let key = KeyPair::generate().unwrap();
        files.put("good.key", &key.serialize_pem());
        files.put("good.pem", &params("good.example").self_signed(&key).unwrap().pem());
        files.put("other.key", &KeyPair::generate().unwrap().serialize_pem());
        files.put("text.pem", "no certificate");
        files.put("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB");
        files.put("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let (mut old, mut early) = (params("old.example"), params("early.example"));
        (old.not_after, early.not_before) = (date_time_ymd(2026, 1, 2), date_time_ymd(2030, 1, 2));
        files.put("old.pem", &old.self_signed(&key).unwrap().pem());
        files.put("early.pem", &early.self_signed(&key).unwrap().pem());
        files.put(
            "secret.key",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        );
        files
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn settings(&self, certificate: &str, key: &str) -> TlsSettings {
        let at = |name: &str| self.directory.path().join(name);
        TlsSettings {
            certificates: vec![KeyPairFiles { certificate: at(certificate), key: at(key) }],
            authorities: None,
            clients: ClientCertificates::None,
            oldest_version: OldestVersion::Tls12,
        }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

#[test]
fn good_files_become_terms() {
    let files = Files::new();
    let terms = TlsTerms::read(&files.settings("good.pem", "good.key")).unwrap();
    assert_eq!(terms.expires_s(), 2_208_988_800);
    // Both in one file.
    let both =
        ["good.pem", "good.key"].map(|it| fs::read_to_string(files.directory.path().join(it)).unwrap());
    files.put("both.pem", &both.concat());
    TlsTerms::read(&files.settings("both.pem", "both.pem")).unwrap();
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let files = Files::new();
    let rows = [
        ("absent.pem", "good.key", "tls_cert_file", "absent.pem: it cannot be read: "),
        ("good.pem", "absent.key", "tls_key_file", "absent.key: it cannot be read: "),
        ("text.pem", "good.key", "tls_cert_file", "text.pem: there is no certificate in it: "),
        ("good.key", "good.pem", "tls_cert_file", "good.key: there is a key in it and no certificate: "),
        ("cut.pem", "good.key", "tls_cert_file", "cut.pem: it is no PEM file: "),
        ("garbage.pem", "good.key", "tls_cert_file", "garbage.pem: its first certificate cannot be read: "),
        ("good.pem", "text.pem", "tls_key_file", "text.pem: there is no key in it: "),
        ("good.pem", "secret.key", "tls_key_file", "secret.key: the key is encrypted, "),
        (
            "good.pem",
            "other.key",
            "tls_key_file",
            "other.key: the key does not belong to the certificate in ",
        ),
    ];
    for (certificate, key, setting, said) in rows {
        let error = TlsTerms::read(&files.settings(certificate, key)).unwrap_err();
        assert!(error.starts_with(setting) && error.contains(said), "{certificate}, {key}: {error}");
    }
}

#[test]
fn a_certificate_is_looked_at_for_its_time() {
    let files = Files::new();
    let rows = [
        ("good.pem", None),
        ("old.pem", Some("the certificate has expired, at 2026-01-02T00:00:00Z: renew it")),
        ("early.pem", Some("the certificate holds only from 2030-01-02T00:00:00Z on")),
    ];
    for (name, said) in rows {
        let terms = TlsTerms::read(&files.settings(name, "good.key")).unwrap();
        match (terms.check_at(NOW_S), said) {
            (Ok(()), None) => {}
            (Err(error), Some(said)) => assert!(error.contains(said), "{name}: {error}"),
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn certificates_of_clients_need_an_authority() {
    let files = Files::new();
    let good = files.settings("good.pem", "good.key");
    let demanding = TlsSettings { clients: ClientCertificates::Required, ..good };
    let error = TlsTerms::read(&demanding).unwrap_err();
    assert!(error.contains("set tls_ca_file"), "{error}");
    for (name, said) in [("text.pem", "there is no certificate in it"), ("garbage.pem", "of no authority")] {
        let authorities = Some(files.directory.path().join(name));
        let error = TlsTerms::read(&TlsSettings { authorities, ..demanding.clone() }).unwrap_err();
        assert!(error.starts_with("tls_ca_file ") && error.contains(said), "{name}: {error}");
    }
    let mut authority = params("authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    files.put("authority.pem", &authority.pem());
    let authorities = Some(files.directory.path().join("authority.pem"));
    for clients in [ClientCertificates::Optional, ClientCertificates::Required] {
        let settings = TlsSettings { authorities: authorities.clone(), clients, ..demanding.clone() };
        TlsTerms::read(&settings).unwrap();
    }
}
