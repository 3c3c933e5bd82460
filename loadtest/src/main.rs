//! The `loadtest` program: what was typed, and how it ended.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;
use loadtest::command::{self, Command};

/// Load for anything that speaks Consul's HTTP API.
#[derive(Parser, Debug)]
#[command(name = "loadtest", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match command::run(CommandLine::parse().command) {
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
