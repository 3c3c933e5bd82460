//! Who asked for a change.

use crate::base::stdx::text::Text;
use crate::core::model::{Cause, Command, DrainOrder};

/// Who asked for a change, as the log, the history and webhooks tell it. It travels beside the command: what is done
/// does not depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// A client's address with its port, `unix` for one on a socket in the file system, or the part of muster that
    /// found out by itself; empty when it is not known.
    pub by: Text,
    /// The id of the client's request, as in its `X-Request-Id`; empty for muster itself.
    pub request_id: Text,
}

impl Caller {
    /// A part of muster itself, or a file.
    pub fn own(part: &str) -> Caller {
        Caller { by: part.into(), request_id: Text::default() }
    }

    /// Whether a client asked.
    pub fn is_client(&self) -> bool {
        !self.request_id.is_empty()
    }

    /// Who must have asked for `command` where nobody is named: the part of muster whose finding it is.
    pub fn of(command: &Command) -> Caller {
        Caller::own(match command {
            Command::UpdateCheck { cause, .. } => match cause {
                Cause::Probe => "probe",
                Cause::Ttl => "ttl",
                Cause::Alias => "alias",
                Cause::Damping => "damping",
                _ => "muster",
            },
            Command::Define(_) => "definition files",
            Command::Reap { .. } => "reaping",
            Command::Drain { order: DrainOrder::Advance, .. } => "drain",
            _ => "muster",
        })
    }
}
