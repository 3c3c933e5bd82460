//! Drains: an instance that leaves gets less and less traffic until a deadline, then none, then is deregistered if that
//! was asked. `docs/drain.md` tells users.

use std::sync::Arc;
use std::time::Duration;

use crate::base::stdx::calendar::rfc3339;
use crate::base::stdx::duration;
use crate::base::stdx::text::Text;
use crate::core::model::drain::{DEADLINE_MAX, DEADLINE_MIN, REASON_BYTES_MAX};
use crate::core::model::{Command, DrainOrder, NodeKey, Origin, Service};
use crate::net::http::{Method, Query};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::params::boolean;
use crate::surface::muster::history::node_asked;
use crate::wire::json;
use crate::wire::show::drain::DrainEntry;

/// `GET /v1/muster/drain`: everything that drains or has drained.
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    let (draining, meter) = (call.api.registry.draining(), call.meter);
    let is_affordable = meter.spend(draining.count() as u64);
    let draining = if is_affordable { draining.all() } else { Vec::new() };
    let now_ms = call.api.clock.unix_ms();
    let affordable = draining.iter().take_while(|_| meter.spend(1));
    let names: Vec<Text> = affordable.map(|(node, _)| node_name(call, node)).collect();
    let sight = call.sight();
    let entries = draining.iter().zip(&names).take_while(|_| !meter.is_exhausted());
    let entries = entries.filter(|((_, service), node)| sight.service(&service.name) && sight.node(node));
    let entries = entries.filter_map(|((_, service), node)| {
        service.drain.as_ref().map(|drain| DrainEntry::new(node, service, drain, now_ms))
    });
    Ok(answer::json_bytes(200, json::list_within(meter, entries, call.query()?.has("pretty"))))
}

/// `GET /v1/muster/drain/:service_id[?node=…]`: how far the drain of one instance is.
///
/// `PUT` to the same with `?deadline=60s[&deregister=true][&reason=…]` begins or changes it, with `?enable=false`
/// cancels it.
pub fn one(call: &mut Call<'_, '_>) -> HandlerResult {
    let service_id = call.required("the id of an instance is missing: /v1/muster/drain/ID")?;
    let node = node_asked(call)?;
    let found = find(call, &node, &service_id)?;
    if !matches!(call.request().method(), Method::Put | Method::Post) {
        return show(call, &node, &found);
    }
    if found.origin == Origin::Server {
        let sentence = "this is muster itself, which does not drain: stop it with SIGTERM";
        return Err(ApiError::bad_request(sentence));
    }
    let order = order(call.query()?)?;
    let is_end = order == DrainOrder::Cancel;
    call.write(Command::Drain { node: node.clone(), service_id: service_id.clone(), order })?;
    match is_end {
        true => answer::empty(),
        false => {
            let begun = find(call, &node, &service_id)?;
            show(call, &node, &begun)
        }
    }
}

/// What is to be said of the drain of an instance, in a sentence for people; `None` when it does not drain.
pub fn sentence(service: &Service, now_ms: u64) -> Option<String> {
    let drain = service.drain.as_ref()?;
    let mut sentence = match drain.share_percent {
        0 => format!("It is out because its drain was over at {}", rfc3339(drain.until_ms)),
        _ => {
            let share = drain.share_at(now_ms);
            format!(
                "It drains: {share} % of its weights are left, and it is out at {}",
                rfc3339(drain.until_ms)
            )
        }
    };
    if let Some(at_ms) = drain.deregister_at_ms() {
        sentence += &format!(", to be deregistered at {}", rfc3339(at_ms));
    }
    if !drain.reason.is_empty() {
        sentence += &format!(" (reason: {})", drain.reason);
    }
    Some(sentence + ".")
}

fn show(call: &Call<'_, '_>, node: &NodeKey, service: &Service) -> HandlerResult {
    let Some(drain) = &service.drain else {
        return Err(ApiError::not_found(format!("the instance {:?} does not drain", service.id.as_str())));
    };
    let name = node_name(call, node);
    answer::json(call, &DrainEntry::new(&name, service, drain, call.api.clock.unix_ms()))
}

fn find(call: &Call<'_, '_>, node: &NodeKey, service_id: &Text) -> Result<Arc<Service>, ApiError> {
    let found = call.views().node(node, |_| 0, |node| node.service(service_id).cloned());
    match found {
        None => Err(ApiError::not_found(format!("there is no node {:?}", node.as_str()))),
        Some(None) => {
            let (id, node) = (service_id.as_str(), node.as_str());
            let sentence = format!(
                "there is no instance {id:?} on node {node:?}: give its id, and its node with ?node="
            );
            Err(ApiError::not_found(sentence))
        }
        Some(Some(service)) => Ok(service),
    }
}

/// The name of a node as it was registered.
fn node_name(call: &Call<'_, '_>, key: &NodeKey) -> Text {
    let name = call.views().of_agent().node(key, |_| 0, |node| node.node().name.clone());
    name.unwrap_or_else(|| key.text().clone())
}

fn order(query: &Query) -> Result<DrainOrder, ApiError> {
    if !flag(query, "enable", true)? {
        return Ok(DrainOrder::Cancel);
    }
    let deregister = flag(query, "deregister", false)?;
    let reason = query.first("reason").unwrap_or_default();
    if reason.len() > REASON_BYTES_MAX || reason.chars().any(char::is_control) {
        let sentence = format!("reason: at most {REASON_BYTES_MAX} bytes without control characters");
        return Err(ApiError::bad_request(sentence));
    }
    Ok(DrainOrder::Begin { deadline: deadline(query)?, deregister, reason: reason.into() })
}

fn deadline(query: &Query) -> Result<Duration, ApiError> {
    let allowed = "a duration from 1s to 24h, as in ?deadline=60s";
    let text = query.first("deadline").unwrap_or_default();
    if text.is_empty() {
        return Err(ApiError::bad_request(format!("the deadline is missing: give {allowed}")));
    }
    let deadline = duration::parse(text).ok().and_then(|deadline| deadline.to_std());
    deadline
        .filter(|deadline| (DEADLINE_MIN..=DEADLINE_MAX).contains(deadline))
        .ok_or_else(|| ApiError::bad_request(format!("invalid deadline {text:?}: give {allowed}")))
}

/// A boolean parameter; present without a value it is true.
fn flag(query: &Query, name: &str, default: bool) -> Result<bool, ApiError> {
    match query.first(name) {
        None => Ok(default),
        Some("") => Ok(true),
        Some(word) => boolean(word).ok_or_else(|| {
            ApiError::bad_request(format!("invalid value {word:?} for {name}: true or false"))
        }),
    }
}
