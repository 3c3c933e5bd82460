//! Integration tests: what the built program does at its borders, seen from outside. Nothing here links the library.

#[path = "../faults/shim.rs"]
mod shim;
mod support;

mod acl;
mod attack;
mod bad_input;
mod cache;
mod calm;
mod check_types;
mod clients;
mod closed;
mod configuration;
mod contract;
mod crowd;
mod deaths;
mod differential;
mod disk;
mod documents;
mod door;
mod drain;
mod instance;
mod instructions;
mod kept;
mod kv;
mod load;
mod panic;
mod probing;
mod redis;
mod restart;
mod snapshot;
mod stream;
mod supervision;
mod takeover;
mod tls;
mod watch;
mod webhooks;
mod why;
