//! A transition's row. What it is of stands in the key.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_default;
use super::words::{CauseRow, StatusRow};
use crate::base::stdx::text::Text;
use crate::core::model::{Caller, Subject, Transition};

#[derive(Serialize, Deserialize)]
pub(super) struct TransitionRow<'a> {
    index: u64,
    #[serde(default)]
    position: u32,
    time_ms: u64,
    service_name: Cow<'a, Text>,
    check_name: Cow<'a, Text>,
    from: Option<StatusRow>,
    #[serde(default)]
    from_since_ms: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    is_first: bool,
    to: Option<StatusRow>,
    cause: CauseRow,
    #[serde(default, skip_serializing_if = "is_default")]
    by: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    request_id: Cow<'a, Text>,
    output: Cow<'a, Text>,
    #[serde(default, skip_serializing_if = "is_default")]
    restored: bool,
}

impl<'a> TransitionRow<'a> {
    pub(super) fn new(transition: &'a Transition, is_restored: bool) -> Self {
        TransitionRow {
            index: transition.index,
            position: transition.position,
            time_ms: transition.time_ms,
            service_name: Cow::Borrowed(&transition.service_name),
            check_name: Cow::Borrowed(&transition.check_name),
            from: transition.from.map(Into::into),
            from_since_ms: transition.from_since_ms,
            is_first: transition.is_first,
            to: transition.to.map(Into::into),
            cause: transition.cause.into(),
            by: Cow::Borrowed(&transition.caller.by),
            request_id: Cow::Borrowed(&transition.caller.request_id),
            output: Cow::Borrowed(&transition.output),
            restored: is_restored,
        }
    }

    /// The transition of `subject`, and whether a restoration brought it.
    pub(super) fn of(self, subject: Subject) -> (Transition, bool) {
        let transition = Transition {
            index: self.index,
            position: self.position,
            time_ms: self.time_ms,
            subject: Arc::new(subject),
            service_name: self.service_name.into_owned(),
            check_name: self.check_name.into_owned(),
            from: self.from.map(Into::into),
            from_since_ms: self.from_since_ms,
            is_first: self.is_first,
            to: self.to.map(Into::into),
            cause: self.cause.into(),
            caller: Caller { by: self.by.into_owned(), request_id: self.request_id.into_owned() },
            output: self.output.into_owned(),
        };
        (transition, self.restored)
    }
}
