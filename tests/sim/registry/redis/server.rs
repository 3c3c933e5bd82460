//! A Redis that dies anywhere: it loses its connections, its tail or everything, is full, read-only, loading, deaf or
//! slow, is replaced by a replica that lags, and is meddled with by a person and by another muster.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use muster::store::change::Table;
use muster::store::redis::keys::Keys;
use muster::store::redis::lease::LEASE_TERM;
use muster::store::redis::position::ReplicaPosition;
use redis::Value;

use crate::chance::Chance;
use crate::registry::redis::faults::{Blow, Condition, Fault};
use crate::registry::redis::keyspace::{Command, Hash, Kept, Keyspace, error, text};
use crate::registry::tally::Kind;
use crate::trace::At;

/// What every key begins with.
pub const PREFIX: &str = "muster";

/// States that a restart or a replica may go back to.
const PAST_MAX: usize = 12;

/// Questions of others, of which one lets through what is late.
const LATE_ONE_IN: usize = 4;

/// How long after the end of another's lock muster may not know of it yet: a pause, and an answer that does not come.
const FENCED_FOR: Duration = Duration::from_secs(3);

/// What another muster writes into the lock.
const RIVAL: &str = r#"{"owner":"another","fence":1000000,"host":"elsewhere","process":1}"#;

/// What a connection knows of itself.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The life of the server that it is connected to.
    life: u64,
    /// Keys that must not be touched, and how often they had been.
    watched: Vec<(String, u64)>,
    /// Commands of the transaction that is open.
    queue: Option<Vec<Command>>,
    is_queue_spoilt: bool,
}

/// The server.
#[derive(Debug)]
pub struct Server {
    pub(super) chance: Chance,
    keys: Keys,
    held: Keyspace,
    touches: BTreeMap<String, u64>,
    /// Rises with every start: connections of earlier ones are broken.
    life: u64,
    run_id: u64,
    /// Earlier states, and whether somebody had altered them.
    past: VecDeque<(Keyspace, bool)>,
    conditions: BTreeSet<Condition>,
    armed: Option<(Fault, usize)>,
    /// What was asked and is done later.
    late: Vec<(Session, Vec<Command>)>,
    /// Something has happened since it was last cleared: refusals are no wonder.
    pub is_troubled: bool,
    /// It has gone back to what it was before, and nobody has mended that yet.
    pub has_gone_back: bool,
    /// Somebody has altered rows, as only a watching transaction and a comparison row by row can notice.
    pub is_altered: bool,
    /// Muster has noticed, or is about to compare anyway: it must not be well before that is mended.
    pub is_noticed: bool,
    /// Transactions that were carried out.
    pub transactions: u64,
    /// The directory whose lock is no wonder.
    pub owner: String,
    /// Until when another's lock may keep muster from writing.
    fenced_until: At,
    /// Something that must never happen.
    pub complaint: Option<String>,
}

impl Server {
    /// An empty one.
    pub fn new(seed: u64) -> Server {
        Server {
            chance: Chance::new(seed),
            keys: Keys::new(PREFIX),
            held: Keyspace::default(),
            touches: BTreeMap::new(),
            life: 1,
            run_id: 1,
            past: VecDeque::new(),
            conditions: BTreeSet::new(),
            armed: None,
            late: Vec::new(),
            is_troubled: false,
            has_gone_back: false,
            is_altered: false,
            is_noticed: false,
            transactions: 0,
            owner: String::new(),
            fenced_until: At::ZERO,
            complaint: None,
        }
    }

    /// Whether a condition lasts.
    pub fn is(&self, condition: Condition) -> bool {
        self.conditions.contains(&condition)
    }

    /// A condition begins or ends.
    pub fn set(&mut self, now: At, condition: Condition, lasts: bool) {
        if lasts {
            self.conditions.insert(condition);
        } else {
            self.conditions.remove(&condition);
        }
        self.is_troubled |= lasts;
        match (condition, lasts) {
            (Condition::Down, true) => self.life += 1,
            (Condition::Rival, false) if self.is_rivals() => self.remove(self.keys.lock.clone()),
            (Condition::Rival, false) => {}
            _ => self.tick(now),
        }
    }

