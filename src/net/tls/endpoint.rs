//! The terms on which new clients are spoken to, which may change while others are connected; and what has come of
//! handshakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use rustls::{CertificateError, Error, PeerIncompatible, ServerConfig};

use crate::base::sys::listen::Peer;
use crate::base::telemetry::log_limit::LogLimit;
use crate::net::tls::terms::TlsTerms;

/// The present terms of every address that speaks TLS.
#[derive(Debug)]
pub struct TlsEndpoint {
    /// Read for each new connection; nothing yields under it.
    terms: RwLock<TlsTerms>,
    pub(crate) stats: TlsStats,
}

impl TlsEndpoint {
    /// An endpoint on these terms.
    pub fn new(terms: TlsTerms) -> TlsEndpoint {
        TlsEndpoint { terms: RwLock::new(terms), stats: TlsStats::default() }
    }

    /// Speaks to new clients on other terms from now on. Who is connected stays so.
    pub fn set(&self, terms: TlsTerms) {
        *self.terms.write() = terms;
    }

    /// When the first of its certificates runs out, in seconds of Unix time.
    pub fn expires_s(&self) -> u64 {
        self.terms.read().expires_s()
    }

    /// What has come of handshakes.
    pub fn stats(&self) -> &TlsStats {
        &self.stats
    }

    pub(crate) fn terms(&self) -> Arc<ServerConfig> {
        self.terms.read().config()
    }
}

/// What a handshake may come to.
#[derive(Clone, Copy, Debug)]
pub enum HandshakeOutcome {
    /// Keys were agreed on anew.
    Full,
    /// The client came back with a ticket.
    Resumed,
    /// It was given up, or a session broke.
    Failed,
    /// The client spoke HTTP without TLS.
    Plain,
}

impl HandshakeOutcome {
    /// Each with the word for it.
    pub const ALL: [(HandshakeOutcome, &str); 4] = [
        (HandshakeOutcome::Full, "full"),
        (HandshakeOutcome::Resumed, "resumed"),
        (HandshakeOutcome::Failed, "failed"),
        (HandshakeOutcome::Plain, "plain"),
    ];
}

/// What has come of handshakes.
#[derive(Debug, Default)]
pub struct TlsStats {
    counts: [AtomicU64; HandshakeOutcome::ALL.len()],
    failures: LogLimit,
}

impl TlsStats {
    /// How many handshakes came to this.
    pub fn came_to(&self, outcome: HandshakeOutcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, outcome: HandshakeOutcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a handshake that failed, or a session that broke, and says why: at level warn one a second.
    pub(crate) fn note_failure(&self, peer: Peer, error: &Error) {
        self.count(HandshakeOutcome::Failed);
        let words = words(error);
        match self.failures.suppressed() {
            Some(unsaid) => {
                log::warn!(peer:% = peer, before = unsaid; "TLS with a client has failed: {words}")
            }
            None => log::debug!(peer:% = peer; "TLS with a client has failed: {words}"),
        }
    }
}

/// What went wrong, for whoever looks after server or client.
fn words(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => {
            "it shows no certificate, and tls_verify_incoming demands one".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate comes from no authority in tls_ca_file".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Error::InvalidCertificate(fault) => format!("its certificate is refused: {fault}"),
        Error::AlertReceived(alert) => {
            format!("it does not go on, for {alert:?}: it may not trust the authority of tls_cert_file")
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // Which nobody sends who speaks nothing newer than TLS 1.1.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => "it speaks only versions of TLS that are too old; tls_min_version says which are not".to_owned(),
        Error::NoApplicationProtocol => "it wants another protocol than HTTP/1.1".to_owned(),
        other => other.to_string(),
    }
}
