//! What a Redis holds, and what the commands do that muster sends. It knows no others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::trace::At;

/// Everything under all keys.
#[derive(Clone, Debug, Default)]
pub struct Keyspace {
    keys: BTreeMap<String, Held>,
}

#[derive(Clone, Debug)]
struct Held {
    value: Kept,
    /// When it ends by itself.
    ends: Option<At>,
}

/// What stands under a key.
#[derive(Clone, Debug)]
pub enum Kept {
    Text(Vec<u8>),
    Hash(Arc<Hash>),
    /// So many entries.
    Stream(u64),
}

/// The fields of a hash.
pub type Hash = BTreeMap<Vec<u8>, Vec<u8>>;

/// A command: its words.
pub type Command = Vec<Vec<u8>>;

/// Fields in one step of a scan.
const SCAN_STEP: usize = 4;

/// An error answer.
pub fn error(text: &str) -> Value {
    redis::parse_redis_value(format!("-{text}\r\n").as_bytes()).expect("it is an error answer")
}

fn wrong_type() -> Value {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

/// A word as text.
pub fn text(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn number(word: &[u8]) -> u64 {
    text(word).parse().expect("muster sends numbers here")
}

/// A field and its value.
type Field<'a> = (&'a Vec<u8>, &'a Vec<u8>);

/// The fields beyond a cursor and the cursor beyond them, in an order of Redis's own: a field that is there all the
/// while is met, whatever happens to the others.
fn scan(hash: &Hash, cursor: u64) -> (Vec<Field<'_>>, u64) {
    let place = |field: &[u8]| xxh3_64(field).max(1);
    let mut beyond: Vec<_> = hash.iter().filter(|(field, _)| place(field) > cursor).collect();
    beyond.sort_unstable_by_key(|(field, _)| place(field));
    let is_end = beyond.len() <= SCAN_STEP;
    beyond.truncate(SCAN_STEP);
    let cursor = if is_end { 0 } else { beyond.last().map_or(0, |(field, _)| place(field)) };
    (beyond, cursor)
}

impl Keyspace {
    /// Carries out a command, and notes the keys that it has touched.
    pub fn carry_out(&mut self, now: At, command: &[Vec<u8>], touched: &mut Vec<String>) -> Value {
        let (verb, key) = (text(&command[0]), command.get(1).map(|key| text(key)).unwrap_or_default());
        let rest = command.get(2..).unwrap_or_default();
        match verb.as_str() {
            "GET" => match self.get(&key) {
                None => Value::Nil,
                Some(Kept::Text(text)) => Value::BulkString(text.clone()),
                Some(_) => wrong_type(),
            },
            "SET" => {
                let ends = (rest.len() > 1).then(|| now + Duration::from_millis(number(&rest[2])));
                self.keys.insert(key.clone(), Held { value: Kept::Text(rest[0].clone()), ends });
                touched.push(key);
                Value::Okay
            }
            "DEL" => {
                let is_there = self.keys.remove(&key).is_some();
                is_there.then(|| touched.push(key));
                Value::Int(is_there.into())
            }
            "PTTL" => Value::Int(match self.keys.get(&key) {
                None => -2,
                Some(Held { ends: None, .. }) => -1,
                Some(Held { ends: Some(ends), .. }) => (*ends - now).as_millis() as i64,
            }),
            "PEXPIRE" => {
                let Some(held) = self.keys.get_mut(&key) else { return Value::Int(0) };
                held.ends = Some(now + Duration::from_millis(number(&rest[0])));
                touched.push(key);
                Value::Int(1)
            }
            "XADD" => {
                let entry = Held { value: Kept::Stream(0), ends: None };
                let Kept::Stream(entries) = &mut self.keys.entry(key.clone()).or_insert(entry).value else {
                    return wrong_type();
                };
                *entries += 1;
                touched.push(key);
                Value::BulkString(format!("{}-0", *entries).into_bytes())
            }
            "HSET" | "HDEL" | "HLEN" | "HMGET" | "HSCAN" => self.hash(&verb, key, rest, touched),
            other => panic!("the model knows no {other}"),
        }
    }

    fn hash(&mut self, verb: &str, key: String, rest: &[Vec<u8>], touched: &mut Vec<String>) -> Value {
        let none = Hash::new();
        let hash = match self.get(&key) {
            None => &none,
            Some(Kept::Hash(hash)) => hash,
            Some(_) => return wrong_type(),
        };
        let bulk = |bytes: &Vec<u8>| Value::BulkString(bytes.clone());
        match verb {
            "HLEN" => return Value::Int(hash.len() as i64),
            "HMGET" => {
                return Value::Array(
                    rest.iter().map(|field| hash.get(field).map_or(Value::Nil, bulk)).collect(),
                );
            }
            "HSCAN" => {
                let (step, cursor) = scan(hash, number(&rest[0]));
                let flat = step.into_iter().flat_map(|(field, value)| [bulk(field), bulk(value)]).collect();
                let cursor = Value::BulkString(cursor.to_string().into_bytes());
                return Value::Array(vec![cursor, Value::Array(flat)]);
            }
            _ => {}
        }
        let mut hash = hash.clone();
        let before = hash.len();
        if verb == "HSET" {
            hash.extend(rest.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())));
        } else {
            rest.iter().for_each(|field| drop(hash.remove(field)));
        }
        let changed = hash.len().abs_diff(before);
        if verb == "HSET" || changed > 0 {
            touched.push(key.clone());
        }
        self.put(&key, hash);
        Value::Int(changed as i64)
    }

    /// What stands under a key.
    pub fn get(&self, key: &str) -> Option<&Kept> {
        self.keys.get(key).map(|held| &held.value)
    }

    /// The text under a key, if it is one.
    pub fn text(&self, key: &str) -> Option<&[u8]> {
        match self.get(key) {
            Some(Kept::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Puts a hash in place; one without fields is no key.
    pub fn put(&mut self, key: &str, hash: Hash) {
        if hash.is_empty() {
            self.keys.remove(key);
        } else {
            let held = Held { value: Kept::Hash(Arc::new(hash)), ends: None };
            self.keys.insert(key.to_owned(), held);
        }
    }

    /// Puts a text in place, for ever.
    pub fn put_text(&mut self, key: &str, text: &str) {
        let value = Kept::Text(text.as_bytes().to_vec());
        self.keys.insert(key.to_owned(), Held { value, ends: None });
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// The names of all keys.
    pub fn names(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }

    /// Takes away what has ended by now, and gives its keys.
    pub fn end_what_is_due(&mut self, now: At) -> Vec<String> {
        let is_due = |held: &Held| held.ends.is_some_and(|ends| ends <= now);
        let due: Vec<String> =
            self.keys.iter().filter(|(_, held)| is_due(held)).map(|(key, _)| key.clone()).collect();
        due.iter().for_each(|key| drop(self.keys.remove(key)));
        due
    }
}
