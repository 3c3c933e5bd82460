//! Integration tests: what the built program does at its borders, seen from outside. Nothing here links the library.

mod support;

mod bad_input;
mod clients;
mod crowd;
mod differential;
mod drain;
mod panic;
mod restart;
mod watch;
mod why;
