//! Looking names up without blocking a worker, and without one silent name server holding up the names of others.
//!
//! Addresses, the names of the hosts file and `localhost` are answered at once; everything else by the system's own
//! lookup, on a few threads that start when they are needed. [`lookups`] decides who has them.

mod lookups;
mod hosts;
mod services;

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use dns_lookup::{AddrInfoHints, LookupErrorKind, getaddrinfo};
use parking_lot::{Condvar, Mutex, RwLock};

use crate::base::stdx::network;
use crate::base::sys::file;
use crate::base::sys::offload::Offload;
use crate::base::sys::oneshot::{Sender, oneshot};
use crate::base::sys::recall::RecallableDeadline;
use crate::base::sys::runtime;
use crate::node::probe::dial_error::DialError;
use crate::node::probe::names::hosts::Hosts;
use crate::node::probe::names::lookups::{KnownAddresses, LOOKUPS_MAX, LookupTable, Resolution};
use crate::node::probe::names::services::Services;

/// Files that may wait to be read.
const FILES_WAITING_MAX: usize = 100;

/// Least time between two looks whether the hosts file has changed.
const HOSTS_LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a new answer is waited for when there is an older one.
const STALE_AFTER: Duration = Duration::from_millis(500);

/// How long a thread without work stays.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How often a thread looks whether a slot has come free while names wait for one.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `SOCK_STREAM`: one answer for each address, instead of one for each kind of socket.
const STREAM: i32 = 1;

/// A run that waits for a name. Taken by the first of two: the answer, or the recall of the run.
type Waiter = Arc<Mutex<Option<Sender<Resolution>>>>;

/// The operating system's resolver, on threads of its own. Clones share everything.
#[derive(Clone)]
pub struct Names {
    shared: Arc<Shared>,
    services: Arc<Services>,
    files: Offload,
}

struct Shared {
    table: Mutex<LookupTable<Waiter>>,
    /// Rung when a name waits.
    wake: Condvar,
    /// Threads that live; those of them without work.
    threads: AtomicUsize,
    idle: AtomicUsize,
    hosts: RwLock<HostsFile>,
}

#[derive(Default)]
struct HostsFile {
    hosts: Arc<Hosts>,
    /// The file's length and time of change when it was read.
    version: Option<(u64, SystemTime)>,
    looked_at: Option<Instant>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Reads the files with names of hosts and ports. Threads for lookups start with the first of them.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn new() -> io::Result<Names> {
        let shared = Shared {
            table: Mutex::default(),
            wake: Condvar::new(),
            threads: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            hosts: RwLock::default(),
        };
        // Without the file there are the usual names.
        let services = file::read_text(Path::new(services::PATH), file::LIST_BYTES_MAX);
        let services = Services::parse(&services.unwrap_or_default());
        let files = Offload::new("files", 1, FILES_WAITING_MAX)?;
        let names = Names { shared: Arc::new(shared), services: Arc::new(services), files };
        names.shared.read_hosts();
        names.shared.hosts.write().looked_at = Some(Instant::now());
        Ok(names)
    }

    /// `host:port` in its parts; the port may be a name, as that of `localhost:http`. An IPv6 address stands in
    /// brackets.
    pub fn split<'a>(&self, address: &'a str) -> Option<(&'a str, u16)> {
        let (host, port) = network::host_and_port(address)?;
        Some((host, self.services.port(port)?))
    }

    /// A thread for reading files.
    pub fn files(&self) -> &Offload {
        &self.files
    }

    /// All addresses of `host` (a name, or an address, then without a lookup) with `port`.
    ///
    /// # Errors
    /// A [`DialError`] about the name. There is at least one address otherwise.
    pub fn resolve(
        &self,
        host: &str,
        port: u16,
        until: &RecallableDeadline,
    ) -> Result<Vec<SocketAddr>, DialError> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A zone by its number, as `fe80::1%2`; one by its name is looked up.
        if let Some(Ok(address)) = bare.contains('%').then(|| format!("[{bare}]:{port}").parse()) {
            return Ok(vec![address]);
        }
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
        if let Some(addresses) = self.hosts().addresses(&name) {
            return Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect());
        }
        let host = bare.to_owned();
        match self.look_up(&name, until) {
            Some(Resolution::Addresses(addresses)) => Ok(addresses
                .into_iter()
                .map(|mut address| {
                    address.set_port(port);
                    address
                })
                .collect()),
            Some(Resolution::NoSuchName) => Err(DialError::UnknownName { host }),
            Some(Resolution::Silence) if until.is_over() => Err(DialError::NameTimeout { host }),
            Some(Resolution::Silence) => Err(DialError::NameServer { host }),
            None => Err(DialError::NamesBusy { host }),
        }
    }

    /// The names of the hosts file, at most a second old; a newer one is read beside.
    fn hosts(&self) -> Arc<Hosts> {
        let (hosts, looked_at) = {
            let file = self.shared.hosts.read();
            (file.hosts.clone(), file.looked_at)
        };
        let now = Instant::now();
        if looked_at.is_none_or(|at| now.saturating_duration_since(at) >= HOSTS_LOOK_EVERY) {
            self.shared.hosts.write().looked_at = Some(now);
            let shared = self.shared.clone();
            // Where it has no room, the next question looks.
            let _ = self.files.post(move || shared.read_hosts());
        }
        hosts
    }

    /// The answer about a name; `None` when too many wait.
    fn look_up(&self, name: &str, until: &RecallableDeadline) -> Option<Resolution> {
        let (sender, receiver) = oneshot();
        let waiter: Waiter = Arc::new(Mutex::new(Some(sender)));
        let known = {
            let mut table = self.shared.table.lock();
            table.look_up(name, Instant::now(), until.deadline, || waiter.clone())
        };
        self.shared.wake_or_start_thread();
        let (wait, former) = match known {
            KnownAddresses::Answer(answer) => return Some(answer),
            KnownAddresses::Full => return None,
            KnownAddresses::Wait => (until.left(), None),
            KnownAddresses::WaitOr(former) => (until.left().min(STALE_AFTER), Some(former)),
        };
        until.recall.on_ask(move || drop(waiter.lock().take()));
        let answer = receiver.recv_timeout(wait);
        Some(answer.unwrap_or_else(|_| former.map_or(Resolution::Silence, Resolution::Addresses)))
    }
}

