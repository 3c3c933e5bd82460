//! What an instance shows of itself in a TLS handshake: a good certificate, one that is over, or none at all.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::{EXPIRED, GOOD};

/// A fatal alert of TLS (RFC 8446, section 6): handshake_failure.
const REFUSAL: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

pub struct Identity {
    good: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
    /// What is shown now; `None` refuses.
    shown: Mutex<Option<Arc<ServerConfig>>>,
}

impl Identity {
    /// Reads the certificates below `directory`.
    ///
    /// # Panics
    /// When they are not there: the test made them.
    pub fn read(directory: &Path) -> Identity {
        let good = config(directory, GOOD);
        Identity { shown: Mutex::new(Some(good.clone())), expired: config(directory, EXPIRED), good }
    }

    /// From now on shows what is asked for: `refuse`, `expired`, or else the good one.
    pub fn change(&self, to: &str) {
        let shown = match to {
            "refuse" => None,
            "expired" => Some(self.expired.clone()),
            _ => Some(self.good.clone()),
        };
        *self.shown.lock().expect("nobody panics with it") = shown;
    }

    /// Shakes hands as it is told to; `None` after a refusal.
    pub fn greet<'a>(
        &self,
        mut stream: &'a TcpStream,
    ) -> io::Result<Option<StreamOwned<ServerConnection, &'a TcpStream>>> {
        let shown = self.shown.lock().expect("nobody panics with it").clone();
        let Some(config) = shown else {
            // The greeting is read, or closing would reset the connection before the alert is seen.
            let _ = stream.read(&mut [0; 4096])?;
            stream.write_all(&REFUSAL)?;
            return Ok(None);
        };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Some(StreamOwned::new(connection, stream)))
    }
}

/// How a server shows the certificate `name`.
///
/// # Panics
/// When it is not there: the test made it.
pub fn config(directory: &Path, name: &str) -> Arc<ServerConfig> {
    let read = |ending: &str| directory.join(format!("{name}.{ending}"));
    let certificate = CertificateDer::from_pem_file(read("pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(read("key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("certificate and key belong together"))
}
