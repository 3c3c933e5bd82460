//! The `muster` program: what was typed, who does it, and how it ended.

use std::io::Write;
use std::process::ExitCode;

use muster::cli::command::{self, Action, Exit};
use muster::server;

fn main() -> ExitCode {
    let lossless = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    match command::run(std::env::args_os(), std::env::vars_os().filter_map(lossless).collect()) {
        Action::Serve(config) => match server::run(*config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("muster: {error}");
                ExitCode::FAILURE
            }
        },
        Action::End { exit: Exit::Success, message } => {
            // A reader that has seen enough, such as `head`, is no failure.
            let _ = writeln!(std::io::stdout(), "{message}");
            ExitCode::SUCCESS
        }
        Action::End { exit, message } => {
            eprintln!("{message}");
            ExitCode::from(exit as u8)
        }
    }
}
