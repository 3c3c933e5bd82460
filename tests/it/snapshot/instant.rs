//! A snapshot is of one moment, however much is written while it is taken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{register, rows, snapshot};
use crate::support::process::Process;

/// Clients that write at a time.
const WRITERS: usize = 4;

/// Snapshots that are taken meanwhile.
const SNAPSHOTS: usize = 12;

/// Each writer registers its left instance with a number and then, once that is acknowledged, its right one with the
/// same. At no moment is there a right one that is ahead of its left one, or behind it by more than one.
#[test]
fn a_snapshot_under_load_is_of_one_moment() {
    let muster = Process::muster(&[]).expect("it starts");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (mut client, is_over) = (muster.client(), &is_over);
            scope.spawn(move || {
                for number in 1..u16::MAX {
                    for side in ["left", "right"] {
                        register(&mut client, &format!("{side}-{writer}"), "pair", number);
                    }
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let (mut client, mut last) = (muster.client(), 0);
        let mut moved = 0;
        for _ in 0..SNAPSHOTS {
            // What is acknowledged before is in it.
            register(&mut client, "mark", "mark", 1);
            let bytes = snapshot(&mut client);
            let header: serde_json::Value =
                serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next().expect("a line"))
                    .expect("JSON");
            let index = header["index"].as_u64().expect("an index");
            assert!(index >= last, "{index} after {last}");
            moved += usize::from(index > last);
            last = index;
            let services = rows(&bytes, "services");
            let port = |id: &str| {
                let found = services.iter().find(|row| row["value"]["id"] == id);
                found.map_or(0, |row| row["value"]["port"].as_u64().expect("a port"))
            };
            for writer in 0..WRITERS {
                let (left, right) = (port(&format!("left-{writer}")), port(&format!("right-{writer}")));
                assert!(left == right || left == right + 1, "writer {writer}: {left} and {right}");
            }
            assert_eq!(port("mark"), 1);
            let newest = services.iter().filter_map(|row| row["value"]["indexes"]["modify"].as_u64()).max();
            assert!(newest <= Some(index), "{newest:?} is later than {index}");
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(moved > SNAPSHOTS / 2, "writes went on meanwhile");
    });
}
