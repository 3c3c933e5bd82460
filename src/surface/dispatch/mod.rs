//! From a request to whoever answers it: the table of routes, the short cut past it, and what is counted and logged of
//! every answer.
//!
//! Start reading at [`routes::ROUTES`], then [`Dispatch`].

pub mod absent;
pub mod body_limit;
pub mod nowhere;
pub mod permission;
mod request_permission;
pub mod route;
pub mod router;
pub mod routes;
mod row_counters;

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Instant;

use crate::base::stdx::meter::{Exhausted, Meter};
use crate::base::stdx::text::Text;
use crate::net::http::{Body, BodyBound, Exchange, Handler, Method, Request, Response, is_of_bound};
use crate::surface::agent::health;
use crate::surface::answers::cache::{BodyCache, CacheBounds};
use crate::surface::answers::fast_path::FastPathEntry;
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::api::{Api, Backend};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, RIGHTS_CHANGED};
use crate::surface::context::params;
use crate::surface::context::rights::{Rights, RightsKey};
use crate::surface::dispatch::route::{Route, Verb};
use crate::surface::dispatch::router::{Router, Target};
use crate::surface::dispatch::routes::{ROUTES, RouteHandler, Row};
use crate::surface::dispatch::row_counters::RowCounters;
use crate::surface::muster::operations;
use crate::surface::slow_reads::{self, LaneRequest};
use crate::surface::snapshot;

/// Answers the requests to one agent.
pub struct Dispatch {
    pub(crate) api: Api,
    router: Router,
    /// The routes whose handlers read the bodies.
    streamed: Vec<&'static Route>,
    /// Counters of each row, in the order of the table.
    rows: Vec<RowCounters>,
    /// Counters of requests that lead nowhere.
    nowhere: RowCounters,
    /// Itself, for what goes on without its caller.
    me: Weak<Dispatch>,
}

impl Dispatch {
    /// Answers from `backend`, keeps as many finished bodies as `cache` says, and has at most `streams_max` streams of
    /// changes.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn new(backend: Backend, cache: CacheBounds, streams_max: usize) -> io::Result<Arc<Dispatch>> {
        let routes = ROUTES.iter().map(|Row(route, _)| route);
        let paths = routes.clone().map(|route| route.path);
        let router = Router::new();
        let find_route = Box::new(move |path: &str| match router.find(path, path) {
            Target::Route(row, argument) => Some((&ROUTES[row].0, Text::from(argument))),
            Target::Redirect(_) | Target::Nowhere => None,
        });
        let api = Api::new(backend, cache, (paths.clone(), find_route), streams_max)?;
        Ok(Arc::new_cyclic(|me| Dispatch {
            router: Router::new(),
            streamed: routes.filter(|route| !route.body_limit.is_in_memory()).collect(),
            rows: paths.map(|path| RowCounters::new(&api.metrics, path)).collect(),
            nowhere: RowCounters::new(&api.metrics, "none"),
            me: me.clone(),
            api,
        }))
    }

    /// The cache of finished bodies.
    pub fn cache(&self) -> &Arc<BodyCache> {
        &self.api.answers.cache
    }

    /// Has the row of the table answer into `response`.
    ///
    /// What is answered goes down to the handler as a place to put it, and not up through a return value at each step:
    /// a response is the largest value of all, and a query that waits has every step's variables on its stack.
    pub(crate) fn dispatch(
        &self,
        rights: &Rights,
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
                if let Some(sentence) = nowhere::no_such_path(request.path()) {
                    refuse(ApiError::not_found(sentence), response);
                }
                return nowhere;
            }
        };
        let (Row(route, handler), counters) = (&ROUTES[row], &self.rows[row]);
        let mut offer = None;
        match request.method() {
            method if route.accepts(method) => {
                let (api, hides, may_wait) = (&self.api, &Cell::new(false), true);
                let mut call =
                    Call { api, exchange, rights, hides, may_wait, route, row, argument, meter, offer: None };
                match answer(&mut call, *handler) {
                    Err(error) if error.status == RIGHTS_CHANGED => answer_anew(call, *handler, response),
                    answered => {
                        put_answer(answered, hides, response);
                        offer = call.offer;
                    }
                }
            }
            _ => *response = unaccepted(route, request),
        }
        Dispatched { counters, offer }
    }

    /// The answer to a caller with such rights, the short way or the long one.
    pub(crate) fn respond(
        &self,
        rights: &Rights,
        exchange: &mut Exchange<'_>,
        response: &mut Response,
    ) -> &RowCounters {
        match self.ready(rights.key(), exchange.request(), response) {
            Some(counters) => counters,
            None => self.answer(rights, exchange, response),
        }
    }

    /// The answer by the short cut, if there is one. With panic thresholds an answer depends on more than its topic.
    ///
    /// A function of its own, so that its variables do not lie on the stack of a query that waits.
    #[inline(never)]
    fn ready(&self, rights: RightsKey, request: &Request, response: &mut Response) -> Option<&RowCounters> {
        if !self.api.registry.panic_thresholds().is_empty() {
            return None;
        }
        let ready = self.api.answers.fast_path.find(rights, request)?;
        if !ready.answer(response) {
            return None;
        }
        self.api.answers.counts.hit(ready.row);
        Some(&self.rows[ready.row])
    }

    /// The answer by the long way; one that takes too long for a worker is made in a lane.
    #[inline(never)]
    fn answer(&self, rights: &Rights, exchange: &mut Exchange<'_>, response: &mut Response) -> &RowCounters {
        let began = Cell::new(None);
        let goes_on = || slow_reads::has_time(&began);
        // What is written is never made again: it looks at no more than a few records, and need not pay.
        let is_read = matches!(exchange.request().method(), Method::Get | Method::Head);
        let meter = if is_read { slow_reads::worker_meter(&goes_on) } else { Meter::boundless() };
        let counters = self.answer_within(rights, exchange, response, &meter);
        match meter.exhausted() {
            Some(Exhausted::Work) => self.answer_in_lane(rights, exchange, response),
            Some(why) => refuse(slow_reads::refusal(why), response),
            None => {}
        }
        counters
    }

    /// Has the answer made in a lane, by whoever wants the same first, and waits for it.
    fn answer_in_lane(&self, rights: &Rights, exchange: &mut Exchange<'_>, response: &mut Response) {
        let (me, asked, of) = (self.me.clone(), exchange.request().clone(), rights.clone());
        let make = move |meter: &Meter<'_>| {
            let mut response = Response::new(200);
            me.upgrade()?.answer_within(&of, &mut Exchange::detached(&asked), &mut response, meter);
            Some(response)
        };
        let request = exchange.request();
        let wanted = LaneRequest::by(request, AnswerKey::of_response(rights.key(), request));
        *response = self.api.resources.slow_reads.answer(wanted, exchange, make);
    }

    /// The answer as far as `meter` lets it come; what would be the same for the same target is ready from now on.
    fn answer_within(
        &self,
        rights: &Rights,
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
            let default = self.api.registry.access().default_policy_word();
            response.headers.add("X-Consul-Default-Acl-Policy", default);
        }
        if let Some(offer) = offer.filter(|_| response.status == 200) {
            self.api.answers.fast_path.put(&self.api.registry, rights.key(), request, response, offer);
        }
        counters
    }
}

