//! The plain end: for a moment every answer asks its client to come back on another connection, so that none is cut off
//! in the middle of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::client::{Client, Request};
use crate::support::process::Process;

/// Clients that ask again and again, each on one connection.
const CLIENTS: usize = 12;

/// Ends that are tried.
const ENDS: usize = 3;

#[test]
fn no_request_on_a_kept_connection_is_cut_off() {
    let mut process = Process::muster(&[]).expect("muster starts");
    for _ in 0..ENDS {
        let answered = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (answered, address) = (answered.clone(), process.address);
                std::thread::spawn(move || ask_until_refused(Client::new(address), number, &answered))
            })
            .collect();
        while answered.load(Ordering::SeqCst) < 50 * CLIENTS {
            std::thread::sleep(Duration::from_millis(1));
        }
        process.signal("TERM");
        let cut: Vec<String> =
            clients.into_iter().filter_map(|client| client.join().expect("no panic").err()).collect();
        assert!(cut.is_empty(), "{cut:?}");
        let status = process.ended_within(Duration::from_secs(10)).and_then(|status| status.code());
        assert_eq!(status, Some(0), "{}", process.log());
        process.start_again().expect("muster starts again");
    }
}

/// Asks until no connection is to be had any more. A connection is replaced only once an answer said that it closes.
fn ask_until_refused(mut client: Client, number: usize, answered: &AtomicUsize) -> Result<(), String> {
    let request = match number % 2 {
        0 => Request::new("GET", "/v1/agent/services"),
        _ => {
            Request::new("PUT", "/v1/agent/service/register").body(format!("{{\"Name\": \"web-{number}\"}}"))
        }
    };
    let mut is_kept = false;
    loop {
        match client.send(&request).and_then(|()| client.receive()) {
            Ok(answer) if answer.status == 200 => drop(answered.fetch_add(1, Ordering::SeqCst)),
            Ok(answer) => return Err(format!("{}: {}", answer.status, answer.text())),
            Err(error) if is_kept => return Err(format!("{error:?}")),
            // Nobody listens any more.
            Err(_) => return Ok(()),
        }
        is_kept = client.connection().is_ok();
        // Some ask without a pause, some rest between two requests.
        std::thread::sleep(Duration::from_millis((number % 3) as u64 * 5));
    }
}
