//! Maintenance mode: a critical check that keeps an instance, or all of them, out of discovery.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent#enable-maintenance-mode>

use crate::api::answer::empty;
use crate::api::call::{Call, Outcome};
use crate::api::error::ApiError;
use crate::api::params::boolean;
use crate::model::{Check, Command, ExistingChecks, NodePart, Origin, Registration, Status};
use crate::stdx::text::Text;

/// Id of the check that puts the whole node into maintenance.
pub const NODE_CHECK_ID: &str = "_node_maintenance";

/// What the id of the check begins with that puts an instance into maintenance; its id follows.
pub const SERVICE_CHECK_PREFIX: &str = "_service_maintenance:";

/// `PUT /v1/agent/service/maintenance/:service_id?enable=…&reason=…`
pub fn service(call: &mut Call<'_, '_>) -> Outcome {
    let service_id = call.required("Missing service ID")?;
    let enable = enable(call)?;
    let own = call.api.registry.own_node().name.folded();
    let is_known = call.api.registry.views().node(&own, |record| {
        record.services().get(&service_id).is_some_and(|service| service.origin == Origin::Agent)
    });
    if is_known != Some(true) {
        return Err(ApiError::not_found(format!("No service registered with ID {:?}", service_id.as_str())));
    }
    let check = Check {
        id: format!("{SERVICE_CHECK_PREFIX}{service_id}").into(),
        name: "Service Maintenance Mode".into(),
        notes: reason(call, "service")?,
        service_id,
        ..maintenance_check()
    };
    switch(call, check, enable)
}

/// `PUT /v1/agent/maintenance?enable=…&reason=…`
pub fn node(call: &mut Call<'_, '_>) -> Outcome {
    let enable = enable(call)?;
    let check = Check {
        id: NODE_CHECK_ID.into(),
        name: "Node Maintenance Mode".into(),
        notes: reason(call, "node")?,
        ..maintenance_check()
    };
    switch(call, check, enable)
}

fn maintenance_check() -> Check {
    Check { status: Status::Critical, kind: "maintenance".into(), origin: Origin::Agent, ..Check::default() }
}

fn switch(call: &Call<'_, '_>, check: Check, enable: bool) -> Outcome {
    let registry = &call.api.registry;
    let own_node = &registry.own_node().name;
    let is_on = registry.views().node(&own_node.folded(), |record| record.checks().contains_key(&check.id));
    let command = match (enable, is_on == Some(true)) {
        // Whoever switched it on first gave the reason.
        (true, true) | (false, false) => return empty(),
        (true, false) => Command::Register(Box::new(Registration {
            node: NodePart::Existing { name: own_node.clone() },
            service: None,
            checks: vec![check],
            existing_checks: ExistingChecks::KeepStatus,
        })),
        (false, true) => {
            Command::DeregisterCheck { node: own_node.clone(), check_id: check.id, must_exist: false }
        }
    };
    registry.write(command)?;
    empty()
}

fn enable(call: &Call<'_, '_>) -> Result<bool, ApiError> {
    let word = call.query()?.first("enable").unwrap_or_default();
    if word.is_empty() {
        return Err(ApiError::bad_request("Missing value for enable"));
    }
    boolean(word).ok_or_else(|| ApiError::bad_request(format!("Invalid value for enable: {word:?}")))
}

fn reason(call: &Call<'_, '_>, what: &str) -> Result<Text, ApiError> {
    let given = call.query()?.first("reason").unwrap_or_default();
    if !given.is_empty() {
        return Ok(given.into());
    }
    Ok(format!(
        "Maintenance mode is enabled for this {what}, but no reason was provided. This is a default message."
    )
    .into())
}
