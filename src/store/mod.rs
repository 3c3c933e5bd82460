//! How the registry's rows get durable and come back after a stop, a crash or a power cut.
//!
//! It owns the data directory and everything in it. It refuses to know what a row means: a row is a table, a key and a
//! value, and nothing here has heard of Consul, of a catalog or of an index beyond "it does not go backwards".
//!
//! All calls block and belong on one OS thread, never on a coroutine worker. Start reading at [`rows`] for the
//! promise, then [`embedded`] for how it is kept on a disk and [`mod@redis`] for how
//! in Redis as well; `DESIGN.md` beside this file draws the directory.

pub mod change;
pub mod error;
pub mod rows;

pub mod memory;

pub mod directory;
pub mod embedded;
pub mod identity;
pub mod checksums;
pub mod startup_backup;
pub mod restoring;
pub mod snapshot;
pub mod commit_marker;

pub mod private;
pub mod redis;
