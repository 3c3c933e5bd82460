//! Many who do not go on with their handshakes: they are cut off, and disturb nobody.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ANY_VERSION, Agent, LEADER, TlsClient, authority};

const STALLED: usize = 300;

#[test]
fn those_who_stall_are_cut_off_and_others_are_served() {
    let authority = authority();
    let agent = Agent::start(&authority, &["--limits-head-timeout", "2s"]);
    let config = Arc::new(authority.config(None, ANY_VERSION));
    let mut hello = Vec::new();
    let name = "127.0.0.1".try_into().expect("a name");
    let mut session = rustls::ClientConnection::new(config.clone(), name).expect("a session");
    session.write_tls(&mut hello).expect("memory");
    // With nothing, with a part of a hello, with all of it.
    let parts = [&hello[..0], &hello[..hello.len() / 2], &hello[..]];
    let mut stalled: Vec<TcpStream> = (0..STALLED)
        .map(|at| {
            let mut stream = TcpStream::connect(agent.https).expect("a connection");
            stream.write_all(parts[at % parts.len()]).expect("there is room");
            stream
        })
        .collect();
    for _ in 0..20 {
        let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
        assert_eq!(client.get(LEADER).expect("an answer").status, 200);
        assert_eq!(agent.process.client().get(LEADER).expect("an answer").status, 200);
    }
    // Far above the two seconds, for the machine may be busy, and below what any other bound would take.
    let deadline = Instant::now() + Duration::from_secs(30);
    for stream in &mut stalled {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).expect("a timeout");
        // What was said of the handshake, and then the end, in whichever form.
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
    let mut client = TlsClient::connect(agent.https, &config).expect("a handshake");
    assert_eq!(client.get(LEADER).expect("an answer").status, 200);
}
