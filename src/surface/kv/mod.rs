//! The key/value store.
//!
//! <https://developer.hashicorp.com/consul/api-docs/kv>

use std::num::IntErrorKind;
use std::sync::Arc;

use crate::base::stdx::go_literal::quote;
use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::catalog::topic::Topic;
use crate::core::kernel::state;
use crate::core::model::validate::keys;
use crate::core::model::{Command, Condition, Pair, PairWrite};
use crate::net::http::percent::encode_into;
use crate::net::http::{Method, Query, Response};
use crate::node::registry::views::Views;
use crate::surface::answers::answer::{self, Headers, IndexedRead, Rendered, indexed_variant};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::params::ReadParams;
use crate::surface::context::sight::Sight;
use crate::wire::json;
use crate::wire::show::KvPair;

/// Where the keys begin in a path.
pub const PATH: &str = "/v1/kv/";

/// `GET`, `PUT` and `DELETE /v1/kv/:key`
pub fn one_or_many(call: &mut Call<'_, '_>) -> HandlerResult {
    keys::check(&call.argument)?;
    match call.request().method() {
        Method::Get | Method::Head => read(call),
        Method::Delete => delete(call),
        _ => put(call),
    }
}

/// What of the store is read.
enum Wanted {
    /// One pair.
    Pair,
    /// The value of one pair as it is.
    Value,
    /// Every pair below a prefix.
    Tree,
    /// The keys below a prefix, each cut behind the first such separator.
    Keys(Option<Text>),
}

impl Wanted {
    /// Consul looks whether a parameter is there, and not at its value.
    fn of(query: &Query) -> Wanted {
        let separator = query.first("separator").or(query.first("seperator"));
        match (query.has("keys"), query.has("recurse"), query.has("raw")) {
            (true, ..) => Wanted::Keys(separator.filter(|it| !it.is_empty()).map(Text::from)),
            (_, true, _) => Wanted::Tree,
            (.., true) => Wanted::Value,
            _ => Wanted::Pair,
        }
    }

    fn headers(&self) -> Headers {
        if matches!(self, Wanted::Value) { Headers::OfValue } else { Headers::OfPairs }
    }
}

fn read(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let wanted = Wanted::of(call.query()?);
    let topic = match wanted {
        Wanted::Pair | Wanted::Value => Topic::Key(call.required(MISSING_KEY)?),
        Wanted::Tree | Wanted::Keys(_) => Topic::Prefix(call.argument.clone()),
    };
    let (api, meter, key, headers) = (call.api, call.meter, call.argument.clone(), wanted.headers());
    let (views, sight) = (api.registry.views(), call.sight());
    // Read before the pairs: what is not there was not there then, or has gone since.
    let mut index_of_nothing = 0;
    let read = IndexedRead { topic: topic.clone(), params: params.clone(), headers };
    let answer = indexed_variant(call, read, "", |_| {
        index_of_nothing = api.registry.index(&topic, 0);
        let body = match &wanted {
            Wanted::Pair => {
                let pair = views.pairs(|table| table.get(&key).cloned()).ok_or_else(nothing)?;
                json::list_within(meter, [KvPair::new(&pair)], params.pretty)
            }
            Wanted::Value => {
                let pair = views.pairs(|table| table.get(&key).cloned()).ok_or_else(nothing)?;
                pair.value.to_vec()
            }
            Wanted::Tree => {
                let pairs = below((views, meter, sight), &key, Arc::clone);
                if pairs.is_empty() {
                    return Err(nothing());
                }
                let affordable = pairs.iter().take_while(|_| !meter.is_exhausted());
                json::list_within(meter, affordable.map(|pair| KvPair::new(pair)), params.pretty)
            }
            Wanted::Keys(separator) => {
                let mut keys = below((views, meter, sight), &key, |pair| pair.key.clone());
                // Of an empty store the list of all keys is empty; of anything else there is none.
                if keys.is_empty() && !key.is_empty() {
                    return Err(nothing());
                }
                if let Some(separator) = separator {
                    let affordable = keys.iter_mut().take_while(|_| meter.spend(1));
                    affordable.for_each(|it| cut(it, key.len(), separator));
                    keys.dedup();
                }
                json::list_within(meter, keys.iter(), params.pretty)
            }
        };
        Ok(Rendered::from(body))
    });
    match answer {
        Err(error) if error.status == 404 => Ok(missing(index_of_nothing, &params)),
        answer => answer,
    }
}

