//! TCP checks of targets whose last connection broke: those about to end, and those that hang up on everybody.

use std::net::TcpListener;

use super::*;

fn run_lingering(address: SocketAddr, linger: bool) -> (Status, String) {
    let (sender, receiver) = mpsc::channel();
    spawn(PROBER.clone(), tcp(address), PATIENT, (false, linger), move |finding| {
        sender.send(finding.observation).unwrap();
    });
    let observation = receiver.recv().unwrap();
    (observation.status, observation.output.to_string())
}

/// A target that takes so many connections, then closes its port, and only then those connections, as the kernel does
/// it for a process that was killed.
fn ending_after(connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let taken: Vec<_> = listener.incoming().take(connections).collect();
        drop(listener);
        drop(taken);
    });
    address
}

#[test]
fn a_target_that_is_about_to_end_is_not_taken_for_alive() {
    let address = ending_after(1);
    let refused = format!("dial tcp {address}: connect: connection refused");
    assert_eq!(run_lingering(address, true), (Status::Critical, refused));
    // Elsewhere it is enough to be accepted.
    assert_eq!(run_lingering(ending_after(1), false).0, Status::Passing);
}

#[test]
fn a_target_that_hangs_up_on_everybody_lives() {
    assert_eq!(run_lingering(serve(drop), true).0, Status::Passing);
}

#[test]
fn a_target_that_stays_or_talks_lives() {
    let silent = serve(|mut stream| {
        let _gone = stream.read(&mut [0; 1]);
    });
    let talking = serve(|mut stream| while stream.write_all(b"220 ready\r\n").is_ok() {});
    for address in [silent, talking] {
        assert_eq!(run_lingering(address, true).0, Status::Passing);
    }
}
