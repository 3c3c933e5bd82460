//! One connection in use: what is asked of Redis, and the guarded transaction by which everything is written.
//!
//! A transaction is one round trip, and leaves the guard of the next one armed behind it:
//!
//! ```text
//! MULTI  HSET/HDEL ...  SET seal  XADD changes  PEXPIRE lock  EXEC | WATCH lock seal tables  GET lock  GET seal
//! ```
//!
//! `EXEC` does nothing when anything watched was touched since: by another muster, by a person, by FLUSHALL, by
//! eviction, or by the lock's running out. So a muster that has lost its lock cannot write, and rows that Redis lost
//! are noticed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, FromRedisValue, ServerError, Value, cmd};

use super::connection::{ConnectionSource, RedisConnection};
use super::error::{ReplicaError, ReplicaErrorKind, error_text};
use super::keys::Keys;
use super::lease::{LEASE_TERM, Lease, RENEWAL};
use super::position::{RedisContents, ReplicaPosition};
use super::scheduler::RedisScheduler;
use super::server_info::{self, ServerInfo};
use crate::store::change::{RowChange, Table};

/// Fields asked for in one `HSCAN`. More would keep Redis from its other clients; each is some hundred bytes as a rule,
/// and where they are as long as a request may be, this many fit into the memory for an answer of a large machine.
pub const SCAN_ROWS: usize = 100;

/// How the servers are reached and asked.
#[derive(Clone)]
pub struct RedisConnector {
    /// Where connections come from.
    pub connections: Arc<dyn ConnectionSource>,
    /// The clock, and who waits for whom.
    pub scheduler: Arc<dyn RedisScheduler>,
    /// The names of the keys.
    pub keys: Keys,
    /// Longest time for an answer.
    pub timeout: Duration,
}

/// A connection to a server that was found fit.
pub struct RedisSession {
    connection: Box<dyn RedisConnection>,
    connector: RedisConnector,
    /// What the server said of itself.
    pub server: ServerInfo,
}

/// One step of a scan: where it goes on, if it does, and the rows met. A row may be met twice.
pub struct Scanned {
    /// For the next step; 0 at the end.
    pub cursor: u64,
    /// Keys and values.
    pub rows: Vec<(String, Vec<u8>)>,
}

impl RedisSession {
    /// Takes a connection and asks the server what it says of itself.
    ///
    /// # Errors
    /// When there is none, or the server is not fit to keep rows.
    pub fn open(connector: &RedisConnector) -> Result<Self, ReplicaError> {
        let mut connection = connector.connections.connect()?;
        let server = ask_server(&mut *connection, connector.timeout)?;
        Ok(Self { connection, connector: connector.clone(), server })
    }

    /// Asks the server again what it says of itself.
    ///
    /// # Errors
    /// When it is no longer fit.
    pub fn ask_server_again(&mut self) -> Result<(), ReplicaError> {
        self.server = ask_server(&mut *self.connection, self.connector.timeout)?;
        Ok(())
    }

    /// How the server is reached.
    pub fn connector(&self) -> &RedisConnector {
        &self.connector
    }

    /// The names of the keys.
    pub fn keys(&self) -> &Keys {
        &self.connector.keys
    }

    /// Asks, and gives the answers in order.
    ///
    /// # Errors
    /// The connection's; an error answer is an answer.
    pub fn pipeline(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, ReplicaError> {
        self.connection.pipeline(&packed(commands), commands.len(), self.connector.timeout)
    }

    /// Asks for a value of a type.
    ///
    /// # Errors
    /// The connection's, an error answer, or an answer of another type.
    pub fn query<T: FromRedisValue>(&mut self, command: Cmd) -> Result<T, ReplicaError> {
        let answer = self.pipeline(&[command])?.swap_remove(0);
        typed(answer)
    }

    /// What is under the prefix, as far as a few cheap questions tell.
    ///
    /// # Errors
    /// The connection's, or when a key holds something else than muster puts there.
    pub fn found(&mut self) -> Result<RedisContents, ReplicaError> {
        let mut commands = vec![get(&self.keys().seal)];
        commands.extend(Table::ALL.map(|table| one("HLEN", self.keys().of(table))));
        let mut answers = self.pipeline(&commands)?.into_iter();
        let checksum: Option<Vec<u8>> =
            typed(answers.next().unwrap_or_default()).map_err(|it| foreign_key(&self.keys().seal, it))?;
        let mut rows = 0;
        for (table, answer) in Table::ALL.into_iter().zip(answers) {
            rows += typed::<u64>(answer).map_err(|error| foreign_key(self.keys().of(table), error))?;
        }
        let decoded = checksum.map(|text| ReplicaPosition::decode(&text)).transpose();
        let position = decoded.map_err(|sentence| ReplicaError::new(ReplicaErrorKind::Foreign, sentence))?;
        Ok(RedisContents { position, rows })
    }

    /// One step through a table, from `cursor` on.
    ///
    /// # Errors
    /// The connection's.
    pub fn scan(&mut self, table: Table, cursor: u64) -> Result<Scanned, ReplicaError> {
        let mut command = one("HSCAN", self.keys().of(table));
        command.arg(cursor).arg("COUNT").arg(SCAN_ROWS);
        let (cursor, flat): (u64, Vec<Value>) = self.query(command)?;
        let mut rows = Vec::with_capacity(flat.len() / 2);
        let mut flat = flat.into_iter();
        while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
            rows.push((typed(key)?, typed(value)?));
        }
        Ok(Scanned { cursor, rows })
    }

