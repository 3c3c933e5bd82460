//! The bounds of the server, each with its default and its reason.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::base::sys::budget::{self, Budget};
use crate::base::sys::limits;
use crate::base::sys::listen::BindAddress;
use crate::net::http::door::Door;
use crate::net::http::fault::{self, RequestFault};

/// Descriptors kept back from connections: the store, logs, probes, the runtime's own, and the places of operators and
/// of vital questions.
const DESCRIPTORS_RESERVED: usize = 256;

/// Connections of one process at most, however many descriptors there are: each takes a coroutine, and probes
/// need some of `runtime::COROUTINES_MAX` too.
const CONNECTIONS_CEILING: usize = 24_000;

/// Bytes that a connection takes while it waits: mostly pages of its stack, and what the kernel keeps of it.
const CONNECTION_BYTES: u64 = 16 * 1024;

/// What a [`Server`](super::Server) allows. Every duration is kept to a tenth of a second, late rather than
/// early.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections open at once; one more is answered 503. More than the descriptors allow would starve the
    /// store.
    pub connections_max: usize,
    /// Connections open at once from one IP address; one more is answered 429. Loopback is exempt, for
    /// everything on this machine shares it. 200 is what Consul allows.
    pub connections_per_ip_max: usize,
    /// Bytes of a request line; longer is 414. Common proxies stop at 8 KiB too.
    pub request_line_bytes_max: usize,
    /// Bytes of a whole request head, at most 60,000; longer is 431. Cookies of a browser fit 32 KiB.
    pub head_bytes_max: usize,
    /// Bytes of a request body unless the handler says otherwise; longer is 413. Held in memory for every
    /// connection.
    pub body_bytes_max: usize,
    /// From the first byte of a head (or from the start of a connection) to its last; later is 408.
    pub head_timeout: Duration,
    /// From the end of the head to the last byte of the body; later is 408.
    pub body_timeout: Duration,
    /// Between requests of a kept connection; then it is closed. Longer than the pools of common clients (60
    /// s), so that it is they who close.
    pub idle_timeout: Duration,
    /// Without any progress of a write; then the connection is closed. A client that does not read holds its
    /// response.
    pub write_timeout: Duration,
    /// Bytes a second that a client must read of an answer on average, and send of a body that a handler reads itself,
    /// once the timeout of either is used up in waiting; 0 for any.
    pub rate_bytes_min: usize,
    /// The account of bytes that clients make the server hold.
    pub budget: &'static Budget,
    /// Addresses for operators, whose connections find a place when all others are taken.
    pub operators: Vec<BindAddress>,
    /// How long a refused request's remaining bytes are read and dropped, so that the refusal is not lost to
    /// a reset.
    pub linger_timeout: Duration,
    /// Smallest body worth compressing. Below it the response fits one packet either way.
    pub gzip_bytes_min: usize,
    /// Largest body compressed on the connection's own thread, about 0.3 ms; larger go to threads of their
    /// own.
    pub gzip_inline_bytes_max: usize,
    /// Threads for compression of large bodies.
    pub gzip_threads: usize,
    /// Whose requests are let in.
    pub door: Arc<Door>,
}

/// How many bytes a request's body may have, and who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBound {
    /// So many, and one more is answered 413.
    pub bytes_max: usize,
    /// The setting that says so, for the sentence.
    pub setting: &'static str,
    /// Whether the handler reads the body itself, with [`Exchange::read_body`](super::Exchange::read_body), rather than
    /// have it in memory. What it leaves unread ends the connection.
    pub is_read_by_handler: bool,
}

impl BodyBound {
    /// What the client of a longer body is answered.
    pub(crate) fn sentence(&self) -> String {
        let BodyBound { bytes_max, setting, .. } = self;
        format!("{} {setting} allows {bytes_max} bytes.", fault::BODY_TOO_LARGE.sentence)
    }
}

/// For whom the address is that a client connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// An address for all clients.
    Common,
    /// A Unix socket, or an address for operators.
    Operators,
}

