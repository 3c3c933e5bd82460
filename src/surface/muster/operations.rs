//! What operators and orchestrators ask: is it alive, is it ready, what does it count.

use crate::base::stdx::counted::counted;
use crate::base::sys::supervision;
use crate::base::telemetry::metrics::CONTENT_TYPE;
use crate::net::http::{Body, Response};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::host::{CertificatesEnd, HostProcess, Nearness};

/// What is answered also when no connection is left.
pub const VITAL_PATHS: [&str; 3] = ["/livez", "/readyz", "/health"];

/// `GET /livez`: the process answers and has all its threads; restarting it would help nobody. 503 with the name of a
/// thread that has ended or stalled.
pub fn live(_: &mut Call<'_, '_>) -> HandlerResult {
    has_all_threads()?;
    Ok(Response::text(200, "ok"))
}

fn has_all_threads() -> Result<(), ApiError> {
    let Some(fault) = supervision::fault() else { return Ok(()) };
    Err(ApiError::new(
        503,
        format!("{fault}; if it does not go on, this process ends itself to be started again"),
    ))
}

/// `GET /readyz[?verbose]`: every read is served from the complete registry, no restart is needed for writes to be, and
/// no thread is missing. 503 with the reason otherwise. A Redis that is away is no reason: reads go on, and writes do
/// unless they are to be refused then. With `verbose` a line for each part says how it is.
pub fn ready(call: &mut Call<'_, '_>) -> HandlerResult {
    if call.api.host.is_draining() {
        return Err(ApiError::new(503, "draining: this process is shutting down"));
    }
    has_all_threads()?;
    let standing = call.api.registry.queue().stats().store_state.now();
    if let Some(reason) = standing.reason() {
        return Err(ApiError::new(503, format!("{}: {reason}", standing.word())));
    }
    let verbose = call.query()?.first("verbose").is_some();
    Ok(Response::text(200, if verbose { parts(&*call.api.host) } else { "ready".to_owned() }))
}

/// A line for each part: `[+]` for what is as it should be, `[-]` for what is not.
fn parts(host: &dyn HostProcess) -> String {
    let store = host.store();
    let sign = |is_well: bool| if is_well { '+' } else { '-' };
    let refuses_writes = store.redis.as_ref().is_some_and(|redis| redis.refuses_writes);
    let mut lines = vec![
        "[+] registry: complete".to_owned(),
        format!("[{}] store {}: {}", sign(!refuses_writes), store.kind, store.guarantee),
    ];
    lines.extend(
        store
            .redis
            .iter()
            .map(|redis| format!("[{}] {}: {}", sign(redis.is_well), redis.place, redis.standing)),
    );
    lines.extend(host.certificates_end().map(|end| {
        let is_far = end.nearness() == Nearness::Far;
        format!("[{}] certificate: {}", sign(is_far), until_end(end))
    }));
    lines.push(if refuses_writes { "ready for reads, not for writes" } else { "ready" }.to_owned());
    lines.join("\n")
}

fn until_end(end: CertificatesEnd) -> String {
    match (end.nearness(), end.days_left()) {
        (Nearness::Past, _) => "expired".to_owned(),
        (_, 0) => "expires within a day".to_owned(),
        (_, days) => format!("expires in {}", counted(days, "day")),
    }
}

/// `GET /health`: as [`ready`], with figures, and with how long the certificates hold where TLS is spoken. The end of
/// one is no reason to send nobody here any more: it is told weeks before, so that nobody has to.
pub fn health(call: &mut Call<'_, '_>) -> HandlerResult {
    ready(call)?;
    let sizes = call.views().sizes();
    let mut status = serde_json::json!({
        "status": "ready",
        "version": env!("CARGO_PKG_VERSION"),
        "nodes": sizes.nodes,
        "services": sizes.services,
        "instances": sizes.instances,
        "keys": sizes.keys,
        "checks": { "passing": sizes.checks[0], "warning": sizes.checks[1], "critical": sizes.checks[2] },
    });
    if let Some(end) = call.api.host.certificates_end() {
        let word = match end.nearness() {
            Nearness::Far => "passing",
            Nearness::Near => "warning",
            Nearness::Close | Nearness::Past => "critical",
        };
        status["certificate"] = serde_json::json!({
            "status": word, "days": end.days_left(), "text": until_end(end),
            "expires": jiff::Timestamp::from_second(end.at_s as i64).ok().map(|time| time.to_string()),
        });
    }
    crate::surface::answers::answer::json(call, &status)
}

/// `GET /metrics`: everything muster counts, in Prometheus's text format.
pub fn metrics(call: &mut Call<'_, '_>) -> HandlerResult {
    let text = call.api.metrics.encode().map_err(|error| ApiError::new(500, error.to_string()))?;
    Ok(Response::new(200).with_header("Content-Type", CONTENT_TYPE).with_body(Body::Owned(text)))
}

/// `GET /`
pub fn root(call: &mut Call<'_, '_>) -> HandlerResult {
    match call.request().path() {
        "/" => Ok(Response::text(200, "Consul Agent")),
        _ => Ok(Response::new(404)),
    }
}
