//! Certificates for instances on the loopback address, and the authority that signed them, as files. A server trusts it
//! when `SSL_CERT_FILE` names the authority's.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// Stem of the files of a certificate that is in force.
pub const GOOD: &str = "good";

/// Stem of the files of one that is over.
pub const EXPIRED: &str = "expired";

/// The files, for as long as this lives.
pub struct Certificates {
    directory: TempDir,
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// When the directory for temporary files cannot be written.
    pub fn create() -> Certificates {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("a certificate");
        put(&directory.path().join("authority.pem"), &authority.pem());
        let issuer = Issuer::new(params, key);
        for (name, last_year) in [(GOOD, 4096), (EXPIRED, 2001)] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address");
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(last_year, 1, 1);
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            put(&directory.path().join(format!("{name}.pem")), &certificate.pem());
            put(&directory.path().join(format!("{name}.key")), &key.serialize_pem());
        }
        Certificates { directory }
    }

    /// Where an instance finds its own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
}
