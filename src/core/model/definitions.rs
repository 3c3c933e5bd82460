//! What definition files say: instances and checks that the agent registers by itself.

use crate::base::stdx::text::Text;
use crate::core::model::{Check, Service};

/// What the agent's node shall hold because definition files say so, and what they said before and no longer say.
///
/// It is one command, so that a start or a reload is one change: whoever watches a service never sees it between two of
/// its definitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definitions {
    /// Name of the agent's node.
    pub node: Text,
    /// Ids of instances that files defined before.
    pub gone_services: Vec<Text>,
    /// Ids of checks that files defined before.
    pub gone_checks: Vec<Text>,
    /// What they define now.
    pub defined: Vec<Defined>,
}

/// An instance with the checks that files define of it, or checks of something that no file defines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defined {
    /// The instance; `None` for checks of the node itself, or of an instance that a client registered.
    pub service: Option<Service>,
    /// Its id; empty for the node itself.
    pub service_id: Text,
    /// Its checks, in the order of the files.
    pub checks: Vec<Check>,
}
