//! Definition files: services and checks that the agent registers when it starts.

use serde_json::Value;

use crate::base::stdx::text::Text;
use crate::core::model::validate::probes::Scripts;
use crate::core::model::{ExistingChecks, Registration};
use crate::wire::body::check::CheckBody;
use crate::wire::body::service::ServiceBody;
use crate::wire::decode::audit::{Audit, Flaw, Form, SyntaxAudit};
use crate::wire::decode::from_value;
use crate::wire::intake::{AgentNode, Invalid, check, service};

/// Keys of definitions that Consul knows and muster has no use for, at any depth.
const FOREIGN: &[&str] = &["Token", "Shell"];

/// A definition as it was looked at: what it says that is wrong, and what it says in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Everything that is wrong with its form.
    pub flaws: Vec<Flaw>,
    /// The paths of keys that mean nothing here.
    pub ignored: Vec<String>,
}

/// Looks at the definition of an instance, which stands at `path` in a file, and brings it to the one form that
/// [`service_definition`] reads.
pub fn audit_service(value: &mut Value, path: &str, form: Form) -> Findings {
    audit::<ServiceBody>(value, path, form)
}

/// As [`audit_service`], for a check that stands by itself.
pub fn audit_check(value: &mut Value, path: &str, form: Form) -> Findings {
    audit::<CheckBody>(value, path, form)
}

fn audit<T: Audit>(value: &mut Value, path: &str, form: Form) -> Findings {
    let mut audit = SyntaxAudit { form, foreign: FOREIGN, ignored: Vec::new(), flaws: Vec::new() };
    audit.value::<T>(value, path);
    Findings { flaws: audit.flaws, ignored: audit.ignored }
}

/// The instance that a definition registers, with its checks.
///
/// # Errors
/// When it describes what muster cannot keep.
pub fn service_definition(
    value: &Value,
    agent: &AgentNode,
    scripts: Scripts,
) -> Result<Registration, Invalid> {
    let body: ServiceBody = from_value(value)?;
    service::registration(body, ExistingChecks::KeepStatus, agent, scripts)
}

/// The check that a definition registers. `criticality_of` gives what the metadata of an instance, by its id, say of
/// how much depends on it.
///
/// # Errors
/// When it describes what muster cannot run.
pub fn check_definition(
    value: &Value,
    agent: &AgentNode,
    scripts: Scripts,
    criticality_of: impl FnOnce(&Text) -> Option<Text>,
) -> Result<Registration, Invalid> {
    let body: CheckBody = from_value(value)?;
    check::registration(body, agent, scripts, criticality_of)
}
