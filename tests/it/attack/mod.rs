//! Attacks, beside normal load: whatever one client does, the others are served as if it were not there.
//!
//! Each test runs one attack in [`bystander::beside`], which asks and beats meanwhile and judges afterwards. Without
//! `MUSTER_ATTACK=long` an attack is small and its limits are generous, so that a debug build on a busy machine holds
//! them; `make long` runs the long form on a release build with the limits that are promised, and repeats an attack
//! until it was read beside so often that a percentile is one.
//!
//! To add one: a file with a test that calls `beside(&server, &limits(), |scale| …)`, and its line below.

mod bystander;
mod group;
mod raw;

mod connections;
mod memory;
mod readers;
mod restoring;
mod snapshots;
mod targets;
mod writers;

/// How large an attack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// For every run: a second or two.
    Short,
    /// For `make long`.
    Long,
}

impl Scale {
    pub fn of_this_run() -> Scale {
        match std::env::var("MUSTER_ATTACK") {
            Ok(word) if word == "long" => Scale::Long,
            _ => Scale::Short,
        }
    }

    /// One number or the other.
    pub fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Scale::Short => short,
            Scale::Long => long,
        }
    }
}
