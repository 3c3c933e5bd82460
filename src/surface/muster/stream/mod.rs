//! `GET /v1/muster/stream`: the instances of services and what becomes of them, as server-sent events.
//!
//! A stream is one connection's coroutine, parked on its socket as a blocking query is and woken by the same topics.
//! What it says is worked out from the same state ([`feed`]), and written out once for all who have seen the same.
//! Start reading at [`open`]; `docs/watching.md` tells users.

mod event;
mod feed;
pub mod slots;

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::stdx::duration::{self, GoDuration};
use crate::base::stdx::meter::{Exhausted, Meter};
use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::sys::turnstile;
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::topic::Topic;
use crate::core::discovery::query::ServiceQuery;
use crate::core::model::ServiceKey;
use crate::net::http::{Body, BodyWriter, Query, Request, Response, Wake};
use crate::surface::answers::answer::chance;
use crate::surface::answers::body_history::Rendering;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::params::with_jitter;
use crate::surface::muster::stream::feed::{Feed, Followed, PendingUpdate, Round, StreamQuery};
use crate::surface::muster::stream::slots::{Beginning, StreamSlot};
use crate::surface::service_query;
use crate::surface::slow_reads::{self, LaneRequest, SlowReads, Unmade, Waiting};
use crate::wire::show::Bookmark;

/// Services of one stream at most. A program seldom depends on more than a few dozen; each is one more waker.
pub const SERVICES_MAX: usize = 64;

/// A stream on which nothing happens says so this often: below the idle timeouts of common proxies (30 s and 60 s).
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(15);

/// Bounds of `?bookmark=`. More often costs every quiet stream a wake-up; less often outlives no proxy.
const BOOKMARK_INTERVAL_MIN: Duration = Duration::from_secs(1);
const BOOKMARK_INTERVAL_MAX: Duration = Duration::from_secs(300);

/// Readers that lost their connection come back after this and up to as long again, so that a restart does not meet all
/// of them in one instant.
const RETRY_MS: u64 = 500;

/// A stream asks its filter at every change, beside everything else.
const COSTLY_FILTER: &str = "this filter is too costly for a stream: its patterns may have 64 bytes, no {repetitions} \
                             and few classes, or ask with a blocking query";

/// `GET /v1/muster/stream?service=a&service=b[&passing][&tag=][&node-meta=][&filter=]`
pub fn open(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let names = names(call.query()?)?;
    let interval = bookmark_interval(call.query()?)?;
    let resumed_at = last_event_id(call.request()).unwrap_or(params.index);
    let question = service_query::read(call, &params, names[0].1.clone(), Aspect::Health)?;
    // Events have no order to put something first in.
    let question = ServiceQuery { near: None, ..question };
    if question.filter.as_ref().is_some_and(|filter| filter.is_costly()) {
        return Err(ApiError::bad_request(COSTLY_FILTER));
    }
    let place = call.api.resources.streams.enter()?;
    let registry = call.api.registry.clone();
    let known = call.views().complete();
    let seen = |key: &ServiceKey| {
        let is_judged_alike = resumed_at > registry.panic_thresholds().changed_at(key);
        let is_known = is_judged_alike && registry.access().sees_as_at(resumed_at);
        Some(resumed_at).filter(|index| is_known && *index <= known && *index > 0)
    };
    let followed = |(name, key)| {
        let seen = seen(&key);
        Followed::new(name, key, seen)
    };
    let services = names.into_iter().map(followed).collect();
    let (_, query_sent) = call.request().path_and_query_sent();
    let asked = StreamQuery {
        renderings: call.api.answers.history.clone(),
        question,
        query: Query::parse(query_sent),
        key: call.key("stream"),
        rights: call.rights.clone(),
        registry: registry.clone(),
    };
    let mut feed = Feed { asked: Arc::new(asked), services };
    feed.settle_thresholds();
    let slow_reads = call.api.resources.slow_reads.clone();
    let wanted = LaneRequest::by(call.request(), call.key("stream"));
    let (clock, is_resumed) = (call.api.clock, resumed_at > 0);
    let mut stream = Stream { feed, slow_reads, wanted, place, clock, interval, is_resumed };
    // The first events are made before anything is answered, so that a refusal has a status.
    let first = stream.feed.round();
    let events = match first.due.first().map(|due| stream.events(call.exchange, due)).transpose() {
        Ok(events) => events,
        Err(Unmade::Gone) => return Ok(Response::new(CLIENT_GONE)),
        Err(Unmade::Refused(error)) => return Err(error),
    };
    Ok(Response::new(200)
        .with_header("Content-Type", event::CONTENT_TYPE)
        .with_header("Cache-Control", "no-cache")
        // Some proxies gather a response before they pass it on, unless told not to.
        .with_header("X-Accel-Buffering", "no")
        .with_body(Body::Stream(Box::new(move |writer| stream.run(writer, first, events)))))
}

