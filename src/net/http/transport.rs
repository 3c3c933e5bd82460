//! The bytes of one connection in both directions, with everything that can end it: deadlines, the peer, the
//! drain.
//!
//! It knows when to wait, and gives its buffers back before it does. What the bytes mean is left to `connection.rs`.

use std::cell::OnceCell;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::base::stdx::text::Text;
use crate::base::sys::budget::{BudgetShare, Purpose};
use crate::base::sys::clock::Deadline;
use crate::base::sys::listen::Peer;
use crate::base::sys::park::Waker;
use crate::base::sys::turnstile::Turn;
use crate::net::http::buffer_pool;
use crate::net::http::input::Input;
use crate::net::http::moving::Departure;
use crate::net::http::pace::{ClientPace, PaceLimit};
use crate::net::http::server_shared::ServerShared;
use crate::net::http::shared_body::{Loan, Unsent};
use crate::net::http::stats::count;
use crate::net::http::wait::{Awaiting, ConnectionEnd, Wake};
use crate::net::tls::{Link, LinkEnd};

/// Unsent bytes at which responses are sent even though more requests wait in the input. A client that sends
/// requests and does not read makes us hold this much and one response, then we stop reading.
const FLUSH_BYTES: usize = 64 * 1024;

/// Requests of a client that does not pipeline after which the time is looked at.
const TURNS_BETWEEN_LOOKS: u32 = 16;

/// A connection with its two buffers.
pub(crate) struct Transport {
    pub(crate) link: Link,
    pub(crate) input: Input,
    /// Responses not yet sent. Without memory while there are none.
    output: Vec<u8>,
    shared: Arc<ServerShared>,
    /// Requests begun since the last wait.
    turns: u32,
    turn: Turn,
    /// Whether the present request may still change something.
    is_writing: bool,
    /// What is held of a request that is not here as a whole.
    unread: BudgetShare,
    /// What is held of the account for the present answer.
    held: Option<AnswerHeld>,
    /// How slowly the present answer is read.
    pace: ClientPace,
    /// Bytes a second that must be read of the present answer, or sent of its request.
    rate_bytes_min: usize,
    /// The peer as text, once it was needed.
    peer_text: OnceCell<Text>,
    /// Whether it came in by the gate of the operators.
    pub(crate) is_operators: bool,
}

/// What an answer holds of the account while its client is waited for.
struct AnswerHeld {
    _own: BudgetShare,
    _loan: Option<Loan>,
}

impl Transport {
    pub(crate) fn new(link: Link, shared: Arc<ServerShared>) -> Transport {
        let unread = shared.config.budget.empty(Purpose::Requests);
        let rate_bytes_min = shared.config.rate_bytes_min;
        Transport {
            link,
            input: Input::default(),
            output: Vec::new(),
            shared,
            turns: 0,
            turn: Turn::default(),
            is_writing: false,
            unread,
            held: None,
            pace: ClientPace::default(),
            rate_bytes_min,
            peer_text: OnceCell::new(),
            is_operators: false,
        }
    }

    /// The peer as text: formatted once for all requests of the connection.
    pub(crate) fn peer_text(&self, peer: Peer) -> Text {
        self.peer_text.get_or_init(|| peer.to_string().into()).clone()
    }

    pub(crate) fn shared(&self) -> &ServerShared {
        &self.shared
    }

    /// Whether another process could go on with the connection, and is about to.
    pub(crate) fn is_moving(&self) -> bool {
        self.shared.is_moving() && !self.link.is_secure()
    }

