//! The agent's own service instances.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent/service>

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::instance::Instance;
use crate::core::catalog::topic::Topic;
use crate::core::discovery::query::passes;
use crate::core::model::{Command, ExistingChecks, Origin, Service, ServiceKey};
use crate::net::http::{Response, Wake};
use crate::surface::agent::await_health::{self, WaitOptions};
use crate::surface::agent::checks::refuse_targets;
use crate::surface::answers::answer::{self, empty};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::params::with_jitter;
use crate::surface::selection;
use crate::wire::intake::{AgentNode, service_registration};
use crate::wire::json;
use crate::wire::select;
use crate::wire::show::{AgentService, content_hash};

/// `PUT /v1/agent/service/register[?replace-existing-checks][&wait=30s&until=passing]`
pub fn register(call: &mut Call<'_, '_>) -> HandlerResult {
    let existing = match call.query()?.first("replace-existing-checks") {
        Some("" | "true") => ExistingChecks::Replace,
        _ => ExistingChecks::KeepStatus,
    };
    let patience = WaitOptions::read(call.query()?)?;
    let own = call.api.registry.own_node();
    let agent = AgentNode { name: own.name.clone(), datacenter: own.datacenter.clone() };
    let registration = service_registration(call.body()?, existing, &agent)?;
    refuse_targets(call, &registration.checks)?;
    let awaited = registration.service.as_ref().zip(patience);
    let awaited =
        awaited.map(|(service, patience)| (service.id.clone(), ServiceKey::of(&service.name), patience));
    // Before anything is stored: it may be refused, and nothing that happens after must be missed.
    let watch = awaited.as_ref().map(|(_, key, _)| await_health::watch(call, key)).transpose()?;
    call.write(Command::Register(Box::new(registration)))?;
    call.api.counters.registrations_service.inc();
    match awaited.zip(watch) {
        Some(((id, key, patience), watch)) => await_health::wait(call, &id, &key, patience, watch),
        None => empty(),
    }
}

/// `PUT /v1/agent/service/deregister/:service_id`
pub fn deregister(call: &mut Call<'_, '_>) -> HandlerResult {
    let service_id = call.required("ServiceID missing")?;
    let node = call.api.registry.own_node().key();
    call.write(Command::DeregisterService { node, service_id, must_exist: true })?;
    call.api.counters.deregistrations_service.inc();
    empty()
}

/// `GET /v1/agent/services[?filter=…]`
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let filter = selection::filter(call, &params, &select::SERVICE)?;
    let meter = call.meter;
    let own = call.api.registry.own_node();
    let services = call.views().of_agent().node(
        &own.key(),
        |node| node.records(),
        |node| {
            let services = node.services().filter(|service| service.origin == Origin::Agent);
            services.cloned().collect::<Vec<Arc<Service>>>()
        },
    );
    let services = services.unwrap_or_default();
    let affordable = services.iter().take_while(|_| !meter.is_exhausted());
    let shown = affordable.map(|service| (service.id.as_str(), AgentService::new(service, &own.datacenter)));
    let wanted = shown.filter(|(_, service)| passes(filter.as_deref(), service, meter));
    Ok(answer::json_bytes(200, json::map_within(meter, wanted, params.pretty)))
}

/// `GET /v1/agent/service/:service_id[?hash=…&wait=…]`: blocks on a hash of the definition instead of an index.
pub fn read(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let hash_seen = call.query()?.first("hash").unwrap_or_default().to_owned();
    let registry = &*call.api.registry;
    let deadline = call.api.clock.now() + with_jitter(params.wait, answer::chance());
    loop {
        // A watch is good for one wake, and most wakes here are for another's hash; so each round watches anew.
        let found = find(call).ok_or_else(|| unknown(&call.argument))?;
        let key = ServiceKey::of(&found.service.name);
        let _watch = match hash_seen.is_empty() {
            true => None,
            false => Some(registry.topics().watch(Topic::Health(key), call.exchange.waker())?),
        };
        let found = find(call).ok_or_else(|| unknown(&call.argument))?;
        let hash = content_hash(&found.service);
        let shown =
            AgentService::new(&found.service, &registry.own_node().datacenter).with_content_hash(&hash);
        let answer = answer::json_bytes(200, json::to_vec(&shown, params.pretty))
            .with_header("X-Consul-Contenthash", &hash);
        if hash_seen != hash || !call.may_wait {
            return Ok(answer);
        }
        match call.exchange.park(deadline) {
            Wake::Signal => call.rights_hold()?,
            Wake::Deadline | Wake::Draining => return call.rights_hold().map(|()| answer),
            Wake::ClientGone => return Ok(Response::new(CLIENT_GONE)),
        }
    }
}

fn find(call: &Call<'_, '_>) -> Option<Instance> {
    let own = call.api.registry.own_node().key();
    let instance = call.views().of_agent().instance(&own, &call.argument)?;
    (instance.service.origin == Origin::Agent).then_some(instance)
}

fn unknown(service_id: &Text) -> ApiError {
    ApiError::not_found(format!("unknown service ID: {service_id}"))
}
