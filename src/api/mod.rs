//! Consul's HTTP API over the registry: routes, parameters, handlers by Consul's chapters, and the cache of answers.
//!
//! Handlers turn a request into a command or a look at the views, and the outcome into a response. They own no state,
//! and write no JSON but through `wire`. Start reading at [`routes::ROUTES`], then [`answer::indexed`] for how every
//! read that can block is answered.

pub mod answer;
pub mod answer_key;
pub mod await_health;
pub mod cache;
pub mod cache_counts;
pub mod cache_report;
pub mod call;
pub mod error;
pub mod params;
pub mod list_fragments;
pub mod health_query;
pub mod fast_path;
pub mod permission;
pub mod rights;
pub mod route;
pub mod router;
pub mod routes;
mod row_counters;

pub mod absent;
pub mod agent_checks;
pub mod agent_health;
pub mod agent_info;
pub mod agent_services;
pub mod catalog;
pub mod delta;
pub mod difference;
pub mod drain;
pub mod etag;
pub mod explain;
pub mod health;
pub mod history;
pub mod kv;
pub mod slow_reads;
pub mod large_bodies;
pub mod maintenance;
pub mod metered_views;
pub mod operations;
pub mod panic;
pub mod body_history;
pub mod selection;
pub mod snapshot;
pub mod stream;
pub mod times;
pub mod warm;
pub mod webhooks;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use crate::api::body_history::BodyHistory;
use crate::api::cache::{BodyCache, CacheBounds};
use crate::api::cache_counts::CacheCounts;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::etag::Tags;
use crate::api::fast_path::{FastPath, FastPathEntry};
use crate::api::rights::Rights;
use crate::api::route::{Route, Verb};
use crate::api::router::{Router, Target};
use crate::api::routes::{ROUTES, Row};
use crate::api::row_counters::RowCounters;
use crate::api::slow_reads::SlowReads;
use crate::api::snapshot::{Snapshots, Spooling};
use crate::api::stream::StreamSlots;
use crate::api::warm::Warmed;
use crate::http::{Body, BodyBound, Exchange, Handler, Method, Request, Response, is_of_bound};
use crate::notify::Notifier;
use crate::registry::Registry;
use crate::registry::snapshot::row_validator::RowRules;
use crate::stdx::meter::{Exhausted, Meter};
use crate::stdx::text::Text;
use crate::sys::clock::Clock;
use crate::sys::offload::Offload;
use crate::telemetry::families;
use crate::telemetry::metrics::{IntCounter, Metrics};

/// What the API may ask of the process it runs in.
pub trait HostProcess: Send + Sync {
    /// Reads the configuration again, as SIGHUP does, and waits for what comes of it; a coroutine parks meanwhile.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it; everything stays as it was.
    fn reload(&self) -> Result<(), String>;

    /// Whether a client may end the process.
    fn may_leave(&self) -> bool;

    /// Ends the process in an orderly way, as SIGTERM does. Returns at once.
    fn leave(&self);

    /// Whether the process is on its way out.
    fn is_draining(&self) -> bool;

    /// Where the registry is kept, and how that is.
    fn store(&self) -> StoreFacts;

    /// What the agent was configured with, for people.
    fn debug_config(&self) -> Arc<serde_json::Map<String, serde_json::Value>>;

    /// Where a big body may wait.
    fn spooling(&self) -> Spooling;

    /// Bytes that all of those may have together. Looks at the system; for a start.
    fn spooled_bytes_max(&self) -> u64;

    /// Bytes that a snapshot may have.
    fn snapshot_bytes_max(&self) -> usize;

    /// How long a snapshot may be on its way, beside a second for so many bytes of it.
    fn snapshot_time_max(&self) -> Duration;

    /// What the rows of a snapshot are held against.
    fn snapshot_terms(&self) -> RowRules;
}

/// Where the registry is kept, for people.
#[derive(Clone, Debug)]
pub struct StoreFacts {
    /// The word of the configuration for it.
    pub kind: &'static str,
    /// What an acknowledged write survives, as things stand.
    pub guarantee: &'static str,
    /// The Redis it is kept in as well, if it is.
    pub redis: Option<RedisFacts>,
}

/// How the Redis of a store is.
#[derive(Clone, Debug)]
pub struct RedisFacts {
    /// Where it is, without any password.
    pub place: String,
    /// Whether it has everything that is acknowledged.
    pub is_well: bool,
    /// Whether writes are refused until it is.
    pub refuses_writes: bool,
    /// How it is, since when, and how much it lacks.
    pub standing: String,
    /// Its version, once it was reached.
    pub version: String,
}

