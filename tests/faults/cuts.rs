//! Power cuts at every call of the script: its calls are recorded, and from the record the disk is built as it may look
//! when the power goes after each of them. The store comes back from every one of these, without a refusal: nothing is
//! damaged, a part is only not there yet.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use crate::chance::{Chance, seed};
use crate::disk::{CUTS, Cut, Disk};
use crate::record::{Call, parse};
use crate::script::{LAST, acknowledged, data, judge, output, run_watching};
use crate::trial::{scratch, side_by_side};

/// Torn disks built at each call: in a short run, and when all is tried.
const TEARS: (u64, u64) = (1, 20);

#[test]
fn the_power_may_go_at_every_call() {
    let scratch = scratch();
    let (directory, record) = (scratch.path().join("run"), scratch.path().join("record"));
    fs::create_dir(&directory).expect("a directory can be made");
    let record_path = record.to_str().expect("a path in UTF-8");
    let status = run_watching(&directory, &directory, &[("FAULT_RECORD", record_path)]);
    assert!(status.success(), "{status}: {}", output(&directory));
    assert_eq!(acknowledged(&directory), LAST);
    let calls = parse(&fs::read(&record).expect("the record can be read"));

    let seed = seed();
    let tears = if crate::all() { TEARS.1 } else { TEARS.0 };
    let mut trials = Vec::new();
    let (mut disk, mut acknowledged) = (Disk::default(), 0);
    for (at, call) in calls.iter().enumerate() {
        match call {
            // What a client has heard is not on this disk.
            Call::Write { path, data, .. } if path == "acks" => {
                acknowledged =
                    std::str::from_utf8(data).ok().and_then(|it| it.trim().parse().ok()).expect("an ack");
            }
            _ => disk.apply(call),
        }
        let now = Arc::new(disk.clone());
        let times = |cut: &Cut| if *cut == Cut::Tears { tears } else { 1 };
        let cuts = CUTS.iter().flat_map(|cut| (0..times(cut)).map(move |time| (*cut, time)));
        trials.extend(cuts.map(|(cut, time)| (at, cut, time, now.clone(), acknowledged)));
    }
    let rebuilt = scratch.path().join("rebuilt");
    disk.put(Cut::Keeps, &mut Chance::new(seed), &rebuilt);
    let differences = Command::new("diff").arg("-rq").arg(data(&directory)).arg(data(&rebuilt)).output();
    let said = differences.expect("diff can be run");
    assert!(said.status.success(), "the record tells everything: {}", String::from_utf8_lossy(&said.stdout));
    let found = side_by_side(&trials, |(at, cut, time, disk, acknowledged)| {
        let scratch = crate::trial::scratch();
        let mut chance = Chance::new(seed ^ (*at as u64) << 8 ^ time);
        let to = scratch.path().join("disk");
        disk.put(*cut, &mut chance, &to);
        let judged = judge(&data(&to), *acknowledged);
        judged.map_err(|sentence| {
            format!("{cut:?} {time} after call {at}, {:?}: {sentence}", brief(&calls[*at]))
        })
    });
    let wrong: Vec<String> = found.iter().filter_map(|it| it.clone().err()).collect();
    println!("{} calls, {} power cuts, {} wrong", calls.len(), found.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A call without what it wrote.
fn brief(call: &Call) -> Call {
    match call {
        Call::Write { path, offset, data } => {
            Call::Write { path: path.clone(), offset: *offset, data: data[..data.len().min(16)].to_vec() }
        }
        other => other.clone(),
    }
}
