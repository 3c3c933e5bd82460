//! Where log lines go: a bounded queue and the one thread that writes.
//!
//! Logging never waits. A terminal that is scrolled back or a full pipe stops the thread, not a
//! connection; lines that find the queue full are dropped and counted, and the count is written when writing
//! goes on.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::base::sys::supervision::{self, Habit, WAIT_MAX};

/// Lines that may wait. Twice this many kilobytes are held at worst, and a burst of a second at a line for
/// every tenth request still fits.
pub const QUEUE_LINES_MAX: usize = 4096;

/// Bytes gathered for one write.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// The way in. Clones share the queue.
#[derive(Clone)]
pub struct Sink {
    lines: SyncSender<Vec<u8>>,
    progress: Arc<Progress>,
}

/// What happened to the lines so far.
#[derive(Default)]
struct Progress {
    accepted: AtomicU64,
    dropped: AtomicU64,
    /// Lines written, whether or not the writer took them. Guards nothing but the number; `written_more`
    /// signals a change.
    written: Mutex<u64>,
    written_more: Condvar,
}

impl Sink {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// The system's, when it has no thread to give.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE_LINES_MAX);
        let progress = Arc::new(Progress::default());
        let shared = Arc::clone(&progress);
        supervision::thread("log", Habit::BEATS, move || write_all_lines(&queue, out, &shared))?;
        Ok(Sink { lines, progress })
    }

    /// Queues a line, or drops it if the queue is full. Never waits.
    pub fn send(&self, line: Vec<u8>) {
        match self.lines.try_send(line) {
            Ok(()) => self.progress.accepted.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.progress.dropped.fetch_add(1, Ordering::Relaxed),
        };
    }

    /// Lines dropped since the start.
    pub fn lines_dropped(&self) -> u64 {
        self.progress.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what is queued now is written, or `wait_max` is over. Blocks its thread: for the end of
    /// the process.
    pub fn flush(&self, wait_max: Duration) {
        let accepted = self.progress.accepted.load(Ordering::Relaxed);
        let written = self.progress.written.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = |written: &mut u64| *written < accepted;
        drop(self.progress.written_more.wait_timeout_while(written, wait_max, behind));
    }
}

/// `env_logger` hands over one whole line a call.
impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes until the last sender is gone. A writer that fails loses its lines, which are counted with the dropped ones:
/// a disk may have room again, and a pipe without a reader is no reason to end.
fn write_all_lines(queue: &Receiver<Vec<u8>>, mut out: impl Write, progress: &Progress) {
    let mut dropped_told = 0;
    loop {
        let mut batch = match supervision::waiting(|| queue.recv_timeout(WAIT_MAX)) {
            Ok(batch) => batch,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let mut lines = 1;
        while batch.len() < BATCH_BYTES_MAX
            && let Ok(line) = queue.try_recv()
        {
            batch.extend_from_slice(&line);
            lines += 1;
        }
        let dropped = progress.dropped.load(Ordering::Relaxed);
        if dropped > dropped_told {
            let count = dropped - dropped_told;
            batch.extend_from_slice(format!("({count} log lines dropped: stderr is slow)\n").as_bytes());
            dropped_told = dropped;
        }
        if supervision::patiently(|| out.write_all(&batch).and_then(|()| out.flush())).is_err() {
            progress.dropped.fetch_add(lines, Ordering::Relaxed);
        }
        *progress.written.lock().unwrap_or_else(PoisonError::into_inner) += lines;
        progress.written_more.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A writer that tells when it is asked to write and then waits for leave.
    struct Gate {
        asked: SyncSender<()>,
        leave: Receiver<()>,
        out: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.asked.send(());
            let _ = self.leave.recv();
            self.out.lock().expect("no writer panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_writer_costs_lines_but_nobody_waits() {
        let (asked, is_asked) = sync_channel(1);
        let (give_leave, leave) = channel();
        let out = Arc::new(Mutex::new(Vec::new()));
        let sink = Sink::start(Gate { asked, leave, out: Arc::clone(&out) }).expect("there is a thread");
        sink.send(b"first\n".to_vec());
        is_asked.recv_timeout(LONG).expect("the thread comes to write");
        for _ in 0..QUEUE_LINES_MAX + 3 {
            sink.send(b"x\n".to_vec());
        }
        assert_eq!(sink.lines_dropped(), 3, "the queue holds its bound and not one more");
        drop(give_leave);
        drop(is_asked);
        sink.flush(LONG);
        let written = String::from_utf8(out.lock().expect("no writer panics").clone()).expect("text");
        assert_eq!(written.matches("x\n").count(), QUEUE_LINES_MAX);
        assert!(written.ends_with("(3 log lines dropped: stderr is slow)\n"), "{written:.80}");
    }

    #[test]
    fn flush_waits_for_what_was_sent_before() {
        let out = Arc::new(Mutex::new(Vec::new()));
        let (asked, _asked) = sync_channel(1024);
        let (_, leave) = channel();
        let sink = Sink::start(Gate { asked, leave, out: Arc::clone(&out) }).expect("there is a thread");
        (0..100).for_each(|_| sink.send(b"x\n".to_vec()));
        sink.flush(LONG);
        assert_eq!(out.lock().expect("no writer panics").len(), 200);
    }
}
