//! The server: bound addresses, the coroutines that accept, and the orderly end.

use std::fmt;
use std::io;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::base::sys::listen::{self, BindAddress, BindError, Listener, Peer};
use crate::base::sys::runtime::{self, SpawnError};
use crate::base::sys::stream::Stream;
use crate::base::sys::supervision;
use crate::base::sys::turnstile;
use crate::net::http::admission::ConnectionPermit;
use crate::net::http::config::{Gate, ServerConfig};
use crate::net::http::connection::Connection;
use crate::net::http::exchange::Handler;
use crate::net::http::fault::RequestFault;
use crate::net::http::moving::{DEPARTURE_WAIT, Departure};
use crate::net::http::request::HEAD_BYTES_CEILING;
use crate::net::http::response::{TEXT, reason};
use crate::net::http::server_shared::{ABORTING, DRAINING, HOLDING, LEAVING, MOVING, ServerShared};
use crate::net::http::stats::{ServerStats, count};
use crate::net::tls::{Link, TlsEndpoint};

/// Pause after descriptors or memory ran out: long enough not to spin, short enough that no client gives up.
const EXHAUSTION_PAUSE: Duration = Duration::from_millis(50);

/// Connections accepted before the workers look at their sockets: a crowd that connects at once waits in the kernel
/// rather than keep a worker. However long they took: a worker that is slow must not be kept the longer for it.
const ACCEPTED_AT_ONCE: usize = 128;

/// How long connections are given after a drain's time to notice that they are being ended.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// How long an ending server goes on as before but for asking every client to come back on another connection.
const LEAVE_MAX: Duration = Duration::from_millis(200);

/// An HTTP server on one or more addresses.
///
/// It listens from [`Server::bind`] on, so that clients queue rather than fail, and answers from
/// [`Server::serve`] on.
pub struct Server {
    listeners: Vec<Port>,
    shared: Arc<ServerShared>,
}

/// A socket to accept from, and how TLS is spoken there, if it is.
#[derive(Clone)]
struct Port {
    listener: Arc<Listener>,
    tls: Option<Arc<TlsEndpoint>>,
}

impl Server {
    /// Binds every address, or none. The runtime must have been started.
    ///
    /// # Errors
    /// [`ServeError::Bind`] for the first address that cannot be bound, [`ServeError::Thread`] when the
    /// operating system gives no thread for compression.
    pub fn bind(addresses: &[BindAddress], config: ServerConfig) -> Result<Server, ServeError> {
        let bound: Result<Vec<_>, BindError> = addresses.iter().map(Listener::bind).collect();
        Server::on(bound.map_err(ServeError::Bind)?, config)
    }

    /// A server on listeners that are bound already.
    ///
    /// # Errors
    /// [`ServeError::Thread`] when the operating system gives no thread for compression.
    pub fn on(listeners: Vec<Listener>, config: ServerConfig) -> Result<Server, ServeError> {
        let config = ServerConfig { head_bytes_max: config.head_bytes_max.min(HEAD_BYTES_CEILING), ..config };
        let listeners = listeners.into_iter().map(|it| Port { listener: Arc::new(it), tls: None }).collect();
        let shared = ServerShared::new(config).map_err(ServeError::Thread)?;
        Ok(Server { listeners, shared: Arc::new(shared) })
    }

    /// The same server, listening there as well, where it speaks TLS.
    pub fn with_tls(mut self, listeners: Vec<Listener>, tls: &Arc<TlsEndpoint>) -> Server {
        let secure = |it| Port { listener: Arc::new(it), tls: Some(tls.clone()) };
        self.listeners.extend(listeners.into_iter().map(secure));
        self
    }

    /// The bound addresses without TLS, with the ports the kernel chose.
    pub fn local_addresses(&self) -> Vec<BindAddress> {
        self.addresses(false)
    }

    /// As [`Server::local_addresses`], of those where TLS is spoken.
    pub fn tls_addresses(&self) -> Vec<BindAddress> {
        self.addresses(true)
    }

    fn addresses(&self, is_secure: bool) -> Vec<BindAddress> {
        let ports = self.listeners.iter().filter(|port| port.tls.is_some() == is_secure);
        ports.map(|port| port.listener.address().clone()).collect()
    }

    /// The server's counters.
    pub fn stats(&self) -> Arc<ServerStats> {
        self.shared.stats.clone()
    }

