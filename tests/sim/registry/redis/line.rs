//! Connections to the model's server as the store sees them: they take time, break, and can be the last thing that a
//! process of muster does.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use muster::store::redis::connection::{ConnectionSource, RedisConnection};
use muster::store::redis::error::{ReplicaError, ReplicaErrorKind};
use redis::Value;

use crate::registry::disk::engine::{SharedDisk, hold};
use crate::registry::mutants::Mutant;
use crate::registry::redis::faults::{Condition, Fault};
use crate::registry::redis::keyspace::Command;
use crate::registry::redis::server::{Server, Session};
use crate::registry::redis::turns::ModelTurns;
use crate::registry::tally::Kind;

/// Half of the time that an answer takes, at most.
const WAY_MAX: Duration = Duration::from_millis(2);

/// A server, and the way to it.
pub struct ModelRedis {
    server: Mutex<Server>,
    pub turns: Arc<ModelTurns>,
    disk: SharedDisk,
    mutant: Option<Mutant>,
}

impl ModelRedis {
    /// An empty server beside a disk.
    pub fn new(seed: u64, disk: SharedDisk, mutant: Option<Mutant>) -> ModelRedis {
        let turns = Arc::new(ModelTurns::new());
        ModelRedis { server: Mutex::new(Server::new(seed)), turns, disk, mutant }
    }

    /// Locks the server for a moment. Nothing waits under it.
    pub fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("no holder panics")
    }

    /// Whether the process that asks is dead.
    fn is_cut_off(&self) -> bool {
        self.turns.is_over() || hold(&self.disk).is_dead
    }

    /// The way there or back, for a process that lives to its end.
    fn travel(&self) -> Result<(), ReplicaError> {
        // Whoever is dead must not draw from the server's chance: when it does so is not decided by the seed.
        if !self.is_cut_off() {
            let time = self.server().chance.span(Duration::from_micros(20), WAY_MAX);
            self.turns.take(time);
        }
        if self.is_cut_off() { Err(broken()) } else { Ok(()) }
    }

    /// An answer is waited for in vain.
    fn stay_silent(&self, timeout: Duration) -> ReplicaError {
        self.turns.take(timeout);
        ReplicaError::new(ReplicaErrorKind::Slow, "it does not answer in time")
    }

    fn kill(&self) -> ReplicaError {
        let mut disk = hold(&self.disk);
        disk.is_dead = true;
        disk.disarm();
        broken()
    }
}

fn broken() -> ReplicaError {
    ReplicaError::new(ReplicaErrorKind::Unreachable, "the connection is broken")
}

/// The way to a server, for one process.
pub struct ModelLines(pub Arc<ModelRedis>);

impl ConnectionSource for ModelLines {
    fn connect(&self) -> Result<Box<dyn RedisConnection>, ReplicaError> {
        self.0.travel()?;
        let session = self.0.server().connect().ok_or_else(broken)?;
        Ok(Box::new(ModelLine { redis: self.0.clone(), session, is_broken: false }))
    }

    fn counts(&self) -> (u32, u32) {
        (1, 0)
    }
}

struct ModelLine {
    redis: Arc<ModelRedis>,
    session: Session,
    is_broken: bool,
}

impl RedisConnection for ModelLine {
    fn pipeline(
        &mut self,
        packed: &[u8],
        answers: usize,
        timeout: Duration,
    ) -> Result<Vec<Value>, ReplicaError> {
        assert!(!self.is_broken, "a broken connection is used again");
        let asked = self.try_to_ask(commands(packed), timeout);
        self.is_broken = asked.is_err();
        asked.inspect(|all| assert_eq!(all.len(), answers, "one answer for each command"))
    }
}

