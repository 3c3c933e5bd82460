//! Reaching a server: by TCP, by TLS over it, or by a socket of this machine.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::base::sys::file;

/// Where a server is.
pub enum RedisHost {
    /// By name or address, and port.
    Tcp(String, u16),
    /// The same, encrypted; the server's certificate must be good for the name.
    Tls(String, u16),
    /// By its socket.
    Unix(PathBuf),
}

/// An open stream to a server.
pub enum RedisStream {
    /// In the clear.
    Tcp(TcpStream),
    /// Encrypted.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Within this machine.
    Unix(UnixStream),
}

impl RedisStream {
    /// Opens one; `ca_file` is a PEM file with the authorities that are trusted, the system's without one. Reading and
    /// writing take `timeout` at a time at most.
    ///
    /// # Errors
    /// The operating system's, and what is wrong with the file.
    pub fn open(address: &RedisHost, ca_file: Option<&Path>, timeout: Duration) -> io::Result<RedisStream> {
        match address {
            RedisHost::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Ok(RedisStream::Unix(stream))
            }
            RedisHost::Tcp(host, port) => tcp(host, *port, timeout).map(RedisStream::Tcp),
            RedisHost::Tls(host, port) => {
                let config = Arc::new(config(ca_file)?);
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
                let stream = StreamOwned::new(connection, tcp(host, *port, timeout)?);
                Ok(RedisStream::Tls(Box::new(stream)))
            }
        }
    }
}

fn tcp(host: &str, port: u16, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::other("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn config(ca_file: Option<&Path>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unfit = |error: &dyn std::fmt::Display| {
                io::Error::other(format!("cannot read {}: {error}", path.display()))
            };
            let text = file::read(path, file::LIST_BYTES_MAX).map_err(|error| unfit(&error))?;
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|error| unfit(&error))?;
                roots.add(certificate).map_err(|error| unfit(&error))?;
            }
        }
        None => drop(roots.add_parsable_certificates(file::authorities().certs)),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

impl Read for RedisStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            RedisStream::Tcp(stream) => stream.read(buffer),
            RedisStream::Tls(stream) => stream.read(buffer),
            RedisStream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for RedisStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            RedisStream::Tcp(stream) => stream.write(bytes),
            RedisStream::Tls(stream) => stream.write(bytes),
            RedisStream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            RedisStream::Tcp(stream) => stream.flush(),
            RedisStream::Tls(stream) => stream.flush(),
            RedisStream::Unix(stream) => stream.flush(),
        }
    }
}
