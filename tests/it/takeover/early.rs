//! Signals that come while the process starts: what asks for something is done once it serves, what ends it ends it.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::EVENT_WAIT_MAX;
use super::supervisor::{Ended, Other};
use crate::support::process::{free_port, muster_binary};

/// A process that starts, and waits for what it takes for the agent before it: for this test.
struct Starting {
    process: Ended,
    predecessor: UnixStream,
    directory: tempfile::TempDir,
}

impl Starting {
    fn new() -> Starting {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data_dir = directory.path().join("data");
        fs::create_dir(&data_dir).expect("a directory");
        let listener = UnixListener::bind(data_dir.join("takeover.sock")).expect("a socket");
        let log = fs::File::create(directory.path().join("log")).expect("a file");
        let mut command = Command::new(muster_binary());
        command.args(["agent", "--takeover", "--http-addr", &format!("127.0.0.1:{}", free_port())]);
        command.arg("--data-dir").arg(data_dir).stdout(log.try_clone().expect("a copy")).stderr(log);
        let process = Ended(command.spawn().expect("muster starts"));
        listener.set_nonblocking(true).expect("a socket that does not wait");
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        let predecessor = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "it asks: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        predecessor.set_read_timeout(Some(EVENT_WAIT_MAX)).expect("a timeout above zero");
        let mut starting = Starting { process, predecessor, directory };
        assert_eq!(starting.hear(), 1, "it asks for everything");
        starting
    }

    /// The kind of the next message from it.
    fn hear(&mut self) -> u8 {
        let mut header = [0; 5];
        self.predecessor.read_exact(&mut header).expect("a message");
        let [kind, length @ ..] = header;
        let mut text = vec![0; u32::from_le_bytes(length) as usize];
        self.predecessor.read_exact(&mut text).expect("the rest of it");
        kind
    }

    fn tell(&mut self, kind: u8) {
        self.predecessor.write_all(&[kind, 0, 0, 0, 0]).expect("it listens");
    }

    fn send(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("sh runs").success());
    }

    /// The first line of its log with these words.
    fn says(&self, words: &str) -> String {
        let deadline = Instant::now() + EVENT_WAIT_MAX;
        loop {
            let text = fs::read_to_string(self.directory.path().join("log")).expect("a log");
            if let Some(line) = text.lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "{words:?} is not in {text}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn what_a_signal_asks_for_during_a_start_is_done_after_it() {
    let mut starting = Starting::new();
    starting.send("HUP");
    starting.send("USR2");
    starting.tell(3);
    assert_eq!(starting.hear(), 4, "it serves");
    starting.says("reloaded");
    // Nobody would hear the next one before everything is handed over.
    starting.tell(7);
    let line = starting.says("started the program anew");
    let process = line.split("process=").nth(1).and_then(|it| it.split_whitespace().next());
    let _after = Other(process.expect("the process is named").to_owned());
    let status = starting.process.0.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(0), "it was taken over from");
}

#[test]
fn a_start_is_ended_by_what_ends_a_process() {
    let mut starting = Starting::new();
    starting.send("TERM");
    let status = starting.process.0.wait().expect("a child can be waited for");
    assert_eq!(status.signal(), Some(15));
}
