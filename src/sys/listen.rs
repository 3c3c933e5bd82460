//! Listening sockets: binding an address so that a double start is refused, and accepting.
//!
//! It knows TCP and Unix sockets, and nothing of what is spoken over them.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use may::io::WaitIoWaker;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::sys::reaper;
use crate::sys::registered::Registered;
use crate::sys::stream::Stream;

/// Connections the kernel holds for us before we accept them. The kernel cuts it to `net.core.somaxconn`,
/// 4096 by default; a burst of reconnecting clients beyond it waits a second for its next try.
const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IPv4 or IPv6 address; port 0 takes any free one.
    Tcp(SocketAddr),
    /// The path of a Unix socket. A stale socket file is replaced, a live one is an error.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix://{}", path.display()),
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
    address: ListenAddress,
    stopped: AtomicBool,
}

impl Listener {
    /// Binds `address`, without sharing its port with another process.
    ///
    /// # Errors
    /// [`BindError`], naming the address and the remedy.
    pub fn bind(address: &ListenAddress) -> Result<Listener, BindError> {
        let bound = match address {
            ListenAddress::Tcp(tcp) => bind_tcp(*tcp),
            ListenAddress::Unix(path) => bind_unix(path),
        };
        let failed = |cause| BindError { address: address.clone(), cause };
        let (socket, address) = bound.map_err(failed)?;
        let socket = Arc::new(Registered::new(socket).map_err(failed)?);
        Ok(Listener { socket, address, stopped: AtomicBool::new(false) })
    }

    /// Where it listens, with the port the kernel chose.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Waits for the next connection; `None` once [`Listener::stop`] was called. Call it from a coroutine.
    ///
    /// # Errors
    /// The operating system's: out of descriptors or memory, or a connection that broke while it was
    /// accepted.
    pub fn accept(&self) -> io::Result<Option<(Stream, Peer)>> {
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Ok(None);
            }
            match self.socket.accept() {
                Ok((socket, from)) => {
                    let peer = from.as_socket().map_or(Peer::Unix, Peer::Tcp);
                    if matches!(peer, Peer::Tcp(_)) {
                        socket.set_tcp_nodelay(true)?;
                    }
                    return Stream::new(socket).map(|stream| Some((stream, peer)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.wait_io();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the present and every later [`Listener::accept`], from any thread. New clients are refused from
    /// now on, and the address is free.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Fails only when it was shut down before.
        let _ = self.socket.shutdown(Shutdown::Both);
        let waker: WaitIoWaker = self.socket.waker();
        waker.wakeup();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
        reaper::bury(self.socket.clone());
        if let ListenAddress::Unix(path) = &self.address {
            // Best effort: a stale file is replaced at the next start anyway.
            let _ = fs::remove_file(path);
        }
    }
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

fn bind_tcp(address: SocketAddr) -> io::Result<(Socket, ListenAddress)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for old connections to leave TIME_WAIT. SO_REUSEPORT stays off: with it, a
    // second server on the port would start and take half of the connections.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, ListenAddress::Tcp(bound)))
}

fn bind_unix(path: &Path) -> io::Result<(Socket, ListenAddress)> {
    let address = SockAddr::unix(path)?;
    remove_stale(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&address)?;
    socket.listen(BACKLOG)?;
    Ok((socket, ListenAddress::Unix(path.to_owned())))
}

/// Removes the socket file of a server that is gone. A file of another kind is left alone, and the bind then
/// fails.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        _ => return Ok(()),
    }
    match Socket::new(Domain::UNIX, Type::STREAM, None)?.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(_) | Ok(()) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// The address as configured.
    pub address: ListenAddress,
    /// What the operating system said.
    pub cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.cause.kind() {
            io::ErrorKind::AddrInUse => "another process listens there; stop it or choose another address",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address; check the configured host",
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
    use crate::sys::runtime;

    fn loopback() -> ListenAddress {
        ListenAddress::Tcp("127.0.0.1:0".parse().unwrap())
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
        let address = ListenAddress::Unix(directory.path().join("http.sock"));
        let ListenAddress::Unix(path) = &address else { unreachable!() };
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
