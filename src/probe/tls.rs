//! TLS towards checked targets: whom to trust, and how to talk.

use std::io;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, RootCertStore,
    SignatureScheme, StreamOwned, WantsVerifier,
};

use crate::sys::dial::Dialed;
use crate::sys::offload::Offload;

/// The two ways to trust a target's certificate.
#[derive(Debug)]
pub struct Trust {
    anyone: Arc<ClientConfig>,
    /// Trusts the machine's certificate authorities. Read at the first check that needs them: hundreds of files.
    authorities: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// Trust without anything read yet.
    pub fn new() -> Trust {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Arc::new(Anyone { algorithms: provider.signature_verification_algorithms });
        let anyone =
            builder(provider).dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Trust { anyone: Arc::new(anyone), authorities: OnceLock::new() }
    }

    /// Trust in the one authority `root`.
    #[cfg(test)]
    pub fn only(root: CertificateDer<'_>) -> Trust {
        let trust = Trust::new();
        let mut roots = RootCertStore::empty();
        roots.add(root.into_owned()).unwrap();
        trust.authorities.set(trusting(roots)).unwrap();
        trust
    }

    /// How to talk to a target whose certificate must be good, or (`skip_verify`) may be any. The first call of the
    /// former kind reads the machine's authorities on a thread of `pool`; `None` when that has no room.
    pub fn config(&self, skip_verify: bool, pool: &Offload) -> Option<Arc<ClientConfig>> {
        if skip_verify {
            return Some(self.anyone.clone());
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
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        log::warn!(
            "certificate authorities for HTTPS checks: {error}; set SSL_CERT_FILE to a readable bundle"
        );
    }
    let mut roots = RootCertStore::empty();
    let (good, unreadable) = roots.add_parsable_certificates(found.certs);
    log::info!("HTTPS checks trust {good} certificate authorities ({unreadable} were unreadable)");
    trusting(roots)
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Arc::new(builder(provider).with_root_certificates(roots).with_no_client_auth())
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
    let rustls::Error::InvalidCertificate(fault) = error else { return format!("tls: {error}") };
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

/// Takes any certificate, for checks that say `TLSSkipVerify`. The handshake's signatures must still be right.
#[derive(Debug)]
struct Anyone {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Anyone {
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
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