    /// Has `fault` strike after so many questions.
    pub fn arm(&mut self, fault: Fault, questions: usize) {
        self.armed = Some((fault, questions));
    }

    /// Everything is well from now on; only what was lost is lost.
    pub fn heal(&mut self, now: At) {
        for condition in self.conditions.clone() {
            self.set(now, condition, false);
        }
        (self.armed, self.is_troubled) = (None, false);
        for table in Table::ALL {
            let key = self.keys.of(table).to_owned();
            if self.held.text(&key).is_some() {
                self.remove(key);
            }
        }
    }

    /// Something happens to it.
    pub fn suffer(&mut self, now: At, blow: Blow) {
        self.is_troubled = true;
        let before = self.held.clone();
        match blow {
            Blow::Died => self.restart(before.clone()),
            Blow::LostTail | Blow::Failover => {
                let back = self.chance.below(self.past.len().max(1));
                let (earlier, is_altered) = self.past.get(back).cloned().unwrap_or_default();
                self.past.truncate(back);
                (self.has_gone_back, self.is_altered) = (true, is_altered);
                let fence_before = self.fence();
                self.restart(earlier);
                if self.fence() > fence_before {
                    // Fences were lost and have come back: whoever holds the lock looks like a copy that has gone on.
                    self.fenced_until = now + LEASE_TERM + FENCED_FOR;
                }
            }
            Blow::Empty => self.restart(Keyspace::default()),
            Blow::Flush => self.held = Keyspace::default(),
            Blow::RowGone | Blow::RowTooMany | Blow::RowAltered => self.meddle(blow),
            Blow::TableGone => {
                let table = self.some_table();
                self.held.remove(&table);
            }
            Blow::TableIsText => {
                let table = self.some_table();
                self.held.put_text(&table, "somebody's");
            }
            Blow::SealGone => self.held.remove(&self.keys.seal.clone()),
            Blow::LockGone => self.held.remove(&self.keys.lock.clone()),
        }
        let names = before.names().into_iter().chain(self.held.names());
        names.collect::<Vec<_>>().into_iter().for_each(|key| self.touch(key));
        blow.kind().count();
    }

    fn restart(&mut self, held: Keyspace) {
        self.held = held;
        self.life += 1;
        self.run_id += 1;
        self.is_noticed = true;
        self.late.clear();
    }

    fn meddle(&mut self, blow: Blow) {
        let table = self.some_table();
        let mut hash = self.hash(&table);
        let row = hash.keys().next().cloned();
        (self.is_altered, self.is_noticed) = (true, false);
        match (blow, row) {
            (Blow::RowGone, Some(row)) => drop(hash.remove(&row)),
            (Blow::RowAltered, Some(row)) => drop(hash.insert(row, b"altered".to_vec())),
            _ => drop(hash.insert(b"a row too many".to_vec(), b"{}".to_vec())),
        }
        self.held.put(&table, hash);
    }

    fn some_table(&mut self) -> String {
        let table = self.chance.pick(&[Table::Nodes, Table::Services, Table::Checks, Table::History]);
        self.keys.of(table).to_owned()
    }

    /// The number of the lock.
    fn fence(&self) -> u64 {
        let lock = self.held.text(&self.keys.lock).unwrap_or_default();
        let lock: serde_json::Value = serde_json::from_slice(lock).unwrap_or_default();
        lock["fence"].as_u64().unwrap_or_default()
    }

    /// Whether another muster has the lock.
    fn is_rivals(&self) -> bool {
        self.held.text(&self.keys.lock) == Some(RIVAL.as_bytes())
    }

    fn hash(&self, key: &str) -> Hash {
        match self.held.get(key) {
            Some(Kept::Hash(hash)) => Hash::clone(hash),
            _ => Hash::new(),
        }
    }

    /// Every row, by its name.
    pub fn rows(&self) -> BTreeMap<String, Vec<u8>> {
        let of = |table: Table| {
            let rows = self.hash(self.keys.of(table)).into_iter();
            rows.map(move |(key, value)| (format!("{}/{}", table.name(), text(&key)), value))
        };
        Table::ALL.into_iter().flat_map(of).collect()
    }

