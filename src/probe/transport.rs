//! `ureq` on coroutines: how its requests find, open and use a connection here.
//!
//! `ureq`'s own transport and resolver would block the worker. Time is kept by the connection itself (`sys::dial`), so
//! `ureq` is given no timeouts of its own. Its transport interface promises no stability, hence the exact version in
//! `Cargo.toml`.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::probe::dial::Dialer;
use crate::probe::tls::Trust;
use crate::stdx::text::Text;
use crate::sys::dial::Dialed;

/// Addresses of one name that are tried; as many as `ureq` can hand over.
const ADDRESSES_MAX: usize = 16;

/// What one run of a check needs for its connections, redirects included.
#[derive(Clone, Debug)]
pub struct Line {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// Whom to trust.
    pub trust: Arc<Trust>,
    /// Accept any certificate.
    pub tls_skip_verify: bool,
    /// Name to ask for and verify in the handshake; empty means the URL's host.
    pub tls_server_name: Text,
    /// When everything must be over.
    pub deadline: Instant,
}

impl Resolver for Line {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or_else(|| Error::BadUri(uri.to_string()))?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let found = self.dialer.names.resolve(host, port, self.deadline).map_err(other)?;
        let mut addresses = self.empty();
        found.into_iter().take(ADDRESSES_MAX).for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

impl Connector for Line {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Connection>, Error> {
        let (dialed, _) = self.dialer.connect(&details.addrs, self.deadline).map_err(other)?;
        let stream = if details.needs_tls() {
            Stream::Tls(Box::new(self.shake_hands(dialed, details.uri)?))
        } else {
            Stream::Plain(dialed)
        };
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Connection { stream, buffers }))
    }
}

impl Line {
    fn shake_hands(
        &self,
        mut dialed: Dialed,
        uri: &Uri,
    ) -> Result<StreamOwned<ClientConnection, Dialed>, Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name = if self.tls_server_name.is_empty() { host } else { &*self.tls_server_name };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Error::Tls("the name to verify is neither a DNS name nor an address"))?;
        let config = self
            .trust
            .config(self.tls_skip_verify, self.dialer.names.pool())
            .ok_or(Error::Tls("too much is waiting to read the certificate authorities"))?;
        let mut session = ClientConnection::new(config, name)?;
        while session.is_handshaking() {
            session.complete_io(&mut dialed).map_err(tls_fault)?;
        }
        Ok(StreamOwned::new(session, dialed))
    }
}

/// One connection to a checked target. Never used again after its response.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    buffers: LazyBuffers,
}

enum Stream {
    Plain(Dialed),
    Tls(Box<StreamOwned<ClientConnection, Dialed>>),
}

impl fmt::Debug for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Stream::Plain(_) => "Plain",
            Stream::Tls(_) => "Tls",
        })
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let output = &self.buffers.output()[..amount];
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(output)?,
            Stream::Tls(stream) => {
                stream.write_all(output)?;
                stream.flush()?;
            }
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let buffer = self.buffers.input_append_buf();
        let amount = match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
        .map_err(tls_fault)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }

    fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

/// Unpacks what TLS says from the I/O error it comes in.
fn tls_fault(error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(fault) => Error::Rustls(fault.clone()),
        None => Error::Io(error),
    }
}
