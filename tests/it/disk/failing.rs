//! Disks that do not keep their word: a write or a sync that fails. From then on no write is acknowledged, whatever the
//! disk does later; reads go on, and a restart finds all that was acknowledged before.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::scene::{READ_ONLY, Scene, WRITABLE, assert_stands, register, services};

use crate::restart::chance::{Chance, seed};
use crate::restart::kills::settle_doubts;
use crate::restart::ledger::{Ledger, NAMES};
use crate::restart::life::{Seen, first_answers};
use crate::restart::views::{View, compare};
use crate::support::client::Client;

/// Clients that write while the disk fails, by turns through the agent's and the catalog's API.
const CLIENTS: usize = 8;

/// Writes of each before that.
const WRITES: u64 = 5;

/// Writes tried after the first failure, before and after the disk is well again.
const TRIES: usize = 10;

#[test]
fn a_failed_write_or_sync_ends_writes_until_a_restart() {
    for fault in ["eio s", "eio w", "eio ws"] {
        println!("{fault}");
        let mut scene = Scene::start(&[], &[]);
        let mut client = scene.process.client();
        assert_eq!(register(&mut client, "before").status, 200);
        assert_stands(&scene.process, WRITABLE);
        scene.disk.break_with(fault);
        let refused = |client: &mut _, name: &str, words: [&str; 3]| {
            let answer = register(client, name);
            assert_eq!(answer.status, 503, "{fault}: {}", answer.text());
            assert_eq!(answer.header("Retry-After"), Some("60"));
            for words in words {
                assert!(answer.text().contains(words), "{words:?}: {}", answer.text());
            }
            assert_eq!(services(client), ["before"], "what is not durable is not shown");
        };
        // The one that met the failure may have got to the disk; those after it were never begun.
        let remedy = "look at the disk, then restart muster";
        refused(&mut client, "doubtful", ["the outcome is unknown", "the next start decides", remedy]);
        let refuse = |client: &mut _| refused(client, "refused", ["not written", "read-only", remedy]);
        (0..TRIES).for_each(|_| refuse(&mut client));
        assert_stands(&scene.process, READ_ONLY);
        scene.disk.mend();
        (0..TRIES).for_each(|_| refuse(&mut client));
        let again = register(&mut client, "before");
        assert_eq!(
            again.status,
            503,
            "nothing is acknowledged, not even what changes nothing: {}",
            again.text()
        );
        assert_stands(&scene.process, READ_ONLY);
        let log = scene.process.log();
        assert_eq!(log.matches("read-only from now on").count(), 1, "said once:\n{log}");

        scene.process.kill();
        scene.process.start_again().expect("muster starts again");
        let found = services(&mut scene.process.client());
        // Three outcomes: what was acknowledged is there, what was refused is not, and one is open.
        assert!(found == ["before"] || found == ["before", "doubtful"], "{fault}: {found:?}");
        assert_stands(&scene.process, WRITABLE);
        assert_eq!(register(&mut scene.process.client(), "after").status, 200);
    }
}

#[test]
fn every_write_is_done_or_not_done_or_said_to_be_in_doubt() {
    let mut scene = Scene::start(&[], &[]);
    let mut ledgers: Vec<Ledger> = (0..CLIENTS).map(Ledger::new).collect();
    for request in ledgers.iter().filter_map(Ledger::node_request) {
        assert_eq!(scene.process.client().request(&request).expect("an answer").status, 200);
    }
    let (address, busy, mut chance) = (scene.process.address, AtomicUsize::new(0), Chance::new(seed()));
    thread::scope(|scope| {
        for ledger in &mut ledgers {
            let (chance, busy) = (chance.fork(), &busy);
            scope.spawn(move || write_until_refused(address, ledger, chance, busy));
        }
        while busy.load(Ordering::SeqCst) < CLIENTS {
            thread::yield_now();
        }
        scene.disk.break_with("eio s");
    });
    let in_doubt = ledgers.iter().filter(|ledger| ledger.doubt.is_some()).count();
    assert!(in_doubt > 0, "somebody met the failure");
    scene.process.kill();
    scene.disk.mend();
    scene.process.start_again().expect("muster starts again");
    let views: Vec<View> = NAMES.iter().map(|name| View::Passing(name)).collect();
    let seen = first_answers(address, &views, views.len()).expect("answers");
    settle_doubts(&mut ledgers, &seen).expect("nothing is half done");
    for Seen { view, answer } in &seen {
        let expected = view.expected(ledgers.iter().flat_map(|ledger| ledger.instances.values()));
        let (tally, sentences) = compare(&expected, &view.rows(&answer.json()));
        assert!(tally.is_clean(), "{in_doubt} in doubt: {sentences:?}");
    }
}

fn write_until_refused(address: SocketAddr, ledger: &mut Ledger, mut chance: Chance, busy: &AtomicUsize) {
    let mut client = Client::new(address);
    loop {
        let request = ledger.next(&mut chance);
        let answer = client.send(&request).and_then(|()| client.receive()).expect("an answer");
        if !ledger.answered(&answer).unwrap_or_else(|sentence| panic!("{}: {sentence}", request.target)) {
            return;
        }
        if ledger.acknowledged == WRITES {
            busy.fetch_add(1, Ordering::SeqCst);
        }
    }
}
