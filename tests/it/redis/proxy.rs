//! A line between muster and Redis that can be cut in every way: refused, reset, silent, or in the middle of an answer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often a thread looks whether the proxy has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Passes everything on.
    Open,
    /// Takes connections and hangs up on them.
    Reset,
    /// Takes connections and swallows what is said.
    Silent,
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    line: AtomicU8,
    /// Bytes of answers that still pass before every connection is cut; negative for no such bound.
    answer_bytes_left: AtomicI64,
    has_ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub fn start(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let shared = Arc::new(Shared {
            target,
            line: AtomicU8::new(Line::Open as u8),
            answer_bytes_left: AtomicI64::new(-1),
            has_ended: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            while !accepting.has_ended.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((client, _)) => accepting.clone().take(client),
                    Err(_) => thread::sleep(LOOK_EVERY),
                }
            }
        });
        Proxy { address, shared }
    }

    /// From now on the line does this, for the connections that are open too.
    pub fn set(&self, line: Line) {
        self.shared.line.store(line as u8, Ordering::SeqCst);
        if line == Line::Reset {
            self.shared.hang_up();
        }
    }

    /// Cuts all connections once so many more bytes of answers have passed, in the middle of whatever it is.
    pub fn cut_after(&self, answer_bytes: i64) {
        self.shared.answer_bytes_left.store(answer_bytes, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::SeqCst);
        self.shared.hang_up();
    }
}

impl Shared {
    fn is(&self, line: Line) -> bool {
        self.line.load(Ordering::SeqCst) == line as u8
    }

    fn hang_up(&self) {
        for stream in self.open.lock().expect("no thread panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn take(self: Arc<Self>, client: TcpStream) {
        if self.is(Line::Reset) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.target) else { return };
        let (Ok(client_too), Ok(server_too)) = (client.try_clone(), server.try_clone()) else { return };
        let kept = [client.try_clone(), server.try_clone()].into_iter().flatten();
        self.open.lock().expect("no thread panics").extend(kept);
        let there = self.clone();
        thread::spawn(move || there.pump(client, server, false));
        thread::spawn(move || self.pump(server_too, client_too, true));
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let mut buffer = [0; 16 << 10];
        while let Ok(read) = from.read(&mut buffer) {
            if read == 0 {
                break;
            }
            if self.is(Line::Silent) {
                continue;
            }
            let mut passed = read;
            let bound = self.answer_bytes_left.load(Ordering::SeqCst);
            let is_cut = is_answer && bound >= 0 && bound <= read as i64;
            if is_cut {
                passed = bound as usize;
                self.answer_bytes_left.store(-1, Ordering::SeqCst);
            } else if is_answer && bound >= 0 {
                self.answer_bytes_left.fetch_sub(read as i64, Ordering::SeqCst);
            }
            if to.write_all(&buffer[..passed]).is_err() || is_cut {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