/// Threads that read files for answers; only `/v1/agent/host` does.
const OFFLOAD_THREADS: usize = 1;

/// Answers that may wait for that thread.
const OFFLOAD_QUEUE_MAX: usize = 16;

/// What handlers count: accepted writes by kind of record, and answers in panic.
pub(crate) struct ApiCounters {
    pub(crate) registrations_node: IntCounter,
    pub(crate) registrations_service: IntCounter,
    pub(crate) registrations_check: IntCounter,
    pub(crate) deregistrations_node: IntCounter,
    pub(crate) deregistrations_service: IntCounter,
    pub(crate) deregistrations_check: IntCounter,
    pub(crate) answers_in_panic: IntCounter,
}

impl ApiCounters {
    fn new(metrics: &Metrics) -> ApiCounters {
        let registered = |kind| metrics.counter(families::REGISTRATIONS, &[kind]);
        let deregistered = |kind| metrics.counter(families::DEREGISTRATIONS, &[kind]);
        ApiCounters {
            registrations_node: registered("node"),
            registrations_service: registered("service"),
            registrations_check: registered("check"),
            deregistrations_node: deregistered("node"),
            deregistrations_service: deregistered("service"),
            deregistrations_check: deregistered("check"),
            answers_in_panic: metrics.counter(families::PANIC_ANSWERS, &[]),
        }
    }
}

/// The API of one agent.
pub struct Api {
    pub(crate) registry: Arc<Registry>,
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) host: Arc<dyn HostProcess>,
    pub(crate) cache: Arc<BodyCache>,
    pub(crate) cache_counts: Arc<CacheCounts>,
    ready: FastPath,
    pub(crate) warmed: OnceLock<Warmed>,
    pub(crate) renderings: Arc<BodyHistory>,
    pub(crate) streams: Arc<StreamSlots>,
    pub(crate) tags: Tags,
    pub(crate) clock: Clock,
    router: Router,
    pub(crate) lanes: SlowReads,
    /// Itself, for what goes on without its caller; empty until it serves.
    me: OnceLock<Weak<Api>>,
    pub(crate) offload: Offload,
    pub(crate) snapshots: Snapshots,
    pub(crate) counters: ApiCounters,
    /// Counters of each row, in the order of the table.
    rows: Vec<RowCounters>,
    /// Counters of requests that lead nowhere.
    nowhere: RowCounters,
}

impl Api {
    /// An API over `registry` that keeps as many finished bodies as `cache` says, with at most `streams_max` streams of
    /// changes.
    ///
    /// # Errors
    /// The system's, when it gives no thread for reading files.
    pub fn new(
        registry: Arc<Registry>,
        notifier: Arc<Notifier>,
        metrics: Arc<Metrics>,
        host: Arc<dyn HostProcess>,
        clock: Clock,
        cache: CacheBounds,
        streams_max: usize,
    ) -> io::Result<Api> {
        let entries_max = cache.entries_max;
        let (cache, cache_counts) =
            (Arc::new(BodyCache::new(cache)), Arc::new(CacheCounts::new(ROUTES.len())));
        cache_counts::expose(&metrics, &cache, &cache_counts);
        let counters = |Row(route, _): &Row| RowCounters::new(&metrics, route.path);
        let streams = Arc::new(StreamSlots::new(streams_max, &metrics));
        let counted = streams.clone();
        metrics.read(families::STREAMS, &[], move || counted.open() as f64);
        Ok(Api {
            offload: Offload::new("api", OFFLOAD_THREADS, OFFLOAD_QUEUE_MAX)?,
            snapshots: Snapshots::new(host.spooled_bytes_max())?,
            counters: ApiCounters::new(&metrics),
            router: Router::new(),
            lanes: SlowReads::new(&metrics)?,
            me: OnceLock::new(),
            rows: ROUTES.iter().map(counters).collect(),
            nowhere: RowCounters::new(&metrics, "none"),
            cache,
            cache_counts,
            ready: FastPath::new(entries_max),
            warmed: OnceLock::new(),
            renderings: Arc::default(),
            streams,
            tags: Tags::default(),
            registry,
            notifier,
            metrics,
            host,
            clock,
        })
    }

    /// The same, ready to serve.
    pub fn shared(self) -> Arc<Api> {
        let api = Arc::new(self);
        api.me.get_or_init(|| Arc::downgrade(&api));
        api
    }