/// The services asked for, each once: the name as it is written, and the key.
fn names(query: &Query) -> Result<Vec<(Text, ServiceKey)>, ApiError> {
    let mut names: Vec<(Text, ServiceKey)> = Vec::new();
    for name in query.all("service") {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(ApiError::bad_request("a stream needs names of services: ?service=web&service=db"));
        }
        let name = Text::from(name);
        let key = ServiceKey::of(&name);
        if names.iter().all(|(_, other)| *other != key) {
            names.push((name, key));
        }
    }
    match names.len() {
        0 => Err(ApiError::bad_request("a stream needs names of services: ?service=web&service=db")),
        1..=SERVICES_MAX => Ok(names),
        count => Err(ApiError::bad_request(format!(
            "{count} services are too many for one stream: open another one for every {SERVICES_MAX}"
        ))),
    }
}

fn bookmark_interval(query: &Query) -> Result<Duration, ApiError> {
    let Some(word) = query.first("bookmark") else { return Ok(BOOKMARK_INTERVAL) };
    let interval = duration::parse(word).ok().and_then(GoDuration::to_std);
    let interval = interval.filter(|it| (BOOKMARK_INTERVAL_MIN..=BOOKMARK_INTERVAL_MAX).contains(it));
    interval.ok_or_else(|| {
        ApiError::bad_request(format!("invalid bookmark {word:?}: a duration from 1s to 5m, as in 15s"))
    })
}

/// What a browser, or whoever speaks as one, saw last. Text that is no index of ours is as good as none.
fn last_event_id(request: &Request) -> Option<u64> {
    Some(request.header("last-event-id")?.trim().parse().unwrap_or_default())
}

/// An open stream.
struct Stream {
    feed: Feed,
    /// Make what takes long.
    slow_reads: Arc<SlowReads>,
    /// Who reads it, and the lane for what it asks.
    wanted: LaneRequest,
    place: StreamSlot,
    clock: Clock,
    /// Longest silence.
    interval: Duration,
    is_resumed: bool,
}

