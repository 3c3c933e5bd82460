//! The agent's own checks, and what instances report of theirs.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent/check>

use crate::base::stdx::text::Text;
use crate::core::catalog::instance::CheckView;
use crate::core::discovery::query::passes;
use crate::core::model::criticality;
use crate::core::model::{Check, Command, CommandRefusal, Observation, Origin, Probe, Status};
use crate::node::registry::error::WriteError;
use crate::surface::answers::answer::{self, empty};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::health::joining;
use crate::surface::selection;
use crate::wire::intake::{AgentNode, check_registration, check_update};
use crate::wire::json;
use crate::wire::select;
use crate::wire::show::HealthCheck;

/// `PUT /v1/agent/check/register`
pub fn register(call: &mut Call<'_, '_>) -> HandlerResult {
    let registry = &call.api.registry;
    let own = registry.own_node();
    let agent = AgentNode { name: own.name.clone(), datacenter: own.datacenter.clone() };
    let criticality_of = |service_id: &Text| registry.own_service_meta(service_id, criticality::META_KEY);
    let registration = check_registration(call.body()?, &agent, criticality_of)?;
    refuse_targets(call, &registration.checks)?;
    match call.try_write(Command::Register(Box::new(registration)))? {
        Err(WriteError::Refused(CommandRefusal::CheckWithoutService { service_id, .. })) => {
            return Err(ApiError::bad_request(format!("ServiceID {:?} does not exist", service_id.as_str())));
        }
        outcome => outcome?,
    };
    call.api.counters.registrations_check.inc();
    empty()
}

/// Refuses checks whose targets are never asked: they would fail at every run, and nobody be told why.
pub fn refuse_targets(call: &Call<'_, '_>, checks: &[Check]) -> Result<(), ApiError> {
    let probes = checks.iter().filter_map(|check| check.definition.probe.as_ref());
    match probes.into_iter().find_map(|probe| call.api.registry.checking().refusal(probe)) {
        Some(refusal) => Err(ApiError::bad_request(format!("Invalid check: {refusal}"))),
        None => Ok(()),
    }
}

/// `PUT /v1/agent/check/deregister/:check_id`
pub fn deregister(call: &mut Call<'_, '_>) -> HandlerResult {
    let check_id = call.required("CheckID missing")?;
    let node = call.api.registry.own_node().key();
    call.write(Command::DeregisterCheck { node, check_id, must_exist: true })?;
    call.api.counters.deregistrations_check.inc();
    empty()
}

/// `GET /v1/agent/checks[?filter=…]`
pub fn list(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let filter = selection::filter(call, &params, &select::CHECK)?;
    let meter = call.meter;
    let own = call.api.registry.own_node().key();
    let checks = call.views().of_agent().node(&own, joining, |node| {
        let checks = node.check_views().into_iter().filter(|view| view.check.origin == Origin::Agent);
        checks.collect::<Vec<CheckView>>()
    });
    let mut checks = checks.unwrap_or_default();
    for view in checks.iter_mut().take_while(|_| meter.spend(1)) {
        freshen(call, view);
    }
    let shown = checks.iter().take_while(|_| !meter.is_exhausted()).map(|view| {
        let shown = HealthCheck::of_agent(&view.check, &view.node.name, view.service.as_deref());
        (view.check.id.as_str(), shown)
    });
    let wanted = shown.filter(|(_, check)| passes(filter.as_deref(), check, meter));
    Ok(answer::json_bytes(200, json::map_within(meter, wanted, params.pretty)))
}

/// Shows the output that is not yet in the catalog, since it alone is no reason to write.
fn freshen(call: &Call<'_, '_>, view: &mut CheckView) {
    if let Some(output) = call.api.registry.fresh_output(&view.check.id)
        && output != view.check.output
    {
        view.check = Check { output, ..Check::clone(&view.check) }.into();
    }
}

/// `PUT /v1/agent/check/pass/:check_id[?note=…]`
pub fn pass(call: &mut Call<'_, '_>) -> HandlerResult {
    report_with_note(call, Status::Passing)
}

/// `PUT /v1/agent/check/warn/:check_id[?note=…]`
pub fn warn(call: &mut Call<'_, '_>) -> HandlerResult {
    report_with_note(call, Status::Warning)
}

/// `PUT /v1/agent/check/fail/:check_id[?note=…]`
pub fn fail(call: &mut Call<'_, '_>) -> HandlerResult {
    report_with_note(call, Status::Critical)
}

/// `PUT /v1/agent/check/update/:check_id`
pub fn update(call: &mut Call<'_, '_>) -> HandlerResult {
    let observation = check_update(call.body()?)?;
    report(call, observation)
}

fn report_with_note(call: &mut Call<'_, '_>, status: Status) -> HandlerResult {
    let output = call.query()?.first("note").unwrap_or_default().into();
    report(call, Observation { status, output })
}

fn report(call: &mut Call<'_, '_>, observation: Observation) -> HandlerResult {
    let check_id = &call.argument;
    let registry = &call.api.registry;
    let own = registry.own_node().key();
    let is_ttl = call.views().of_agent().node(
        &own,
        |_| 0,
        |node| {
            let check = node.check(check_id).filter(|check| check.origin == Origin::Agent);
            check.map(|check| matches!(check.definition.probe, Some(Probe::Ttl { .. })))
        },
    );
    match is_ttl.flatten() {
        Some(true) => registry.report_for(|| call.caller(), check_id, observation)?,
        Some(false) => {
            let sentence = format!("CheckID {:?} does not have associated TTL", check_id.as_str());
            return Err(ApiError::bad_request(sentence));
        }
        None => {
            return Err(
                WriteError::Refused(CommandRefusal::UnknownCheck { check_id: check_id.clone() }).into()
            );
        }
    }
    empty()
}
