//! A receiver of webhooks: takes what it is sent, notes it, and answers as it is told to, or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use crate::support::process::free_port;

/// Longest wait for something to be told: above the longest back-off of a minute.
pub const TOLD_WAIT_MAX: Duration = Duration::from_secs(120);

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answers with this status.
    Status(u16),
    /// Says nothing until the sender gives up.
    Hang,
    /// Closes the connection without an answer.
    HangUp,
    /// Answers 200 after this long.
    Slow(Duration),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Told {
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub reply: Reply,
}

impl Told {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("bodies are JSON")
    }
}

type Judge = Box<dyn Fn(&Value) -> Reply + Send>;

struct Shared {
    told: Mutex<Vec<Told>>,
    more: Condvar,
    judge: Mutex<Judge>,
    is_open: AtomicBool,
}

/// The receiver. Keeps its address while it is away.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// One that takes everything.
    pub fn start() -> Receiver {
        let judge: Judge = Box::new(|_| Reply::Status(200));
        let shared = Shared {
            told: Mutex::default(),
            more: Condvar::new(),
            judge: Mutex::new(judge),
            is_open: AtomicBool::new(false),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut receiver = Receiver { address, shared: Arc::new(shared), thread: None };
        receiver.come();
        receiver
    }

    /// From now on it does with each request what `judge` says of its body.
    pub fn judge(&self, judge: impl Fn(&Value) -> Reply + Send + 'static) {
        *self.shared.judge.lock() = Box::new(judge);
    }

    pub fn always(&self, reply: Reply) {
        self.judge(move |_| reply);
    }

    /// Listens, if it does not.
    pub fn come(&mut self) {
        if self.thread.is_none() {
            let listener = TcpListener::bind(self.address).expect("its port is its own");
            self.shared.is_open.store(true, Ordering::SeqCst);
            let shared = self.shared.clone();
            self.thread = Some(thread::spawn(move || accept(&listener, &shared)));
        }
    }

    /// Listens no more: connections are refused.
    pub fn go(&mut self) {
        self.shared.is_open.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Wakes it, so that it looks.
            let _ = TcpStream::connect(self.address);
            thread.join().expect("it does not panic");
        }
    }

    pub fn told(&self) -> Vec<Told> {
        self.shared.told.lock().clone()
    }

    /// Waits until `accept` takes everything that was told so far.
    pub fn wait(&self, what: &str, accept: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        let deadline = Instant::now() + TOLD_WAIT_MAX;
        let mut told = self.shared.told.lock();
        while !accept(&told) {
            let timed_out = self.shared.more.wait_until(&mut told, deadline).timed_out();
            assert!(!timed_out || accept(&told), "{what}: {} were told: {:?}", told.len(), told.last());
        }
        told.clone()
    }

    /// Waits until this many requests have come.
    pub fn wait_for(&self, count: usize) -> Vec<Told> {
        self.wait(&format!("{count} requests"), |told| told.len() >= count)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.go();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if !shared.is_open.load(Ordering::SeqCst) {
            return;
        }
        // One connection that broke on its way ends nothing for the others.
        let Ok(stream) = stream else { continue };
        let shared = shared.clone();
        // A sender that dies in the middle of a request has told nothing.
        thread::spawn(move || serve(stream, &shared));
    }
}

/// One request. `None` when the sender went away in its middle.
fn serve(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = || -> Option<String> {
        let mut line = String::new();
        let count = reader.read_line(&mut line).ok()?;
        (count > 0).then(|| line.trim_end().to_owned())
    };
    let target = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut told = Told { target, headers, body: Vec::new(), reply: Reply::Hang };
    told.body = vec![0; told.header("Content-Length")?.parse().ok()?];
    reader.read_exact(&mut told.body).ok()?;
    told.reply = (shared.judge.lock())(&told.json());
    let reply = told.reply;
    shared.told.lock().push(told);
    shared.more.notify_all();
    let status = match reply {
        Reply::Status(status) => status,
        Reply::HangUp => return None,
        Reply::Hang => {
            // Ends when the sender does.
            let _ = stream.read(&mut [0]);
            return None;
        }
        Reply::Slow(wait) => {
            thread::sleep(wait);
            200
        }
    };
    let said = if status == 200 { "" } else { "not today" };
    let length = said.len();
    let answer =
        format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{said}");
    stream.write_all(answer.as_bytes()).ok()
}