    /// What Redis holds of these rows, in their order.
    ///
    /// # Errors
    /// The connection's.
    pub fn values(&mut self, table: Table, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, ReplicaError> {
        let mut command = one("HMGET", self.keys().of(table));
        command.arg(keys);
        self.query(command)
    }
}

/// A connection whose server this muster may write to, with the guard of the next transaction armed.
pub struct RedisWriter {
    session: RedisSession,
    lease: Lease,
    /// When the lock was renewed last.
    renewed: Instant,
}

impl RedisWriter {
    /// Arms the guard.
    ///
    /// # Errors
    /// When the lock is no longer this muster's.
    pub fn new(session: RedisSession, lease: Lease) -> Result<Self, ReplicaError> {
        let renewed = session.connector.scheduler.now();
        let mut writer = Self { session, lease, renewed };
        let guard = writer.guard();
        let answers = writer.session.pipeline(&guard)?;
        writer.check_lock(&answers[1])?;
        Ok(writer)
    }

    /// The connection, to read by. Must not be used to write.
    pub fn session(&mut self) -> &mut RedisSession {
        &mut self.session
    }

    /// The lock that is held.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Writes in one guarded transaction, which keeps the lock for another term. Without `position` the seal stays.
    ///
    /// # Errors
    /// When nothing was written, or it is not known whether: the connection broke, Redis refused, the lock is of
    /// another muster, or what is guarded was touched.
    pub fn write(
        &mut self,
        mut commands: Vec<Cmd>,
        position: Option<&ReplicaPosition>,
    ) -> Result<(), ReplicaError> {
        let seal = position.map(ReplicaPosition::encode);
        if let Some(seal) = &seal {
            let mut set = one("SET", &self.session.keys().seal);
            set.arg(seal);
            commands.push(set);
        }
        let mut extend = one("PEXPIRE", &self.session.keys().lock);
        extend.arg(LEASE_TERM.as_millis() as u64);
        commands.push(extend);
        let queued = commands.len();
        let mut round = vec![cmd("MULTI")];
        round.append(&mut commands);
        round.push(cmd("EXEC"));
        round.extend(self.guard());
        self.renewed = self.session.connector.scheduler.now();
        let answers = self.session.pipeline(&round)?;
        let (queue, rest) = answers.split_at(1 + queued);
        let [executed, _, lock, found] = rest else {
            let detail = "it answered with less than was asked for";
            return Err(ReplicaError::new(ReplicaErrorKind::Unreachable, detail));
        };
        if let Some(error) = first_error(queue) {
            return Err(ReplicaError::refused(error));
        }
        self.check_executed(executed, lock)?;
        self.check_lock(lock)?;
        match (&seal, found) {
            (Some(seal), Value::BulkString(found)) if found == seal.as_bytes() => Ok(()),
            (None, _) => Ok(()),
            _ => Err(altered("its seal is another than the one just written")),
        }
    }

    /// What `EXEC` answered, where the lock was then as in `lock`.
    fn check_executed(&self, executed: &Value, lock: &Value) -> Result<(), ReplicaError> {
        match executed {
            Value::Nil => {
                self.check_lock(lock)?;
                Err(altered("what is under the prefix was changed by somebody else, or lost"))
            }
            Value::ServerError(error) => Err(ReplicaError::refused(error)),
            // Redis has done the rest of the transaction, so the rows there are not those of the seal.
            Value::Array(done) => first_error(done).map_or(Ok(()), |error| Err(altered(error_text(error)))),
            other => {
                let detail = format!("it answered EXEC by {other:?}");
                Err(ReplicaError::new(ReplicaErrorKind::Refused, detail))
            }
        }
    }

    /// Keeps the lock in a long run of queries.
    ///
    /// # Errors
    /// As [`RedisWriter::write`].
    pub fn keep_lock(&mut self) -> Result<(), ReplicaError> {
        let since = self.session.connector.scheduler.now() - self.renewed;
        if since < RENEWAL { Ok(()) } else { self.write(Vec::new(), None) }
    }