impl ModelLine {
    fn try_to_ask(&mut self, commands: Vec<Command>, timeout: Duration) -> Result<Vec<Value>, ReplicaError> {
        let redis = self.redis.clone();
        redis.travel()?;
        redis.server().catch_up(redis.turns.at());
        if !redis.server().knows(&self.session) {
            return Err(broken());
        }
        if redis.server().is(Condition::Deaf) {
            Kind::RedisDeaf.count();
            redis.server().delay(&self.session, &commands);
            return Err(redis.stay_silent(timeout));
        }
        let struck = redis.server().struck();
        match struck {
            Some(Fault::CutBefore) => {
                Kind::RedisCutBefore.count();
                return Err(broken());
            }
            Some(Fault::CutWithin) => {
                Kind::RedisCutWithin.count();
                let arrived = redis.server().chance.below(commands.len());
                self.arrive(&commands[..arrived]);
                return Err(broken());
            }
            Some(Fault::KillBefore) => {
                Kind::KilledBeforeRedis.count();
                return Err(redis.kill());
            }
            Some(Fault::Silent) => {
                Kind::RedisSilent.count();
                return Err(redis.stay_silent(timeout));
            }
            Some(Fault::Late) => {
                redis.server().delay(&self.session, &commands);
                return Err(redis.stay_silent(timeout));
            }
            Some(Fault::Slow) => {
                Kind::RedisSlow.count();
                let time = redis.server().chance.even_span(timeout / 2, timeout);
                redis.turns.take(time);
                if redis.is_cut_off() || !redis.server().knows(&self.session) {
                    return Err(broken());
                }
            }
            Some(Fault::CutAfter | Fault::KillAfter) | None => {}
        }
        let answers = self.arrive(&commands);
        match struck {
            Some(Fault::CutAfter) => {
                Kind::RedisCutAfter.count();
                return Err(broken());
            }
            Some(Fault::KillAfter) => {
                Kind::KilledAfterRedis.count();
                return Err(redis.kill());
            }
            _ => {}
        }
        redis.travel()?;
        let mut server = redis.server();
        if !server.knows(&self.session) {
            return Err(broken());
        }
        let is_refusal =
            |(command, answer): (&Command, &Value)| command[0] == b"EXEC" && *answer == Value::Nil;
        server.is_noticed |= commands.iter().zip(&answers).any(is_refusal);
        Ok(answers)
    }

    /// Commands reach the server, on the way spoiled by whoever spoils.
    fn arrive(&mut self, commands: &[Command]) -> Vec<Value> {
        let mut server = self.redis.server();
        let (now, mutant) = (self.redis.turns.at(), self.redis.mutant);
        let mut answer = |command: &Command| match spoil(mutant, command.clone()) {
            Spoiled::Command(command) => server.answer(now, &mut self.session, &command),
            Spoiled::Answer(answer) => answer,
        };
        let answers = commands.iter().map(&mut answer).collect();
        if mutant == Some(Mutant::BelievesInSuccess) { believed(commands, answers) } else { answers }
    }
}

/// A command as a faulty muster sends it, or what it believes without sending it.
enum Spoiled {
    Command(Command),
    Answer(Value),
}

fn spoil(mutant: Option<Mutant>, mut command: Command) -> Spoiled {
    let verb = command[0].clone();
    match (mutant, verb.as_slice()) {
        (Some(Mutant::SendsNoGuard), b"WATCH") => return Spoiled::Answer(Value::Okay),
        (Some(Mutant::SendsNoLastRow), b"HSET") if command.len() > 4 => command.truncate(command.len() - 2),
        (Some(Mutant::DeletesNothing), b"HDEL") => command.truncate(2),
        (Some(Mutant::SendsOldSeals), b"SET") if command.len() == 3 && command[1].ends_with(b":seal") => {
            let text =
                String::from_utf8_lossy(&command[2]).replace("\"is_whole\":false", "\"is_whole\":true");
            command[2] = text.into_bytes();
        }
        _ => {}
    }
    Spoiled::Command(command)
}

/// Answers to somebody who takes every transaction for done.
fn believed(commands: &[Command], answers: Vec<Value>) -> Vec<Value> {
    let is_of_seal = |command: &Command| command.get(1).is_some_and(|key| key.ends_with(b":seal"));
    let sealed = commands.iter().find(|it| it[0] == b"SET" && is_of_seal(it)).map(|it| it[2].clone());
    let believe = |(command, answer): (&Command, Value)| match (command[0].as_slice(), answer) {
        (b"EXEC", Value::Nil | Value::ServerError(_)) => Value::Array(Vec::new()),
        (b"GET", answer) if is_of_seal(command) => sealed.clone().map_or(answer, Value::BulkString),
        (b"HSET" | b"SET" | b"XADD", Value::ServerError(_)) => Value::SimpleString("QUEUED".into()),
        (_, answer) => answer,
    };
    commands.iter().zip(answers).map(believe).collect()
}

/// The commands in what was packed: arrays of bulk strings.
fn commands(mut packed: &[u8]) -> Vec<Command> {
    let mut commands = Vec::new();
    while !packed.is_empty() {
        let words = number(&mut packed, b'*');
        let word = |_| {
            let length = number(&mut packed, b'$');
            let (word, rest) = packed.split_at(length);
            packed = &rest[2..];
            word.to_vec()
        };
        commands.push((0..words).map(word).collect());
    }
    commands
}

fn number(packed: &mut &[u8], sign: u8) -> usize {
    let end = packed.iter().position(|byte| *byte == b'\r').expect("a line ends");
    assert_eq!(packed[0], sign, "it is packed as Redis reads it");
    let digits = std::str::from_utf8(&packed[1..end]).expect("digits are text");
    *packed = &packed[end + 2..];
    digits.parse().expect("it is a number")
}
