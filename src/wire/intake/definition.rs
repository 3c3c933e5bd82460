//! Definition files: services and checks that the agent registers when it starts.

use serde_json::Value;

use crate::model::{ExistingChecks, Registration};
use crate::stdx::text::Text;
use crate::wire::body::check::CheckBody;
use crate::wire::body::service::ServiceBody;
use crate::wire::decode::{from_value, object};
use crate::wire::intake::{AgentNode, Invalid, Scripts, check, service};

object! {
    /// A definition file: keys as in bodies, usually in snake case.
    pub struct DefinitionFile as "" of "struct" {
        /// One instance.
        "Service" => service: Option<ServiceBody>,
        /// Several.
        "Services" => services: Vec<ServiceBody>,
        /// One check.
        "Check" => check: Option<CheckBody>,
        /// Several.
        "Checks" => checks: Vec<CheckBody>,
    }
}

/// What a definition file registers, instances first: checks in the same file may be of them. `criticality_of` gives
/// what the metadata of an instance, by its id, say of how much depends on it.
///
/// # Errors
/// When the file cannot be read as such, or describes what muster cannot keep. Nothing of it is taken then.
pub fn definitions(
    file: &Value,
    existing: ExistingChecks,
    agent: &AgentNode,
    scripts: Scripts,
    criticality_of: impl Fn(&Text) -> Option<Text>,
) -> Result<Vec<Registration>, Invalid> {
    let file: DefinitionFile = from_value(file)?;
    let services = file.service.into_iter().chain(file.services);
    let checks = file.check.into_iter().chain(file.checks);
    services
        .map(|body| service::registration(body, existing, agent, scripts))
        .chain(checks.map(|body| check::registration(body, agent, scripts, &criticality_of)))
        .collect()
}
