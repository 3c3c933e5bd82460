//! `GET /v1/muster/stream`: the instances of services and what becomes of them, as server-sent events.
//!
//! A stream is one connection's coroutine, parked on its socket as a blocking query is and woken by the same topics.
//! What it says is worked out from the same state ([`feed`]), and written out once for all who have seen the same.
//! Start reading at [`open`]; `docs/watching.md` tells users.

mod event;
mod feed;
mod slots;

pub use slots::StreamSlots;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::api::answer::{cache_key, chance};
use crate::api::call::{Call, HandlerResult};
use crate::api::error::ApiError;
use crate::api::health_query::HealthQuery;
use crate::api::params::with_jitter;
use crate::api::stream::feed::{Feed, Followed, Round};
use crate::api::stream::slots::{Beginning, StreamSlot};
use crate::catalog::topic::Topic;
use crate::http::{Body, BodyWriter, Query, Request, Response, Wake};
use crate::stdx::duration::{self, GoDuration};
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
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
    // The same for all services, but for the threshold.
    let question = HealthQuery::read(call, &params, &names[0].folded())?;
    if question.filter.as_ref().is_some_and(|filter| filter.is_costly()) {
        return Err(ApiError::bad_request(COSTLY_FILTER));
    }
    let place = call.api.streams.enter()?;
    let registry = call.api.registry.clone();
    let known = registry.views().complete();
    let seen = |name: &Text| {
        let is_known = resumed_at > registry.panic_thresholds().changed_at(&name.folded());
        Some(resumed_at).filter(|index| is_known && *index <= known && *index > 0)
    };
    let services = names.into_iter().map(|name| Followed::new(name.clone(), seen(&name))).collect();
    let (_, query_sent) = call.request().path_and_query_sent();
    let mut feed = Feed {
        renderings: call.api.renderings.clone(),
        question,
        query: Query::parse(query_sent),
        key: cache_key(call, "stream"),
        services,
        registry: registry.clone(),
    };
    feed.settle_thresholds();
    let stream = Stream { feed, place, clock: call.api.clock, interval, is_resumed: resumed_at > 0 };
    Ok(Response::new(200)
        .with_header("Content-Type", event::CONTENT_TYPE)
        .with_header("Cache-Control", "no-cache")
        // Some proxies gather a response before they pass it on, unless told not to.
        .with_header("X-Accel-Buffering", "no")
        .with_body(Body::Stream(Box::new(move |writer| stream.run(writer)))))
}

/// The services asked for, each once.
fn names(query: &Query) -> Result<Vec<Text>, ApiError> {
    let mut names: Vec<Text> = Vec::new();
    for name in query.all("service") {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(ApiError::bad_request("a stream needs names of services: ?service=web&service=db"));
        }
        let name = Text::from(name);
        if names.iter().all(|other| other.folded() != name.folded()) {
            names.push(name);
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
    place: StreamSlot,
    clock: Clock,
    /// Longest silence.
    interval: Duration,
    is_resumed: bool,
}

impl Stream {
    /// Tells of changes until the client leaves, the server ends or the client does not read.
    fn run(mut self, writer: &mut BodyWriter<'_>) -> io::Result<()> {
        let outcome = self.tell(writer);
        if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            self.place.count_cut();
        }
        outcome
    }

    fn tell(&mut self, writer: &mut BodyWriter<'_>) -> io::Result<()> {
        let mut text = Vec::new();
        event::put_retry(&mut text, RETRY_MS + chance() % RETRY_MS);
        writer.write_all(&text)?;
        drop(text);
        let first = self.feed.round();
        self.place.count_beginning(match (self.is_resumed, is_all_snapshots(&first)) {
            (false, _) => Beginning::New,
            (true, true) => Beginning::Reset,
            (true, false) => Beginning::Resumed,
        });
        let mut deadline = self.next_bookmark();
        if self.send(writer, &first)? == 0 {
            self.bookmark(writer, first.complete)?;
        }
        let registry = self.feed.registry.clone();
        loop {
            // Registered before it is looked, so that no change falls between the look and the park.
            let names = self.feed.services.iter().map(|service| service.name.clone());
            let topics = registry.topics();
            let watches: Vec<_> =
                names.map(|name| topics.listen(Topic::Health(name), writer.waker())).collect();
            let round = self.feed.round();
            if !round.parts.is_empty() {
                drop(watches);
                if self.send(writer, &round)? > 0 {
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

    /// Sends a round; gives the bytes that it had.
    fn send(&self, writer: &mut BodyWriter<'_>, round: &Round) -> io::Result<usize> {
        let mut sent = 0;
        for part in &round.parts {
            writer.send_shared(&part.body)?;
            self.place.count_events(&part.events);
            sent += part.body.plain().len();
        }
        Ok(sent)
    }

    fn bookmark(&self, writer: &mut BodyWriter<'_>, index: u64) -> io::Result<()> {
        let mut text = Vec::new();
        event::put(&mut text, "bookmark", Some(index), &Bookmark { index });
        writer.send_own(&text)?;
        self.place.count_bookmark();
        Ok(())
    }

    fn next_bookmark(&self) -> Instant {
        self.clock.now() + with_jitter(self.interval, chance())
    }
}

/// Whether nothing but snapshots is told, if only of one service.
fn is_all_snapshots(round: &Round) -> bool {
    round.parts.iter().any(|part| part.events.snapshots > 0)
}
