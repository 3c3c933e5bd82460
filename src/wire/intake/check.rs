//! Checks of the agent: registered alone, reported on.

use crate::base::stdx::text::Text;
use crate::core::model::validate::probes::Scripts;
use crate::core::model::validate::{checks, names};
use crate::core::model::{
    Cause, Check, Criticality, ExistingChecks, Indexes, NodePart, Observation, Origin, Registration, Status,
};
use crate::wire::body::check::{CheckBody, CheckUpdateBody};
use crate::wire::decode::from_bytes;
use crate::wire::intake::{AgentNode, Invalid, probe, rules};

/// The body of `/v1/agent/check/register`. A check that exists keeps its status and output. `criticality_of` gives
/// what the metadata of an instance, by its id, say of how much depends on it.
///
/// # Errors
/// When the body cannot be read, or describes no check that muster runs.
pub fn check_registration(
    body: &[u8],
    agent: &AgentNode,
    criticality_of: impl FnOnce(&Text) -> Option<Text>,
) -> Result<Registration, Invalid> {
    registration(from_bytes(body)?, agent, Scripts::Remote, criticality_of)
}

/// The registration of one check on the agent's node.
pub(super) fn registration(
    mut body: CheckBody,
    agent: &AgentNode,
    scripts: Scripts,
    criticality_of: impl FnOnce(&Text) -> Option<Text>,
) -> Result<Registration, Invalid> {
    rules::check_datacenter(&body.datacenter, &agent.datacenter)?;
    if body.name.is_empty() {
        return Err(Invalid::rejected("Missing check name"));
    }
    if !body.status.is_empty() && Status::parse(&body.status).is_none() {
        return Err(Invalid::rejected("Bad check status"));
    }
    if body.id.is_empty() {
        body.id = body.name.clone();
    }
    names::check("service ID", &body.service_id)?;
    let of_service = if body.service_id.is_empty() { None } else { criticality_of(&body.service_id) };
    let of_service = of_service.and_then(|word| Criticality::parse(&word));
    Ok(Registration {
        node: NodePart::Existing { name: agent.name.clone() },
        service: None,
        checks: vec![agent_check(body, scripts, of_service)?],
        existing_checks: ExistingChecks::KeepStatus,
    })
}

/// The check, complete: id, name and instance must be in the body by now.
pub(super) fn agent_check(
    body: CheckBody,
    scripts: Scripts,
    of_service: Option<Criticality>,
) -> Result<Check, Invalid> {
    let definition = probe::definition(&body, scripts, of_service)?;
    let check = Check {
        id: body.id,
        name: body.name,
        status: Status::parse(&body.status).unwrap_or_default(),
        notes: checks::cut_output(body.notes),
        output: Default::default(),
        service_id: body.service_id,
        kind: definition.probe.as_ref().map(|probe| probe.kind().into()).unwrap_or_default(),
        definition: definition.into(),
        origin: Origin::Agent,
        status_since_ms: 0,
        status_cause: Cause::Registration,
        indexes: Indexes::default(),
    };
    checks::check_but_run(&check)?;
    checks::check_new_names(&check)?;
    Ok(check)
}

/// The body of `/v1/agent/check/update`. The output is as long as the client made it.
///
/// # Errors
/// When the body cannot be read, or names no status.
pub fn check_update(body: &[u8]) -> Result<Observation, Invalid> {
    let body: CheckUpdateBody = from_bytes(body)?;
    match Status::parse(&body.status) {
        Some(status) => Ok(Observation { status, output: body.output }),
        None => Err(Invalid::rejected(format!("Invalid check status: '{}'", body.status))),
    }
}
