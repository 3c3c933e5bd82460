//! HTTPS at its borders: handshakes, what goes through them, and certificates that are renewed. Driven with rustls, and
//! with the `openssl` command for what rustls does not do.

mod commands;
mod crowd;
mod exchanges;
mod handshakes;
mod renewal;

use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};
use tempfile::TempDir;

use crate::support::client::{Answer, read_answer};
use crate::support::process::{Process, free_port};

/// How long anything may take that ought to take no time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both versions.
const ANY_VERSION: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// An authority that signs what it is asked to, and a directory for what it has signed.
struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// With its certificate in `ca.pem`.
    fn new() -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let certificate = params.self_signed(&key).expect("a certificate");
        let authority = Authority {
            directory: tempfile::tempdir().expect("a temporary directory"),
            issuer: Issuer::new(params, key),
        };
        authority.put("ca.pem", &certificate.pem());
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Puts a file there in one step.
    fn put(&self, name: &str, text: &str) {
        let beside = self.path(&format!("{name}.new"));
        fs::write(&beside, text).expect("a file can be written");
        fs::rename(beside, self.path(name)).expect("a file can be moved");
    }

    /// A certificate of a server with this name, at 127.0.0.1, in force until the given year: in `STEM.pem` and
    /// `STEM.key`.
    fn server(&self, stem: &str, name: &str, last_year: i32) {
        self.sign(stem, vec![name.to_owned(), "127.0.0.1".to_owned()], last_year, &[]);
    }

    /// As [`Authority::server`], of a client.
    fn client(&self, stem: &str, last_year: i32) {
        self.sign(stem, Vec::new(), last_year, &[ExtendedKeyUsagePurpose::ClientAuth]);
    }

    fn sign(&self, stem: &str, names: Vec<String>, last_year: i32, usages: &[ExtendedKeyUsagePurpose]) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, stem);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        params.extended_key_usages = usages.to_vec();
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.put(&format!("{stem}.pem"), &certificate.pem());
        self.put(&format!("{stem}.key"), &key.serialize_pem());
    }

    /// How a client speaks that trusts this authority, and shows a certificate of another one, or of this one, or none.
    fn config(
        &self,
        shown: Option<(&Authority, &str)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_file(self.path("ca.pem")).expect("a certificate");
        roots.add(root).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        match shown {
            None => builder.with_no_client_auth(),
            Some((of, stem)) => {
                let certificate =
                    CertificateDer::from_pem_file(of.path(&format!("{stem}.pem"))).expect("a certificate");
                let key = PrivateKeyDer::from_pem_file(of.path(&format!("{stem}.key"))).expect("a key");
                builder.with_client_auth_cert(vec![certificate], key).expect("a key for the certificate")
            }
        }
    }
}

/// An agent that speaks TLS beside HTTP.
struct Agent {
    process: Process,
    https: SocketAddr,
}

impl Agent {
    /// With the certificate `server` of this authority, and what else is said.
    fn start(authority: &Authority, further: &[&str]) -> Agent {
        let https = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (address, certificate) = (https.to_string(), authority.text("server.pem"));
        let key = authority.text("server.key");
        let mut arguments = vec!["--https-addr", &address];
        if !further.contains(&"--tls-cert-file") {
            arguments.extend(["--tls-cert-file", &certificate, "--tls-key-file", &key]);
        }
        arguments.extend(further);
        let process = Process::muster(&arguments).unwrap_or_else(|error| panic!("{error}"));
        Agent { process, https }
    }

    /// The sum of what `/metrics` says of a family.
    fn metric(&self, beginning: &str) -> f64 {
        let text = self.process.client().get("/metrics").expect("an answer").text();
        let lines = text.lines().filter(|line| line.starts_with(beginning));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// A connection of a client that is spoken over by TLS.
struct TlsClient(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl TlsClient {
    /// Connects as to 127.0.0.1.
    fn connect(to: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<TlsClient> {
        TlsClient::connect_to(to, "127.0.0.1", config)
    }

    /// Connects and shakes hands, asking for a name. In TLS 1.3 a server may still refuse afterwards.
    fn connect_to(to: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> io::Result<TlsClient> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut session = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(TlsClient(BufReader::new(StreamOwned::new(session, stream))))
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())?;
        self.0.get_mut().flush()
    }

    fn receive(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.0, false).map(|(answer, _)| answer)
    }

    fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.send(&get(target))?;
        self.receive()
    }

    fn session(&self) -> &ClientConnection {
        &self.0.get_ref().conn
    }

    fn socket(&self) -> &TcpStream {
        &self.0.get_ref().sock
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
}

/// What is answered to everybody at once.
const LEADER: &str = "/v1/status/leader";

/// An authority whose server's certificate is in force.
fn authority() -> Authority {
    let authority = Authority::new();
    authority.server("server", "server.example", 4096);
    authority
}
