//! Alias checks: the status of one thing taken from the checks of another.

use crate::base::stdx::text::Text;
use crate::core::model::{Check, Observation, Probe, Status};

/// Judges an alias by the checks of its target.
///
/// `checks` are those of the target instance and of its node, or of the node alone when the alias names no instance;
/// `None` when the target does not exist. `same_node`: the target is on the alias's own node.
///
/// An alias never counts itself, and no alias that may be waiting for it in turn: one that looks back at the alias's
/// own instance, or one of the whole node. All start out critical, so a ring of them would stay critical for ever.
/// (Consul counts them.) A ring over three or more instances is still a ring.
pub fn observe<'a>(
    alias: &Check,
    same_node: bool,
    checks: Option<impl IntoIterator<Item = &'a Check>>,
) -> Observation {
    let Some(checks) = checks else { return missing(alias) };
    let mut count = 0;
    let mut worst: Option<&Check> = None;
    for check in checks.into_iter().filter(|check| !(same_node && looks_back(alias, check))) {
        count += 1;
        if worst.is_none_or(|worst| check.status > worst.status) {
            worst = Some(check);
        }
    }
    match worst {
        Some(check) if check.status != Status::Passing => Observation {
            status: check.status,
            output: format!("Aliased check {:?} failing: {}", check.name.as_str(), check.output).into(),
        },
        _ if count == 0 => observation(Status::Passing, "No checks found."),
        _ => observation(Status::Passing, "All checks passing."),
    }
}

/// Whether `check`, on the alias's own node, is the alias itself or depends on it.
fn looks_back(alias: &Check, check: &Check) -> bool {
    if check.id == alias.id {
        return true;
    }
    match &check.definition.probe {
        Some(Probe::Alias { service_id, .. }) => {
            check.is_node_level() || (!alias.is_node_level() && *service_id == alias.service_id)
        }
        _ => false,
    }
}

/// What an alias says whose target is not there.
fn missing(alias: &Check) -> Observation {
    let output = match &alias.definition.probe {
        Some(Probe::Alias { node, service_id }) if service_id.is_empty() => {
            format!("Node {node} could not be found")
        }
        Some(Probe::Alias { node, service_id }) => {
            format!("Service {service_id} could not be found on node {node}")
        }
        _ => "Not an alias".to_owned(),
    };
    Observation { status: Status::Critical, output: output.into() }
}

fn observation(status: Status, output: &str) -> Observation {
    Observation { status, output: Text::from(output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::CheckDefinition;

    fn check(id: &str, service_id: &str, status: Status) -> Check {
        let (name, output) = (Text::from(format!("check {id}")), Text::from(format!("{id} says")));
        Check { id: id.into(), name, status, output, service_id: service_id.into(), ..Check::default() }
    }

    fn alias(id: &str, service_id: &str, target_service_id: &str) -> Check {
        let probe = Probe::Alias { node: Text::default(), service_id: target_service_id.into() };
        let definition = CheckDefinition { probe: Some(probe), ..CheckDefinition::default() };
        Check { definition: definition.into(), ..check(id, service_id, Status::Critical) }
    }

    #[test]
    fn the_worst_check_of_the_target_speaks() {
        use Status::{Critical, Passing, Warning};
        let own = alias("alias", "proxy", "web");
        let aliased_a = |status: &str| format!("Aliased check \"check a\" failing: {status}");
        let rows = [
            ("nothing there", vec![], Passing, "No checks found.".to_owned()),
            ("all well", vec![check("a", "web", Passing)], Passing, "All checks passing.".to_owned()),
            (
                "a warning",
                vec![check("b", "web", Passing), check("a", "web", Warning)],
                Warning,
                aliased_a("a says"),
            ),
            (
                "critical beats warning",
                vec![check("b", "web", Warning), check("a", "", Critical), check("c", "web", Critical)],
                Critical,
                aliased_a("a says"),
            ),
            ("only itself", vec![own.clone()], Passing, "No checks found.".to_owned()),
            (
                "an alias that looks back",
                vec![alias("back", "web", "proxy"), check("a", "web", Passing)],
                Passing,
                "All checks passing.".to_owned(),
            ),
            (
                "an alias of the whole node",
                vec![alias("node-alias", "", "db"), check("a", "web", Passing)],
                Passing,
                "All checks passing.".to_owned(),
            ),
            (
                "an alias that looks elsewhere",
                vec![Check { name: "check a".into(), ..alias("a", "web", "db") }],
                Critical,
                aliased_a("a says"),
            ),
        ];
        for (name, checks, status, output) in rows {
            let judged = observe(&own, true, Some(&checks));
            assert_eq!((judged.status, judged.output.as_str()), (status, output.as_str()), "{name}");
        }
    }

    #[test]
    fn the_same_id_on_another_node_is_another_check() {
        let checks = [check("alias", "web", Status::Critical)];
        let own = alias("alias", "proxy", "web");
        assert_eq!(observe(&own, false, Some(&checks)).status, Status::Critical);
        assert_eq!(observe(&own, true, Some(&checks)).status, Status::Passing);
    }

    #[test]
    fn a_missing_target_is_critical() {
        let none: Option<&[Check]> = None;
        let judged = observe(&alias("alias", "proxy", "web"), true, none);
        assert_eq!(judged.status, Status::Critical);
        assert_eq!(judged.output, "Service web could not be found on node ");
    }
}