impl Stream {
    /// Tells of changes until the client leaves, the server ends or the client does not read. `events` are what is due
    /// first.
    fn run(mut self, writer: &mut BodyWriter<'_>, first: Round, events: Option<Rendering>) -> io::Result<()> {
        let outcome = self.tell(writer, first, events);
        if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.place.count_cut();
        }
        outcome
    }

    fn tell(
        &mut self,
        writer: &mut BodyWriter<'_>,
        first: Round,
        events: Option<Rendering>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        event::put_retry(&mut text, RETRY_MS + chance() % RETRY_MS);
        writer.write_all(&text)?;
        drop(text);
        let mut deadline = self.next_bookmark();
        if self.begin(writer, &first, events)? == 0 {
            self.bookmark(writer, first.complete)?;
        }
        drop(first);
        let registry = self.feed.asked.registry.clone();
        loop {
            if self.feed.asked.rights.changed(registry.access(), || self.clock.unix_ms()).is_some() {
                // Its reader comes back, and begins with what he may see now.
                return Ok(());
            }
            // Registered before it is looked, so that no change falls between the look and the park.
            let keys = self.feed.services.iter().map(|service| service.key.clone());
            let topics = registry.topics();
            let watches: Vec<_> = keys.map(|key| topics.listen(Topic::Health(key), writer.waker())).collect();
            let round = self.feed.round();
            if !round.due.is_empty() {
                drop(watches);
                let mut sent = 0;
                for due in &round.due {
                    let events = self.events(writer, due).map_err(io_error)?;
                    sent += self.send(writer, &events)?;
                }
                if sent > 0 {
                    deadline = self.next_bookmark();
                }
                continue;
            }
            match writer.park(deadline) {
                Wake::Signal => {}
                Wake::Deadline => {
                    drop(watches);
                    self.bookmark(writer, round.complete)?;
                    deadline = self.next_bookmark();
                }
                Wake::ClientGone => return Err(io::ErrorKind::BrokenPipe.into()),
                Wake::Draining => {
                    drop(watches);
                    return self.bookmark(writer, round.complete);
                }
            }
        }
    }

    /// Sends the first round, whose first events are made, and counts how the stream begins as soon as that is known;
    /// gives the bytes that it had.
    fn begin(
        &self,
        writer: &mut BodyWriter<'_>,
        first: &Round,
        mut events: Option<Rendering>,
    ) -> io::Result<usize> {
        if first.due.is_empty() {
            self.place.count_beginning(Beginning::of(self.is_resumed, false));
        }
        let (mut sent, mut is_counted) = (0, false);
        for (left, due) in (0..first.due.len()).rev().zip(&first.due) {
            let events = match events.take() {
                Some(events) => events,
                None => self.events(writer, due).map_err(io_error)?,
            };
            let is_snapshot = events.events.snapshots > 0;
            if !is_counted && (is_snapshot || left == 0) {
                self.place.count_beginning(Beginning::of(self.is_resumed, is_snapshot));
                is_counted = true;
            }
            sent += self.send(writer, &events)?;
        }
        Ok(sent)
    }

    /// What is due of one service: made at once where that is a moment's work, and otherwise in a lane, where whoever
    /// wants the same shares it, while `waiting` waits.
    fn events(&self, waiting: &mut impl Waiting, due: &PendingUpdate) -> Result<Rendering, Unmade> {
        let asked = &self.feed.asked;
        if let Some(kept) = asked.kept(due) {
            return Ok(kept);
        }
        // Many streams are woken by one change, and may want as many different things.
        turnstile::pass_with_the_crowd();
        let began = Cell::new(None);
        let goes_on = || slow_reads::has_time(&began);
        let meter = slow_reads::worker_meter(&goes_on);
        let events = asked.events(due, &meter);
        match (events, meter.exhausted()) {
            (Some(events), _) => Ok(events),
            (None, Some(Exhausted::Work)) => {
                let (wanted, asked) = (self.wanted.with_key(asked.key_of(due)), asked.clone());
                let due = due.clone();
                self.slow_reads.events(wanted, waiting, move |meter| asked.events(&due, meter))
            }
            (None, why) => Err(Unmade::Refused(slow_reads::refusal(why.unwrap_or(Exhausted::Work)))),
        }
    }

    /// Sends events; gives the bytes that they had. They are counted first, so that whoever has read one finds it in
    /// the metrics.
    fn send(&self, writer: &mut BodyWriter<'_>, events: &Rendering) -> io::Result<usize> {
        self.place.count_events(&events.events);
        writer.send_shared(&events.body)?;
        Ok(events.body.plain().len())
    }

    fn bookmark(&self, writer: &mut BodyWriter<'_>, index: u64) -> io::Result<()> {
        let mut text = Vec::new();
        event::put(&mut text, &Meter::boundless(), "bookmark", Some(index), &Bookmark { index });
        self.place.count_bookmark();
        writer.send_own(&text)
    }

    fn next_bookmark(&self) -> Instant {
        self.clock.now() + with_jitter(self.interval, chance())
    }
}

/// How a stream ends whose next events are not made: its reader comes back and says how far it is.
fn io_error(unmade: Unmade) -> io::Error {
    match unmade {
        Unmade::Gone => io::ErrorKind::BrokenPipe.into(),
        Unmade::Refused(error) => io::Error::new(io::ErrorKind::ResourceBusy, error.message.into_owned()),
    }
}
