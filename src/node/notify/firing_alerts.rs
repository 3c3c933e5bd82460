//! Which alerts fire, read from the registry.

use std::collections::BTreeMap;

use crate::core::catalog::instance::CheckView;
use crate::core::model::hold::{DRAIN_KIND, MAINTENANCE_KIND};
use crate::core::model::{Cause, NodeKey, Status, Subject};
use crate::node::notify::alerts::{Alert, AlertKey};
use crate::node::notify::selection::Selection;
use crate::node::registry::views::Views;

/// How long a check that was registered as failing, and has said nothing yet, raises no alert: every new check begins
/// so, and its first run is on its way.
const GRACE_MS: u64 = 60_000;

/// The alerts of `selection` that fire at `now_ms`. What is taken out on purpose, by maintenance or a drain,
/// raises none.
///
/// Cost: O(failing checks); where instances are selected, each is looked up.
pub fn firing_alerts(views: &Views, selection: &Selection, now_ms: u64) -> BTreeMap<AlertKey, Alert> {
    let failing = [Status::Warning, Status::Critical].into_iter();
    let failing = failing.filter(|status| selection.wants_status(Some(*status)));
    let checks = failing.flat_map(|status| views.checks(Some(status)));
    checks.filter(|view| is_alert(views, selection, view, now_ms)).map(|view| alert(&view)).collect()
}

fn is_alert(views: &Views, selection: &Selection, view: &CheckView, now_ms: u64) -> bool {
    let (check, key) = (&*view.check, NodeKey::of(&view.node.name));
    let is_on_purpose = matches!(check.kind.as_str(), MAINTENANCE_KIND | DRAIN_KIND);
    let is_new = check.status_cause == Cause::Registration
        && check.definition.probe.is_some()
        && now_ms.saturating_sub(check.status_since_ms) < GRACE_MS;
    if is_on_purpose || is_new || !selection.wants_node(&key) {
        return false;
    }
    if selection.wants_all_instances() {
        return true;
    }
    let wanted = views.node(&key, |record| {
        if check.is_node_level() {
            let mut instances = record.services().keys().filter_map(|id| record.instance(id));
            instances.any(|instance| selection.wants_instance(&instance))
        } else {
            record.instance(&check.service_id).is_some_and(|instance| selection.wants_instance(&instance))
        }
    });
    wanted.unwrap_or(false)
}

fn alert(view: &CheckView) -> (AlertKey, Alert) {
    let check = &*view.check;
    let subject = Subject {
        node: NodeKey::of(&view.node.name),
        service_id: check.service_id.clone(),
        check_id: check.id.clone(),
    };
    let alert = Alert {
        node: view.node.name.clone(),
        service: view.service.as_ref().map(|service| service.name.clone()).unwrap_or_default(),
        check: check.name.clone(),
        output: check.output.clone(),
        since_ms: check.status_since_ms,
    };
    (AlertKey { subject, severity: check.status }, alert)
}