    /// The seal of the rows.
    pub fn mark(&self) -> Option<ReplicaPosition> {
        self.held.text(&self.keys.seal).and_then(|text| ReplicaPosition::decode(text).ok())
    }

    /// Whether another's lock may keep muster from writing.
    pub fn is_fenced(&self, now: At) -> bool {
        now < self.fenced_until
    }

    /// Whether its rows are those of its seal, as far as the seal and their number tell.
    pub fn is_whole(&self) -> bool {
        let is_whole =
            |mark: ReplicaPosition| mark.is_whole && mark.checksum.rows == self.rows().len() as u64;
        self.mark().is_some_and(is_whole) && !self.is_altered
    }

    /// A new connection; `None` when nothing listens.
    pub fn connect(&mut self) -> Option<Session> {
        if self.is(Condition::Down) {
            Kind::RedisDown.count();
            return None;
        }
        Some(Session { life: self.life, ..Session::default() })
    }

    /// Whether a connection is to the server as it runs now.
    pub fn knows(&self, session: &Session) -> bool {
        session.life == self.life && !self.is(Condition::Down)
    }

    /// The fault that strikes a question, if one does.
    pub fn struck(&mut self) -> Option<Fault> {
        match &mut self.armed {
            Some((_, questions)) if *questions > 0 => *questions -= 1,
            Some(_) => {
                self.is_troubled = true;
                return self.armed.take().map(|(fault, _)| fault);
            }
            None => {}
        }
        None
    }

    /// Commands that arrive later, on a connection that nobody reads from any more.
    pub fn delay(&mut self, session: &Session, commands: &[Command]) {
        self.late.push((session.clone(), commands.to_vec()));
    }

    /// Whether something may still be done that was asked by whoever has given up waiting.
    pub fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// What was delayed arrives now, or does not yet.
    pub fn catch_up(&mut self, now: At) {
        if self.is(Condition::Deaf) || !self.chance.one_in(LATE_ONE_IN) {
            return;
        }
        for (mut session, commands) in std::mem::take(&mut self.late) {
            Kind::RedisLate.count();
            if self.knows(&session) {
                commands.iter().for_each(|command| drop(self.answer(now, &mut session, command)));
            }
        }
    }

    /// Answers a command.
    pub fn answer(&mut self, now: At, session: &mut Session, command: &Command) -> Value {
        self.tick(now);
        let verb = text(&command[0]);
        if self.is(Condition::Loading) {
            Kind::RedisLoading.count();
            session.is_queue_spoilt = true;
            return error("LOADING Redis is loading the dataset in memory");
        }
        match verb.as_str() {
            "INFO" | "CONFIG" => return self.said_of_itself(command),
            "MULTI" => {
                (session.queue, session.is_queue_spoilt) = (Some(Vec::new()), false);
                return Value::Okay;
            }
            "EXEC" => return self.execute(now, session),
            "WATCH" => {
                let of = |key: &Vec<u8>| (text(key), self.touches(&text(key)));
                session.watched.extend(command[1..].iter().map(of));
                return Value::Okay;
            }
            "UNWATCH" => {
                session.watched.clear();
                return Value::Okay;
            }
            _ => {}
        }
        if let Some(refusal) = self.refusal(&verb, session.queue.is_some()) {
            session.is_queue_spoilt = true;
            return refusal;
        }
        match &mut session.queue {
            Some(queue) => {
                queue.push(command.clone());
                Value::SimpleString("QUEUED".into())
            }
            None => self.carry_out(now, command),
        }
    }

    fn execute(&mut self, now: At, session: &mut Session) -> Value {
        let watched = std::mem::take(&mut session.watched);
        let Some(queue) = session.queue.take() else { return error("ERR EXEC without MULTI") };
        if std::mem::take(&mut session.is_queue_spoilt) {
            return error("EXECABORT Transaction discarded because of previous errors.");
        }
        if watched.iter().any(|(key, touches)| self.touches(key) != *touches) {
            return Value::Nil;
        }
        self.judge(&queue);
        self.past.push_back((self.held.clone(), self.is_altered));
        if self.past.len() > PAST_MAX {
            self.past.pop_front();
        }
        self.transactions += 1;
        Value::Array(queue.iter().map(|command| self.carry_out(now, command)).collect())
    }

