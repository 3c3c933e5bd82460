//! The `loadtest` program: what was typed, and how it ended. `muster bench` is this program under that name.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use loadtest::command::CommandLine;

fn main() -> ExitCode {
    match CommandLine::parse().run() {
        Ok(text) => {
            match writeln!(stdout(), "{text}") {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => ExitCode::FAILURE,
                // A reader that has seen enough, such as `head`, is no failure.
                _ => ExitCode::SUCCESS,
            }
        }
        Err(error) => {
            let _ = writeln!(stderr(), "loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}
