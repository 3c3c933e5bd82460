//! What a transition of a check may be that is read back.

use crate::core::model::transition::TRANSITION_OUTPUT_BYTES_MAX;
use crate::core::model::validate::bounds::{check_indexes, check_time};
use crate::core::model::validate::{Violation, names};
use crate::core::model::{Indexes, Transition};

/// Refuses a transition that cannot have happened.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(transition: &Transition) -> Result<(), Violation> {
    let subject = &*transition.subject;
    names::check_held("node name", subject.node.as_str())?;
    names::check_held("service ID", &subject.service_id)?;
    names::check_held("check ID", &subject.check_id)?;
    names::check_held("service name", &transition.service_name)?;
    names::check_held("check name", &transition.check_name)?;
    names::check_held("name of who asked", &transition.caller.by)?;
    names::check_held("request id", &transition.caller.request_id)?;
    if transition.output.len() > TRANSITION_OUTPUT_BYTES_MAX {
        let sentence =
            format!("Invalid transition: its output is longer than {TRANSITION_OUTPUT_BYTES_MAX} bytes");
        return Err(Violation::new(sentence));
    }
    check_time("Invalid transition", transition.time_ms)?;
    check_time("Invalid transition", transition.from_since_ms)?;
    check_indexes(Indexes { create: transition.index, modify: transition.index })
}
