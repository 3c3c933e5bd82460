//! TLS towards checked targets: which certificates are accepted, and how to connect.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct,
    RootCertStore, SignatureScheme, StreamOwned, WantsVerifier,
};

use crate::base::stdx::counted::counted;
use crate::base::sys::dial::Dialed;
use crate::base::sys::file;
use crate::base::sys::offload::Offload;

/// The two ways to trust a target's certificate.
#[derive(Debug)]
pub struct Trust {
    accept_any: Arc<ClientConfig>,
    /// Trusts the machine's certificate authorities. Read at the first check that needs them: hundreds of files.
    authorities: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Trust without anything read yet.
    pub fn new() -> Trust {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            Arc::new(AcceptAnyCertificate { algorithms: provider.signature_verification_algorithms });
        let accept_any =
            builder(provider).dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Trust { accept_any: Arc::new(accept_any), authorities: OnceLock::new() }
    }

    /// Trust in the one authority `root`.
    #[cfg(test)]
    pub fn only(root: CertificateDer<'_>) -> Trust {
        let trust = Trust::new();
        trust.authorities.set(trusting(vec![root.into_owned()])).unwrap();
        trust
    }

    /// How to connect to a target whose certificate must be good, or (`skip_verify`) may be any. The first call of the
    /// former kind reads the machine's authorities on a thread of `pool`; `None` when that has no room.
    pub fn config(&self, skip_verify: bool, pool: &Offload) -> Option<Arc<ClientConfig>> {
        if skip_verify {
            return Some(self.accept_any.clone());
        }
        if let Some(config) = self.authorities.get() {
            return Some(config.clone());
        }
        let read = pool.run(trusting_authorities).ok()?;
        Some(self.authorities.get_or_init(|| read).clone())
    }
}

fn builder(provider: Arc<CryptoProvider>) -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider is built with TLS 1.2 and 1.3")
}

fn trusting_authorities() -> Arc<ClientConfig> {
    let found = file::authorities();
    for error in &found.errors {
        log::warn!(
            "certificate authorities for HTTPS checks: {error}; set SSL_CERT_FILE to a readable bundle"
        );
    }
    trusting(found.certs)
}

/// Says at the start what would else be met by each HTTPS check alone. Reads files, so it is for a thread of its own.
pub fn look_for_authorities() {
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(file::authorities().certs);
    warn_if_none(good);
}

fn warn_if_none(good: usize) {
    if good == 0 {
        log::warn!(
            "no certificate authority is trusted: HTTPS checks and webhooks, and a Redis behind TLS, will fail; \
             install the system's (the package ca-certificates), or set SSL_CERT_FILE to a bundle"
        );
    }
}

fn trusting(certificates: Vec<CertificateDer<'static>>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let (good, unreadable) = roots.add_parsable_certificates(certificates.iter().cloned());
    log::info!(
        "HTTPS checks trust {} ({unreadable} more cannot be read)",
        counted(good, "certificate authority")
    );
    warn_if_none(good);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let config = match usual {
        Ok(usual) => {
            let verifier = Authorities { usual, trusted: certificates.into_iter().collect() };
            builder(provider).dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        // There are none, so no certificate is trusted.
        Err(_) => builder(provider).with_root_certificates(RootCertStore::empty()),
    };
    Arc::new(config.with_no_client_auth())
}

/// Makes `dialed` a connection through TLS to whom `name` names.
///
/// # Errors
/// The connection's; what TLS itself has to say is inside, for [`fault`] to find.
pub fn shake_hands(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    mut dialed: Dialed,
) -> io::Result<StreamOwned<ClientConnection, Dialed>> {
    let mut session = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut dialed)?;
    }
    Ok(StreamOwned::new(session, dialed))
}

/// What TLS says, if that is what the I/O error is about.
pub fn fault(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// What went wrong in a handshake, in the words Consul has where it has any.
pub fn words(error: &rustls::Error) -> String {
    let fault = match error {
        rustls::Error::InvalidCertificate(fault) => fault,
        // A target that speaks nothing newer than TLS 1.1 sends an alert, or answers in it.
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(_) => {
            return format!(
                "tls: protocol version not supported: muster speaks TLS 1.2 and 1.3, the target neither in a way \
                 that is safe ({error}); TLSSkipVerify leaves out the certificate only"
            );
        }
        error => return format!("tls: {error}"),
    };
    let fault = match fault {
        // A bad signature is that of an authority which calls itself like one that is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        other => other.to_string(),
    };
    format!("x509: {fault}")
}

/// A signature that cannot be checked is taken as it is where no certificate is: with keys of less than 2048 bits,
/// which old devices have. No target is identified by its key here, so it proves nothing either way.
fn unless_short(
    checked: Result<HandshakeSignatureValid, rustls::Error>,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    match checked {
        Err(rustls::Error::InvalidCertificate(_)) => Ok(HandshakeSignatureValid::assertion()),
        checked => checked,
    }
}

/// Trusts the authorities, and a certificate that is itself among them: `openssl req -x509` makes certificates that are
/// an authority's by their letter, and are shown by servers all the same.
#[derive(Debug)]
struct Authorities {
    usual: Arc<WebPkiServerVerifier>,
    /// The authorities' certificates themselves.
    trusted: HashSet<CertificateDer<'static>>,
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // What is found wrong before this is no matter of trust: its time, its form.
        let is_authority = |error: &CertificateError| {
            let CertificateError::Other(other) = error else { return false };
            format!("{other:?}").contains("CaUsedAsEndEntity")
        };
        match usual {
            Err(rustls::Error::InvalidCertificate(error))
                if is_authority(&error) && self.trusted.contains(end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            usual => usual,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// Takes any certificate, for checks that say `TLSSkipVerify`.
#[derive(Debug)]
struct AcceptAnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unless_short(rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unless_short(rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
