//! Starts logging for the process: `log`'s records, through `env_logger`, as our lines, to stderr.
//!
//! The level is `log`'s global one and can be moved while running; a record below it costs one load. Nothing
//! on a worker touches stderr: lines go through [`crate::base::telemetry::sink`].

use std::io;
use std::panic;
use std::time::Duration;

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::base::stdx::calendar;
use crate::base::sys::clock::Clock;
use crate::base::sys::{output, runtime};
use crate::base::telemetry::line::LineFormat;
use crate::base::telemetry::sink::Sink;

/// Crates whose records are about their own inside: from them, only warnings.
const NOISY_CRATES: &[&str] = &["fjall", "may", "rustls", "ureq", "ureq_proto"];

/// The inside of the storage engine. What it meets it gives back, and that is logged in words of ours with the remedy.
const SILENT_CRATE: &str = "lsm_tree";

/// How long the end of the process waits for the last lines.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(2);

/// The running log. One for a process.
pub struct Logging {
    sink: Sink,
}

/// Starts logging to stderr, and logs panics too.
///
/// # Errors
/// The system's, when it has no thread to give, or when logging was started before.
pub fn start(level: LevelFilter, format: LineFormat) -> io::Result<Logging> {
    let sink = Sink::start(output::log())?;
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Trace).target(Target::Pipe(Box::new(sink.clone())));
    for name in NOISY_CRATES {
        builder.filter_module(name, LevelFilter::Warn);
    }
    builder.filter_module(SILENT_CRATE, LevelFilter::Off);
    builder.format(move |out, record| {
        let now = calendar::at(Clock.unix_ms());
        io::Write::write_all(out, format.line(now, record).as_bytes())
    });
    builder.try_init().map_err(io::Error::other)?;
    log::set_max_level(level);
    panic::set_hook(Box::new(log_panic));
    Ok(Logging { sink })
}

impl Logging {
    /// Moves the level; it holds from the next record on.
    pub fn set_level(&self, level: LevelFilter) {
        log::set_max_level(level);
    }

    /// Lines that were lost because stderr was slow.
    pub fn lines_dropped(&self) -> u64 {
        self.sink.lines_dropped()
    }

    /// A reader of [`Logging::lines_dropped`] for the metrics.
    pub fn lines_dropped_reader(&self) -> impl Fn() -> f64 + Send + Sync + 'static {
        let sink = self.sink.clone();
        move || sink.lines_dropped() as f64
    }

    /// Waits a little until what was logged is written. Blocks its thread: for the end of the process.
    pub fn flush(&self) {
        self.sink.flush(FLUSH_WAIT_MAX);
    }
}

/// The last lines are the ones that say why it ended, so the end waits for them a little.
impl Drop for Logging {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Logs where and why, without a backtrace: to look up symbols takes 24 kB of stack and blocks on files, and
/// a panic may happen on a coroutine.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    if runtime::is_cancellation(info.payload()) {
        return;
    }
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    log::error!(place = place.as_str(); "panic: {}", runtime::panic_text(info.payload()));
}