    /// Whether responses end the connection: the server leaves, or another process takes over and cannot go on with it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.shared.is_leaving() || (self.link.is_secure() && self.shared.is_moving())
    }

    /// Counts a request, and lets others run when sockets have waited for those that have much to do.
    pub(crate) fn take_turns(&mut self) {
        self.turns += 1;
        if self.input.is_empty() && !self.turns.is_multiple_of(TURNS_BETWEEN_LOOKS) {
            return;
        }
        self.turn.pass();
    }

    /// Lets others go first when sockets have waited for long enough; gives whether it did. To be called before much
    /// work.
    pub(crate) fn take_turn(&mut self) -> bool {
        self.turn.pass()
    }

    fn end_turn(&mut self) {
        self.turns = 0;
        self.turn.end();
    }

    /// Forgets how slow the client was with what came before.
    pub(crate) fn begin_answer(&mut self) {
        self.held = None;
        self.pace = ClientPace::default();
        self.rate_bytes_min = self.shared.config.rate_bytes_min;
    }

    /// Gives back what was held for an answer that is on its way.
    pub(crate) fn end_answer(&mut self) {
        self.held = None;
    }

    /// Demands a higher rate of the client than the server does otherwise, if it demands any.
    pub(crate) fn raise_rate(&mut self, rate_bytes_min: usize) {
        if self.rate_bytes_min > 0 {
            self.rate_bytes_min = self.rate_bytes_min.max(rate_bytes_min);
        }
    }

    /// Demands more of who reads the present answer: it holds a place that others wait for.
    pub(crate) fn hurry(&mut self, haste: PaceLimit) {
        self.raise_rate(haste.rate_bytes_min);
        self.pace.hurry(haste);
    }

    /// Counts what is held of a request that is not here yet: the input, and so many bytes of a body.
    fn hold_unread(&mut self, body_bytes: usize) -> Result<(), ConnectionEnd> {
        let bytes = self.input.memory_bytes() + body_bytes;
        if bytes == self.unread.bytes() {
            return Ok(());
        }
        self.unread.resize(bytes).map_err(|_| ConnectionEnd::OverBudget)
    }

    /// Counts no more what was held of a request that is given up.
    pub(crate) fn forget_unread(&mut self) {
        self.unread = self.shared.config.budget.empty(Purpose::Requests);
    }

    /// Waits for input and adds it to `input`. Whatever is unsent is sent first.
    pub(crate) fn fill(&mut self, awaiting: Awaiting, deadline: Deadline) -> Result<(), ConnectionEnd> {
        self.fill_holding(awaiting, deadline, 0)
    }

    /// As [`Transport::fill`], while so many bytes of a body are held that was begun.
    pub(crate) fn fill_holding(
        &mut self,
        awaiting: Awaiting,
        deadline: Deadline,
        body_bytes: usize,
    ) -> Result<(), ConnectionEnd> {
        self.flush()?;
        // A client that sends as quickly as it is read from is never waited for.
        if awaiting != Awaiting::NextRequest && self.turn.is_over() {
            self.hold_unread(body_bytes)?;
            self.turn.wait();
        }
        let mut has_looked_again = false;
        loop {
            if self.link.may_read() {
                match self.link.read(self.input.room(), &mut self.turn) {
                    Ok(Some(0)) => return Err(ConnectionEnd::Gone),
                    Err(end) => return Err(self.unread_end(end)),
                    Ok(Some(length)) => {
                        self.input.advance(length);
                        self.shared.stats.bytes_in.fetch_add(length as u64, Ordering::Relaxed);
                        return Ok(());
                    }
                    Ok(None) => {}
                }
            }
            if self.shared.is_aborting() {
                return Err(ConnectionEnd::Gone);
            }
            // Who is shaking hands here cannot go on elsewhere, and is answered once.
            let is_bound = self.link.is_handshaking() && self.shared.is_moving();
            if awaiting == Awaiting::NextRequest && self.shared.is_releasing() && !is_bound {
                if has_looked_again {
                    return Err(ConnectionEnd::Draining);
                }
                // A request may be there without an event for it: it is answered still.
                has_looked_again = true;
                self.link.look_again();
                continue;
            }
            if awaiting == Awaiting::Body && self.shared.is_moving() {
                return Err(ConnectionEnd::Draining);
            }
            if deadline.is_past() {
                count(&self.shared.stats.timeouts);
                return Err(ConnectionEnd::Timeout);
            }
            self.input.release_if_empty();
            self.hold_unread(body_bytes)?;
            self.end_turn();
            self.link.wait(deadline);
        }
    }

    /// Why a connection ends that cannot be read from. A client that has been told why may still be sending.
    #[inline(never)]
    fn unread_end(&mut self, end: LinkEnd) -> ConnectionEnd {
        match end {
            LinkEnd::Gone => {}
            LinkEnd::PlainHttp => return ConnectionEnd::PlainHttp,
            LinkEnd::Refused => self.linger(),
        }
        ConnectionEnd::Gone
    }

    /// Waits for more of a body that its handler reads, no longer than its client's pace allows.
    pub(crate) fn fill_in_pace(&mut self, pace: &mut ClientPace) -> Result<(), ConnectionEnd> {
        let (timeout, rate) = (self.shared.config.body_timeout, self.rate_bytes_min);
        let (mut outcome, before) = (Ok(()), self.input.filled().len());
        pace.wait(timeout, rate, Deadline::after(timeout), |deadline| {
            outcome = self.fill(Awaiting::Body, deadline);
        });
        pace.progress(self.input.filled().len() - before);
        outcome
    }

    /// The buffer of unsent bytes, to be appended to.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        if self.output.capacity() == 0 {
            self.output = buffer_pool::take_output();
        }
        &mut self.output
    }

    /// Sends what is unsent if it has become much.
    pub(crate) fn flush_if_large(&mut self) -> Result<(), ConnectionEnd> {
        if self.output.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what is unsent.
    pub(crate) fn flush(&mut self) -> Result<(), ConnectionEnd> {
        if self.output.is_empty() { Ok(()) } else { self.flush_with(Unsent::Own(&[])) }
    }

    /// Sends what is unsent and then `body`, in one call to the kernel if it takes them.
    pub(crate) fn flush_with(&mut self, body: Unsent<'_>) -> Result<(), ConnectionEnd> {
        self.flush_around(body, &[])
    }

    /// Sends what is unsent, then `body`, then `tail`, in one call to the kernel if it takes them.
    pub(crate) fn flush_around(&mut self, body: Unsent<'_>, tail: &[u8]) -> Result<(), ConnectionEnd> {
        let head = std::mem::take(&mut self.output);
        let sent = self.write_all(&head, body, tail);
        if sent.is_err() {
            self.link.cut_short();
        }
        buffer_pool::give_output(head);
        sent
    }

    fn write_all(&mut self, head: &[u8], unsent: Unsent<'_>, tail: &[u8]) -> Result<(), ConnectionEnd> {
        let body = unsent.bytes();
        let (total, mut sent, mut deadline) = (head.len() + body.len() + tail.len(), 0, None);
        let mut holds_itself = false;
        while sent < total {
            let mut done = sent;
            let slices = [head, body, tail].map(|slice| {
                let rest = &slice[done.min(slice.len())..];
                done = done.saturating_sub(slice.len());
                IoSlice::new(rest)
            });
            let slices = if slices[0].is_empty() { &slices[1..] } else { &slices[..] };
            let slices = if tail.is_empty() { &slices[..slices.len() - 1] } else { slices };
            match self.link.write_vectored(slices) {
                Ok(Some(length)) => {
                    sent += length;
                    deadline = None;
                    self.pace.progress(length);
                    self.shared.stats.bytes_out.fetch_add(length as u64, Ordering::Relaxed);
                    if sent == total || !self.turn.is_over() {
                        continue;
                    }
                    holds_itself |= self.hold_waiting(head.len() + tail.len(), unsent)?;
                    self.turn.wait();
                }
                Ok(None) => {
                    holds_itself |= self.hold_waiting(head.len() + tail.len(), unsent)?;
                    self.wait_for_room(&mut deadline)?;
                }
                Err(_) => return Err(ConnectionEnd::Gone),
            }
        }
        if holds_itself {
            self.held = None;
        }
        Ok(())
    }

    /// Counts what is held while it waits, unless that is counted already; tells whether it was not.
    fn hold_waiting(&mut self, around: usize, unsent: Unsent<'_>) -> Result<bool, ConnectionEnd> {
        if self.held.is_some() {
            return Ok(false);
        }
        self.hold_unsent(around, unsent).map(|()| true)
    }

    /// Counts what is held for a client that does not read, or may not, until the next answer: a connection for which
    /// there is no room ends.
    #[inline(never)]
    pub(crate) fn hold_unsent(&mut self, around: usize, unsent: Unsent<'_>) -> Result<(), ConnectionEnd> {
        let budget = self.shared.config.budget;
        let (own, loan) = match unsent {
            Unsent::Own(bytes) => (around + bytes.len(), None),
            Unsent::Shared(_, body) => {
                (around, Some(body.lend(budget).map_err(|_| ConnectionEnd::OverBudget)?))
            }
        };
        let own = budget.take(Purpose::Answers, own).map_err(|_| ConnectionEnd::OverBudget)?;
        self.held = Some(AnswerHeld { _own: own, _loan: loan });
        Ok(())
    }

    /// Waits for the peer to read. The deadline starts with the first wait after progress.
    fn wait_for_room(&mut self, deadline: &mut Option<Deadline>) -> Result<(), ConnectionEnd> {
        if self.shared.is_aborting() {
            return Err(ConnectionEnd::Gone);
        }
        let timeout = self.shared.config.write_timeout;
        let deadline = *deadline.get_or_insert_with(|| Deadline::after(timeout));
        if deadline.is_past() || self.pace.is_over(timeout, self.rate_bytes_min) {
            count(&self.shared.stats.timeouts);
            return Err(ConnectionEnd::Timeout);
        }
        let link = &mut self.link;
        self.pace.wait(timeout, self.rate_bytes_min, deadline, |deadline| link.wait(deadline));
        self.end_turn();
        Ok(())
    }

    /// Waits for a wake, a deadline, the peer's leaving or the drain. See `Exchange::park`.
    pub(crate) fn park(&mut self, deadline: Instant) -> Wake {
        if self.flush().is_err() {
            return self.client_gone();
        }
        // Whoever waits for something has written what there was to write.
        self.end_write();
        let deadline = Deadline::at(deadline);
        loop {
            if self.link.has_hung_up() {
                return self.client_gone();
            }
            if self.link.take_wake() {
                return Wake::Signal;
            }
            if self.shared.is_releasing() {
                return Wake::Draining;
            }
            if deadline.is_past() {
                return Wake::Deadline;
            }
            self.input.release_if_empty();
            self.end_turn();
            self.link.wait(deadline);
        }
    }

    /// Waits for a wake or for the client's leaving, and for nothing else: what is under way for it goes on whatever
    /// the server is about to do. Whether the client is there.
    pub(crate) fn attend(&mut self) -> bool {
        if self.flush().is_err() {
            return false;
        }
        while !self.link.has_hung_up() && !self.shared.is_aborting() {
            if self.link.take_wake() {
                return true;
            }
            self.input.release_if_empty();
            self.end_turn();
            self.link.wait(Deadline::NEVER);
        }
        count(&self.shared.stats.clients_gone);
        false
    }

    /// Begins a request that may change something; false while nothing may be changed.
    pub(crate) fn begin_write(&mut self) -> bool {
        self.shared.moving.begin_write();
        self.is_writing = true;
        // Looked at after it is counted, so that a hold that begins sees this write, or this write sees the hold.
        if self.shared.is_holding() {
            self.end_write();
        }
        self.is_writing
    }

    /// The present request changes nothing any more.
    pub(crate) fn end_write(&mut self) {
        if std::mem::take(&mut self.is_writing) {
            self.shared.moving.end_write();
        }
    }

    /// Begins to change something for a request whose body its handler has read; waits while nothing may be changed.
    /// False when that is another process's from now on, or the server has ended.
    pub(crate) fn begin_late_write(&mut self) -> bool {
        while !self.shared.is_moving() && !self.shared.is_aborting() {
            if self.begin_write() {
                return true;
            }
            self.wait_for_phase();
        }
        false
    }

    /// Waits until the server may stand differently, or for nothing.
    pub(crate) fn wait_for_phase(&mut self) {
        self.link.wait(Deadline::NEVER);
    }

    /// Gives the connection to another process, with `unanswered` and what has come after it.
    pub(crate) fn depart(&mut self, mut unanswered: Vec<u8>) {
        if self.flush().is_err() {
            return;
        }
        unanswered.extend_from_slice(self.input.filled());
        match self.link.release() {
            Ok(socket) => self.shared.moving.depart(Departure { socket, unanswered }),
            Err(error) => log::warn!("a connection could not be handed over: {error}"),
        }
    }

    fn client_gone(&self) -> Wake {
        count(&self.shared.stats.clients_gone);
        Wake::ClientGone
    }

    pub(crate) fn waker(&self) -> Waker {
        self.link.waker()
    }

    /// Ends the connection after a refusal: says so to the peer, then reads and drops what it still sends,
    /// for a while.
    ///
    /// Closing with unread bytes resets the connection, and a reset can overtake the response the peer is to
    /// read.
    pub(crate) fn linger(&mut self) {
        /// Bytes dropped at most: a body of the usual bound, whose client reads no refusal before it has sent it. Who
        /// sends more after our end of file deserves the reset.
        const DROPPED_BYTES_MAX: usize = 2 * 1024 * 1024;
        self.link.finish();
        let deadline = Deadline::after(self.shared.config.linger_timeout);
        let mut dropped = 0;
        while dropped < DROPPED_BYTES_MAX && !deadline.is_past() && !self.shared.is_releasing() {
            self.input.consume(usize::MAX);
            match self.link.read(self.input.room(), &mut self.turn) {
                Ok(Some(0)) | Err(_) => return,
                Ok(Some(length)) => {
                    dropped += length;
                    self.turn.pass();
                }
                Ok(None) => {
                    self.end_turn();
                    self.link.wait(deadline);
                }
            }
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.end_write();
        self.input.consume(usize::MAX);
        self.input.release_if_empty();
        buffer_pool::give_output(std::mem::take(&mut self.output));
    }
}
