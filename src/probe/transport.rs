//! `ureq` on coroutines: how its requests find, open and use a connection here.
//!
//! `ureq`'s own transport and resolver would block the worker. Time is kept by the connection itself (`sys::dial`), so
//! `ureq` is given no timeouts of its own. Its transport interface promises no stability, hence the exact version in
//! `Cargo.toml`.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use crate::probe::buffers::ExchangeBuffers;
use crate::probe::channel::Channel;
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
    /// The target whose connection outlives the run; `None`: none does.
    pub home: Option<Home>,
}

/// The target that a check names itself. Redirects may lead elsewhere; only the connection to this one is kept.
#[derive(Clone, Debug)]
pub struct Home {
    /// The check's URL.
    pub url: Uri,
    /// Where the connection lies before, between and after requests.
    pub berth: Arc<Berth>,
}

impl Home {
    /// Whether `uri` is served by it.
    fn serves(&self, uri: &Uri) -> bool {
        (uri.scheme(), uri.authority()) == (self.url.scheme(), self.url.authority())
    }
}

impl Resolver for Line {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        if self.home_of(uri).is_some_and(|home| home.berth.is_taken()) {
            return Ok(self.empty());
        }
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
        let berth = self.home_of(details.uri).map(|home| home.berth.clone());
        let idle = berth.as_deref().and_then(Berth::take);
        let channel = idle.map_or_else(|| self.open(details), Ok)?;
        let buffers = ExchangeBuffers::new(details.config.input_buffer_size());
        Ok(Some(Connection { channel: Some(channel), buffers, is_done: false, berth }))
    }
}

impl Line {
    fn home_of(&self, uri: &Uri) -> Option<&Home> {
        self.home.as_ref().filter(|home| home.serves(uri))
    }

    fn open(&self, details: &ConnectionDetails) -> Result<Channel, Error> {
        let (dialed, _) = self.dialer.connect(&details.addrs, self.deadline).map_err(other)?;
        Ok(if details.needs_tls() {
            Channel::Tls(Box::new(self.shake_hands(dialed, details.uri)?))
        } else {
            Channel::Plain(dialed)
        })
    }

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

/// The place where a run's connection to the check's own target lies while no request is on it.
#[derive(Debug, Default)]
pub struct Berth {
    /// Locked to put in and to take out; nothing waits under it.
    idle: Mutex<Option<Channel>>,
    /// A request was begun over the connection of an earlier run.
    was_reused: AtomicBool,
    /// Some bytes of an answer came over it.
    was_heard: AtomicBool,
}

impl Berth {
    /// A berth with the connection that an earlier run left, if there is one.
    pub fn new(idle: Option<Channel>) -> Berth {
        Berth { was_reused: AtomicBool::new(idle.is_some()), idle: Mutex::new(idle), ..Berth::default() }
    }

    /// The connection that lies here.
    pub fn take(&self) -> Option<Channel> {
        self.idle.lock().take()
    }

    fn is_taken(&self) -> bool {
        self.idle.lock().is_some()
    }

    /// Whether the connection of an earlier run was tried and gave not one byte: it had ended just then, most likely.
    pub fn was_reused_in_vain(&self) -> bool {
        self.was_reused.load(Ordering::Relaxed) && !self.was_heard.load(Ordering::Relaxed)
    }
}

/// One connection to a checked target, for one request.
#[derive(Debug)]
pub struct Connection {
    /// `None` only once it has been put back.
    channel: Option<Channel>,
    buffers: ExchangeBuffers,
    /// Set after a complete answer that leaves the connection open.
    is_done: bool,
    /// Where it is put back then, if it is to be kept.
    berth: Option<Arc<Berth>>,
}

impl Transport for Connection {
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
        if let (1.., Some(berth)) = (amount, &self.berth) {
            berth.was_heard.store(true, Ordering::Relaxed);
        }
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

impl Drop for Connection {
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
