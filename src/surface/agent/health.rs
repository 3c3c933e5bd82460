//! The health of the agent's own instances in one word, for load balancers that look at status codes.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent/service#get-local-service-health>

use crate::core::catalog::instance::Instance;
use crate::core::model::{NodeKey, Origin, ServiceKey};
use crate::net::http::{Body, Response};
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::params::check_scope;
use crate::wire::json;
use crate::wire::show::{AgentHealth, aggregated_status};

/// How the paths of this chapter begin, whose statuses say how an instance is.
pub const PATHS: &str = "/v1/agent/health/";

/// `GET /v1/agent/health/service/id/:service_id[?format=text]`
pub fn by_id(call: &mut Call<'_, '_>) -> HandlerResult {
    check_scope(call.request())?;
    let id = call.required("Bad request: Missing serviceID")?;
    let own = call.api.registry.own_node().key();
    let Some(health) = call.views().of_agent().instance(&own, &id).and_then(of_agent) else {
        let reason = format!("ServiceId {id} not found");
        if wants_text(call)? {
            return Ok(
                answer::json_bytes(404, json::to_vec(&reason, false)).with_header("X-Consul-Reason", &reason)
            );
        }
        let body = json::to_vec(&AgentHealth::unknown(), call.query()?.has("pretty"));
        return Ok(answer::json_bytes(404, body).with_header("X-Consul-Reason", &reason));
    };
    let body = json::to_vec(&shown(&health, call), call.query()?.has("pretty"));
    respond(call, aggregated(&health), body)
}

/// `GET /v1/agent/health/service/name/:service[?format=text]`: the worst instance decides.
pub fn by_name(call: &mut Call<'_, '_>) -> HandlerResult {
    check_scope(call.request())?;
    let name = call.required("Bad request: Missing service Name")?;
    let own = call.api.registry.own_node().key();
    let named = call.views().of_agent().instances(&ServiceKey::of(&name));
    let of_own =
        named.iter().take_while(|_| call.meter.spend(1)).filter(|found| NodeKey::of(&found.node.name) == own);
    let found: Vec<Instance> = of_own.filter_map(|found| of_agent(Instance::clone(found))).collect();
    let shown = found.iter().take_while(|_| !call.meter.is_exhausted()).map(|found| shown(found, call));
    let body = json::list_within(call.meter, shown, call.query()?.has("pretty"));
    let Some(worst) = found.iter().map(aggregated).max_by_key(|word| severity(word)) else {
        let reason = format!("ServiceName {name} Not Found");
        let response = match wants_text(call)? {
            true => plain(404, &reason),
            false => answer::json_bytes(404, body),
        };
        return Ok(response.with_header("X-Consul-Reason", &reason));
    };
    respond(call, worst, body)
}

/// An instance that is the agent's, with the checks that count here: `serfHealth` is not the agent's own and does not.
fn of_agent(instance: Instance) -> Option<Instance> {
    let checks = instance.checks.iter().filter(|check| check.origin == Origin::Agent).cloned().collect();
    (instance.service.origin == Origin::Agent).then_some(Instance { checks, ..instance })
}

fn aggregated(instance: &Instance) -> &'static str {
    aggregated_status(instance.checks.iter().map(|check| &**check))
}

fn shown<'a>(instance: &'a Instance, call: &'a Call<'_, '_>) -> AgentHealth<'a> {
    let datacenter = &call.api.registry.own_node().datacenter;
    AgentHealth::new(&instance.node.name, &instance.service, &instance.checks, datacenter)
}

fn severity(word: &str) -> u8 {
    match word {
        "passing" => 0,
        "warning" => 1,
        "critical" => 2,
        _ => 3,
    }
}

fn respond(call: &Call<'_, '_>, word: &'static str, body: Vec<u8>) -> HandlerResult {
    let status = match word {
        "passing" => 200,
        "warning" => 429,
        _ => 503,
    };
    let response = if wants_text(call)? { plain(status, word) } else { answer::json_bytes(status, body) };
    Ok(response.with_header("X-Consul-Reason", word))
}

fn wants_text(call: &Call<'_, '_>) -> Result<bool, ApiError> {
    let accepts = || call.request().header("accept").is_some_and(|accept| accept.starts_with("text/plain"));
    Ok(match call.query()?.first("format") {
        Some(format) => format == "text",
        None => accepts(),
    })
}

fn plain(status: u16, word: &str) -> Response {
    Response::new(status)
        .with_header("Content-Type", "text/plain")
        .with_body(Body::Owned(word.as_bytes().to_vec()))
}