/// Something of each pair below a prefix that the caller sees, as far as there is time: what is left out for that is of
/// an answer that is not given.
fn below<T>(
    (views, meter, sight): (&Views, &Meter<'_>, Sight<'_>),
    prefix: &Text,
    pick: impl Fn(&Arc<Pair>) -> T,
) -> Vec<T> {
    let pairs = views.pairs(|table| table.under(prefix));
    let affordable = pairs.iter().take_while(|_| meter.spend(1));
    affordable.filter(|pair| sight.key(&pair.key)).map(pick).collect()
}

const MISSING_KEY: &str = "Missing key name";

/// What is answered where nothing is: no text, for clients take any for a fault.
fn nothing() -> ApiError {
    ApiError::not_found("")
}

fn missing(index: u64, params: &ReadParams) -> Response {
    let mut response = Response::new(404);
    Headers::OfPairs.add(&mut response, index, params.consistency);
    response
}

/// Cuts a key behind the first separator after its first `from` bytes.
fn cut(key: &mut Text, from: usize, separator: &str) {
    if let Some(at) = key[from..].find(separator) {
        *key = key[..from + at + separator.len()].into();
    }
}

fn put(call: &mut Call<'_, '_>) -> HandlerResult {
    call.read_params()?;
    let key = call.required(MISSING_KEY)?;
    let query = call.query()?;
    refuse_conflict(query, &["acquire", "cas", "release"])?;
    let flags = number(query, "flags")?.unwrap_or_default();
    let condition = condition(query)?;
    let body = call.body()?;
    if let Some(name) = ["acquire", "release"].into_iter().find(|name| query.has(name)) {
        return Err(ApiError::new(
            501,
            format!(
                "muster has no sessions, so no key can be locked: leave ?{name} out (?cas writes only what nobody else \
                 has changed), or have clients that need locks ask a Consul"
            ),
        ));
    }
    write(call, PairWrite::Put { key, value: body.into(), flags, condition })
}

fn delete(call: &mut Call<'_, '_>) -> HandlerResult {
    call.read_params()?;
    let query = call.query()?;
    refuse_conflict(query, &["cas", "recurse"])?;
    if query.has("recurse") {
        return write(call, PairWrite::DeleteTree { prefix: call.argument.clone() });
    }
    let (key, condition) = (call.required(MISSING_KEY)?, condition(query)?);
    write(call, PairWrite::Delete { key, condition })
}

/// Answers whether the condition held.
fn write(call: &Call<'_, '_>, write: PairWrite) -> HandlerResult {
    let written = call.write(Command::WritePair(write))?;
    answer::json(call, &(written.outcome == state::Outcome::Done))
}

/// Of parameters that exclude each other at most one may be there. Consul writes them out as a query.
fn refuse_conflict(query: &Query, names: &[&str]) -> Result<(), ApiError> {
    let mut given: Vec<(&str, &str)> =
        names.iter().filter_map(|name| Some((*name, query.first(name)?))).collect();
    if given.len() < 2 {
        return Ok(());
    }
    given.sort_unstable();
    let mut told = String::new();
    for (name, value) in given {
        if !told.is_empty() {
            told.push('&');
        }
        told.extend([name, "="]);
        let mut encoded = String::new();
        encode_into(&mut encoded, value);
        told.push_str(&encoded.replace("%20", "+"));
    }
    Err(ApiError::bad_request(format!("Conflicting flags: {told}")))
}

fn condition(query: &Query) -> Result<Condition, ApiError> {
    Ok(number(query, "cas")?.map_or(Condition::Always, Condition::Index))
}

/// A parameter as Go reads unsigned numbers.
fn number(query: &Query, name: &str) -> Result<Option<u64>, ApiError> {
    let Some(text) = query.first(name) else { return Ok(None) };
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fault = match text.parse::<u64>() {
        Ok(number) if is_plain => return Ok(Some(number)),
        Err(error) if is_plain && *error.kind() == IntErrorKind::PosOverflow => "value out of range",
        _ => "invalid syntax",
    };
    let sentence =
        format!("strconv.ParseUint: parsing {}: {fault}: ?{name} takes a whole number", quote(text));
    Err(ApiError::bad_request(sentence))
}
