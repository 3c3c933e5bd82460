//! What every integration test needs and none should write twice: an HTTP client that shows the wire as it is, and
//! processes that never outlive their test, and networks of its own. Knows nothing of what a server answers.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod client;
pub mod network;
pub mod process;
