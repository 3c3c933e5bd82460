//! What the checks of a sequence are pointed at: a tiny HTTP server on the loopback address that answers by script and
//! counts. One for each server under comparison, so that their probes are not mixed up. Knows nothing of Consul.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A connection that says nothing for this long is dropped, so that no thread outlives the tests.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What one path answers, and how often it was asked.
#[derive(Default)]
struct Script {
    /// The status of each request in turn; the last one repeats. 200 when empty.
    statuses: Vec<u16>,
    hits: usize,
}

#[derive(Default)]
struct Shared {
    /// By path. A yield never happens under this lock; only the answering threads and the test take it.
    scripts: Mutex<HashMap<String, Script>>,
    hit: Condvar,
    closed: AtomicBool,
}

/// The listener; dropping it stops it.
pub struct Listener {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Listener {
    pub fn start() -> std::io::Result<Listener> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in socket.incoming() {
                if accepting.closed.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A probe that hangs up early is its own business.
                std::thread::spawn(move || stream.and_then(|stream| answer(stream, &shared)));
            }
        });
        Ok(Listener { address, shared })
    }

    /// From now on `path` answers these statuses in turn, and its count starts over.
    pub fn script(&self, path: &str, statuses: Vec<u16>) {
        let mut scripts = self.shared.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.insert(path.to_owned(), Script { statuses, hits: 0 });
    }

    /// How often `path` was asked since its script was set.
    pub fn hits(&self, path: &str) -> usize {
        let scripts = self.shared.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.get(path).map_or(0, |script| script.hits)
    }

    /// Waits until `path` was asked `hits` times since its script was set; whether that came within `wait`.
    pub fn wait_for_hits(&self, path: &str, hits: usize, wait: Duration) -> bool {
        let deadline = Instant::now() + wait;
        let mut scripts = self.shared.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        while scripts.get(path).is_none_or(|script| script.hits < hits) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.shared.hit.wait_timeout(scripts, left);
            scripts = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one request. The path `/echo` shows the request head, sorted, so that what a probe sends can be compared;
/// a redirect leads to `/`; the path `/silent` never answers.
fn answer(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(()); // a TCP check connects and says nothing
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let mut sent = Vec::new();
    (&mut reader).take(length.unwrap_or(0)).read_to_end(&mut sent)?;
    let path = head[0].split(' ').nth(1).unwrap_or_default().to_owned();
    let status = next_status(shared, &path);
    if path == "/silent" {
        std::thread::sleep(SILENCE_MAX); // the silence is the answer
        return Ok(());
    }
    let body = match &*path {
        "/echo" => echo(head, &sent),
        "/long" => "0123456789".repeat(500),
        _ => format!("the listener says {status}"),
    };
    let location = if (300..400).contains(&status) { "Location: /\r\n" } else { "" };
    let reason = reason(status);
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\n{location}Content-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    reader.get_mut().write_all(answer.as_bytes())
}

fn next_status(shared: &Shared, path: &str) -> u16 {
    let mut scripts = shared.scripts.lock().unwrap_or_else(PoisonError::into_inner);
    let script = scripts.entry(path.to_owned()).or_default();
    let status = script.statuses.get(script.hits).or(script.statuses.last()).copied().unwrap_or(200);
    script.hits += 1;
    shared.hit.notify_all();
    status
}

fn echo(mut head: Vec<String>, sent: &[u8]) -> String {
    head[1..].sort();
    format!("{}\n\n{}", head.join("\n"), String::from_utf8_lossy(sent))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        302 => "Found",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
