//! Where reads go that take longer than their turn on a worker: a few threads of low priority, each a lane of its own.
//!
//! A worker gives an answer a millisecond or two and then drops what it has: everything else that lives on the worker
//! would wait. The same read is then made again here, from its beginning and without a client, while the connection
//! waits on its socket. Readers of one target share one making, who leaves is not waited for, and what nobody waits for
//! any more is given up. Lists, filtered lists and searches stand in lanes of their own, so that no filter delays a
//! list; and in each lane clients take turns, so that nobody waits for all that one asks.

mod making;

pub use making::{Unmade, Waiting};

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::base::stdx::fair_queue::QueueFull;
use crate::base::stdx::meter::{Exhausted, Meter};
use crate::base::sys::background::BackgroundThread;
use crate::base::sys::budget::{self, Purpose};
use crate::base::sys::clock;
use crate::base::sys::oneshot::oneshot;
use crate::base::sys::runtime;
use crate::base::telemetry::families;
use crate::base::telemetry::metrics::{IntCounter, Metrics};
use crate::core::filter::error::FilterError;
use crate::net::http::{Exchange, Peer, Request, Response, Wake, client_of};
use crate::surface::answers::body_history::Rendering;
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::slow_reads::making::{Answer, LaneClient, Made, Make, Making, Reader};

/// Time that a worker gives to one answer. A list of a thousand instances is made in it; longer, and every probe and
/// heartbeat of the worker waits for it.
const WORKER_TURN: Duration = Duration::from_millis(2);

/// Units that a worker spends on one answer: as many records as take that time.
const WORKER_UNITS: u64 = 16_384;

/// Time of its thread that a lane gives to one answer. Lists of half a million instances are made in it.
const LANE_TURN: Duration = Duration::from_secs(5);

/// How long a reader waits for its turn in a lane and for the answer.
const LANE_WAIT_MAX: Duration = Duration::from_secs(20);

/// Reads that may wait for a lane; each holds its request's head.
const LANE_QUEUE_MAX: usize = 64;

/// Reads of one client among them. Whoever has several addresses has several shares, so a client with fewer also
/// takes the place of one with more.
pub const LANE_SHARE_MAX: usize = 16;

/// Parameters from which on a list counts as filtered: each is held against every record.
const PARAMETERS_MANY: usize = 8;

/// What waits for its turn, by what it is. Locked for a look-up.
type Awaited = Mutex<HashMap<AnswerKey, Arc<Making>>>;

/// The lanes.
pub struct SlowReads {
    /// Long lists.
    lists: BackgroundThread<LaneClient>,
    /// Lists with filters.
    filters: BackgroundThread<LaneClient>,
    /// Filters with patterns.
    searches: BackgroundThread<LaneClient>,
    /// Patterns that are only to be compiled, so that a slip is told at once whatever is searched.
    trials: BackgroundThread<LaneClient>,
    waiting: Arc<Awaited>,
    answered: IntCounter,
    refused: IntCounter,
    abandoned: IntCounter,
}

/// Which of the lanes: what takes longer stands in one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Long lists.
    Lists,
    /// Lists with filters.
    Filters,
    /// Filters with patterns.
    Searches,
}

/// What is wanted of a lane.
pub struct LaneRequest {
    /// Says what it is: who wants the same waits for the same.
    key: AnswerKey,
    lane: Lane,
    client: LaneClient,
}

impl LaneRequest {
    /// What `request` wants, or something on its behalf that `key` tells from everything else.
    pub fn by(request: &Request, key: AnswerKey) -> LaneRequest {
        LaneRequest { key, lane: lane_of(request), client: client_at(request.peer()) }
    }

    /// Something else for the same client, in the same lane.
    pub fn with_key(&self, key: AnswerKey) -> LaneRequest {
        LaneRequest { key, ..*self }
    }
}

