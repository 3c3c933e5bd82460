//! The server inside an instance: a thread a connection, and a behaviour that can change between any two requests.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::tls::Identity;

/// The longest head of a request; no check sends as much.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Pause after a connection could not be taken, so that a lasting want does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);

/// How requests are answered.
#[derive(Clone, Copy)]
enum Behaviour {
    Passing,
    Failing,
    Hanging,
    Slow(Duration),
    Flapping { up: Duration, down: Duration, since: Instant },
}

pub struct Server {
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    behaviour: Mutex<Behaviour>,
    /// `None` for plain HTTP.
    identity: Option<Identity>,
    /// Longest rest of a connection; 0 for no end.
    idle_ms_max: AtomicU64,
    deaf: AtomicBool,
    /// A second handle on each open connection, to close it while its thread reads.
    connections: Mutex<HashMap<u64, TcpStream>>,
}

impl Server {
    /// Listens, and answers nobody yet.
    pub fn bind(address: SocketAddr, certificates: Option<&Path>) -> io::Result<Arc<Server>> {
        let listener = TcpListener::bind(address)?;
        Ok(Arc::new(Server {
            address,
            listener: Mutex::new(Some(listener)),
            behaviour: Mutex::new(Behaviour::Passing),
            identity: certificates.map(Identity::read),
            idle_ms_max: AtomicU64::new(0),
            deaf: AtomicBool::new(false),
            connections: Mutex::default(),
        }))
    }

    /// Takes connections until it is told to be deaf.
    pub fn serve(self: &Arc<Self>) {
        let listener = self.listener.lock().expect("nobody panics with it").take().expect("called once");
        for number in 0.. {
            let accepted = listener.accept();
            if self.deaf.load(Ordering::SeqCst) {
                break;
            }
            // One connection that broke on its way, or a moment without descriptors, ends nothing for the others.
            let Ok((stream, _)) = accepted else {
                thread::sleep(ACCEPT_PAUSE);
                continue;
            };
            let server = self.clone();
            thread::spawn(move || {
                if let Ok(handle) = stream.try_clone() {
                    server.connections.lock().expect("nobody panics with it").insert(number, handle);
                }
                // A client that leaves, or is sent away, is no news.
                let _ = server.converse(&stream);
                server.connections.lock().expect("nobody panics with it").remove(&number);
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    }

    /// Carries out one order.
    ///
    /// # Panics
    /// When there is no such order: the test that gave it is wrong.
    pub fn obey(self: &Arc<Self>, order: &str) {
        let words: Vec<&str> = order.split_whitespace().collect();
        let ms = |at: usize| -> u64 { words[at].parse().expect("a number of milliseconds") };
        let span = |at: usize| Duration::from_millis(ms(at));
        match words[0] {
            "pass" => self.behave(Behaviour::Passing),
            "fail" => self.behave(Behaviour::Failing),
            "hang" => self.behave(Behaviour::Hanging),
            "slow" => self.behave(Behaviour::Slow(span(1))),
            "flap" => {
                self.behave(Behaviour::Flapping { up: span(1), down: span(2), since: Instant::now() });
            }
            "idle" => self.idle_ms_max.store(ms(1), Ordering::SeqCst),
            "deaf" => {
                self.deaf.store(true, Ordering::SeqCst);
                // It waits for a connection, and looks only then.
                let _ = TcpStream::connect(self.address);
            }
            "refuse" | "expired" => {
                self.identity.as_ref().expect("a server with TLS").change(words[0]);
                self.close_connections();
            }
            other => panic!("no such order: {other}"),
        }
    }

    /// Closes every connection that is open.
    pub fn close_connections(&self) {
        for stream in self.connections.lock().expect("nobody panics with it").values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().expect("nobody panics with it") = behaviour;
    }

    fn converse(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        match &self.identity {
            None => self.answer_all(stream, stream),
            Some(identity) => match identity.greet(stream)? {
                Some(secured) => self.answer_all(secured, stream),
                None => Ok(()),
            },
        }
    }

    /// Answers requests until either side closes.
    fn answer_all(&self, mut talk: impl Read + Write, stream: &TcpStream) -> io::Result<()> {
        loop {
            let idle_ms_max = self.idle_ms_max.load(Ordering::SeqCst);
            stream.set_read_timeout((idle_ms_max > 0).then(|| Duration::from_millis(idle_ms_max)))?;
            let Some(head) = read_head(&mut talk)? else { return Ok(()) };
            let behaviour = *self.behaviour.lock().expect("nobody panics with it");
            let passes = match behaviour {
                Behaviour::Passing => true,
                Behaviour::Failing => false,
                Behaviour::Slow(span) => {
                    thread::sleep(span);
                    true
                }
                Behaviour::Flapping { up, down, since } => {
                    let cycle = (up + down).as_millis();
                    since.elapsed().as_millis() % cycle < up.as_millis()
                }
                Behaviour::Hanging => {
                    // Whatever the client does: until it is gone.
                    stream.set_read_timeout(None)?;
                    while talk.read(&mut [0; 512])? > 0 {}
                    return Ok(());
                }
            };
            let status = if passes { "200 OK" } else { "503 Service Unavailable" };
            let close = head.to_ascii_lowercase().contains("\r\nconnection: close");
            let connection = if close { "close" } else { "keep-alive" };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: {connection}\r\n\r\n\
                 ok\n"
            );
            talk.write_all(answer.as_bytes())?;
            talk.flush()?;
            if close {
                return Ok(());
            }
        }
    }
}

/// The head of a request without a body; `None` when the client has closed.
fn read_head(from: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let count = from.read(&mut buffer)?;
        if count == 0 || head.len() > HEAD_BYTES_MAX {
            return Ok(None);
        }
        head.extend_from_slice(&buffer[..count]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}
