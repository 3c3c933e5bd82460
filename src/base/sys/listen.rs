//! Listening sockets: binding an address so that a double start is refused, and accepting.
//!
//! It knows TCP and Unix sockets, and nothing of what is spoken over them.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use may::io::WaitIoWaker;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::base::sys::deadline_timer;
use crate::base::sys::registered::Registered;
use crate::base::sys::stream::Stream;

/// Connections the kernel holds for us before we accept them. The kernel cuts it to `net.core.somaxconn`,
/// 4096 by default; a burst of reconnecting clients beyond it waits a second for its next try.
const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// An IPv4 or IPv6 address; port 0 takes any free one.
    Tcp(SocketAddr),
    /// The path of a Unix socket. A stale socket file is replaced, a live one is an error.
    Unix(PathBuf),
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindAddress::Tcp(address) => address.fmt(f),
            BindAddress::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client's address.
    Tcp(SocketAddr),
    /// A process on this machine, over a Unix socket.
    Unix,
}

impl Peer {
    /// The client's IP address; none over a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(address) => Some(address.ip()),
            Peer::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(address) => address.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}

/// A bound socket that accepts connections.
pub struct Listener {
    socket: Arc<Registered>,
    address: BindAddress,
    phase: AtomicU8,
    /// Whether another process had it before, and holds it still.
    is_inherited: bool,
    /// Whether it was handed to another process.
    is_handed: AtomicBool,
}

/// It accepts every connection.
const OPEN: u8 = 0;
/// It accepts the connections that wait, and then no more.
const LAST_CALL: u8 = 1;
/// It accepts no connection.
const STOPPED: u8 = 2;

impl Listener {
    /// Binds `address`, without sharing its port with another process.
    ///
    /// # Errors
    /// [`BindError`], naming the address and the remedy.
    pub fn bind(address: &BindAddress) -> Result<Listener, BindError> {
        let bound = match address {
            BindAddress::Tcp(tcp) => bind_tcp(*tcp),
            BindAddress::Unix(path) => bind_unix(path),
        };
        let failed = |cause| BindError { address: address.clone(), cause };
        let (socket, address) = bound.map_err(failed)?;
        Listener::on(socket, address, false).map_err(failed)
    }

    /// Whether `address` can be bound now. No connection is accepted, and it is free again afterwards.
    ///
    /// # Errors
    /// As [`Listener::bind`].
    pub fn try_out(address: &BindAddress) -> Result<(), BindError> {
        let tried = match address {
            BindAddress::Tcp(tcp) => bound_tcp(*tcp).map(drop),
            BindAddress::Unix(path) => SockAddr::unix(path).and_then(|at| match is_live(path, &at)? {
                true => Err(io::ErrorKind::AddrInUse.into()),
                false => Ok(()),
            }),
        };
        tried.map_err(|cause| BindError { address: address.clone(), cause })
    }

    /// Goes on with a socket that listens already and that another process holds as well.
    ///
    /// # Errors
    /// The operating system's; `InvalidInput` when it is no TCP or Unix socket, or does not listen.
    pub fn adopt(socket: OwnedFd) -> io::Result<Listener> {
        let socket = Socket::from(socket);
        if !rustix::net::sockopt::socket_acceptconn(&socket)? {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let address = bound_address(&socket)?;
        Listener::on(socket, address, true)
    }

    fn on(socket: Socket, address: BindAddress, is_inherited: bool) -> io::Result<Listener> {
        let socket = Arc::new(Registered::new(socket)?);
        let (phase, is_handed) = (AtomicU8::new(OPEN), AtomicBool::new(false));
        Ok(Listener { socket, address, phase, is_inherited, is_handed })
    }

    /// Its socket, to be handed to another process; from now on it counts as shared.
    pub fn share(&self) -> BorrowedFd<'_> {
        self.is_handed.store(true, Ordering::Release);
        self.socket.as_fd()
    }

    /// It is this process's own again: the process that it was handed to has ended.
    pub fn take_back(&self) {
        self.is_handed.store(false, Ordering::Release);
    }

    /// Whether another process holds the socket as well: a supervisor, or the one that it was handed to. Then it is
    /// never shut down, for that would end it for all, and its file stays.
    fn is_shared(&self) -> bool {
        self.is_inherited || self.is_handed.load(Ordering::Acquire)
    }

    /// Where it listens, with the port the kernel chose.
    pub fn address(&self) -> &BindAddress {
        &self.address
    }

