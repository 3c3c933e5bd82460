//! A line that shows how far something is: on a terminal, on standard error, and nowhere else.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use crate::base::sys::output;

/// Time between two updates of the line: more of them could not be read.
const STEP: Duration = Duration::from_millis(100);

/// Cells of the bar.
const WIDTH: u64 = 30;

/// How far something is.
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    next: Option<Instant>,
    is_drawn: bool,
}

impl Progress {
    /// Nothing of `total` is done; 0 when it is not known how much there is.
    pub fn new(what: &'static str, total: u64) -> Progress {
        let next = output::is_terminal().then(Instant::now);
        Progress { what, total, done: 0, next, is_drawn: false }
    }

    /// So much is done.
    pub fn at(&mut self, done: u64) {
        self.done = done;
        let now = Instant::now();
        if self.next.is_some_and(|next| next <= now) {
            self.next = Some(now + STEP);
            self.is_drawn = true;
            output::draw(&self.line());
        }
    }

    fn line(&self) -> String {
        let Progress { what, total, done, .. } = self;
        match (done * WIDTH).checked_div(*total) {
            Some(cells) => {
                let cells = cells.min(WIDTH) as usize;
                let bar = format!("{}{}", "#".repeat(cells), ".".repeat(WIDTH as usize - cells));
                format!("{what} [{bar}] {done} of {total}")
            }
            None => format!("{what} {done}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_drawn {
            output::draw("");
        }
    }
}

/// Something that is read, with a line about it.
pub struct ProgressReader<R> {
    inner: R,
    progress: Progress,
}

impl<R> ProgressReader<R> {
    /// Reads `inner`, of which there are `total` bytes.
    pub fn new(inner: R, what: &'static str, total: u64) -> ProgressReader<R> {
        ProgressReader { inner, progress: Progress::new(what, total) }
    }
}

impl<R: Read> Read for ProgressReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        let done = self.progress.done + count as u64;
        self.progress.at(done);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_the_share_or_the_count() {
        let rows = [(0, 0, "reading 0"), (0, 7, "reading 7"), (4, 2, "of 4"), (4, 9, "9 of 4")];
        for (total, done, expected) in rows {
            let mut progress = Progress::new("reading", total);
            progress.at(done);
            assert!(progress.line().ends_with(expected), "{}", progress.line());
        }
        let mut half = Progress::new("reading", 10);
        half.at(5);
        assert!(half.line().contains(&format!("[{}{}]", "#".repeat(15), ".".repeat(15))));
    }
}
