//! The command line: what was typed, what it means, and the commands that are done here.
//!
//! Owns the grammar ([`command`]), Go's single dashes ([`arguments`]), flags made from the table of settings
//! ([`settings`]) and exit codes. A running agent is spoken to over HTTP only ([`remote`]), like
//! anybody's program would; a snapshot's file and the directory of an agent that is stopped are read with the
//! agent's own readers. The load generator is a program of its own, which [`mod@bench`] becomes. It refuses to know the
//! server: `muster agent` leaves as a configuration, which `main` hands on.

pub mod acl;
pub mod arguments;
mod bench;
pub mod catalog;
pub mod client;
pub mod command;
pub mod compare;
mod consul_flags;
pub mod health;
mod help;
mod hints;
pub mod import;
pub mod progress;
pub mod remote;
pub mod settings;
pub mod snapshot;
pub mod store;
pub mod tls;
mod unix_socket;
pub mod version;