impl ServerConfig {
    /// The bound of a body for which the handler names no other.
    pub(crate) fn body_bound(&self) -> BodyBound {
        let (bytes_max, setting) = (self.body_bytes_max, "limits.body_bytes_max");
        BodyBound { bytes_max, setting, is_read_by_handler: false }
    }

    /// Whom an address is for: operators come by those that are set apart for them, and by Unix sockets, which only
    /// this machine can reach.
    pub(crate) fn gate_of(&self, address: &BindAddress) -> Gate {
        match address {
            BindAddress::Unix(_) => Gate::Operators,
            address if self.operators.contains(address) => Gate::Operators,
            BindAddress::Tcp(_) => Gate::Common,
        }
    }

    /// As [`ServerConfig::gate_of`], of the address at which a TCP client has reached this server.
    pub(crate) fn gate_at(&self, local: Option<SocketAddr>) -> Gate {
        let is_at = |address: &BindAddress| match (address, local) {
            (BindAddress::Tcp(tcp), Some(local)) => {
                tcp.port() == local.port() && (tcp.ip() == local.ip() || tcp.ip().is_unspecified())
            }
            _ => false,
        };
        if self.operators.iter().any(is_at) { Gate::Operators } else { Gate::Common }
    }

    /// The sentence of a refusal as its client gets it. Where a bound was passed, it names the bound and the setting;
    /// `body` is the bound of the request's body.
    #[inline(never)]
    pub(crate) fn sentence_of(&self, fault: RequestFault, body: BodyBound) -> Cow<'static, str> {
        let bytes = |setting: &str, bytes: usize| format!("{setting} allows {bytes} bytes");
        let time = |setting: &str, time: Duration| format!("{setting} allows {time:?}");
        let count = |setting: &str, count: usize| format!("{setting} allows {count}");
        let remedy = match fault {
            fault::BODY_TOO_LARGE => return Cow::Owned(body.sentence()),
            fault::HEAD_TOO_LARGE => bytes("limits.head_bytes_max", self.head_bytes_max),
            fault::LINE_TOO_LONG => format!("It may have {} bytes", self.request_line_bytes_max),
            fault::HEAD_TIMEOUT => time("limits.head_timeout", self.head_timeout),
            fault::BODY_TIMEOUT => time("limits.body_timeout", self.body_timeout),
            fault::CONNECTIONS_EXHAUSTED => {
                format!(
                    "limits.connections_max, the limit of open files and the memory allow {}",
                    self.connections_max
                )
            }
            fault::CONNECTIONS_OF_CLIENT_EXHAUSTED => {
                count("limits.connections_per_ip_max", self.connections_per_ip_max)
            }
            _ => return Cow::Borrowed(fault.sentence),
        };
        Cow::Owned(format!("{} {remedy}.", fault.sentence))
    }

    /// Most connections that fit into so many descriptors, with some of these kept back.
    pub fn connections_within(descriptors: usize) -> usize {
        descriptors.saturating_sub(DESCRIPTORS_RESERVED).clamp(16, CONNECTIONS_CEILING)
    }

    /// Most connections whose stacks and buffers fit into an eighth of so many bytes of memory.
    pub fn connections_within_memory(memory_bytes: u64) -> usize {
        usize::try_from(memory_bytes / 8 / CONNECTION_BYTES).unwrap_or(usize::MAX).max(16)
    }
}

impl Default for ServerConfig {
    fn default() -> ServerConfig {
        ServerConfig {
            connections_max: ServerConfig::connections_within(limits::open_files_max()),
            connections_per_ip_max: 200,
            request_line_bytes_max: 8 * 1024,
            head_bytes_max: 32 * 1024,
            body_bytes_max: 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(20),
            rate_bytes_min: 4 * 1024,
            budget: budget::process(),
            operators: Vec::new(),
            linger_timeout: Duration::from_secs(1),
            gzip_bytes_min: 512,
            gzip_inline_bytes_max: 32 * 1024,
            gzip_threads: 1,
            door: Arc::default(),
        }
    }
}