    /// Rows must not be written while another has the lock.
    fn judge(&mut self, queue: &[Command]) {
        let is_of_rows = |command: &Command| matches!(command[0].as_slice(), b"HSET" | b"HDEL");
        if queue.iter().any(is_of_rows) && self.is_rivals() {
            self.complaint = Some("rows are written while another muster has the lock".into());
        }
    }

    fn carry_out(&mut self, now: At, command: &Command) -> Value {
        let mut touched = Vec::new();
        let answer = self.held.carry_out(now, command, &mut touched);
        touched.into_iter().for_each(|key| self.touch(key));
        answer
    }

    fn touch(&mut self, key: String) {
        *self.touches.entry(key).or_default() += 1;
    }

    /// How often a key was touched.
    fn touches(&self, key: &str) -> u64 {
        self.touches.get(key).copied().unwrap_or_default()
    }

    fn remove(&mut self, key: String) {
        self.held.remove(&key);
        self.touch(key);
    }

    /// Why a command is not taken, if it is not.
    fn refusal(&self, verb: &str, is_queueing: bool) -> Option<Value> {
        let writes = matches!(verb, "SET" | "DEL" | "PEXPIRE" | "XADD" | "HSET" | "HDEL");
        if self.is(Condition::ReadOnly) {
            // A replica leaves the memory to its master.
            return writes.then(|| {
                Kind::RedisReadOnly.count();
                error("READONLY You can't write against a read only replica.")
            });
        }
        // A queue takes memory, whatever is in it.
        if (is_queueing || matches!(verb, "SET" | "XADD" | "HSET")) && self.is(Condition::Full) {
            Kind::RedisFull.count();
            return Some(error("OOM command not allowed when used memory > 'maxmemory'."));
        }
        None
    }

    /// INFO and CONFIG GET.
    fn said_of_itself(&self, command: &Command) -> Value {
        let bulk = |text: String| Value::BulkString(text.into_bytes());
        let pair = |key: &str, value: &str| Value::Array(vec![bulk(key.into()), bulk(value.into())]);
        let (role, policy) = (
            if self.is(Condition::ReadOnly) { "slave" } else { "master" },
            if self.is(Condition::Unfit) { "allkeys-lru" } else { "noeviction" },
        );
        if policy != "noeviction" {
            Kind::RedisUnfit.count();
        }
        match text(command.last().expect("it has words")).as_str() {
            "server" => bulk(format!("redis_version:7.0.15\r\nrun_id:{}\r\n", self.run_id)),
            "replication" => bulk(format!("role:{role}\r\n")),
            "persistence" => bulk("aof_enabled:1\r\n".into()),
            "memory" => bulk(format!("maxmemory_policy:{policy}\r\n")),
            "append*" => pair("appendfsync", "always"),
            _ => pair("maxmemory-policy", policy),
        }
    }

    /// What time alone brings about: locks that run out, and another muster that waits for one.
    fn tick(&mut self, now: At) {
        self.held.end_what_is_due(now).into_iter().for_each(|key| self.touch(key));
        let own = format!("\"owner\":{:?}", self.owner);
        if self.held.text(&self.keys.lock).is_some_and(|lock| !text(lock).contains(&own)) {
            self.fenced_until = now + FENCED_FOR;
        }
        if self.is(Condition::Rival) {
            let lock = self.keys.lock.clone();
            if self.held.get(&lock).is_none() || self.is_rivals() {
                let term = LEASE_TERM.as_millis().to_string();
                let words: [&[u8]; 5] = [b"SET", lock.as_bytes(), RIVAL.as_bytes(), b"PX", term.as_bytes()];
                self.held.carry_out(now, &words.map(<[u8]>::to_vec), &mut Vec::new());
                self.touch(lock);
                Kind::RedisRival.count();
            }
        }
    }
}
