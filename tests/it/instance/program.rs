//! The program of an instance: an HTTP/1.1 server that keeps its connections, and does as it is told on its standard
//! input, a line an order:
//!
//! | order | from then on |
//! |---|---|
//! | `pass` | every request is answered 200 (so it begins) |
//! | `fail` | every request is answered 503 |
//! | `hang` | connections are taken and requests read, nothing is answered |
//! | `slow MS` | answers of 200 take so many milliseconds |
//! | `flap UP_MS DOWN_MS` | answers are 200 for so long, then 503 for so long, and so on |
//! | `idle MS` | connections that rest longer than this are closed |
//! | `deaf` | nobody new can connect; connections that are open are served on |
//! | `refuse` | open connections are closed, TLS handshakes answered with an alert |
//! | `expired` | open connections are closed, TLS handshakes answered with a certificate that is over |
//!
//! SIGTERM ends it in order: it stops listening, closes its connections and exits. It ends as well when its input does, so
//! it does not outlive a test that was killed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::serving::Server;

/// The name by which the test binary is asked for this program.
pub const NAME: &str = "instance::program::serves_when_it_is_told_where";

/// The variable that says where to listen. Without it the program is a test that does nothing.
pub const ADDRESS: &str = "MUSTER_INSTANCE_ADDRESS";

/// The variable that names the directory of certificates; unset for plain HTTP.
pub const CERTIFICATES: &str = "MUSTER_INSTANCE_CERTIFICATES";

/// What it says on its standard error when it listens.
pub const LISTENING: &str = "listening";

#[test]
fn serves_when_it_is_told_where() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let address: SocketAddr = address.parse().expect("an address");
    let certificates = std::env::var_os(CERTIFICATES).map(std::path::PathBuf::from);
    let server = Server::bind(address, certificates.as_deref());
    // Said plainly, since whoever waits for the line has the rest shown when it does not come.
    let server = server.unwrap_or_else(|error| panic!("cannot listen on {address}: {error}"));
    let (end, ended) = channel();
    end_in_order_at_sigterm(server.clone(), end.clone());
    obey_until_the_input_ends(server.clone(), end);
    thread::spawn(move || server.serve());
    eprintln!("{LISTENING}");
    // Also when both threads are gone: then nobody can end it any more.
    let _ = ended.recv();
}

fn end_in_order_at_sigterm(server: Arc<Server>, end: Sender<()>) {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM]).expect("a handler");
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            server.obey("deaf");
            server.close_connections();
            let _ = end.send(());
        }
    });
}

fn obey_until_the_input_ends(server: Arc<Server>, end: Sender<()>) {
    thread::spawn(move || {
        for order in std::io::stdin().lines().map_while(Result::ok) {
            server.obey(&order);
        }
        let _ = end.send(());
    });
}