    /// Gives the lock back, if it is still this muster's.
    ///
    /// # Errors
    /// The connection's.
    pub fn release(mut self) -> Result<(), ReplicaError> {
        let round = [cmd("MULTI"), one("DEL", &self.session.keys().lock), cmd("EXEC")];
        self.session.pipeline(&round).map(|_| ())
    }

    fn guard(&self) -> [Cmd; 3] {
        let mut watch = cmd("WATCH");
        for key in self.session.keys().guarded() {
            watch.arg(key);
        }
        [watch, get(&self.session.keys().lock), get(&self.session.keys().seal)]
    }

    fn check_lock(&self, lock: &Value) -> Result<(), ReplicaError> {
        match lock {
            Value::BulkString(text) if text == self.lease.text.as_bytes() => Ok(()),
            Value::BulkString(text) => Err(super::lease::held_by(text, None)),
            Value::ServerError(error) => Err(ReplicaError::refused(error)),
            _ => Err(altered("the lock has run out or was deleted")),
        }
    }
}

fn altered(detail: impl Into<String>) -> ReplicaError {
    ReplicaError::new(ReplicaErrorKind::Altered, detail)
}

fn first_error(answers: &[Value]) -> Option<&ServerError> {
    answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error),
        _ => None,
    })
}

/// The commands that put these changes into their tables. Of several changes of a row the last one counts.
pub fn row_commands<'a>(keys: &Keys, changes: impl IntoIterator<Item = &'a RowChange>) -> Vec<Cmd> {
    let mut last: BTreeMap<(Table, &str), Option<&[u8]>> = BTreeMap::new();
    for change in changes {
        last.insert((change.table, &change.key), change.value.as_deref());
    }
    let mut commands: BTreeMap<(Table, bool), Cmd> = BTreeMap::new();
    for ((table, key), value) in last {
        let verb = if value.is_some() { "HSET" } else { "HDEL" };
        let command = commands.entry((table, value.is_some())).or_insert_with(|| one(verb, keys.of(table)));
        command.arg(key);
        if let Some(value) = value {
            command.arg(value);
        }
    }
    commands.into_values().collect()
}

/// A command on one key.
pub fn one(verb: &str, key: &str) -> Cmd {
    let mut command = cmd(verb);
    command.arg(key);
    command
}

/// `GET key`
pub fn get(key: &str) -> Cmd {
    one("GET", key)
}

/// An answer as a value of a type.
pub fn typed<T: FromRedisValue>(answer: Value) -> Result<T, ReplicaError> {
    match answer {
        Value::ServerError(error) => Err(ReplicaError::refused(&error)),
        answer => T::from_redis_value(answer)
            .map_err(|error| ReplicaError::new(ReplicaErrorKind::Refused, error.to_string())),
    }
}

fn packed(commands: &[Cmd]) -> Vec<u8> {
    let mut bytes = Vec::new();
    commands.iter().for_each(|command| command.write_packed_command(&mut bytes));
    bytes
}

fn ask_server(connection: &mut dyn RedisConnection, timeout: Duration) -> Result<ServerInfo, ReplicaError> {
    let queries = server_info::queries();
    server_info::read(&connection.pipeline(&packed(&queries), queries.len(), timeout)?)
}

/// A key that holds something else than muster puts there.
fn foreign_key(key: &str, error: ReplicaError) -> ReplicaError {
    let detail = format!(
        "the key {key:?} is not muster's: {error}. Rename or delete it, or choose another redis_prefix"
    );
    ReplicaError { detail, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_of_a_row_is_the_one_that_is_written() {
        let keys = Keys::new("m");
        let changes = [
            RowChange::put(Table::Services, "a", "1"),
            RowChange::delete(Table::Services, "a"),
            RowChange::put(Table::Services, "b", "1"),
            RowChange::put(Table::Services, "b", "2"),
            RowChange::delete(Table::Checks, "c"),
            RowChange::put(Table::Checks, "c", "3"),
        ];
        let expected = [
            "*3\r\n$4\r\nHDEL\r\n$13\r\nm:v1:services\r\n$1\r\na\r\n",
            "*4\r\n$4\r\nHSET\r\n$13\r\nm:v1:services\r\n$1\r\nb\r\n$1\r\n2\r\n",
            "*4\r\n$4\r\nHSET\r\n$11\r\nm:v1:checks\r\n$1\r\nc\r\n$1\r\n3\r\n",
        ];
        assert_eq!(String::from_utf8(packed(&row_commands(&keys, &changes))).unwrap(), expected.concat());
    }
}
