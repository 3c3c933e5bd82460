//! What goes over the line: bodies, headers, the signature; and what an answer means for an event.

use aws_lc_rs::hmac;

use crate::config::webhooks::{Webhook, WebhookFormat};
use crate::core::model::{Status, hold};
use crate::node::notify::event::Event;
use crate::node::notify::queue::DeliveryOutcome;
use crate::node::probe::send::{HttpResponse, PostRequest};

/// Bytes of a receiver's complaint that are kept.
const COMPLAINT_BYTES_MAX: usize = 200;

/// The request that tells `webhook` of `event`, at `unix_ms`.
pub fn of_event(webhook: &Webhook, event: &Event, unix_ms: u64) -> PostRequest {
    let body = match webhook.format {
        WebhookFormat::Slack => serde_json::to_vec(&serde_json::json!({ "text": sentence(event) }))
            .expect("it is a text in a map"),
        _ => event.body(),
    };
    let own = [("X-Muster-Event-Id", event.id.clone()), ("Idempotency-Key", event.id.clone())];
    post(webhook, webhook.url.0.clone(), body, unix_ms, &own)
}

/// A JSON request to `url` with the headers of `webhook`, signed if it has a secret.
pub fn post(
    webhook: &Webhook,
    url: String,
    body: Vec<u8>,
    unix_ms: u64,
    own: &[(&str, String)],
) -> PostRequest {
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.extend(own.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    if let Some(secret) = &webhook.secret {
        let timestamp = (unix_ms / 1000).to_string();
        headers.push(("X-Muster-Signature".to_owned(), signature(secret.0.as_bytes(), &timestamp, &body)));
        headers.push(("X-Muster-Timestamp".to_owned(), timestamp));
    }
    // What the operator says wins.
    headers.retain(|(name, _)| webhook.headers.iter().all(|(theirs, _)| !theirs.eq_ignore_ascii_case(name)));
    headers.extend(webhook.headers.iter().map(|(name, value)| (name.clone(), value.0.clone())));
    PostRequest {
        url,
        headers,
        body,
        timeout: webhook.timeout,
        tls_skip_verify: webhook.tls_skip_verify,
        tls_server_name: webhook.tls_server_name.clone(),
    }
}

/// `sha256=` and the hexadecimal HMAC-SHA-256 of the timestamp, a dot and the body. The timestamp is signed too, so
/// that a receiver can refuse a recorded request that is sent again.
pub fn signature(secret: &[u8], timestamp: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(timestamp.as_bytes());
    context.update(b".");
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// What an answer, or its absence, means for the event.
///
/// What is said of this event is final: the same bytes would be refused again. What is said of the receiver (a wrong
/// path, a missing right, a redirect) may be mended, so it is tried again.
pub fn outcome_of(answer: Result<HttpResponse, String>) -> DeliveryOutcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) => return DeliveryOutcome::Failed { reason, retry_after: None },
    };
    let complaint: String = answer.body.chars().filter(|it| !it.is_control()).collect();
    let complaint = &complaint[..complaint.floor_char_boundary(COMPLAINT_BYTES_MAX)];
    let reason = match complaint {
        "" => format!("the receiver answered {}", answer.status),
        words => format!("the receiver answered {}: {words}", answer.status),
    };
    match answer.status {
        200..=299 => DeliveryOutcome::Delivered,
        400 | 410 | 413 | 415 | 422 => DeliveryOutcome::Refused { reason },
        _ => DeliveryOutcome::Failed { reason, retry_after: answer.retry_after },
    }
}

/// The event as a sentence, in Slack's markup.
pub fn sentence(event: &Event) -> String {
    let node = escaped(&event.node.name);
    let subject = match &event.service {
        Some(service) => format!("*{}* (`{}` on {node})", escaped(&service.name), escaped(&service.id)),
        None => format!("node *{node}*"),
    };
    if let Some(what) = maintenance(event) {
        let by = if event.by.is_empty() { String::new() } else { format!(" by {}", escaped(&event.by)) };
        return format!("{subject}: {what}{by}");
    }
    let check = if event.check.name.is_empty() { &event.check.id } else { &event.check.name };
    let check = escaped(check);
    let Some(after) = &event.after else {
        let status = event.before.as_ref().map_or(Status::Critical, |before| before.status);
        let gone = if event.instance.after.is_none() { " is gone; its" } else { " stays; its former" };
        return format!("{subject}{gone} check \"{check}\" was {status} ({})", event.cause);
    };
    let mut sentence = format!("{subject}: check \"{check}\" is *{}*", after.status);
    if let Some(before) = &event.before {
        sentence += &format!(", was {}", before.status);
    }
    sentence += &format!(" ({})", event.cause);
    let output = after.output.trim();
    if !output.is_empty() && after.status != Status::Passing {
        sentence += &format!("\n> {}", escaped(output).replace('\n', "\n> "));
    }
    sentence
}

/// What became of maintenance mode, if the event is of that: its checks are no findings, and their causes say nothing.
fn maintenance(event: &Event) -> Option<&'static str> {
    let is_maintenance = match event.service {
        None => event.check.id == hold::NODE_MAINTENANCE,
        Some(_) => event.check.id.starts_with(hold::SERVICE_MAINTENANCE_PREFIX),
    };
    if !is_maintenance {
        return None;
    }
    match (&event.after, event.instance.after) {
        (Some(_), _) => Some("maintenance mode was switched on"),
        (None, Some(_)) => Some("maintenance mode was switched off"),
        (None, None) => None,
    }
}

/// Text without what Slack takes for markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
