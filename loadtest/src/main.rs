//! The `loadtest` program: what was typed, and how it ended.

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
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("loadtest: {error}");
            ExitCode::FAILURE
        }
    }
}