    /// Waits for the next connection; `None` once [`Listener::stop`] was called, or no connection is left after
    /// [`Listener::last_call`]. Call it from a coroutine.
    ///
    /// # Errors
    /// The operating system's: out of descriptors or memory, or a connection that broke while it was
    /// accepted.
    pub fn accept(&self) -> io::Result<Option<(Stream, Peer)>> {
        loop {
            let phase = self.phase.load(Ordering::Acquire);
            if phase == STOPPED {
                return Ok(None);
            }
            match self.socket.accept() {
                Ok((socket, from)) => return connected(socket, &from).map(Some),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if phase == LAST_CALL {
                        self.stop();
                        return Ok(None);
                    }
                    self.socket.wait_io();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Has [`Listener::accept`] give those who are there already, and then end as after [`Listener::stop`]: who was
    /// let into the kernel's queue would be reset otherwise. A shared socket ends at once, for others serve its queue.
    pub fn last_call(&self) {
        self.enter(if self.is_shared() { STOPPED } else { LAST_CALL });
    }

    /// Ends the present and every later [`Listener::accept`], from any thread. New clients are refused from
    /// now on and the address is free, unless the socket is shared.
    pub fn stop(&self) {
        if !self.is_shared() {
            // Fails only when it was shut down before.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        self.enter(STOPPED);
    }

    fn enter(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::AcqRel);
        let waker: WaitIoWaker = self.socket.waker();
        waker.wakeup();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
        deadline_timer::close_later(self.socket.clone());
        if let BindAddress::Unix(path) = &self.address
            && !self.is_shared()
        {
            // Best effort: a stale file is replaced at the next start anyway.
            let _ = fs::remove_file(path);
        }
    }
}

/// A connection that was accepted elsewhere.
///
/// # Errors
/// The operating system's: it is broken by now.
pub fn accepted(socket: OwnedFd) -> io::Result<(Stream, Peer)> {
    let socket = Socket::from(socket);
    let from = socket.peer_addr()?;
    connected(socket, &from)
}

fn connected(socket: Socket, from: &SockAddr) -> io::Result<(Stream, Peer)> {
    let peer = from.as_socket().map_or(Peer::Unix, Peer::Tcp);
    if matches!(peer, Peer::Tcp(_)) {
        socket.set_tcp_nodelay(true)?;
    }
    Ok((Stream::new(socket)?, peer))
}

/// Whether an error of [`Listener::accept`] means that descriptors or memory have run out, so that trying
/// again at once would spin.
pub fn is_exhaustion(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOSPC: i32 = 28;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOSPC | ENOBUFS))
}

/// Where a socket that listens already does so.
fn bound_address(socket: &Socket) -> io::Result<BindAddress> {
    let address = socket.local_addr()?;
    if let Some(tcp) = address.as_socket() {
        return Ok(BindAddress::Tcp(tcp));
    }
    let path = address.as_pathname().map(|path| BindAddress::Unix(path.to_owned()));
    path.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<(Socket, BindAddress)> {
    let socket = bound_tcp(address)?;
    socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, BindAddress::Tcp(bound)))
}

fn bound_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for old connections to leave TIME_WAIT. SO_REUSEPORT stays off: with it, a
    // second server on the port would start and take half of the connections.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn bind_unix(path: &Path) -> io::Result<(Socket, BindAddress)> {
    let address = SockAddr::unix(path)?;
    remove_stale(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    socket.listen(BACKLOG)?;
    Ok((socket, BindAddress::Unix(path.to_owned())))
}

/// Removes the socket file of a server that is gone. A file of another kind is left alone, and the bind then
/// fails.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    match is_live(path, address)? {
        true => Err(io::ErrorKind::AddrInUse.into()),
        false if is_socket(path) => fs::remove_file(path),
        false => Ok(()),
    }
}

/// Whether there is a socket file behind which a process listens, or may.
fn is_live(path: &Path, address: &SockAddr) -> io::Result<bool> {
    if !is_socket(path) {
        return Ok(false);
    }
    let connected = Socket::new(Domain::UNIX, Type::STREAM, None)?.connect(address);
    Ok(connected.map_or_else(|error| error.kind() != io::ErrorKind::ConnectionRefused, |()| true))
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// The address as configured.
    pub address: BindAddress,
    /// What the operating system said.
    pub cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.cause.kind() {
            io::ErrorKind::AddrInUse => {
                "another process listens there, or a connection from that port is not over: `ss -tan` shows it; stop \
                 it, wait a minute or choose another address"
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; check the configured host",
            io::ErrorKind::NotFound => "the directory of the socket is not there; make it",
            io::ErrorKind::PermissionDenied => "ports below 1024 and foreign directories need more rights",
            _ => "check the address",
        };
        write!(f, "cannot listen on {}: {} ({remedy})", self.address, self.cause)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sys::runtime;

    fn loopback() -> BindAddress {
        BindAddress::Tcp("127.0.0.1:0".parse().unwrap())
    }

    #[test]
    fn a_port_is_not_shared() {
        runtime::start(2);
        let first = Listener::bind(&loopback()).unwrap();
        let error = Listener::bind(first.address()).err().expect("the port is taken");
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("another process listens there"), "{error}");
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        runtime::start(2);
        let directory = tempfile::tempdir().unwrap();
        let address = BindAddress::Unix(directory.path().join("http.sock"));
        let BindAddress::Unix(path) = &address else { unreachable!() };
        drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        assert!(path.exists(), "std leaves the file behind: it is stale now");
        let live = Listener::bind(&address).unwrap();
        let error = Listener::bind(&address).err().expect("the socket is live");
        assert_eq!(error.cause.kind(), io::ErrorKind::AddrInUse);
        drop(live);
        assert!(!path.exists());
        fs::write(path, "not a socket").unwrap();
        assert!(Listener::bind(&address).is_err());
        assert_eq!(fs::read(path).unwrap(), b"not a socket");
    }
}
