//! Answers: JSON with the headers that Consul's clients read, and the one way every indexed read takes.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use crate::base::stdx::meter::Meter;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::topic::Topic;
use crate::net::http::{Body, Response, SharedBody, Wake};
use crate::surface::answers::cache::CacheLookup;
use crate::surface::answers::cached_answer::CachedAnswer;
use crate::surface::answers::etag;
use crate::surface::answers::fast_path::FastPathEntry;
use crate::surface::answers::list_fragments::{ListFragment, ListWriter};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::params::{Consistency, ReadParams, with_jitter};
use crate::wire::json;

/// What a read says beside its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// How fresh the answer is, and to `?cached` clients if it was kept: `X-Cache` and `Age`.
    WithCache,
    /// How fresh the answer is; `?cached` is ignored.
    WithoutCache,
    /// Neither, as Consul's key/value store.
    OfPairs,
    /// As [`Headers::OfPairs`], of a value as it is: a browser must not take it for a page.
    OfValue,
}

/// A read of something with an index.
pub struct IndexedRead {
    /// What the answer depends on.
    pub topic: Topic,
    /// What the client asks for besides.
    pub params: ReadParams,
    /// What is said beside the index.
    pub headers: Headers,
}

/// What a read came to: a body and, if there is something to be said about it, a header.
#[derive(Default)]
pub struct Rendered {
    /// The JSON.
    pub body: Vec<u8>,
    /// The header with its value.
    pub header: Option<(&'static str, String)>,
    /// The index of the last change that it shows, where that is known.
    pub index: Option<u64>,
    /// Where each entry stands, if it is a list of instances.
    pub pieces: Arc<[ListFragment]>,
}

impl From<Vec<u8>> for Rendered {
    fn from(body: Vec<u8>) -> Rendered {
        Rendered { body, ..Rendered::default() }
    }
}

/// A list of those instances that are wanted in this shape. What has not changed is taken over from the body that was
/// kept before, so whether an instance is wanted must follow from itself and the question alone.
pub fn list_of<'i, E: Serialize>(
    meter: &Meter<'_>,
    instances: &'i [Arc<Instance>],
    pretty: bool,
    before: Option<&CachedAnswer>,
    shape: impl Fn(&'i Instance) -> E,
    is_wanted: impl Fn(&E) -> bool,
) -> Rendered {
    if pretty {
        let wanted = instances.iter().map(|instance| shape(instance)).filter(is_wanted);
        return json::list_within(meter, wanted, pretty).into();
    }
    let mut list = ListWriter::new(before.map(|kept| (kept.body.plain(), &*kept.pieces)));
    for instance in instances {
        let length_before = list.body_bytes();
        list.push(instance, |body| {
            let shown = shape(instance);
            let is_wanted = is_wanted(&shown);
            if is_wanted {
                json::write_into(body, &shown, pretty);
            }
            is_wanted
        });
        if !meter.spend_bytes(list.body_bytes() - length_before, list.body_bytes()) {
            break;
        }
    }
    let (body, pieces) = list.finish();
    Rendered { body, pieces, ..Rendered::default() }
}

/// Answers an indexed read: waits if the client wants to, then gives the body that is kept, or makes one.
///
/// `render` makes the JSON from the state as it is when called. The index is read before it, so the body is never older
/// than its index says.
///
/// # Errors
/// Those of `render`, and 503 when too many blocking queries wait.
pub fn indexed(
    call: &mut Call<'_, '_>,
    read: IndexedRead,
    render: impl FnOnce() -> Result<Vec<u8>, ApiError>,
) -> HandlerResult {
    indexed_variant(call, read, "", |_| render().map(Rendered::from))
}

/// As [`indexed`], where the answer depends on more than the request and the topic: `variant` tells one such answer
/// from another. `render` is given what was kept of the same question at an earlier index, if anything.
///
/// # Errors
/// As [`indexed`].
pub fn indexed_variant(
    call: &mut Call<'_, '_>,
    read: IndexedRead,
    variant: &str,
    render: impl FnOnce(Option<&CachedAnswer>) -> Result<Rendered, ApiError>,
) -> HandlerResult {
    let (registry, seen) = (&*call.api.registry, read.params.index);
    if seen > 0 && !wait_for_change(call, &read.topic, &read.params, || registry.index(&read.topic, seen))? {
        return Ok(Response::new(CLIENT_GONE));
    }
    answer_now(call, read, variant, render)
}

/// What [`indexed_variant`] does when it has waited. A function of its own, so that its variables do not lie on the
/// stack of a query that waits.
#[inline(never)]
fn answer_now(
    call: &mut Call<'_, '_>,
    read: IndexedRead,
    variant: &str,
    render: impl FnOnce(Option<&CachedAnswer>) -> Result<Rendered, ApiError>,
) -> HandlerResult {
    debug_assert!(call.route.is_cacheable, "{}", call.route.path);
    let IndexedRead { topic, params, headers } = read;
    let registry = &*call.api.registry;
    let key = call.key(variant);
    let look = || {
        let (index, is_settled) = (registry.index(&topic, 0), registry.topics().is_settled());
        let found = match call.api.answers.cache.get(&key, index) {
            CacheLookup::Valid(kept) if !is_settled => CacheLookup::Stale(kept),
            found => found,
        };
        (index, is_settled, found)
    };
    let (mut index, mut is_settled, mut found) = look();
    // Many that came with one look at the sockets would otherwise be made one behind the other. Another may have made
    // this one meanwhile.
    if !matches!(found, CacheLookup::Valid(_)) && call.exchange.take_turn() {
        (index, is_settled, found) = look();
    }
    let mut tag = call.api.answers.tags.tag(index, &key);
    if is_settled && etag::is_held(call.request(), &tag) {
        return Ok(not_modified(&tag, index, headers, params.consistency));
    }
    if !call.exchange.is_detached() {
        call.api.answers.counts.count(call.row, &key, &found);
    }
    let is_hit = matches!(found, CacheLookup::Valid(_));
    let kept = match found {
        CacheLookup::Valid(kept) => kept,
        stale_or_nothing => {
            let before = match stale_or_nothing {
                CacheLookup::Stale(kept) => Some(kept),
                _ => None,
            };
            call.hides.set(false);
            let Rendered { body, header, pieces, index: shown } = render(before.as_ref())?;
            if call.meter.is_exhausted() {
                return Err(ApiError::unfinished());
            }
            if let Some(shown) = shown.filter(|shown| *shown > index) {
                // A change is in it whose topic is about to move: it is the answer of that index, and of no earlier.
                index = shown;
                tag = call.api.answers.tags.tag(index, &key);
            }
            let header = header.map(|(name, value)| (name, value.into()));
            let asked = before.map_or_else(Arc::default, |before| before.asked);
            let hides = call.hides.get();
            let kept = CachedAnswer { body: SharedBody::new(body), header, hides, pieces, asked };
            call.api.answers.cache.put(&key, index, kept.clone());
            kept
        }
    };
    call.hides.set(kept.hides);
    kept.asked.fetch_add(u64::from(!call.exchange.is_detached()), Ordering::Relaxed);
    // Where a prefix stands is known by more than its topic: deletions that are forgotten lift it.
    let is_plain = variant.is_empty() && kept.header.is_none() && !matches!(topic, Topic::Prefix(_));
    if is_hit && is_plain && params.index == 0 && !params.cached {
        call.offer =
            Some(FastPathEntry { row: call.row, topic, index, body: kept.body.clone(), asked: kept.asked });
    }
    let mut response = Response::new(200).with_body(Body::Shared(kept.body));
    if let Some((name, value)) = kept.header {
        response.headers.add(name, &value);
    }
    response.headers.add("ETag", &tag);
    headers.add(&mut response, index, params.consistency);
    if params.cached && headers == Headers::WithCache {
        response.headers.add("X-Cache", if is_hit { "HIT" } else { "MISS" });
        if is_hit {
            response.headers.add("Age", "0");
        }
    }
    if headers == Headers::OfValue {
        response.headers.add("Content-Type", "text/plain");
        response.headers.add("Content-Security-Policy", "sandbox");
    } else {
        response.headers.add("Content-Type", JSON);
    }
    Ok(response)
}

/// As [`indexed`], for what shows more than its topic stands for (the time of the last probe): its body is made anew
/// each time.
///
/// # Errors
/// As [`indexed`].
pub fn indexed_anew(
    call: &mut Call<'_, '_>,
    topic: Topic,
    params: ReadParams,
    render: impl FnOnce() -> Result<Vec<u8>, ApiError>,
) -> HandlerResult {
    let topics = call.api.registry.topics();
    if params.index > 0 && !wait_for_change(call, &topic, &params, || topics.index(&topic))? {
        return Ok(Response::new(CLIENT_GONE));
    }
    let index = topics.index(&topic);
    let mut response = json_bytes(200, render()?);
    add_index_headers(&mut response, index, params.consistency);
    Ok(response)
}

/// An answer without an index: the agent's own affairs.
pub fn json(call: &Call<'_, '_>, value: &impl Serialize) -> HandlerResult {
    let pretty = call.query()?.has("pretty");
    Ok(json_bytes(200, json::within(call.meter, value, pretty)))
}

/// JSON that is written already.
pub fn json_bytes(status: u16, body: Vec<u8>) -> Response {
    Response::new(status).with_header("Content-Type", JSON).with_body(Body::Owned(body))
}

/// Success without a value: what agent writes answer.
pub fn empty() -> HandlerResult {
    Ok(Response::new(200))
}

/// The JSON literal `true`: what catalog writes answer.
pub fn yes(call: &Call<'_, '_>) -> HandlerResult {
    let body: &[u8] = if call.query()?.has("pretty") { b"true\n" } else { b"true" };
    Ok(Response::new(200).with_header("Content-Type", JSON).with_body(Body::Static(body)))
}

/// A number nobody can foresee, for spreading deadlines.
pub fn chance() -> u64 {
    RandomState::new().hash_one(0u8)
}

pub(crate) const JSON: &str = "application/json";

/// What a client is told that holds the answer already.
fn not_modified(tag: &str, index: u64, headers: Headers, consistency: Consistency) -> Response {
    let mut response = Response::new(304).with_header("ETag", tag);
    headers.add(&mut response, index, consistency);
    response
}

impl Headers {
    /// Adds those by which clients follow the state.
    pub fn add(self, response: &mut Response, index: u64, consistency: Consistency) {
        match self {
            Headers::WithCache | Headers::WithoutCache => add_index_headers(response, index, consistency),
            Headers::OfPairs | Headers::OfValue => add_index(response, index),
        }
    }
}

/// The headers by which clients follow the catalog.
pub fn add_index_headers(response: &mut Response, index: u64, consistency: Consistency) {
    add_index(response, index);
    response.headers.add("X-Consul-Effective-Consistency", consistency.as_str());
}

fn add_index(response: &mut Response, index: u64) {
    let headers = &mut response.headers;
    headers.add("X-Consul-Index", itoa::Buffer::new().format(index));
    headers.add("X-Consul-Knownleader", "true");
    headers.add("X-Consul-Lastcontact", "0");
}

/// Waits until the topic no longer stands where the client saw it, or time is up. False when the client is gone.
///
/// A client whose index is ahead of the topic's (it mixed up two indexes, or its registry was replaced) is answered at
/// once, so that it learns the right one. `index` says where the topic stands.
pub(crate) fn wait_for_change(
    call: &mut Call<'_, '_>,
    topic: &Topic,
    params: &ReadParams,
    index: impl Fn() -> u64,
) -> Result<bool, ApiError> {
    if index() != params.index || !call.may_wait {
        return Ok(true);
    }
    let deadline = call.api.clock.now() + with_jitter(params.wait, chance());
    let watch = call.api.registry.topics().watch(topic.clone(), call.exchange.waker())?;
    loop {
        let now = index();
        watch.stands(now);
        if now != params.index {
            return call.rights_hold().map(|()| true);
        }
        match call.exchange.park(deadline) {
            Wake::Signal => call.rights_hold()?,
            Wake::Deadline | Wake::Draining => return call.rights_hold().map(|()| true),
            Wake::ClientGone => return Ok(false),
        }
    }
}
