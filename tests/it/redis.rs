//! The Redis store beside a real Redis and a real Sentinel, which fail in every way we know how to bring about.

mod faults;
mod planted;
mod proxy;
mod scene;
pub mod server;
mod starts;
mod ways;
