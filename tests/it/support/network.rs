//! A network of a test's own: it has loopback and nothing else, so that nothing leaves it, addresses that the test gives
//! it, and a hosts file. What is on its wire can be looked at. Needs root and `ip` (iproute2).

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Protocol, Socket, Type};

/// Every protocol (`ETH_P_ALL`), in the order of bytes of the network.
const ALL_PROTOCOLS: i32 = 0x0003_u16.to_be() as i32;

/// Bytes before the packet: two link addresses and the kind.
const LINK_HEADER_BYTES: usize = 14;

/// How long it may take until the watching of a wire ends.
const LOOK: Duration = Duration::from_millis(50);

/// Runs `work` on a thread whose network, and that of every process and thread begun by it, has loopback alone, with
/// `addresses` on it; `hosts` is added to what they read as `/etc/hosts`.
///
/// # Errors
/// A sentence when this machine or user may not have one.
pub fn apart<T: Send>(addresses: &[&str], hosts: &str, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let own = scope.spawn(|| {
            let _hosts = set_up(addresses, hosts)?;
            Ok(work())
        });
        own.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// What was tried, unless this machine has no such networks; then the test is passed over.
pub fn or_skipped(tried: Result<(), String>) {
    match tried {
        Ok(()) => {}
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no network: {reason}"),
        Err(reason) => eprintln!("skipped: no network of its own to be had: {reason}"),
    }
}

fn set_up(addresses: &[&str], hosts: &str) -> Result<tempfile::NamedTempFile, String> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).map_err(|error| error.to_string())?;
    run("mount", &["--make-rprivate", "/"])?;
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let text = fs::read_to_string("/etc/hosts").unwrap_or_default();
    fs::write(file.path(), format!("{text}\n{hosts}")).map_err(|error| error.to_string())?;
    run("mount", &["--bind", &file.path().display().to_string(), "/etc/hosts"])?;
    run("ip", &["link", "set", "lo", "up"])?;
    addresses.iter().try_for_each(|address| run("ip", &["address", "add", address, "dev", "lo"]))?;
    Ok(file)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("`{program} {}`: {said}", arguments.join(" ")))
}

/// A connection to `server` from an address of this network.
pub fn connect_from(own: &str, server: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket");
    let own: IpAddr = own.parse().expect("an address");
    socket.bind(&SocketAddr::new(own, 0).into()).expect("an address of this network");
    socket.connect(&server.into()).expect("it listens");
    socket.into()
}

/// What is on the wire of the present thread's network.
pub struct Wire {
    is_over: Arc<AtomicBool>,
    reading: JoinHandle<BTreeSet<IpAddr>>,
}

impl Wire {
    /// Looks from now on.
    pub fn watch() -> Wire {
        let kind = Type::from(nix::libc::SOCK_RAW);
        let mut socket =
            Socket::new(Domain::PACKET, kind, Some(Protocol::from(ALL_PROTOCOLS))).expect("root may look");
        socket.set_read_timeout(Some(LOOK)).expect("a timeout above zero");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let reading = thread::spawn(move || {
            let (mut seen, mut frame) = (BTreeSet::new(), vec![0; 1 << 16]);
            // What came before the end is read before it is believed.
            loop {
                let was_over = over.load(Ordering::Acquire);
                match socket.read(&mut frame) {
                    Ok(length) => seen.extend(destination(&frame[..length])),
                    Err(_) if was_over => return seen,
                    Err(_) => {}
                }
            }
        });
        Wire { is_over, reading }
    }

    /// Every address that something was sent to.
    pub fn destinations(self) -> BTreeSet<IpAddr> {
        self.is_over.store(true, Ordering::Release);
        self.reading.join().expect("it does not panic")
    }
}

/// Whom a frame is for; `None` for what is of neither version of IP.
fn destination(frame: &[u8]) -> Option<IpAddr> {
    let packet = frame.get(LINK_HEADER_BYTES..)?;
    match packet.first()? >> 4 {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?).into()),
        6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?).into()),
        _ => None,
    }
}
