//! Outgoing connections that keep a deadline over everything done with them, and a bound over what the peer sends.
//!
//! Waits as a coroutine waits, so no worker is blocked by a peer that sends nothing, and none by a peer that never
//! stops: a peer that always has another byte is read in turns. Names are not looked up here: that would block;
//! addresses come from above.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::base::sys::clock::Deadline;
use crate::base::sys::recall::{Courtesy, RecallableDeadline};
use crate::base::sys::runtime;
use crate::base::sys::stream::Stream;
use crate::base::sys::turnstile::{self, Turn};

/// Linux's `EINPROGRESS`: what `connect` says on a socket that does not block, when it has only begun.
const IN_PROGRESS: i32 = 115;

/// Bytes after which the clock is looked at in the middle of a turn: some microseconds of copying.
const TURN_BYTES: usize = 16 * 1024;

/// As how many bytes a read or write counts at least.
const STEP_BYTES: usize = TURN_BYTES / 32;

/// For how long a connection may have work, in turns, without a wait for its peer or a rest.
const WORK_MAX: Duration = Duration::from_millis(1);

/// How long it rests then: the timers' finest step, so a peer that floods has a tenth of a worker at most.
const REST: Duration = Duration::from_millis(10);

/// Bytes that are taken of a peer in one use of a connection: the largest body and head that any check reads, four
/// times. What comes past it is no answer to a check.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads that find something, in one use of a connection. A megabyte in pieces of a hundred bytes fits.
const STEPS_MAX: usize = 16 * 1024;

/// A TCP connection that was opened from here. Every read and write ends by the deadline, however the peer drips.
///
/// The deadline is noticed up to a tick of the coarse clock late. It is the reaper's: the runtime's own socket timeouts
/// resume a coroutine on a worker that is about to wait for events, and whatever it then leaves in that worker's queue,
/// itself after a yield included, stays there until the next event (seen to take 5 s, the timeout of another socket).
pub struct Dialed {
    stream: Stream,
    deadline: Deadline,
    until: RecallableDeadline,
    taken: Taken,
}

/// What was taken of the peer since the connection's use began.
#[derive(Debug)]
struct Taken {
    bytes: usize,
    steps: usize,
    /// Bytes in and out since the clock was last looked at.
    bytes_of_turn: usize,
    turn: Turn,
    /// How long the turns were since the last wait for the peer or rest.
    worked: Duration,
}

impl Taken {
    fn nothing() -> Taken {
        Taken { bytes: 0, steps: 0, bytes_of_turn: 0, turn: Turn::default(), worked: Duration::ZERO }
    }
}

impl Dialed {
    /// Connects to `address` by `connected_by`; from then on everything ends with `until`.
    ///
    /// # Errors
    /// The operating system's, and `TimedOut`.
    pub fn connect(
        address: SocketAddr,
        connected_by: Instant,
        until: &RecallableDeadline,
    ) -> io::Result<Dialed> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            _ => {}
        }
        let (stream, until) = (Stream::new(socket)?, until.clone());
        let mut dialed =
            Dialed { stream, deadline: Deadline::at(connected_by), until, taken: Taken::nothing() };
        dialed.hear_recall();
        if let Some(courtesy) = &dialed.until.courtesy {
            courtesy.begin();
        }
        while !dialed.stream.has_connected()? {
            dialed.check_deadline()?;
            dialed.wait();
        }
        dialed.deadline = Deadline::at(dialed.until.deadline);
        Ok(dialed)
    }

    /// Has everything from now on end with `until`. For a connection that has rested since its last use, so the next
    /// read looks for what came meanwhile.
    pub fn resume(&mut self, until: &RecallableDeadline) {
        self.deadline = Deadline::at(until.deadline);
        self.until = until.clone();
        self.taken = Taken::nothing();
        self.hear_recall();
        self.stream.look_again();
    }

    fn hear_recall(&self) {
        let waker = self.stream.waker();
        self.until.recall.on_ask(move || waker.wake());
    }

    /// Gives up once the deadline is past, also with a peer that always has another byte.
    fn check_deadline(&self) -> io::Result<()> {
        if self.is_over() { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    fn is_over(&self) -> bool {
        self.deadline.is_past() || self.until.recall.is_asked()
    }

    fn wait(&mut self) {
        let courtesy = self.until.courtesy.as_ref();
        let due_at = courtesy.and_then(Courtesy::due_at).map_or(Deadline::NEVER, Deadline::at);
        self.taken.turn.end();
        self.stream.wait(self.deadline.min(due_at));
        if let Some(courtesy) = &self.until.courtesy {
            courtesy.look();
        }
        if self.is_over() {
            // They end by the thousand where thousands hang.
            turnstile::pass();
        }
        (self.taken.bytes_of_turn, self.taken.worked) = (0, Duration::ZERO);
    }

    /// Notes bytes that went over the connection. Gives way when a turn is over, and rests after many.
    fn passed(&mut self, bytes: usize) {
        self.taken.bytes_of_turn += bytes.max(STEP_BYTES);
        if self.taken.bytes_of_turn < TURN_BYTES {
            return;
        }
        self.taken.bytes_of_turn = 0;
        if !self.taken.turn.is_over() {
            return;
        }
        self.taken.worked += self.taken.turn.length();
        if self.taken.worked >= WORK_MAX {
            self.taken.worked = Duration::ZERO;
            runtime::sleep(REST);
        }
        self.taken.turn.wait();
    }

    /// Notes what the peer sent.
    ///
    /// # Errors
    /// `FileTooLarge` when it is more than any answer.
    fn took(&mut self, bytes: usize) -> io::Result<()> {
        self.taken.bytes += bytes;
        self.taken.steps += 1;
        if self.taken.bytes > BYTES_MAX || self.taken.steps > STEPS_MAX {
            return Err(ErrorKind::FileTooLarge.into());
        }
        self.passed(bytes);
        Ok(())
    }
}

impl Read for Dialed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.check_deadline()?;
            match self.stream.read(buffer)? {
                Some(length) => {
                    self.took(length)?;
                    return Ok(length);
                }
                None => self.wait(),
            }
        }
    }
}

impl Write for Dialed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.check_deadline()?;
            match self.stream.write_vectored(&[IoSlice::new(bytes)])? {
                Some(length) => {
                    self.passed(length);
                    return Ok(length);
                }
                None => self.wait(),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Dialed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl fmt::Debug for Dialed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dialed").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
