//! The command line: what was typed, what it means, and the commands that are done here.
//!
//! Owns the grammar ([`command`]), Go's single dashes ([`arguments`]), flags made from the table of settings
//! ([`settings`]) and exit codes. A running agent is spoken to over HTTP only ([`client`]), like anybody's
//! program would; `muster bench` is the load generator, a crate of its own. It refuses to know the server: `muster
//! agent` leaves as a configuration, which `main` hands on.

pub mod arguments;
pub mod client;
pub mod command;
pub mod health;
pub mod settings;
pub mod version;