    /// The cache of finished bodies.
    pub fn cache(&self) -> &Arc<BodyCache> {
        &self.cache
    }

    /// Has the row of the table answer into `response`.
    ///
    /// What is answered goes down to the handler as a place to put it, and not up through a return value at each step:
    /// a response is the largest value of all, and a query that waits has every step's variables on its stack.
    fn dispatch(
        &self,
        rights: Rights,
        exchange: &mut Exchange<'_>,
        response: &mut Response,
        meter: &Meter<'_>,
    ) -> Dispatched<'_> {
        let request = exchange.request();
        let (path_sent, query_sent) = request.path_and_query_sent();
        let nowhere = Dispatched { counters: &self.nowhere, offer: None };
        let (row, argument) = match self.router.find(request.path(), path_sent) {
            Target::Route(row, argument) => (row, Text::from(argument)),
            Target::Redirect(path) => {
                let location = if query_sent.is_empty() { path } else { format!("{path}?{query_sent}") };
                *response = redirect(&location);
                return nowhere;
            }
            Target::Nowhere => {
                *response = Response::new(404);
                if let Some(sentence) = absent::no_such_path(request.path()) {
                    refuse(ApiError::not_found(sentence), response);
                }
                return nowhere;
            }
        };
        let (Row(route, handler), counters) = (&ROUTES[row], &self.rows[row]);
        let mut offer = None;
        match request.method() {
            method if route.accepts(method) => {
                let mut call = Call { api: self, exchange, rights, route, row, argument, meter, offer: None };
                let checked = check_path(&call).and_then(|()| check_write(&call, route));
                match checked.and_then(|()| handler(&mut call)) {
                    Ok(answer) => *response = answer,
                    Err(error) => refuse(error, response),
                }
                offer = call.offer;
            }
            _ => *response = unaccepted(route, request),
        }
        Dispatched { counters, offer }
    }

    /// The answer to a caller with such rights, the short way or the long one.
    fn respond(&self, rights: Rights, exchange: &mut Exchange<'_>, response: &mut Response) -> &RowCounters {
        match self.ready(rights, exchange.request(), response) {
            Some(counters) => counters,
            None => self.answer(rights, exchange, response),
        }
    }

    /// The answer by the short cut, if there is one. With panic thresholds an answer depends on more than its topic.
    ///
    /// A function of its own, so that its variables do not lie on the stack of a query that waits.
    #[inline(never)]
    fn ready(&self, rights: Rights, request: &Request, response: &mut Response) -> Option<&RowCounters> {
        if !self.registry.panic_thresholds().is_empty() {
            return None;
        }
        let ready = self.ready.find(rights, request)?;
        if !ready.answer(response) {
            return None;
        }
        self.cache_counts.hit(ready.row);
        Some(&self.rows[ready.row])
    }

    /// The answer by the long way; one that takes too long for a worker is made in a lane.
    #[inline(never)]
    fn answer(&self, rights: Rights, exchange: &mut Exchange<'_>, response: &mut Response) -> &RowCounters {
        let began = Cell::new(None);
        let goes_on = || slow_reads::has_time(&began);
        // What is written is never made again: it looks at no more than a few records, and need not pay.
        let is_read = matches!(exchange.request().method(), Method::Get | Method::Head);
        let meter = if is_read { slow_reads::worker_meter(&goes_on) } else { Meter::boundless() };
        let counters = self.answer_within(rights, exchange, response, &meter);
        match (meter.exhausted(), self.me.get()) {
            (Some(Exhausted::Work), Some(me)) => self.lanes.answer(me, rights, exchange, response),
            (Some(why), _) => refuse(slow_reads::refusal(why), response),
            (None, _) => {}
        }
        counters
    }

    /// The answer as far as `meter` lets it come; what would be the same for the same target is ready from now on.
    fn answer_within(
        &self,
        rights: Rights,
        exchange: &mut Exchange<'_>,
        response: &mut Response,
        meter: &Meter<'_>,
    ) -> &RowCounters {
        let Dispatched { counters, offer } = self.dispatch(rights, exchange, response, meter);
        if meter.is_exhausted() {
            return counters;
        }
        let request = exchange.request();
        if request.path().starts_with("/v1/") {
            response.headers.add("X-Consul-Default-Acl-Policy", "allow");
        }
        if let Some(offer) = offer.filter(|_| response.status == 200) {
            self.ready.put(&self.registry, rights, request, response, offer);
        }
        counters
    }
}

