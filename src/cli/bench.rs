//! `muster bench`: the load generator, which is a program of its own beside this one.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;

use crate::base::sys::program;
use crate::cli::command::{CommandOutput, Exit};

/// The program.
const PROGRAM: &str = "loadtest";

/// What it is called here, so that its help says what to type.
const NAME: &str = "muster bench";

/// Becomes the load generator that lies beside this program, or else the first on PATH. Returns only without one.
pub fn run(arguments: &[OsString]) -> CommandOutput {
    let own = std::env::current_exe().unwrap_or_default();
    let places = [own.with_file_name(PROGRAM), PathBuf::from(PROGRAM)];
    let mut errors = places.iter().map(|place| program::replace_with(place, NAME, arguments));
    let sentence = match errors.find(|error| error.kind() != ErrorKind::NotFound) {
        Some(error) => format!("`{NAME}` is the program `{PROGRAM}`, which cannot be started: {error}"),
        None => format!(
            "`{NAME}` is the program `{PROGRAM}`, which is neither beside {} nor on PATH: `make build` in muster's \
             sources puts both in target/release (`muster help load-testing`)",
            own.display()
        ),
    };
    Err((Exit::Failure, sentence))
}
