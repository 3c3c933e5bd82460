//! How webhooks are doing, and what to do about it.

use serde_json::{Value, json};

use crate::base::stdx::calendar::rfc3339;
use crate::core::model::Caller;
use crate::node::notify::queue::DeadLetter;
use crate::node::notify::{WebhookHealth, WebhookState};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::wire::json;

/// `GET /v1/muster/webhooks`: every webhook, and those whose queue outlived them.
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    let overview = call.api.notifier.overview()?;
    let webhooks: Vec<Value> = overview.webhooks.iter().map(shown).collect();
    answer::json(call, &json!({ "Webhooks": webhooks, "DiskError": overview.fault }))
}

/// `GET /v1/muster/webhooks/dead/:name`: its dead letters, the newest first.
pub fn dead(call: &mut Call<'_, '_>) -> HandlerResult {
    let name = call.required("Missing webhook name")?;
    let dead = call.api.notifier.dead(&name)?.ok_or_else(|| unknown(&name))?;
    let pretty = call.query()?.has("pretty");
    Ok(answer::json_bytes(200, json::list_within(call.meter, dead.iter().map(shown_dead), pretty)))
}

/// `PUT /v1/muster/webhooks/retry/:name[?id=]`: puts dead letters back into the queue.
pub fn retry(call: &mut Call<'_, '_>) -> HandlerResult {
    let name = call.required("Missing webhook name")?;
    let id = call.query()?.first("id").map(str::to_owned);
    let count = call.api.notifier.retry(&name, id)?.ok_or_else(|| unknown(&name))?;
    let Caller { by, request_id } = call.caller();
    log::info!(peer = by.as_str(), request_id = request_id.as_str(), webhook = name.as_str(), events = count;
        "dead letters of a webhook are tried again on request");
    answer::json(call, &json!({ "Retried": count }))
}

/// `PUT /v1/muster/webhooks/discard/:name`: drops everything that waits for it, dead letters included.
pub fn discard(call: &mut Call<'_, '_>) -> HandlerResult {
    let name = call.required("Missing webhook name")?;
    let count = call.api.notifier.discard(&name)?.ok_or_else(|| unknown(&name))?;
    let Caller { by, request_id } = call.caller();
    log::info!(peer = by.as_str(), request_id = request_id.as_str(), webhook = name.as_str(), events = count;
        "the queue of a webhook was discarded on request");
    answer::json(call, &json!({ "Discarded": count }))
}

fn unknown(name: &str) -> ApiError {
    ApiError::not_found(format!("Unknown webhook {name:?}: see /v1/muster/webhooks"))
}

fn shown(state: &WebhookState) -> Value {
    let health = match state.health {
        WebhookHealth::Healthy => "healthy",
        WebhookHealth::Failing => "failing",
        WebhookHealth::Removed => "removed",
    };
    let (error_ms, error) = state.last_error.clone().unzip();
    json!({
        "Name": state.name,
        "URL": state.place,
        "Format": state.format,
        "Health": health,
        "Pending": state.pending,
        "InFlight": state.in_flight,
        "Delivered": state.counts.delivered,
        "Failed": state.counts.failed,
        "DeadLetters": state.dead,
        "OldestPending": state.oldest_ms.map(rfc3339),
        "LastDelivery": state.last_delivery_ms.map(rfc3339),
        "LastError": error,
        "LastErrorTime": error_ms.map(rfc3339),
    })
}

fn shown_dead(dead: &DeadLetter) -> Value {
    json!({
        "ID": dead.event.id,
        "Time": rfc3339(dead.died_ms),
        "Reason": dead.reason,
        "Attempts": dead.attempts,
        "Event": *dead.event,
    })
}
