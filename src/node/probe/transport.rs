//! `ureq` on coroutines: how its requests find, open and use a connection here.
//!
//! `ureq`'s own transport and resolver would block the worker. Time is kept by the connection itself (`sys::dial`), so
//! `ureq` is given no timeouts of its own. Its transport interface promises no stability, hence the exact version in
//! `Cargo.toml`.

use std::io::{self, Read, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::base::stdx::target_url::TargetUrl;
use crate::base::stdx::text::Text;
use crate::base::sys::dial::Dialed;
use crate::base::sys::recall::RecallableDeadline;
use crate::node::probe::buffers::ExchangeBuffers;
use crate::node::probe::channel::Channel;
use crate::node::probe::dial::Dialer;
use crate::node::probe::tls::Trust;

/// Addresses of one name that are tried; as many as `ureq` can hand over.
const ADDRESSES_MAX: usize = 16;

/// What one request needs for its connection.
#[derive(Clone, Debug)]
pub struct ConnectionNeeds {
    /// Opens connections.
    pub dialer: Arc<Dialer>,
    /// Whom to trust.
    pub trust: Arc<Trust>,
    /// Accept any certificate.
    pub tls_skip_verify: bool,
    /// Name to ask for and verify in the handshake; empty means the URL's host.
    pub tls_server_name: Text,
    /// How long it may take.
    pub until: RecallableDeadline,
    /// Whom the request is for.
    pub url: TargetUrl,
    /// Where the connection is left, if it is to outlive the run.
    pub berth: Option<Arc<ConnectionSlot>>,
}

impl Resolver for ConnectionNeeds {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let (host, port) = (&self.url.host, self.url.port());
        let found = self.dialer.names.resolve(host, port, &self.until).map_err(other)?;
        let mut addresses = self.empty();
        found.into_iter().take(ADDRESSES_MAX).for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

impl Connector for ConnectionNeeds {
    type Out = ProbeConnection;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<ProbeConnection>, Error> {
        let (berth, channel) = (self.berth.clone(), self.open(details)?);
        let buffers = ExchangeBuffers::new(details.config.input_buffer_size());
        Ok(Some(ProbeConnection { channel: Some(channel), buffers, is_done: false, berth }))
    }
}

impl ConnectionNeeds {
    fn open(&self, details: &ConnectionDetails) -> Result<Channel, Error> {
        let (dialed, _) = self.dialer.connect(&details.addrs, &self.until).map_err(other)?;
        Ok(if details.needs_tls() {
            Channel::Tls(Box::new(self.shake_hands(dialed)?))
        } else {
            Channel::Plain(dialed)
        })
    }

    fn shake_hands(&self, mut dialed: Dialed) -> Result<StreamOwned<ClientConnection, Dialed>, Error> {
        let host = self.url.host.split('%').next().unwrap_or_default();
        let name = if self.tls_server_name.is_empty() { host } else { &*self.tls_server_name };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Error::Tls("the name to verify is neither a DNS name nor an address"))?;
        let config = self
            .trust
            .config(self.tls_skip_verify, self.dialer.names.files())
            .ok_or(Error::Tls("too much is waiting to read the certificate authorities"))?;
        let mut session = ClientConnection::new(config, name)?;
        while session.is_handshaking() {
            session.complete_io(&mut dialed).map_err(tls_fault)?;
        }
        Ok(StreamOwned::new(session, dialed))
    }
}

/// The place where a connection to the check's own target is left after its request.
#[derive(Debug, Default)]
pub struct ConnectionSlot {
    /// Locked to put in and to take out; nothing waits under it.
    idle: Mutex<Option<Channel>>,
}

impl ConnectionSlot {
    /// The connection that lies here.
    pub fn take(&self) -> Option<Channel> {
        self.idle.lock().take()
    }
}

/// One connection to a checked target, for one request.
#[derive(Debug)]
pub struct ProbeConnection {
    /// `None` only once it has been put back.
    channel: Option<Channel>,
    buffers: ExchangeBuffers,
    /// Set after a complete answer that leaves the connection open.
    is_done: bool,
    /// Where it is put back then, if it is to be kept.
    berth: Option<Arc<ConnectionSlot>>,
}

impl Transport for ProbeConnection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let channel = self.channel.as_mut().ok_or(Error::ConnectionFailed)?;
        channel.write_all(&self.buffers.output()[..amount])?;
        Ok(channel.flush()?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let channel = self.channel.as_mut().ok_or(Error::ConnectionFailed)?;
        let amount = channel.read(self.buffers.input_append_buf()).map_err(tls_fault)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Asked once the answer is complete, nothing is left over and both sides leave the connection open. `ureq` itself
    /// is never to hold it: the answer is no, and dropping puts it back.
    fn is_open(&mut self) -> bool {
        self.is_done = true;
        false
    }

    fn is_tls(&self) -> bool {
        self.channel.as_ref().is_some_and(Channel::is_tls)
    }
}

impl Drop for ProbeConnection {
    fn drop(&mut self) {
        if let (true, Some(berth)) = (self.is_done, &self.berth) {
            *berth.idle.lock() = self.channel.take();
        }
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