    /// Starts answering with `handler`; returns the way in for connections that another process had.
    ///
    /// # Errors
    /// [`ServeError::Spawn`] when a coroutine for accepting is refused.
    pub fn serve(&self, handler: impl Handler) -> Result<Entrance, ServeError> {
        self.serve_shared(Arc::new(handler))
    }

    /// As [`Server::serve`], with a handler that others hold too.
    ///
    /// # Errors
    /// As [`Server::serve`].
    pub fn serve_shared(&self, handler: Arc<dyn Handler>) -> Result<Entrance, ServeError> {
        let entrance = Entrance { shared: self.shared.clone(), handler };
        for port in &self.listeners {
            let acceptor = Acceptor { port: port.clone(), entrance: entrance.clone() };
            supervision::coroutine("accept", move || acceptor.run()).map_err(ServeError::Spawn)?;
        }
        Ok(entrance)
    }

    /// Ends the server: for a moment it goes on and asks every client to come back on another connection, then it
    /// accepts no more, lets requests under way finish for `drain`, and cuts the rest off.
    /// Blocks this thread, so call it from none of the runtime's. Returns how many connections had to be cut
    /// off.
    pub fn shutdown(&self, drain: Duration) -> usize {
        self.shared.enter(LEAVING);
        self.shared.admission.wait_until_none_open(LEAVE_MAX.min(drain));
        self.listeners.iter().for_each(|port| port.listener.last_call());
        self.shared.enter(DRAINING);
        let left = self.shared.admission.wait_until_none_open(drain);
        if left > 0 {
            self.abort();
        }
        left
    }

    fn abort(&self) {
        self.shared.enter(ABORTING);
        self.shared.admission.wait_until_none_open(ABORT_GRACE);
    }

    /// The sockets that it listens on, to be handed to another process. It goes on accepting from them.
    pub fn share_listeners(&self) -> Vec<BorrowedFd<'_>> {
        self.listeners.iter().map(|port| port.listener.share()).collect()
    }

    /// Has every request that needs the store wait, and waits itself until those under way are done, for `timeout` at
    /// most; tells whether they are. Ended by [`Server::resume`] or [`Server::move_out`].
    pub fn hold(&self, timeout: Duration) -> bool {
        self.shared.enter(HOLDING);
        self.shared.moving.wait_until_none_writes(timeout)
    }

    /// Goes on as before [`Server::hold`]: no other process takes over.
    pub fn resume(&self) {
        self.listeners.iter().for_each(|port| port.listener.take_back());
        self.shared.stop_holding();
    }

    /// Gives everything away: accepts no more, has parked requests answered, and hands each connection to `take` once
    /// it is between two requests. What is not there after `timeout` is cut off; returns how many those were. Blocks
    /// this thread.
    pub fn move_out(&self, timeout: Duration, mut take: impl FnMut(Departure)) -> usize {
        let departures = self.shared.moving.begin();
        self.listeners.iter().for_each(|port| port.listener.stop());
        self.shared.enter(MOVING);
        let deadline = Instant::now() + timeout;
        while self.shared.admission.open() > 0 && Instant::now() < deadline {
            if let Ok(departure) = departures.recv_timeout(DEPARTURE_WAIT) {
                take(departure);
            }
        }
        let left = self.shared.admission.open();
        if left > 0 {
            self.abort();
        }
        departures.try_iter().for_each(take);
        left
    }
}

/// The way in: who comes is counted, and served or turned away.
#[derive(Clone)]
pub struct Entrance {
    shared: Arc<ServerShared>,
    handler: Arc<dyn Handler>,
}

/// One listener's coroutine.
struct Acceptor {
    port: Port,
    entrance: Entrance,
}

impl Acceptor {
    /// Accepts until the listener is stopped.
    fn run(self) -> bool {
        let Port { listener, tls } = &self.port;
        let gate = self.entrance.shared.config.gate_of(listener.address());
        let mut accepted = 0;
        loop {
            match listener.accept() {
                Ok(Some((stream, peer))) => {
                    self.entrance.admit((stream, tls.as_ref()), peer, gate, &[]);
                    accepted = (accepted + 1) % ACCEPTED_AT_ONCE;
                    if accepted == 0 {
                        turnstile::wait_at_the_head();
                    }
                }
                Ok(None) => return true,
                Err(error) => self.survive(&error),
            }
        }
    }

