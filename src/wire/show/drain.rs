//! A drain as `/v1/muster/drain` shows it.

use serde::Serialize;

use crate::base::stdx::calendar::rfc3339;
use crate::core::model::drain::Stage;
use crate::core::model::{self, Drain, Service};
use crate::wire::show::parts;

/// The drain of one instance at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DrainEntry<'a> {
    node: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service: &'a str,
    /// `draining`, or `drained` when it is out.
    state: &'static str,
    reason: &'a str,
    started: String,
    until: String,
    /// Share of the weights that is planned for now.
    share_percent: u8,
    /// The weights as registered.
    #[serde(serialize_with = "parts::weights")]
    weights: model::Weights,
    /// The weights as answers show them.
    #[serde(serialize_with = "parts::weights")]
    weights_shown: model::Weights,
    deregister: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    deregister_at: Option<String>,
}

impl<'a> DrainEntry<'a> {
    /// The drain of `service` on the node of that name, as it is at `now_ms`.
    pub fn new(node: &'a str, service: &'a Service, drain: &'a Drain, now_ms: u64) -> Self {
        let share = match drain.stage_at(now_ms) {
            Stage::Share(percent) => percent,
            Stage::Over | Stage::Gone => 0,
        };
        DrainEntry {
            node,
            service_id: &service.id,
            service: &service.name,
            state: if drain.share_percent == 0 { "drained" } else { "draining" },
            reason: &drain.reason,
            started: rfc3339(drain.started_ms),
            until: rfc3339(drain.until_ms),
            share_percent: share,
            weights: service.weights,
            weights_shown: service.shown_weights(),
            deregister: drain.deregister,
            deregister_at: drain.deregister_at_ms().map(rfc3339),
        }
    }
}
