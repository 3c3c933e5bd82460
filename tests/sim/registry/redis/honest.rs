//! Whether the model is one of Redis: what it answers, a real server answers as well, over two connections that get in
//! each other's way.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use redis::{Connection, Value};
use tempfile::TempDir;

use crate::chance::Chance;
use crate::registry::redis::faults::Condition;
use crate::registry::redis::keyspace::{Command, text};
use crate::registry::redis::server::{Server, Session};
use crate::trace::At;

/// Scripts, and commands in each.
const SCRIPTS: u64 = 200;
const COMMANDS: usize = 60;

/// Longest wait for the server to start, and for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

const KEYS: [&str; 3] = ["a", "b", "c"];
const FIELDS: [&str; 4] = ["f", "g", "h", "i"];

/// A redis-server of this test's own, dead when dropped.
struct Real {
    child: Child,
    directory: TempDir,
}

impl Real {
    /// Starts one; `None` when it is not installed.
    fn start() -> Option<Real> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = directory.path().join("socket");
        let child = Program::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let real = Real { child, directory };
        let deadline = Instant::now() + PATIENCE;
        // The socket is there a moment before anybody listens at it.
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(real)
    }

    fn connect(&self) -> Connection {
        let place = format!("redis+unix://{}", self.directory.path().join("socket").display());
        let client = redis::Client::open(place).expect("it is an address");
        let connection = client.get_connection_with_timeout(PATIENCE).expect("it takes connections");
        connection.set_read_timeout(Some(PATIENCE)).expect("a socket has a time limit");
        connection
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The connection on which the real server is told how to be.
const OPERATOR: usize = 2;

/// One side of a script: connections to the model, or to the real server.
trait Side {
    fn ask(&mut self, connection: usize, words: &[&str]) -> Value;
}

struct OfModel {
    server: Server,
    sessions: [Session; 2],
}

impl Side for OfModel {
    fn ask(&mut self, connection: usize, words: &[&str]) -> Value {
        let command: Command = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.server.answer(At::ZERO, &mut self.sessions[connection], &command)
    }
}

impl Side for [Connection; 3] {
    fn ask(&mut self, connection: usize, words: &[&str]) -> Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let connection = &mut self[connection];
        connection.send_packed_command(&command.get_packed_command()).expect("it takes commands");
        connection.recv_response().expect("it answers")
    }
}

/// Makes the real server full, or a replica, or ends that.
fn be(real: &mut impl Side, condition: Condition, lasts: bool) {
    let words: &[&str] = match (condition, lasts) {
        (Condition::Full, true) => &["CONFIG", "SET", "maxmemory", "1"],
        (Condition::Full, false) => &["CONFIG", "SET", "maxmemory", "0"],
        (_, true) => &["REPLICAOF", "127.0.0.1", "1"],
        (_, false) => &["REPLICAOF", "NO", "ONE"],
    };
    assert_eq!(real.ask(OPERATOR, words), Value::Okay, "{words:?}");
}

/// A command, unless it makes no sense within a transaction.
fn command(chance: &mut Chance, is_queueing: bool) -> Vec<&'static str> {
    let (key, field) = (chance.pick(&KEYS), chance.pick(&FIELDS));
    let other = chance.pick(&FIELDS);
    match chance.below(if is_queueing { 12 } else { 16 }) {
        0 => vec!["GET", key],
        1 => vec!["SET", key, other],
        2 => vec!["SET", key, other, "PX", "10000000"],
        3 => vec!["DEL", key],
        4 => vec!["PEXPIRE", key, "10000000"],
        5 => vec!["HSET", key, field, "1", other, "2"],
        6 => vec!["HDEL", key, field, other],
        7 => vec!["HLEN", key],
        8 => vec!["HMGET", key, field, other],
        9 => vec!["XADD", "s", "*", "f", "v"],
        10 | 11 if is_queueing => vec!["EXEC"],
        10 => vec!["PTTL", key],
        11 => vec!["HSCAN", key, "0", "COUNT", "500"],
        12 | 13 => vec!["WATCH", key],
        14 => vec!["UNWATCH"],
        _ => vec!["MULTI"],
    }
}

/// An answer without what cannot be the same: an entry's name, a time that is left, the order of a scan, and the
/// sentence of an error.
fn bare(verb: &str, answer: Value) -> String {
    match (verb, answer) {
        (_, Value::ServerError(error)) => format!("error {}", error.code()),
        ("XADD", Value::BulkString(_)) => "an entry".into(),
        ("PTTL", Value::Int(left)) if left > 0 => "some time".into(),
        ("HSCAN", Value::Array(step)) => {
            let mut rows: Vec<String> = match &step[..] {
                [_, Value::Array(flat)] => flat.chunks(2).map(|pair| format!("{pair:?}")).collect(),
                other => vec![format!("{other:?}")],
            };
            rows.sort();
            format!("{rows:?}")
        }
        // Entries within a transaction.
        (_, Value::BulkString(bytes)) if text(&bytes).contains('-') => "an entry".into(),
        ("EXEC", Value::Array(answers)) => {
            let answers: Vec<String> = answers.into_iter().map(|answer| bare("", answer)).collect();
            format!("{answers:?}")
        }
        (_, answer) => format!("{answer:?}"),
    }
}

#[test]
fn the_model_answers_as_redis_does() {
    let Some(real) = Real::start() else {
        assert!(std::env::var_os("CI").is_none(), "redis-server is not installed");
        println!("skipped: redis-server is not installed");
        return;
    };
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..SCRIPTS {
        let mut chance = Chance::new(seed);
        let mut real = [real.connect(), real.connect(), real.connect()];
        real.ask(OPERATOR, &["FLUSHALL"]);
        let mut model = OfModel { server: Server::new(seed), sessions: Default::default() };
        model.sessions = [(); 2].map(|()| model.server.connect().expect("it listens"));
        let mut is_queueing = [false; 2];
        let mut told = Vec::new();
        for _ in 0..COMMANDS {
            if is_queueing == [false; 2] && chance.one_in(12) {
                let condition = chance.pick(&[Condition::Full, Condition::ReadOnly]);
                let lasts = !model.server.is(condition);
                be(&mut real, condition, lasts);
                model.server.set(At::ZERO, condition, lasts);
            }
            let connection = chance.below(2);
            let words = command(&mut chance, is_queueing[connection]);
            match words[0] {
                "MULTI" => is_queueing[connection] = true,
                "EXEC" => is_queueing[connection] = false,
                _ => {}
            }
            let expected = bare(words[0], real.ask(connection, &words));
            let found = bare(words[0], model.ask(connection, &words));
            let conditions = [Condition::Full, Condition::ReadOnly].map(|it| model.server.is(it));
            told.push(format!("{connection}: {words:?} {conditions:?} -> {expected}"));
            assert_eq!(found, expected, "script {seed}: {told:#?}");
            kinds.insert((words[0], expected.chars().take(5).collect::<String>()));
        }
        for condition in [Condition::Full, Condition::ReadOnly] {
            be(&mut real, condition, false);
        }
    }
    println!("{} commands, {} kinds of answer", SCRIPTS * COMMANDS as u64, kinds.len());
}
