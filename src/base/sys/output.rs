//! The one door to standard output and standard error. A reader that has gone, a full disk behind them or a bound on
//! the size of a file is an error that is returned here, never a panic and never a signal that ends the process.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGXFSZ;

/// Has a write past the largest size that a file may have (`ulimit -f`) fail as any other, where the signal would end
/// the process. To be called first of all.
pub fn ignore_file_size_signal() {
    // The flag is not read: that there is a handler is enough, and a child process gets none.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Writes a line to standard output, at once.
///
/// # Errors
/// The operating system's. A reader that has seen enough, such as `head`, is no error.
pub fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Writes a line to standard error. What cannot be written there is lost.
pub fn print_error(line: &str) {
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

/// Whether standard error is a terminal.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Draws over the last line of the terminal, or clears it. What cannot be written there is lost.
pub fn draw(line: &str) {
    let _ = io::stderr().lock().write_all(format!("\r{line}\x1b[K").as_bytes());
}

/// Where a log goes: standard error, whose errors the caller handles.
pub fn log() -> impl Write + Send + 'static {
    io::stderr()
}
