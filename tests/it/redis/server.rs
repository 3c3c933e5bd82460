//! A real redis-server of a test's own: on a free port, with its files in a temporary directory, dead when dropped.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, ConnectionLike, FromRedisValue};
use tempfile::TempDir;

use crate::support::process::free_port;

/// Longest wait for a server to answer.
const START_WAIT_MAX: Duration = Duration::from_secs(20);

/// Longest wait for one answer. Longer than any sleep that a test puts a server to.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(20);

/// How often a start is tried: another program may take the free port first.
const STARTS_MAX: u32 = 3;

/// A running Redis.
pub struct Redis {
    child: Child,
    pub port: u16,
    arguments: Vec<String>,
    pub directory: TempDir,
    /// What it has written in all its starts.
    log: File,
}

impl Redis {
    /// Starts one that syncs every write to its append-only file each second, as most are run.
    pub fn start(arguments: &[&str]) -> Redis {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let mut last_error = String::new();
        for _ in 0..STARTS_MAX {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let (port, log) = (free_port(), tempfile::tempfile().expect("a temporary file"));
            let child = launch("redis-server", port, directory.path(), &arguments, &log);
            let mut redis = Redis { child, port, arguments: arguments.clone(), directory, log };
            match redis.wait_until_it_answers() {
                Ok(()) => return redis,
                Err(error) => last_error = error,
            }
        }
        panic!("redis-server does not start: {last_error}");
    }

    /// Starts it again after [`Redis::kill`], on the same port and files, with further arguments.
    pub fn start_again(&mut self, arguments: &[&str]) {
        self.kill();
        let further = arguments.iter().map(|it| (*it).to_owned());
        let all: Vec<String> = self.arguments.iter().cloned().chain(further).collect();
        self.child = launch("redis-server", self.port, self.directory.path(), &all, &self.log);
        self.wait_until_it_answers()
            .unwrap_or_else(|error| panic!("redis-server does not start again: {error}"));
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Removes all it has on disk.
    pub fn forget(&self) {
        fs::remove_dir_all(self.directory.path()).expect("its files can be removed");
        fs::create_dir(self.directory.path()).expect("its directory can be made");
    }

    /// Sends it a signal by its short name.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).status().expect("sh is needed to send a signal");
    }

    /// A connection, with the password if there is one.
    pub fn connect_as(&self, password: &str) -> redis::RedisResult<Connection> {
        let access = if password.is_empty() { String::new() } else { format!(":{password}@") };
        let client = redis::Client::open(format!("redis://{access}127.0.0.1:{}", self.port))?;
        let connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        Ok(connection)
    }

    /// Has it do a command.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = self.connect_as("").expect("Redis takes a connection");
        ask(&mut connection, words)
    }

    /// Gives the end of its log if it ends before it answers, or does not answer.
    fn wait_until_it_answers(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_WAIT_MAX;
        while !self.connect_as("").is_ok_and(|mut it| it.check_connection()) {
            let has_ended = self.child.try_wait().expect("it is a child of this process").is_some();
            if has_ended || Instant::now() >= deadline {
                let mut log = String::new();
                let _ = self.log.rewind().and_then(|()| self.log.read_to_string(&mut log));
                let end: Vec<&str> = log.lines().rev().take(5).collect();
                return Err(format!("it has ended: {has_ended}; its log, the last first: {end:#?}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// Has the server of a connection do a command.
pub fn ask<T: FromRedisValue>(connection: &mut Connection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(program: &str, port: u16, directory: &Path, arguments: &[String], log: &File) -> Child {
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(directory);
    command.args(["--appendonly", "yes", "--save", "", "--enable-debug-command", "yes"]).args(arguments);
    let log = log.try_clone().expect("a descriptor is free");
    command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{program} of scripts/test-deps: {error}"))
}

/// A sentinel that watches one master alone, and fails over at once when that is silent for half a second.
pub struct Sentinel {
    child: Child,
    pub port: u16,
    _directory: TempDir,
}

impl Sentinel {
    /// The name under which it knows the master.
    pub const MASTER: &str = "registry";

    pub fn start(master: &Redis) -> Sentinel {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (port, file) = (free_port(), directory.path().join("sentinel.conf"));
        let name = Sentinel::MASTER;
        let config = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {name} 500\nsentinel failover-timeout {name} 5000\n",
            directory.path().display(),
            master.port
        );
        fs::write(&file, config).expect("a file can be written");
        let mut command = Command::new("redis-sentinel");
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("redis-sentinel of scripts/test-deps");
        Sentinel { child, port, _directory: directory }
    }

    /// Waits until it knows the replica of its master, without which it could not fail over.
    pub fn wait_for_a_replica(&self) {
        let deadline = Instant::now() + START_WAIT_MAX;
        let known = || -> redis::RedisResult<usize> {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?;
            let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
            let mut asked = redis::cmd("SENTINEL");
            let replicas: Vec<redis::Value> =
                asked.arg("replicas").arg(Sentinel::MASTER).query(&mut connection)?;
            Ok(replicas.len())
        };
        while known().unwrap_or(0) == 0 {
            assert!(Instant::now() < deadline, "the sentinel knows the replica within {START_WAIT_MAX:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
