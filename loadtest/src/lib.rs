//! A load generator for anything that speaks Consul's HTTP API.
//!
//! Owns scenarios ([`scenario`]), the threads that put them on a server ([`load`], [`watchers`]), what came of it
//! ([`figures`], [`report`]) and the comparison of several servers in one run ([`compare`]). It refuses to know muster: a
//! server is an address, and what an answer must look like is the scenario's to say.
//!
//! Start reading at [`load::run`]: how a request gets its time, its connection and its verdict.

pub mod clock;
pub mod client;
pub mod framing;
pub mod template;
pub mod scenario;
pub mod verdict;
pub mod figures;
pub mod connection;
pub mod poller;
pub mod worker;
pub mod events;
pub mod watcher;
pub mod watchers;
pub mod crowd;
pub mod load;
pub mod process;
pub mod progress;
pub mod seed;
pub mod report;
pub mod servers;
pub mod disk;
pub mod compare;
pub mod goals;
pub mod suite;
pub mod memory;
pub mod command;