impl SlowReads {
    /// Lanes with nobody in them.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn new(metrics: &Metrics) -> io::Result<SlowReads> {
        let counter = |outcome| metrics.counter(families::COSTLY_READS, &[outcome]);
        let lane = |name| BackgroundThread::begin(name, LANE_SHARE_MAX, LANE_QUEUE_MAX);
        Ok(SlowReads {
            lists: lane("lists-0")?,
            filters: lane("filters-0")?,
            searches: lane("searches-0")?,
            trials: lane("patterns-0")?,
            waiting: Arc::default(),
            answered: counter("answered"),
            refused: counter("refused"),
            abandoned: counter("abandoned"),
        })
    }

    /// Compiles patterns of a client on a thread of its own, and waits.
    ///
    /// # Errors
    /// 503 when too many wait for the same.
    pub fn try_out(
        &self,
        peer: Peer,
        compile: impl FnOnce() -> Result<(), FilterError> + Send + 'static,
    ) -> Result<Result<(), FilterError>, ApiError> {
        let (sender, receiver) = oneshot();
        self.trials.put(client_at(peer), move || sender.send(compile())).map_err(busy)?;
        receiver.recv().map_err(|_lost| displaced())
    }

    /// Has a response made in a lane, and waits for it. `make` may give up.
    pub fn answer(
        &self,
        wanted: LaneRequest,
        exchange: &mut Exchange<'_>,
        make: impl FnOnce(&Meter<'_>) -> Option<Response> + Send + 'static,
    ) -> Response {
        let make: Make = Box::new(move |meter| match make(meter) {
            Some(response) => Made::Answer(Box::new(Answer::of(response))),
            None => Made::Refused(ApiError::unfinished()),
        });
        match self.make(wanted, exchange, make) {
            Ok(Made::Answer(answer)) => answer.response(),
            Ok(Made::Events(_)) => Response::new(500),
            Ok(Made::Refused(error)) | Err(Unmade::Refused(error)) => error.into(),
            Err(Unmade::Gone) => Response::new(CLIENT_GONE),
        }
    }

    /// Has events of a stream made in a lane, and waits for them.
    ///
    /// # Errors
    /// When they are not made, or the client leaves meanwhile.
    pub fn events(
        &self,
        wanted: LaneRequest,
        waiting: &mut impl Waiting,
        make: impl FnOnce(&Meter<'_>) -> Option<Rendering> + Send + 'static,
    ) -> Result<Rendering, Unmade> {
        match self.make(wanted, waiting, Box::new(move |meter| Made::Events(make(meter))))? {
            Made::Events(Some(events)) => Ok(events),
            Made::Refused(error) => Err(Unmade::Refused(error)),
            Made::Events(None) | Made::Answer(_) => Err(Unmade::Refused(ApiError::unfinished())),
        }
    }

    fn make(&self, wanted: LaneRequest, waiting: &mut impl Waiting, make: Make) -> Result<Made, Unmade> {
        let refused = |error| {
            self.refused.inc();
            Err(Unmade::Refused(error))
        };
        let making = match self.join(wanted, make) {
            Ok(making) => making,
            Err(error) => return refused(error),
        };
        let reader = Reader(making);
        reader.0.wakers.lock().push(waiting.waker());
        let deadline = Instant::now() + LANE_WAIT_MAX;
        loop {
            if let Some(made) = reader.0.made.get() {
                let counter = if made.is_refusal() { &self.refused } else { &self.answered };
                counter.inc();
                return Ok(made.clone());
            }
            match waiting.park(deadline) {
                Wake::Signal => {}
                Wake::ClientGone => {
                    self.abandoned.inc();
                    return Err(Unmade::Gone);
                }
                // What is under way is finished, and nobody parks any more.
                Wake::Draining if Instant::now() < deadline => runtime::sleep(Duration::from_millis(20)),
                Wake::Deadline | Wake::Draining => {
                    return refused(late(reader.0.has_begun.load(Ordering::Acquire)));
                }
            }
        }
    }

    /// What is under way of what is wanted and waits for its turn, or a new one. One that has begun may not show what
    /// the client has written since. It is made in the first turn of any client that wants it.
    fn join(&self, wanted: LaneRequest, make: Make) -> Result<Arc<Making>, ApiError> {
        let LaneRequest { key, lane, client } = wanted;
        let making = {
            let mut waiting = self.waiting.lock();
            let making = waiting.entry(key.clone()).or_default();
            making.readers.fetch_add(1, Ordering::AcqRel);
            making.clone()
        };
        let is_alone = {
            let mut clients = making.clients.lock();
            if clients.contains(&client) {
                return Ok(making.clone());
            }
            clients.push(client);
            clients.len() == 1
        };
        making.turns.fetch_add(1, Ordering::AcqRel);
        let turn = Turn { making: making.clone(), waiting: self.waiting.clone(), key, make: Some(make) };
        match self.thread_of(lane).put(client, move || turn.take()) {
            Err(refused) if is_alone => Err(busy(refused)),
            // Without a turn of its own this client waits for another's.
            Ok(()) | Err(_) => Ok(making),
        }
    }

    fn thread_of(&self, lane: Lane) -> &BackgroundThread<LaneClient> {
        match lane {
            Lane::Lists => &self.lists,
            Lane::Filters => &self.filters,
            Lane::Searches => &self.searches,
        }
    }

    /// How many wait for what has not begun, for a test.
    #[cfg(test)]
    pub fn readers(&self, wanted: &LaneRequest) -> usize {
        self.waiting.lock().get(&wanted.key).map_or(0, |making| making.readers.load(Ordering::Acquire))
    }
}

/// A client's turn to have something made. However it ends, whoever waits is told with the last.
struct Turn {
    making: Arc<Making>,
    waiting: Arc<Awaited>,
    key: AnswerKey,
    make: Option<Make>,
}

impl Turn {
    fn take(mut self) {
        let Some(make) = self.make.take() else { return };
        self.forget();
        if self.making.has_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        let (started, readers) = (clock::thread_processor_time(), &self.making.readers);
        let has_time = || clock::thread_processor_time().saturating_sub(started) < LANE_TURN;
        let goes_on = || readers.load(Ordering::Acquire) > 0 && has_time();
        // What others hold is not there for this one, and it is held before it is sent.
        let meter = Meter::new(u64::MAX, budget::process().left(Purpose::Answers), &goes_on);
        let made = make(&meter);
        let made = meter.exhausted().map_or(made, |why| Made::Refused(refusal(why)));
        self.making.settle(|| made);
    }

    /// Whoever asks for the same from now on asks anew.
    fn forget(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.get(&self.key).is_some_and(|it| Arc::ptr_eq(it, &self.making)) {
            waiting.remove(&self.key);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.making.turns.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if self.making.made.get().is_none() {
            self.forget();
        }
        let has_begun = self.making.has_begun.load(Ordering::Acquire);
        self.making.settle(|| match has_begun {
            true => Made::Refused(ApiError::new(500, "this answer could not be made")),
            false => Made::Refused(displaced()),
        });
    }
}

/// Whether a worker's time for an answer is not over; it begins with the first question.
pub fn has_time(began: &Cell<Option<Instant>>) -> bool {
    match began.get() {
        Some(began) => began.elapsed() < WORKER_TURN,
        None => {
            began.set(Some(Instant::now()));
            true
        }
    }
}

/// What a worker may spend on one answer.
pub fn worker_meter<'a>(goes_on: &'a dyn Fn() -> bool) -> Meter<'a> {
    Meter::new(WORKER_UNITS, bytes_max(), goes_on)
}

