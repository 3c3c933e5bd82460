//! The least that a crowd of watchers can be told with: `bare PORT FILE`.
//!
//! Two threads with an epoll each, and for a change one `write` of prepared bytes to each connection that waits. It knows
//! one service, whose answer is in FILE and says `"change":"0"`, and keeps nothing. What muster takes beyond this is its
//! own; this much is the machine's.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const THREADS: usize = 2;
const EVENTS: usize = 1024;

/// The name under which a thread's bell is in its epoll; connections have others.
const BELL: u64 = 0;

/// What both threads know.
struct Shared {
    body: String,
    /// The number of the last change. The index is one more, so that it is never 0.
    change: AtomicU64,
    threads: Vec<Thread>,
}

struct Thread {
    epoll: OwnedFd,
    bell: OwnedFd,
    connections: Mutex<HashMap<u64, Connection>>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    waits: Option<Manner>,
}

/// How a connection that waits is told.
#[derive(Clone, Copy)]
enum Manner {
    Answer,
    Event,
}

fn main() {
    const USAGE: &str = "usage: bare PORT FILE";
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().expect(USAGE);
    let body = std::fs::read_to_string(arguments.next().expect(USAGE)).expect("FILE can be read");
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
        .expect("a limit can be raised to its bound");
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("PORT is free");
    let threads = (0..THREADS).map(|_| Thread::new()).collect();
    let shared = Arc::new(Shared { body, change: AtomicU64::new(0), threads });
    for at in 0..THREADS {
        let shared = shared.clone();
        std::thread::spawn(move || shared.threads[at].run(&shared));
    }
    for (name, stream) in (BELL + 1..).zip(listener.incoming()) {
        let stream = stream.expect("a connection is accepted");
        shared.threads[name as usize % THREADS].add(name, stream);
    }
}

impl Thread {
    fn new() -> Thread {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let bell = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN).expect("it is new");
        Thread { epoll, bell, connections: Mutex::default() }
    }

    fn add(&self, name: u64, stream: TcpStream) {
        stream.set_nonblocking(true).expect("a socket can");
        stream.set_nodelay(true).expect("a socket can");
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        let mut connections = self.connections.lock().expect("nobody panics");
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(name), flags).expect("it is new");
        connections.insert(name, Connection { stream, received: Vec::new(), waits: None });
    }

    fn run(&self, shared: &Shared) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                // It was stopped and goes on.
                Err(rustix::io::Errno::INTR) => continue,
                waited => waited.expect("an epoll can be waited for"),
            };
            let mut connections = self.connections.lock().expect("nobody panics");
            for event in &events {
                let name = event.data.u64();
                if name == BELL {
                    let _ = rustix::io::read(&self.bell, &mut [0; 8]);
                    shared.tell(connections.values_mut());
                } else if connections.get_mut(&name).is_some_and(|it| !it.serve(shared)) {
                    connections.remove(&name);
                }
            }
        }
    }
}

impl Shared {
    /// Tells everybody who waits.
    fn tell<'a>(&self, connections: impl Iterator<Item = &'a mut Connection>) {
        let (answer, event) = (self.now(Manner::Answer), self.now(Manner::Event));
        for connection in connections {
            match connection.waits {
                Some(Manner::Answer) => {
                    connection.waits = None;
                    connection.send(&answer);
                }
                Some(Manner::Event) => connection.send(&event),
                None => {}
            }
        }
    }

    /// What is said now.
    fn now(&self, manner: Manner) -> Vec<u8> {
        let change = self.change.load(SeqCst);
        let (body, index) =
            (self.body.replace("\"change\":\"0\"", &format!("\"change\":\"{change}\"")), change + 1);
        let text = match manner {
            Manner::Answer => format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Consul-Index: {index}\r\nContent-Length: {}\r\n\r\n\
                 {body}",
                body.len()
            ),
            Manner::Event => {
                let event = format!("id: {index}\nevent: update\ndata: {body}\n\n");
                format!("{:x}\r\n{event}\r\n", event.len())
            }
        };
        text.into_bytes()
    }
}

impl Connection {
    /// Reads what has come and does what it asks for; `false` at the end.
    fn serve(&mut self, shared: &Shared) -> bool {
        let mut piece = [0; 16 << 10];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return false,
                Ok(length) => self.received.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
        }
        while let Some(request) = self.next_request() {
            self.answer(&request, shared);
        }
        true
    }

    /// Takes a whole request out of what was received.
    fn next_request(&mut self) -> Option<String> {
        let text = std::str::from_utf8(&self.received).expect("requests are text");
        let head = text.find("\r\n\r\n")? + 4;
        let length = text[..head].lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse().expect("a length is a number"))
        });
        let end = head + length.unwrap_or(0);
        let request = text.get(..end)?.to_owned();
        self.received.drain(..end);
        Some(request)
    }

    fn answer(&mut self, request: &str, shared: &Shared) {
        let number_after = |word: &str| -> Option<u64> {
            let (_, rest) = request.split_once(word)?;
            rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
        };
        if request.starts_with("PUT ") {
            let change = number_after("\"change\":\"").expect("a registration says which change it is");
            shared.change.store(change, SeqCst);
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            for thread in &shared.threads {
                rustix::io::write(&thread.bell, &1u64.to_ne_bytes()).expect("a bell can be rung");
            }
        } else if request.starts_with("GET /v1/muster/stream") {
            self.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            self.send(&shared.now(Manner::Event));
            self.waits = Some(Manner::Event);
        } else if number_after("index=").is_some_and(|seen| seen > shared.change.load(SeqCst)) {
            self.waits = Some(Manner::Answer);
        } else {
            self.send(&shared.now(Manner::Answer));
        }
    }

    /// Sends what fits into a socket's empty buffer.
    fn send(&mut self, bytes: &[u8]) {
        // Whoever has left is found out by its event.
        let _ = self.stream.write_all(bytes);
    }
}
