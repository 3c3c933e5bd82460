//! UDP checks, of sockets within the test.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use super::registry::Registry;

/// How soon the server below notices that it is to end.
const PATIENCE: Duration = Duration::from_millis(20);

/// A server that sends back what it gets, until it is closed.
struct Echo {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start() -> Echo {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
        let address = socket.local_addr().expect("an address");
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        let thread = thread::spawn(move || {
            let mut bytes = [0; 2048];
            while !told.load(Ordering::SeqCst) {
                if let Ok((count, from)) = socket.recv_from(&mut bytes) {
                    // Whoever is gone by now misses nothing.
                    let _ = socket.send_to(&bytes[..count], from);
                }
            }
        });
        Echo { address, ends, thread: Some(thread) }
    }

    /// Closes it; nobody listens there when the call returns.
    fn close(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it does not panic");
        }
    }
}

#[test]
fn a_udp_server_must_not_refuse() {
    let mut echo = Echo::start();
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let (at, quiet) = (echo.address.to_string(), silent.local_addr().expect("an address").to_string());
    let mut registry = Registry::start();
    // Long enough that only an answer can end it.
    registry.check("echo", json!({"UDP": at, "Timeout": "5m"}));
    registry.check("silent", json!({"UDP": quiet, "Timeout": "500ms"}));

    let check = registry.wait_for("echo", "passing", &format!("UDP connect {at}: Success"));
    assert_eq!(check["Type"], "udp");
    registry.wait_for("silent", "passing", &format!("UDP connect {quiet}: Success"));

    echo.close();
    registry.wait_for("echo", "critical", &format!("read udp {at}: read: connection refused"));
    drop(silent);
    registry.wait_for("silent", "critical", "connection refused");
}