/// What a client is told whose answer cannot be made within its bounds.
pub fn refusal(why: Exhausted) -> ApiError {
    ApiError::new(
        503,
        match why {
            Exhausted::Work => format!(
                "this read takes more than {} s of work: ask for less at a time, such as one service or node, or \
                 with fewer and simpler patterns in filter",
                LANE_TURN.as_secs()
            ),
            Exhausted::Bytes => format!(
                "this answer has more bytes than may be held for unread answers, which are {} less what others hold: \
                 ask for less at a time, try again later, or raise limits.transit_bytes_max, of which that is half",
                bytes_max()
            ),
        },
    )
}

/// What a client is told whose read cannot wait for a lane.
fn busy(refused: QueueFull) -> ApiError {
    ApiError::busy(match refused {
        QueueFull::Share => format!(
            "{LANE_SHARE_MAX} costly reads of this client are waiting already: wait for their answers, and ask for \
             less at a time"
        ),
        QueueFull::Full => format!(
            "{LANE_QUEUE_MAX} costly reads are waiting already: try again later, and ask for less at a time"
        ),
    })
}

/// What a client is told whose read had to make room for one of a client that had fewer waiting.
fn displaced() -> ApiError {
    ApiError::busy(format!(
        "{LANE_QUEUE_MAX} costly reads are waiting already, more of this client than of others: try again later, and \
         ask for less at a time"
    ))
}

/// What a client is told who has waited for long enough.
fn late(has_begun: bool) -> ApiError {
    let seconds = LANE_WAIT_MAX.as_secs();
    ApiError::busy(match has_begun {
        true => format!(
            "this read is not done after {seconds} s: ask for less at a time, or when less is to be done"
        ),
        false => format!(
            "this read has waited {seconds} s for its turn behind other costly ones: try again later, and ask for less \
             at a time"
        ),
    })
}

/// Whose turn it is that somebody at `peer` waits for.
fn client_at(peer: Peer) -> LaneClient {
    peer.ip().map(client_of)
}

/// Bytes that one answer may have: what all of them together may have while they are sent.
fn bytes_max() -> usize {
    budget::process().bytes_max_of_one()
}

/// The lane for what a request wants.
fn lane_of(request: &Request) -> Lane {
    let (_, query) = request.path_and_query_sent();
    match request.query().first("filter") {
        Some(filter) if filter.contains("matches") => Lane::Searches,
        Some(filter) if !filter.is_empty() => Lane::Filters,
        _ if query.matches('&').count() >= PARAMETERS_MANY => Lane::Filters,
        _ => Lane::Lists,
    }
}
