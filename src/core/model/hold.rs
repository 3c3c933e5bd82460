//! Holds: the checks by which muster itself keeps an instance, or a whole node, out of discovery: maintenance mode and
//! the end of a drain. They are always critical, are never run, and no registration of the instance removes them.

use crate::base::stdx::text::Text;
use crate::core::model::{Cause, Check, Origin, Service, Status};

/// Id of the check that puts a whole node into maintenance.
pub const NODE_MAINTENANCE: &str = "_node_maintenance";

/// What the id of the check begins with that puts an instance into maintenance; the instance's id follows.
pub const SERVICE_MAINTENANCE_PREFIX: &str = "_service_maintenance:";

/// What the id of the check begins with that ends the drain of an instance; the instance's id follows.
pub const DRAIN_PREFIX: &str = "_service_drain:";

/// Type of maintenance mode's checks.
pub const MAINTENANCE_KIND: &str = "maintenance";

/// Type of a drain's check.
pub const DRAIN_KIND: &str = "drain";

/// The check that puts an instance into maintenance, for `reason`.
pub fn service_maintenance(service_id: &Text, reason: Text) -> Check {
    Check {
        id: format!("{SERVICE_MAINTENANCE_PREFIX}{service_id}").into(),
        name: "Service Maintenance Mode".into(),
        notes: reason,
        service_id: service_id.clone(),
        ..hold(MAINTENANCE_KIND, Cause::Registration, Origin::Agent)
    }
}

/// The check that puts the agent's node into maintenance, for `reason`.
pub fn node_maintenance(reason: Text) -> Check {
    Check {
        id: NODE_MAINTENANCE.into(),
        name: "Node Maintenance Mode".into(),
        notes: reason,
        ..hold(MAINTENANCE_KIND, Cause::Registration, Origin::Agent)
    }
}

/// The check that keeps an instance out once its drain is over, for `reason`. It is kept by the same program as the
/// instance.
pub fn drained(service: &Service, reason: &Text) -> Check {
    Check {
        id: drained_id(&service.id),
        name: "Service Drain".into(),
        notes: reason.clone(),
        output: "The drain of this instance is over.".into(),
        service_id: service.id.clone(),
        ..hold(DRAIN_KIND, Cause::Drain, service.origin)
    }
}

/// Id of the check that ends the drain of an instance.
pub fn drained_id(service_id: &Text) -> Text {
    format!("{DRAIN_PREFIX}{service_id}").into()
}

fn hold(kind: &str, status_cause: Cause, origin: Origin) -> Check {
    Check { status: Status::Critical, kind: kind.into(), status_cause, origin, ..Check::default() }
}

/// Whether the check is a hold on what it is of.
pub fn is_hold(check: &Check) -> bool {
    is_maintenance(check) || is_drained(check)
}

/// Whether the check is maintenance mode, of a node or of an instance.
pub fn is_maintenance(check: &Check) -> bool {
    match check.is_node_level() {
        true => check.id == NODE_MAINTENANCE,
        false => is_of(check, SERVICE_MAINTENANCE_PREFIX),
    }
}

/// Whether the check is the end of its instance's drain.
pub fn is_drained(check: &Check) -> bool {
    !check.is_node_level() && is_of(check, DRAIN_PREFIX)
}

fn is_of(check: &Check, prefix: &str) -> bool {
    check.id.strip_prefix(prefix) == Some(check.service_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_told_from_other_checks() {
        let service = Service { id: "web".into(), ..Service::default() };
        let check = |id: &str, of: &str| Check { id: id.into(), service_id: of.into(), ..Check::default() };
        let rows = [
            (node_maintenance("".into()), true, false),
            (service_maintenance(&"web".into(), "".into()), true, false),
            (drained(&service, &"".into()), false, true),
            (check("_node_maintenance", "web"), false, false),
            (check("_service_maintenance:web", "api"), false, false),
            (check("_service_drain:", ""), false, false),
            (check("service:web", "web"), false, false),
        ];
        for (check, maintenance, drain) in rows {
            let told = (is_maintenance(&check), is_drained(&check), is_hold(&check));
            assert_eq!(told, (maintenance, drain, maintenance || drain), "{}", check.id);
        }
    }
}