/// What became of a request in the table of routes.
struct Dispatched<'a> {
    counters: &'a RowCounters,
    offer: Option<FastPathEntry>,
}

impl Handler for Api {
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response) {
        let started = Instant::now();
        let rights = Rights::of(exchange.request());
        let counters = self.respond(rights, exchange, response).of(exchange.request().method());
        counters.answered(response.status, started.elapsed(), exchange.has_waited());
        log_answer(exchange, response.status, started);
        if is_of_bound(response.status) {
            note_bound(exchange, response);
        }
    }

    fn body_bytes_max(&self, method: Method, path: &str) -> Option<BodyBound> {
        let bound =
            || BodyBound { bytes_max: self.host.snapshot_bytes_max(), setting: "limits.snapshot_bytes_max" };
        snapshot::takes_snapshot(method, path).then(bound)
    }

    fn is_vital(&self, method: Method, path: &str) -> bool {
        matches!(method, Method::Get | Method::Head) && operations::VITAL_PATHS.contains(&path)
    }

    fn reads_body(&self, method: Method, path: &str) -> bool {
        snapshot::takes_snapshot(method, path)
    }

    fn needs_store(&self, path: &str) -> bool {
        path == snapshot::PATH || path.starts_with("/v1/muster/webhooks")
    }
}

/// Says that a bound was met, unless the status is what was asked for.
#[inline(never)]
fn note_bound(exchange: &Exchange<'_>, response: &Response) {
    let path = exchange.request().path();
    let is_told_by_status = operations::VITAL_PATHS.contains(&path) || path.starts_with(agent_health::PATHS);
    // Who waits for an instance to be well is told by 408 that it was not, and no bound was met.
    let is_of_wait = response.status == 408 && path != snapshot::PATH;
    if is_told_by_status || is_of_wait {
        return;
    }
    let sentence = response.body.bytes().unwrap_or_default();
    exchange.note_bound(response.status, &String::from_utf8_lossy(sentence));
}

/// One line for each answer, at debug level; what went wrong here is a warning. The id is in `X-Request-Id` too.
#[inline(never)]
fn log_answer(exchange: &Exchange<'_>, status: u16, started: Instant) {
    let level = if status == 500 { log::Level::Warn } else { log::Level::Debug };
    if level > log::max_level() {
        return;
    }
    let request = exchange.request();
    let path = request.path_for_logs();
    let (method, id) = (request.method_name(), request.id());
    let (peer, micros) = (request.peer(), started.elapsed().as_micros() as u64);
    log::log!(level, request_id:% = id, peer:% = peer, status = status, micros = micros; "{method} {path}");
}

/// Answers what a handler refused.
#[inline(never)]
fn refuse(error: ApiError, response: &mut Response) {
    *response = Response::from(error);
}

/// The answer to a method that the route does not take.
#[inline(never)]
fn unaccepted(route: &Route, request: &Request) -> Response {
    if request.method() == Method::Options {
        return Response::new(200).with_header("Allow", route.allowed());
    }
    let sentence = format!("method {} not allowed", request.method_name());
    Response::text(405, sentence).with_header("Allow", route.allowed())
}

/// 301, with the page that Go's router writes for people.
fn redirect(location: &str) -> Response {
    let escaped =
        location.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let page = format!("<a href=\"{escaped}\">Moved Permanently</a>.\n\n");
    Response::new(301)
        .with_header("Location", location)
        .with_header("Content-Type", "text/html; charset=utf-8")
        .with_body(Body::Owned(page.into_bytes()))
}

/// What is written is written here: into the one namespace, partition and datacenter there is.
#[inline(never)]
fn check_write(call: &Call<'_, '_>, route: &Route) -> Result<(), ApiError> {
    let request = call.request();
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    if is_read || !matches!(route.verb, Verb::Put | Verb::GetOrPut | Verb::GetPutOrDelete) {
        return Ok(());
    }
    params::check_scope(request)?;
    params::check_datacenter(call.query()?, &call.api.registry.own_node().datacenter)
        .map_err(|error| ApiError { of_indexed_read: false, ..error })
}

/// Names hold no control characters, so a path with one is nobody's.
fn check_path(call: &Call<'_, '_>) -> Result<(), ApiError> {
    match call.argument.chars().any(char::is_control) {
        true => Err(ApiError::bad_request("the path holds a control character: no name or id has one")),
        false => Ok(()),
    }
}
