//! A transition: the moment in which a check's status became another.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::model::{Caller, Cause, NodeKey, Status};

/// Bytes of a check's output kept with a transition. Enough for the line that says what is wrong; all of the
/// [`OUTPUT_BYTES_MAX`](crate::core::model::limits::OUTPUT_BYTES_MAX) would make the history sixteen times as large.
pub const TRANSITION_OUTPUT_BYTES_MAX: usize = 256;

/// What a transition is of: a check, or an instance without checks. Ordered so that what belongs together on a node
/// stands together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Key of the node.
    pub node: NodeKey,
    /// Id of the instance that is checked; empty for a check of the node itself.
    pub service_id: Text,
    /// Id of the check; empty for the instance itself, which is gone without having had a check.
    pub check_id: Text,
}

/// One transition. Plain registrations are none: a check begins in some status, and its first transition is the first
/// time that it leaves it. What begins by taking an instance out (maintenance, drain) is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The index of the change: what came after another has a higher one, over restarts as well.
    pub index: u64,
    /// Tells apart, in their order, the transitions of one change (an instance removed with three checks).
    pub position: u32,
    /// When it happened, in milliseconds of Unix time.
    pub time_ms: u64,
    /// What made the transition.
    pub subject: Arc<Subject>,
    /// Name of the instance's service; empty for a check of the node.
    pub service_name: Text,
    /// Name of the check, for people.
    pub check_name: Text,
    /// The status before; `None` when the check began with this.
    pub from: Option<Status>,
    /// Since when that status had stood, in milliseconds of Unix time; 0 when it was none or is not known.
    pub from_since_ms: u64,
    /// Whether the status before is the one that the check was registered with: it made no event.
    pub is_first: bool,
    /// The status after; `None` when the check, or the instance, is gone with this.
    pub to: Option<Status>,
    /// What brought it about.
    pub cause: Cause,
    /// Who asked for it; unknown in what was written before callers were.
    pub caller: Caller,
    /// What the check said, cut to [`TRANSITION_OUTPUT_BYTES_MAX`] bytes; of maintenance and drain, the reason given.
    pub output: Text,
}

impl Transition {
    /// Its place in the one order of all transitions.
    pub fn place(&self) -> (u64, u32) {
        (self.index, self.position)
    }

    /// Takes the allocations of an earlier transition of the same subject where the texts are equal: of a long history
    /// only the outputs differ.
    pub fn share(&mut self, earlier: &Transition) {
        if self.subject == earlier.subject {
            self.subject = earlier.subject.clone();
        }
        let pairs = [
            (&mut self.service_name, &earlier.service_name),
            (&mut self.check_name, &earlier.check_name),
            (&mut self.output, &earlier.output),
            (&mut self.caller.by, &earlier.caller.by),
        ];
        for (text, same) in pairs {
            if text == same {
                *text = same.clone();
            }
        }
    }
}
