//! Every kind of fault there is, and how often each has really happened: a fault that never strikes proves nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Kind {
    /// The process is killed between two batches; what it wrote stays.
    Killed,
    /// The process is killed within a call to the disk: before it, after it, or with a write half done.
    KilledWithin,
    /// The power fails: writes that were not synced are gone.
    Forgotten,
    /// The power fails: of what was not synced, a write is there in part.
    Torn,
    /// The power fails: of what was not synced, later writes are there and earlier ones are not.
    Reordered,
    /// The disk has no room, and the store sees it before it writes.
    NoRoom,
    /// The disk has no room for all of a write: a part of it is there.
    NoRoomHalfWay,
    /// The disk says that it has no room after it has taken everything.
    NoRoomAfterwards,
    /// A write fails, with a part of it on the disk.
    WriteFails,
    /// A sync fails, and what it was for is never written, whatever later syncs say.
    SyncFails,
    /// A read fails when the store is opened.
    ReadFails,
    /// A sync takes seconds; writers crowd meanwhile.
    Slow,
    /// The engine's background thread stops: it takes no more writes until it is opened again.
    EngineStops,
    /// A start is cut short, within whatever it does to the disk.
    StartCut,
    /// A bit of a file flips while nothing runs.
    Flipped,
    /// A file is shorter than it was.
    Truncated,
    /// A file is gone.
    FileGone,
    /// The engine gives back a row too few.
    RowGone,
    /// The engine gives back a row that was deleted or never was.
    RowTooMany,
    /// The engine gives back a row with another value.
    RowAltered,
    /// The calendar is set, back or forth.
    ClockSet,
    /// The agent's node has another name after a restart.
    Renamed,
    /// The process is killed before what it asks of Redis arrives.
    KilledBeforeRedis,
    /// The process is killed when Redis has done what it asked, and not answered.
    KilledAfterRedis,
    /// Nothing listens where Redis was.
    RedisDown,
    /// Redis takes connections and answers nothing.
    RedisDeaf,
    /// A connection breaks before what is asked has arrived.
    RedisCutBefore,
    /// A connection breaks when a part of what is asked has arrived.
    RedisCutWithin,
    /// A connection breaks when all is done and nothing answered.
    RedisCutAfter,
    /// An answer does not come, and nothing is done.
    RedisSilent,
    /// An answer does not come in time, and what was asked is done later.
    RedisLate,
    /// An answer takes almost too long.
    RedisSlow,
    /// Redis has no memory for more.
    RedisFull,
    /// Redis takes no writes.
    RedisReadOnly,
    /// Redis reads its file.
    RedisLoading,
    /// Redis would drop rows.
    RedisUnfit,
    /// Redis is killed and started, and has everything.
    RedisDied,
    /// Redis is killed and started, and has lost its last writes.
    RedisLostTail,
    /// Redis is killed and started, and has nothing.
    RedisEmpty,
    /// A replica that lags takes the place of Redis.
    RedisFailover,
    /// Everything in Redis is deleted.
    RedisFlushed,
    /// A row in Redis is deleted by somebody.
    RedisRowGone,
    /// A row is added by somebody.
    RedisRowTooMany,
    /// A row is altered by somebody.
    RedisRowAltered,
    /// A table is deleted by somebody.
    RedisTableGone,
    /// A table is replaced by a text.
    RedisTableIsText,
    /// The seal is deleted.
    RedisSealGone,
    /// The lock is deleted.
    RedisLockGone,
    /// Another muster has the lock.
    RedisRival,
    /// The process stands still for longer than its lock holds.
    Stalled,
    /// The directory is lost, and a new one is filled from Redis.
    DirectoryLost,
}

/// How many kinds there are.
const KINDS: usize = Kind::DirectoryLost as usize + 1;

static COUNTS: [AtomicU64; KINDS] = [const { AtomicU64::new(0) }; KINDS];

impl Kind {
    /// Those of the disk and of the process on it.
    pub const OF_DISK: &[Kind] = &[
        Kind::Killed,
        Kind::KilledWithin,
        Kind::Forgotten,
        Kind::Torn,
        Kind::Reordered,
        Kind::NoRoom,
        Kind::NoRoomHalfWay,
        Kind::NoRoomAfterwards,
        Kind::WriteFails,
        Kind::SyncFails,
        Kind::ReadFails,
        Kind::Slow,
        Kind::EngineStops,
        Kind::StartCut,
        Kind::Flipped,
        Kind::Truncated,
        Kind::FileGone,
        Kind::RowGone,
        Kind::RowTooMany,
        Kind::RowAltered,
        Kind::ClockSet,
        Kind::Renamed,
    ];

    /// Those of Redis and of the way to it.
    pub const OF_REDIS: &[Kind] = &[
        Kind::KilledBeforeRedis,
        Kind::KilledAfterRedis,
        Kind::RedisDown,
        Kind::RedisDeaf,
        Kind::RedisCutBefore,
        Kind::RedisCutWithin,
        Kind::RedisCutAfter,
        Kind::RedisSilent,
        Kind::RedisLate,
        Kind::RedisSlow,
        Kind::RedisFull,
        Kind::RedisReadOnly,
        Kind::RedisLoading,
        Kind::RedisUnfit,
        Kind::RedisDied,
        Kind::RedisLostTail,
        Kind::RedisEmpty,
        Kind::RedisFailover,
        Kind::RedisFlushed,
        Kind::RedisRowGone,
        Kind::RedisRowTooMany,
        Kind::RedisRowAltered,
        Kind::RedisTableGone,
        Kind::RedisTableIsText,
        Kind::RedisSealGone,
        Kind::RedisLockGone,
        Kind::RedisRival,
        Kind::Stalled,
        Kind::DirectoryLost,
    ];

    /// It has struck.
    pub fn count(self) {
        COUNTS[self as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has struck in this process.
    pub fn counted(self) -> u64 {
        COUNTS[self as usize].load(Ordering::Relaxed)
    }
}
