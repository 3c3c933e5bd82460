//! The `muster` program: what was typed, who does it, and how it ended.

use std::process::ExitCode;

use muster::base::sys::{output, program};
use muster::cli::command::{self, Action, Exit};
use muster::server::{self, Start};

fn main() -> ExitCode {
    program::remember_origin();
    output::ignore_file_size_signal();
    let lossless = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    match command::run(std::env::args_os(), std::env::vars_os().filter_map(lossless).collect()) {
        Action::Serve { config, takes_over } => {
            let start = if takes_over { Start::Takeover } else { Start::Alone };
            match server::run(*config, start) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    output::print_error(&format!("muster: {error}"));
                    ExitCode::FAILURE
                }
            }
        }
        Action::End { exit: Exit::Success, message } => {
            let Err(error) = output::print_line(&message) else { return ExitCode::SUCCESS };
            output::print_error(&format!("muster: what was asked for could not be written: {error}"));
            ExitCode::FAILURE
        }
        Action::End { exit, message } => {
            output::print_error(&message);
            ExitCode::from(exit as u8)
        }
    }
}