impl Shared {
    /// Wakes or starts a thread if there is something to do.
    fn wake_or_start_thread(self: &Arc<Shared>) {
        if !self.table.lock().has_waiting() {
            return;
        }
        if self.idle.load(Ordering::SeqCst) > 0 {
            self.wake.notify_one();
            return;
        }
        // One more than may look something up: it waits for a free slot.
        if self.threads.fetch_add(1, Ordering::SeqCst) > LOOKUPS_MAX {
            self.threads.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let shared = self.clone();
        if let Err(error) = runtime::thread("names", move || shared.work()) {
            self.threads.fetch_sub(1, Ordering::SeqCst);
            log::warn!("a name is looked up later: the system gives no thread: {error}");
        }
    }

    /// Looks names up until there were none for a while.
    fn work(self: Arc<Shared>) {
        let mut table = self.table.lock();
        loop {
            if let Some(name) = table.next(Instant::now()) {
                drop(table);
                // Others may wait, and this thread may be away for long.
                self.wake_or_start_thread();
                let answer = system_lookup(&name);
                table = self.table.lock();
                let (waiting, resolution) = table.end(&name, answer, Instant::now());
                for sender in waiting.iter().filter_map(|waiter| waiter.lock().take()) {
                    sender.send(resolution.clone());
                }
                continue;
            }
            let pause = if table.has_waiting() { LOOK_EVERY } else { IDLE_MAX };
            self.idle.fetch_add(1, Ordering::SeqCst);
            let is_over = self.wake.wait_for(&mut table, pause).timed_out();
            self.idle.fetch_sub(1, Ordering::SeqCst);
            if is_over && pause == IDLE_MAX && !table.has_waiting() {
                self.threads.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        }
    }

    /// Reads the hosts file if it has changed. Blocks.
    fn read_hosts(&self) {
        let version = fs::metadata(hosts::PATH).and_then(|it| Ok((it.len(), it.modified()?))).ok();
        if version == self.hosts.read().version {
            return;
        }
        let read = file::read(Path::new(hosts::PATH), file::LIST_BYTES_MAX);
        let bytes = read.unwrap_or_else(|error| {
            log::warn!("names of {} are not known: {error}", hosts::PATH);
            Vec::new()
        });
        let hosts = Arc::new(Hosts::parse(&String::from_utf8_lossy(&bytes)));
        let mut file = self.hosts.write();
        file.hosts = hosts;
        file.version = version;
    }
}

/// Asks the system. Blocks, for half a minute if no name server answers.
fn system_lookup(name: &str) -> Resolution {
    let hints = AddrInfoHints { socktype: STREAM, ..AddrInfoHints::default() };
    match getaddrinfo(Some(name), None, Some(hints)) {
        Ok(found) => {
            let addresses: Vec<SocketAddr> = found.filter_map(Result::ok).map(|it| it.sockaddr).collect();
            if addresses.is_empty() { Resolution::NoSuchName } else { Resolution::Addresses(addresses) }
        }
        Err(error) => match error.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => Resolution::NoSuchName,
            _ => Resolution::Silence,
        },
    }
}
