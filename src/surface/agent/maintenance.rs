//! Maintenance mode: a critical check that keeps an instance, or all of them, out of discovery.
//!
//! <https://developer.hashicorp.com/consul/api-docs/agent#enable-maintenance-mode>

use crate::base::stdx::text::Text;
use crate::core::model::{Check, Command, ExistingChecks, NodePart, Origin, Registration, hold};
use crate::surface::answers::answer::empty;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::context::params::boolean;

/// `PUT /v1/agent/service/maintenance/:service_id?enable=…&reason=…`
pub fn service(call: &mut Call<'_, '_>) -> HandlerResult {
    let service_id = call.required("Missing service ID")?;
    let enable = enable(call)?;
    let own = call.api.registry.own_node().key();
    let found = call.views().of_agent().instance(&own, &service_id);
    if found.is_none_or(|found| found.service.origin != Origin::Agent) {
        return Err(ApiError::not_found(format!("No service registered with ID {:?}", service_id.as_str())));
    }
    let check = hold::service_maintenance(&service_id, reason(call, "service")?);
    switch(call, check, enable)
}

/// `PUT /v1/agent/maintenance?enable=…&reason=…`
pub fn node(call: &mut Call<'_, '_>) -> HandlerResult {
    let enable = enable(call)?;
    switch(call, hold::node_maintenance(reason(call, "node")?), enable)
}

fn switch(call: &Call<'_, '_>, check: Check, enable: bool) -> HandlerResult {
    let own_node = call.api.registry.own_node();
    let key = own_node.key();
    let is_on = call.views().of_agent().node(&key, |_| 0, |node| node.check(&check.id).is_some());
    let command = match (enable, is_on == Some(true)) {
        // Whoever switched it on first gave the reason.
        (true, true) | (false, false) => return empty(),
        (true, false) => Command::Register(Box::new(Registration {
            node: NodePart::Existing { name: own_node.name.clone() },
            service: None,
            checks: vec![check],
            existing_checks: ExistingChecks::KeepStatus,
        })),
        (false, true) => Command::DeregisterCheck { node: key, check_id: check.id, must_exist: false },
    };
    call.write(command)?;
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
