//! What can happen to a Redis, to the way to it, and to who asks it.

use crate::registry::tally::Kind;

/// A fault that waits for its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before anything has arrived.
    CutBefore,
    /// It breaks when a part has arrived.
    CutWithin,
    /// It breaks when all is done and nothing is answered.
    CutAfter,
    /// No answer comes, and nothing is done.
    Silent,
    /// No answer comes in time, and all of it is done later.
    Late,
    /// The answer takes almost too long.
    Slow,
    /// The process of muster is killed before anything has arrived.
    KillBefore,
    /// It is killed when all is done.
    KillAfter,
}

/// A state that lasts until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Nothing listens.
    Down,
    /// Connections are taken, and nothing is answered.
    Deaf,
    /// No memory for more.
    Full,
    /// It is a replica of something.
    ReadOnly,
    /// It reads its file.
    Loading,
    /// It drops rows when it is full.
    Unfit,
    /// Another muster takes the lock as soon as it is free.
    Rival,
}

/// Something that happens to the server at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// It is killed and started, and has everything.
    Died,
    /// It is killed and started, and its last writes are gone.
    LostTail,
    /// It is killed and started, and has nothing.
    Empty,
    /// A replica takes its place that lacks the last writes.
    Failover,
    /// Everything is deleted.
    Flush,
    /// A row is deleted.
    RowGone,
    /// A row is added.
    RowTooMany,
    /// A row is given another value.
    RowAltered,
    /// A table is deleted.
    TableGone,
    /// A table is replaced by a text.
    TableIsText,
    /// The seal is deleted.
    SealGone,
    /// The lock is deleted.
    LockGone,
}

impl Blow {
    /// What it is counted as.
    pub fn kind(self) -> Kind {
        match self {
            Blow::Died => Kind::RedisDied,
            Blow::LostTail => Kind::RedisLostTail,
            Blow::Empty => Kind::RedisEmpty,
            Blow::Failover => Kind::RedisFailover,
            Blow::Flush => Kind::RedisFlushed,
            Blow::RowGone => Kind::RedisRowGone,
            Blow::RowTooMany => Kind::RedisRowTooMany,
            Blow::RowAltered => Kind::RedisRowAltered,
            Blow::TableGone => Kind::RedisTableGone,
            Blow::TableIsText => Kind::RedisTableIsText,
            Blow::SealGone => Kind::RedisSealGone,
            Blow::LockGone => Kind::RedisLockGone,
        }
    }
}
