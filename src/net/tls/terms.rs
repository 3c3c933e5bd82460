//! From files to the terms on which clients are spoken to: certificates, keys, whose certificates are asked for. What
//! is wrong with a file is a sentence that names it and what to do.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig, version};

use crate::base::sys::file;
use crate::net::tls::certificate::{self, CertificateFacts};

/// Bytes of a file with a certificate or a key at most: a bundle of authorities has some 200 kB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// What is spoken through TLS. Who offers nothing is taken to mean it.
const PROTOCOL: &[u8] = b"http/1.1";

/// What clients are spoken to with, and what is asked of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where the certificates are. The first is for clients that name no server, or none of theirs.
    pub certificates: Vec<KeyPairFiles>,
    /// Where the authorities are that certificates of clients come from.
    pub authorities: Option<PathBuf>,
    /// Whether clients are to show certificates.
    pub clients: ClientCertificates,
    /// The oldest version that is spoken.
    pub oldest_version: OldestVersion,
}

/// A certificate with its chain, and its key. Both may be in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairFiles {
    /// The certificate, and those that lead to an authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Whether clients are to show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked for.
    None,
    /// They are asked for, and one that is shown has to be good.
    Optional,
    /// Who shows none is not let in.
    Required,
}

/// The oldest version of TLS that is spoken. Older ones are not known here at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldestVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl TlsSettings {
    /// Every file that is read.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        pairs.chain(&self.authorities).map(PathBuf::as_path)
    }
}

/// What files have become: the terms on which a client is spoken to.
#[derive(Clone, Debug)]
pub struct TlsTerms {
    config: Arc<ServerConfig>,
    /// Of each certificate, the file and for how long it holds.
    certificates: Vec<(PathBuf, CertificateFacts)>,
}

impl TlsTerms {
    /// Reads the files. Blocks on the disk.
    ///
    /// # Errors
    /// A sentence that names the file, what is wrong with it, and what to do.
    pub fn read(settings: &TlsSettings) -> Result<TlsTerms, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let (mut keys, mut read) = (Vec::new(), Vec::new());
        for files in &settings.certificates {
            let (key, facts) = key_pair(files, &provider)?;
            read.push((files.certificate.clone(), facts));
            keys.push(Arc::new(key));
        }
        let verifier = verifier(settings, &provider)?;
        let versions: &[_] = match settings.oldest_version {
            OldestVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            OldestVersion::Tls13 => &[&version::TLS13],
        };
        let unfit = |error: Error| format!("TLS cannot be spoken: {error}");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unfit)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(ByName { keys }));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        // Clients hold what is needed to come back, not we. Of other terms they begin anew.
        config.ticketer = Ticketer::new().map_err(unfit)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(TlsTerms { config: Arc::new(config), certificates: read })
    }

    /// When the first of the certificates runs out, in seconds of Unix time.
    pub fn expires_s(&self) -> u64 {
        self.certificates.iter().map(|(_, facts)| facts.not_after_s).min().unwrap_or_default()
    }

    /// Whether all certificates hold at this moment. Apart from reading them, since one that has run out may be better
    /// than none.
    ///
    /// # Errors
    /// A sentence about the first that does not.
    pub fn check_at(&self, now_s: u64) -> Result<(), String> {
        self.certificates.iter().try_for_each(|(file, facts)| {
            let of_file = in_file("tls_cert_file", file);
            match () {
                () if facts.not_after_s < now_s => Err(of_file(&format!(
                    "the certificate has expired, at {}: renew it",
                    shown_time(facts.not_after_s)
                ))),
                () if facts.not_before_s > now_s => Err(of_file(&format!(
                    "the certificate holds only from {} on: look at the clock of this machine, or make it anew",
                    shown_time(facts.not_before_s)
                ))),
                () => Ok(()),
            }
        })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

fn key_pair(
    files: &KeyPairFiles,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, CertificateFacts), String> {
    let of_certificate = in_file("tls_cert_file", &files.certificate);
    let of_key = in_file("tls_key_file", &files.key);
    let chain = certificates("tls_cert_file", &files.certificate)?;
    let first = chain.first().and_then(|first| certificate::facts(first));
    let facts = first.ok_or_else(|| of_certificate("its first certificate cannot be read: make it anew"))?;
    let text = read("tls_key_file", &files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        of_key(&match error {
            rustls::pki_types::pem::Error::NoItemsFound if has(&text, "ENCRYPTED") => {
                "the key is encrypted, and there is nobody to ask for its password: decrypt it with `openssl pkey -in \
                 KEY -out PLAIN`"
                    .to_owned()
            }
            rustls::pki_types::pem::Error::NoItemsFound => {
                "there is no key in it: a PEM file with `-----BEGIN PRIVATE KEY-----` is wanted".to_owned()
            }
            other => format!("it is no PEM file: {other}"),
        })
    })?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => of_key(&format!(
            "the key does not belong to the certificate in {}: name the two that were made together",
            files.certificate.display()
        )),
        other => of_key(&format!("the key cannot be used: {other}; RSA, ECDSA and Ed25519 keys can")),
    })?;
    Ok((pair, facts))
}

fn verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let file = match (settings.clients, &settings.authorities) {
        (ClientCertificates::None, _) => return Ok(WebPkiClientVerifier::no_client_auth()),
        (_, Some(file)) => file,
        (_, None) => {
            return Err("tls_verify_incoming asks for certificates of clients, and nothing says whose: set \
                        tls_ca_file to the authority that they come from"
                .to_owned());
        }
    };
    let unfit = |error: &dyn Display| {
        in_file("tls_ca_file", file)(&format!("a certificate in it is of no authority: {error}"))
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls_ca_file", file)? {
        roots.add(certificate).map_err(|error| unfit(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match settings.clients {
        ClientCertificates::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| unfit(&error))
}

/// Begins a sentence about a file.
fn in_file<'a>(setting: &'a str, file: &'a Path) -> impl Fn(&str) -> String + 'a {
    move |rest| format!("{setting} {}: {rest}", file.display())
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, String> {
    file::read(path, FILE_BYTES_MAX)
        .map_err(|error| in_file(setting, path)(&format!("it cannot be read: {error}")))
}

/// The certificates in a file, one at least.
fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(setting, path)?;
    let of_file = in_file(setting, path);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| of_file(&format!("it is no PEM file: {error}")))?;
    match certificates.is_empty() {
        false => Ok(certificates),
        true if has(&text, "PRIVATE KEY") => {
            Err(of_file("there is a key in it and no certificate: are the two files swapped?"))
        }
        true => Err(of_file(
            "there is no certificate in it: a PEM file with `-----BEGIN CERTIFICATE-----` is wanted",
        )),
    }
}

fn has(text: &[u8], words: &str) -> bool {
    memchr::memmem::find(text, words.as_bytes()).is_some()
}

/// A moment as certificates are shown with it.
fn shown_time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// Gives each client the first certificate for the name that it calls and the signatures that it knows.
#[derive(Debug)]
struct ByName {
    /// The first one is for everybody else.
    keys: Vec<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let can_read = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let is_for = |key: &&Arc<CertifiedKey>| {
            let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
            let named = name.as_ref().zip(certificate.ok());
            named.is_some_and(|(name, certificate)| verify_server_name(&certificate, name).is_ok())
        };
        // Most have one, and need not be asked for whom it is.
        let several = self.keys.len() > 1;
        let of_name = self.keys.iter().filter(|_| several).filter(can_read).find(is_for);
        of_name.or_else(|| self.keys.iter().find(can_read)).cloned()
    }
}

#[cfg(test)]
mod tests;
