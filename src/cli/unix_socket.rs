//! HTTP over a Unix socket, for ureq, which by itself knows TCP only.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Error};

/// An agent of ureq's that has every request go to the socket at `path`, whatever host its URL names.
pub fn agent(config: Config, path: PathBuf) -> Agent {
    Agent::with_parts(config, UnixConnector(path), NoLookup)
}

/// Finds no host: there is one place to go to.
#[derive(Debug)]
struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut nowhere = self.empty();
        // ureq wants one at least; it is not used.
        nowhere.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Ok(nowhere)
    }
}

/// Connects to the socket at its path.
#[derive(Debug)]
struct UnixConnector(PathBuf);

impl Connector for UnixConnector {
    type Out = UnixTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<UnixTransport>, Error> {
        let (socket, config) = (UnixStream::connect(&self.0)?, details.config);
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(UnixTransport { socket, buffers }))
    }
}

/// A connection, with what was read of it and not used yet.
#[derive(Debug)]
struct UnixTransport {
    socket: UnixStream,
    buffers: LazyBuffers,
}

/// The time that is left; `None` for ever.
fn left(timeout: &NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| *left)
}

/// What came of a read or write that had so much time.
fn in_time<T>(done: io::Result<T>, timeout: &NextTimeout) -> Result<T, Error> {
    done.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    })
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.socket.set_write_timeout(left(&timeout))?;
        in_time(self.socket.write_all(&self.buffers.output()[..amount]), &timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        self.socket.set_read_timeout(left(&timeout))?;
        let length = loop {
            match self.socket.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => break in_time(done, &timeout)?,
            }
        };
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    /// Between two requests there is nothing to read, and no end.
    fn is_open(&mut self) -> bool {
        let is_quiet = |socket: &mut UnixStream| {
            socket.set_nonblocking(true)?;
            let read = socket.read(&mut [0]);
            socket.set_nonblocking(false)?;
            Ok::<bool, io::Error>(read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
        };
        is_quiet(&mut self.socket).unwrap_or(false)
    }
}
