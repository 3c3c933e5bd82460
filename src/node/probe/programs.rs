//! The threads on which checks run programs.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::base::stdx::duration::GoDuration;
use crate::base::stdx::text::Text;
use crate::base::sys::offload::{Offload, OffloadError};
use crate::base::sys::program::{self, Report};

/// Programs that run at a time, each on a thread that waits for it. A program costs a process and whatever it does;
/// with more of them this machine would be busy with checking itself.
pub const RUNNING_MAX: usize = 8;

/// Checks that may wait for a thread. Programs take milliseconds, or hang; those at the end of a longer queue would be
/// past their timeout.
const WAITING_MAX: usize = 1000;

/// Runs programs, a bounded number at a time, without blocking a worker.
#[derive(Clone)]
pub struct Programs {
    pool: Offload,
}

impl fmt::Debug for Programs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Programs").finish_non_exhaustive()
    }
}

impl Programs {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub fn new() -> io::Result<Programs> {
        Ok(Programs { pool: Offload::new("program", RUNNING_MAX, WAITING_MAX)? })
    }

    /// Runs a program for at most `timeout`, which includes the wait for a thread.
    ///
    /// # Errors
    /// When it did not start; it has not run then.
    pub fn run(
        &self,
        program: &Text,
        arguments: Vec<Text>,
        timeout: Duration,
        output_bytes_max: usize,
    ) -> Result<Report, ProgramError> {
        let deadline = Instant::now() + timeout;
        let path = program.clone();
        let work = move || match Instant::now() < deadline {
            true => program::run(&path, &words(&arguments), deadline, output_bytes_max).map_err(Some),
            false => Err(None),
        };
        // Until it is over, which is shortly after its deadline, and not just until the deadline: else the next run of
        // the same check could begin while the last still ends.
        match self.pool.run(work) {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(Some(error))) => Err(ProgramError::Start { program: program.clone(), error }),
            Ok(Err(None)) | Err(OffloadError::Full | OffloadError::Timeout) => Err(ProgramError::Busy),
            Err(OffloadError::Panicked) => Err(ProgramError::Lost),
        }
    }
}

fn words(arguments: &[Text]) -> Vec<&str> {
    arguments.iter().map(Text::as_str).collect()
}

/// What is said of a program that took too long, in Consul's words.
pub fn timed_out(timeout: Duration) -> String {
    format!("Timed out ({}) running check", GoDuration::from(timeout))
}

/// Why a program did not run.
#[derive(Debug)]
pub enum ProgramError {
    /// It cannot be started.
    Start {
        /// Its path or name.
        program: Text,
        /// What the operating system says.
        error: io::Error,
    },
    /// Every thread was taken for too long.
    Busy,
    /// Waiting for it failed; the log says how.
    Lost,
}

impl fmt::Display for ProgramError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::Start { program, error } if error.kind() == io::ErrorKind::NotFound => {
                let is_path = program.contains('/');
                match is_path {
                    true => write!(formatter, "fork/exec {program}: no such file or directory"),
                    false => write!(formatter, "exec: {program:?}: executable file not found in $PATH"),
                }
            }
            ProgramError::Start { program, error } => write!(formatter, "fork/exec {program}: {error}"),
            ProgramError::Busy => write!(
                formatter,
                "did not run: {RUNNING_MAX} programs of checks were running all the time; are they well?"
            ),
            ProgramError::Lost => formatter.write_str("the run was lost; the log says why"),
        }
    }
}

impl std::error::Error for ProgramError {}
