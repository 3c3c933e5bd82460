//! Bounds on what a record may hold. Each is checked where a request becomes a command and where a record comes from a
//! snapshot, a server or a disk, and tested at the bound.

use std::time::Duration;

/// The largest index, and the largest count of batches or epochs, that is ever written or read: 2^53 - 1. Clients keep
/// indexes in doubles (JavaScript, jq), which count one by one up to here and no further; a million changes a second
/// take 285 years to it. The writer refuses a change that would pass it.
pub const INDEX_MAX: u64 = (1 << 53) - 1;

/// The largest index that a restored snapshot brings; a higher one counts as this. Half of all, so that who restores
/// a made-up one has as many changes left as any registry ever needs, and one that has come past it can be backed up
/// like any other. A store in memory begins at the microseconds since 1970, which reach it in 2112.
pub const INDEX_RESTORED_MAX: u64 = 1 << 52;

/// The latest moment that a record may speak of, in milliseconds of Unix time: the end of the year 9999, the last that
/// can be written as RFC 3339 has it.
pub const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// The longest duration that a record may hold: what Go's type holds, 292 years. An `Instant` can be moved by it.
pub const DURATION_MAX: Duration = Duration::from_nanos(i64::MAX as u64);

/// Shortest time between two runs of a check, as in Consul; shorter ones are raised to it. A check that runs more often
/// loads its target more than it tells.
pub const CHECK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Longest time that a run of a check may take; longer ones are lowered to it. A run holds a coroutine and a place
/// among those that may run at once.
pub const CHECK_TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// Levels of lists and objects in a part of a record that is kept as it came. It is written, compared and dropped by
/// recursion on a coroutine's small stack; proxy configurations, the only such part, are seldom deeper than five.
pub const FREE_FORM_DEPTH_MAX: usize = 32;

/// Bytes of a check's output that are kept, as Consul keeps. Larger ones would make every health answer carry pages of
/// logs; smaller ones cut the line that says what is wrong.
pub const OUTPUT_BYTES_MAX: usize = 4096;

/// Bytes of a check's output or notes as a record has them: what is kept of what somebody said, and muster's own words
/// around it (that it was cut, that a TTL ran out, which URL was asked).
pub const SAID_BYTES_MAX: usize = 2 * OUTPUT_BYTES_MAX;

/// Bytes of the notes on a hold, which are the reason that stood in a request's head.
pub const HOLD_NOTES_BYTES_MAX: usize = 64 << 10;

/// Bytes in the address or URL that a check asks. Servers refuse longer request lines (most from 8 KiB on); each run
/// reads, compares and shows all of it.
pub const PROBE_TARGET_BYTES_MAX: usize = 8192;

/// Header names in a check's request. Servers refuse more (most from 100 on), and what holds headers here ends the run
/// from 32768 on.
pub const PROBE_HEADER_NAMES_MAX: usize = 128;

/// Values of all headers of a check's request: a name may have several.
pub const PROBE_HEADER_VALUES_MAX: usize = 1024;

/// Bytes of all names and values of a check's headers. No server takes as much; cookies and tokens take a few thousand.
pub const PROBE_HEADER_BYTES_MAX: usize = 64 << 10;

/// Pairs in one record's metadata (Consul's bound).
pub const META_PAIRS_MAX: usize = 64;

/// Bytes in a metadata key (Consul's bound).
pub const META_KEY_BYTES_MAX: usize = 128;

/// Bytes in a metadata value (Consul's bound).
pub const META_VALUE_BYTES_MAX: usize = 512;

/// Bytes in a name or id of a node, service or check. Names become DNS labels (63) or file names (255) elsewhere.
pub const NAME_BYTES_MAX: usize = 255;

/// Tags on one instance. Every one is repeated in each answer that shows the instance.
pub const TAGS_MAX: usize = 256;

/// Bytes in one tag. Load balancers read whole routing rules from a tag, so this is roomy.
pub const TAG_BYTES_MAX: usize = 4096;

/// Bytes in a key of the key/value store. With every byte encoded it still fits into the head of a request.
pub const KEY_BYTES_MAX: usize = 4096;

/// Bytes in a value of the key/value store (Consul's default bound): it is for settings and locks, not for files.
pub const VALUE_BYTES_MAX: usize = 512 << 10;

/// Checks on one instance, and in one registration. Each is probed and repeated in each answer.
pub const CHECKS_PER_SERVICE_MAX: usize = 64;

/// Instances on one node. All of them are in one answer of `/v1/agent/services`.
pub const SERVICES_PER_NODE_MAX: usize = 100_000;