    /// Goes on after a failed accept. Most are the failures of one connection; want of descriptors lasts a
    /// while.
    fn survive(&self, error: &io::Error) {
        count(&self.entrance.shared.stats.accept_errors);
        if listen::is_exhaustion(error) {
            runtime::sleep(EXHAUSTION_PAUSE);
        }
    }
}

impl Entrance {
    /// Goes on with a connection of another process.
    ///
    /// # Errors
    /// The operating system's: the connection is broken.
    pub fn take_over(&self, departure: Departure) -> io::Result<()> {
        let (stream, peer) = listen::accepted(departure.socket)?;
        let gate = match (peer, stream.local_address()) {
            (Peer::Unix, _) => Gate::Operators,
            (Peer::Tcp(_), local) => self.shared.config.gate_at(local),
        };
        self.admit((stream, None), peer, gate, &departure.unanswered);
        Ok(())
    }

    fn admit(
        &self,
        (stream, tls): (Stream, Option<&Arc<TlsEndpoint>>),
        peer: Peer,
        gate: Gate,
        unanswered: &[u8],
    ) {
        count(&self.shared.stats.connections_accepted);
        let admitted = self.shared.admission.admit(peer, gate, &self.shared.config);
        let served = match admitted {
            Ok(permit) => match tls {
                None => self.start(Link::plain(stream), (peer, gate), permit, unanswered),
                // A session that cannot be had is logged.
                Some(tls) => Link::secure(stream, tls, peer)
                    .map_or(Ok(()), |link| self.start(link, (peer, gate), permit, unanswered)),
            },
            Err(fault) => {
                self.turn_away(stream, tls.is_some(), peer, fault);
                count(&self.shared.stats.connections_refused);
                Ok(())
            }
        };
        if let Err(error) = served {
            count(&self.shared.stats.connections_refused);
            log::warn!("connection from {peer} dropped: {error}");
        }
    }

    fn start(
        &self,
        link: Link,
        (peer, gate): (Peer, Gate),
        permit: ConnectionPermit,
        unanswered: &[u8],
    ) -> Result<(), SpawnError> {
        let number = self.shared.next_connection_number();
        let (shared, handler) = (self.shared.clone(), self.handler.clone());
        let only_vital = permit.only_vital();
        let open = Open::enter(shared.stats.clone(), permit);
        // On the heap: on its way to where it runs, the stack would hold it more than once.
        let mut connection = Box::new(Connection::new(link, peer, number, shared, handler, only_vital));
        connection.transport.is_operators = gate == Gate::Operators;
        connection.transport.input.append(unanswered);
        runtime::spawn("connection", move || {
            let _open = open;
            connection.run();
        })
    }

    /// Tells a client at the door why it is not let in. A fresh socket has room for this much, so nothing waits. Where
    /// TLS is spoken it would have to be shaken hands with first, and just finds the connection closed.
    fn turn_away(&self, mut stream: Stream, is_secure: bool, peer: Peer, fault: RequestFault) {
        let config = &self.shared.config;
        let sentence = config.sentence_of(fault, config.body_bound());
        self.shared.stats.refusals.note(fault.status, &sentence, peer, " a connection");
        if is_secure {
            return;
        }
        let (status, length) = (fault.status, sentence.len());
        let text = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {TEXT}\r\nContent-Length: {length}\r\n\
             X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Connection: close\r\n\r\n{sentence}",
            reason(status)
        );
        // If the client is gone already, the refusal is lost.
        let _ = stream.write_vectored(&[IoSlice::new(text.as_bytes())]);
    }
}

/// Counts a connection as open while it lives, however it ends.
struct Open {
    stats: Arc<ServerStats>,
    _permit: ConnectionPermit,
}

impl Open {
    fn enter(stats: Arc<ServerStats>, permit: ConnectionPermit) -> Open {
        count(&stats.connections_open);
        Open { stats, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.stats.connections_open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum ServeError {
    /// An address could not be bound.
    Bind(BindError),
    /// No thread for compression.
    Thread(io::Error),
    /// No coroutine for accepting.
    Spawn(SpawnError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Bind(error) => error.fmt(f),
            ServeError::Thread(error) => {
                write!(f, "no thread for compression: {error}; raise the limit of tasks")
            }
            ServeError::Spawn(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Bind(error) => Some(error),
            ServeError::Thread(error) => Some(error),
            ServeError::Spawn(error) => Some(error),
        }
    }
}
