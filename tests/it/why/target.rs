//! A target of HTTP checks within the test: it answers well or unwell, as it is told.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A server that answers every request with 200, or 503 while it is unwell. It ends with the test's process.
pub struct Target {
    pub address: SocketAddr,
    is_well: Arc<AtomicBool>,
}

impl Target {
    pub fn new(is_well: bool) -> Target {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let is_well = Arc::new(AtomicBool::new(is_well));
        let state = is_well.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                thread::spawn(move || serve(stream, &state));
            }
        });
        Target { address, is_well }
    }

    pub fn set_well(&self, is_well: bool) {
        self.is_well.store(is_well, Ordering::SeqCst);
    }

    pub fn url(&self) -> String {
        format!("http://user:secret@{}/health", self.address)
    }
}

/// Answers what comes on one connection until the other side ends it.
fn serve(mut stream: TcpStream, is_well: &AtomicBool) {
    let mut bytes = [0; 4096];
    // A connection that says nothing for so long is forgotten.
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        let answer: &[u8] = match is_well.load(Ordering::SeqCst) {
            true => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell",
            false => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 20\r\n\r\nthe database is down",
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}