/// What became of a request in the table of routes.
pub(crate) struct Dispatched<'a> {
    counters: &'a RowCounters,
    offer: Option<FastPathEntry>,
}

impl Handler for Dispatch {
    fn handle(&self, exchange: &mut Exchange<'_>, response: &mut Response) {
        let started = Instant::now();
        let rights = Rights::of(exchange.request(), self.api.registry.access(), || self.api.clock.unix_ms());
        let counters = self.respond(&rights, exchange, response).of(exchange.request().method());
        counters.answered(response.status, started.elapsed(), exchange.has_waited());
        log_answer(exchange, response.status, started);
        if is_of_bound(response.status) {
            note_bound(exchange, response);
        }
    }

    fn body_bound(&self, method: Method, path: &str) -> Option<BodyBound> {
        let is_write = matches!(method, Method::Put | Method::Post);
        let route = self.streamed.iter().find(|route| is_write && route.path == path)?;
        route.body_limit.bound(&*self.api.host)
    }

    fn is_vital(&self, method: Method, path: &str) -> bool {
        matches!(method, Method::Get | Method::Head) && operations::VITAL_PATHS.contains(&path)
    }

    fn needs_store(&self, path: &str) -> bool {
        path == snapshot::PATH || path.starts_with("/v1/muster/webhooks")
    }
}

/// Says that a bound was met, unless the status is what was asked for.
#[inline(never)]
fn note_bound(exchange: &Exchange<'_>, response: &Response) {
    let path = exchange.request().path();
    let is_told_by_status = operations::VITAL_PATHS.contains(&path) || path.starts_with(health::PATHS);
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

/// What a row of the table makes of a request.
fn answer(call: &mut Call<'_, '_>, handler: RouteHandler) -> HandlerResult {
    check_path(call)?;
    let reads = matches!(call.request().method(), Method::Get | Method::Head);
    request_permission::check(call).map_err(|error| match reads && call.route.is_indexed() {
        true => error.on_indexed_read(),
        false => error,
    })?;
    check_write(call, call.route)?;
    handler(call)
}

/// What it makes of a request whose caller may do something else since it began to wait: it waits no more.
#[inline(never)]
fn answer_anew(call: Call<'_, '_>, handler: RouteHandler, response: &mut Response) {
    let Call { api, exchange, rights, hides, route, row, argument, meter, .. } = call;
    let renewed = rights.changed(api.registry.access(), || api.clock.unix_ms());
    let (rights, may_wait, offer) = (renewed.as_ref().unwrap_or(rights), false, None);
    let mut call = Call { api, exchange, rights, hides, may_wait, route, row, argument, meter, offer };
    put_answer(answer(&mut call, handler), hides, response);
}

fn put_answer(answered: HandlerResult, hides: &Cell<bool>, response: &mut Response) {
    match answered {
        Ok(answer) => *response = answer,
        Err(error) => return refuse(error, response),
    }
    if hides.get() {
        response.headers.add("X-Consul-Results-Filtered-By-ACLs", "true");
    }
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
