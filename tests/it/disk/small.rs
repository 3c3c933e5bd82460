//! Disks without room: a real file system that is full, and calls that find none. Writes are answered 507, nothing of them
//! is kept, reads go on, and with room writes are taken again, all by itself.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::scene::{FULL, Scene, WRITABLE, assert_stands, register, services};
use crate::support::process::Process;

/// Writes refused in each period without room.
const REFUSALS: usize = 20;

/// Periods without room.
const ROUNDS: usize = 3;

/// Larger than the room that muster wants to keep free, by as much as a few rounds take.
const DISK_MIB: u64 = 160;

/// Leaves less than muster wants to keep free, and enough to open its files.
const BALLAST: u64 = 100 << 20;

/// Longest start.
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// A file system of its own; unmounted at the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount() -> Option<SmallDisk> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("mount");
        let size = format!("size={DISK_MIB}m");
        command.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success()).then_some(SmallDisk(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lets files on it be changed, or no more.
    fn remount(&self, way: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{way}")]).arg(self.path()).status();
        assert!(status.is_ok_and(|status| status.success()), "it can be mounted anew");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A server that a failing test left behind may still hold it.
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

#[test]
fn a_full_file_system_refuses_writes_and_recovers() {
    let Some(disk) = SmallDisk::mount() else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs can be mounted in CI");
        return println!("skipped: only a user who may mount a tmpfs can fill one");
    };
    let data_dir = disk.path().join("data");
    let mut process = Process::muster_on(&data_dir, &[]).expect("muster starts");
    let ballast = disk.path().join("ballast");
    let fill = || {
        let filled = io::copy(&mut io::repeat(1), &mut File::create(&ballast).expect("a file can be made"));
        assert!(filled.is_err(), "the disk is full");
    };
    refuse_and_recover(&mut process, fill, || fs::remove_file(&ballast).expect("the ballast can go"));
}

#[test]
fn a_disk_that_fills_up_shows_though_nobody_writes() {
    let Some(disk) = SmallDisk::mount() else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs can be mounted in CI");
        return println!("skipped: only a user who may mount a tmpfs can fill one");
    };
    let process = Process::muster_on(&disk.path().join("data"), &[]).expect("muster starts");
    assert_stands(&process, WRITABLE);
    let ballast = disk.path().join("ballast");
    let filling =
        File::create(&ballast).and_then(|mut file| io::copy(&mut io::repeat(1).take(BALLAST), &mut file));
    filling.expect("there is room for the ballast");
    assert_stands(&process, FULL);
    fs::remove_file(&ballast).expect("the ballast can go");
    assert_stands(&process, WRITABLE);
    let log = process.log();
    assert_eq!((log.matches("full from now on").count(), log.matches("there is room again").count()), (1, 1));
}

#[test]
fn calls_that_find_no_room_refuse_writes_and_recover() {
    for fault in ["enospc w", "edquot w", "enospc wcts", "enospc s"] {
        println!("{fault}");
        let mut scene = Scene::start(&[], &[]);
        let Scene { process, disk, .. } = &mut scene;
        refuse_and_recover(process, || disk.break_with(fault), || disk.mend());
    }
}

/// Takes the room away and gives it back, [`ROUNDS`] times, and restarts at the end.
fn refuse_and_recover(process: &mut Process, fill: impl Fn(), free: impl Fn()) {
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let mut client = process.client();
        let kept = format!("kept-{round}");
        assert_eq!(register(&mut client, &kept).status, 200);
        expected.push(kept);
        let before = client.get("/v1/catalog/services").expect("an answer").index();
        fill();
        for at in 0..REFUSALS {
            let answer = register(&mut client, &format!("refused-{round}-{at}"));
            assert_eq!(answer.status, 507, "{}", answer.text());
            assert_eq!(answer.header("Retry-After"), Some("10"));
            // One that found no room half-way is not shown, and taken back later; those after it were never begun.
            let words = match answer.text().contains("the outcome is unknown") {
                true if at == 0 => ["no room", "it is taken back when there is room", "Free some space"],
                _ => ["not written: no room", "Free some space", "writes go on by themselves"],
            };
            for words in words {
                assert!(answer.text().contains(words), "{words:?}: {}", answer.text());
            }
        }
        let gone = client.put("/v1/agent/service/deregister/kept-0", "").expect("an answer");
        assert_eq!(gone.status, 507, "{}", gone.text());
        assert_eq!(services(&mut client), expected, "nothing of what was refused is there");
        assert_eq!(client.get("/v1/catalog/services").expect("an answer").index(), before);
        assert_stands(process, FULL);
        free();
        // Nobody writes meanwhile: it finds the room by itself.
        assert_stands(process, WRITABLE);
    }
    assert_eq!(services(&mut process.client()), expected);
    let log = process.log();
    assert_eq!(log.matches("full from now on").count(), ROUNDS, "said once for each period:\n{log}");
    assert_eq!(log.matches("there is room again").count(), ROUNDS, "said once for each period:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    process.kill();
    process.start_again().expect("muster starts again");
    assert_eq!(services(&mut process.client()), expected, "and after a restart");
    assert_stands(process, WRITABLE);
}

#[test]
fn a_start_on_a_full_disk_is_not_ready() {
    let Some(disk) = SmallDisk::mount() else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs can be mounted in CI");
        return println!("skipped: only a user who may mount a tmpfs can fill one");
    };
    let ballast = disk.path().join("ballast");
    let mut process = Process::muster_on(&disk.path().join("data"), &[]).expect("muster starts");
    assert_eq!(register(&mut process.client(), "kept").status, 200);
    for is_orderly in [false, true] {
        if is_orderly {
            process.stop().expect("it ends in order");
        } else {
            process.kill();
        }
        // There is room to open the files and none to write: a start by itself has nothing to write.
        let filling =
            File::create(&ballast).and_then(|mut file| io::copy(&mut io::repeat(1).take(BALLAST), &mut file));
        filling.expect("there is room for the ballast");
        process.launch_again().expect("it is started");
        let deadline = Instant::now() + START_WAIT_MAX;
        while TcpStream::connect(process.address).is_err() {
            let ended = process.ended_within(Duration::ZERO);
            assert!(ended.is_none(), "orderly {is_orderly}: {ended:?}: {}", process.log());
            assert!(Instant::now() < deadline, "orderly {is_orderly}: {}", process.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        let first = process.client().get("/readyz").expect("an answer");
        assert_eq!(first.status, 503, "orderly {is_orderly}: the very first answer: {}", first.text());
        assert_stands(&process, FULL);
        assert_eq!(services(&mut process.client()), ["kept"], "reads are answered");
        fs::remove_file(&ballast).expect("the ballast can go");
        assert_stands(&process, WRITABLE);
    }
}

#[test]
fn a_start_on_what_cannot_be_written_names_the_remedy() {
    let Some(disk) = SmallDisk::mount() else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs can be mounted in CI");
        return println!("skipped: only a user who may mount a tmpfs can mount it without writing");
    };
    let mut process = Process::muster_on(&disk.path().join("data"), &[]).expect("muster starts");
    assert_eq!(register(&mut process.client(), "kept").status, 200);
    process.stop().expect("it ends in order");
    disk.remount("ro");
    process.launch_again().expect("it is started");
    let ended = process.ended_within(START_WAIT_MAX).expect("it ends");
    assert_eq!(ended.code(), Some(1), "{}", process.log());
    let remedy = "read-only: mount it for writing, or give --data-dir another place";
    assert!(process.log().contains(remedy), "{}", process.log());
    disk.remount("rw");
    process.start_again().expect("what it says helps");
    assert_eq!(services(&mut process.client()), ["kept"]);
}
