//! Which of a command's changes are transitions of checks, and what brought each about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state::{CatalogState, Moment};
use crate::core::model::transition::TRANSITION_OUTPUT_BYTES_MAX;
use crate::core::model::{
    Caller, Cause, Check, Command, NodeKey, Service, Status, Subject, Transition, hold,
};

/// What brings about the end of what `command` removes, unless it was drained.
pub fn cause_of_end(command: &Command) -> Cause {
    match command {
        Command::Reap { .. } => Cause::Reaping,
        Command::Restore(_) => Cause::Restore,
        // Left out of a registration that replaces what was there.
        Command::Register(_) => Cause::Registration,
        _ => Cause::Deregistration,
    }
}

/// Finds the transitions among the `changes` that led to `state` at `moment`, made by a command that has this
/// [`cause_of_end`].
///
/// Where one command changes a check twice, the two count as one. An instance that goes leaves the transitions of its
/// checks; one without checks leaves one of its own.
///
/// Cost: O(changes); a registration of something new allocates nothing.
pub fn transitions(
    state: &CatalogState,
    moment: Moment,
    cause_of_end: Cause,
    changes: &[CatalogChange],
) -> Vec<Transition> {
    let look = Look {
        state,
        moment,
        removed: removed(changes),
        cause_of_end: match cause_of_end {
            Cause::Reaping | Cause::Restore => cause_of_end,
            _ if changes.iter().any(is_end_of_drain) => Cause::Drain,
            _ => cause_of_end,
        },
        cause_of_all: Some(cause_of_end).filter(|cause| *cause == Cause::Restore),
    };
    let mut with_checks: HashSet<(&NodeKey, &Text)> = HashSet::new();
    let mut found: Vec<Transition> = Vec::new();
    let mut places: HashMap<Arc<Subject>, usize> = HashMap::new();
    for change in changes {
        if let CatalogChange::Check { node, before: Some(check), after: None, .. } = change {
            with_checks.insert((node, &check.service_id));
        }
        let transition = match change {
            CatalogChange::Check { node, id, before, after } => {
                look.at_check(node, id, before.as_deref(), after.as_deref())
            }
            // Its checks, which went before it, tell of it.
            CatalogChange::Service { node, id, .. } if with_checks.contains(&(node, id)) => None,
            CatalogChange::Service { node, id, before: Some(service), after: None } => {
                Some(look.at_end_of(service, node, id))
            }
            CatalogChange::Node { .. } | CatalogChange::Service { .. } => None,
        };
        let Some(transition) = transition else { continue };
        match places.get(&transition.subject) {
            Some(place) => {
                let Transition { from, from_since_ms, is_first, .. } = found[*place];
                found[*place] = Transition { from, from_since_ms, is_first, ..transition };
            }
            None => {
                places.insert(transition.subject.clone(), found.len());
                found.push(transition);
            }
        }
    }
    found.retain(|transition| transition.from != transition.to);
    found.iter_mut().zip(0..).for_each(|(transition, position)| transition.position = position);
    found
}

/// What is the same for all changes of one command.
struct Look<'a> {
    state: &'a CatalogState,
    moment: Moment,
    /// The instances that the command removed, by node and id.
    removed: HashMap<(&'a NodeKey, &'a Text), &'a Service>,
    /// What brought about that something is gone.
    cause_of_end: Cause,
    /// What brought about everything, whatever brought the statuses about in themselves.
    cause_of_all: Option<Cause>,
}

impl Look<'_> {
    fn at_check(
        &self,
        node: &NodeKey,
        id: &Text,
        before: Option<&Check>,
        after: Option<&Check>,
    ) -> Option<Transition> {
        let shown = after.or(before)?;
        let is_one = match (before, after) {
            (Some(before), Some(after)) => before.status != after.status,
            // A hold takes an instance out that may have been in.
            (None, Some(after)) => hold::is_hold(after),
            (before, None) => before.is_some(),
        };
        // A registration may name a check twice: what it was in between was never seen.
        let begins_here = |check: &Check| check.indexes.create == self.moment.index && !hold::is_hold(check);
        (is_one && !before.is_some_and(begins_here)).then(|| Transition {
            service_name: self.service_name(node, &shown.service_id),
            check_name: shown.name.clone(),
            from: before.map(|check| check.status),
            from_since_ms: before.map_or(0, |check| check.status_since_ms),
            is_first: before
                .is_some_and(|check| check.status_cause == Cause::Registration && !hold::is_hold(check)),
            to: after.map(|check| check.status),
            cause: self.cause_of_all.or(after.map(|check| check.status_cause)).unwrap_or(self.cause_of_end),
            output: output(shown),
            ..self.blank(node, &shown.service_id, id)
        })
    }

    /// Of an instance without checks, which passes for that reason.
    fn at_end_of(&self, service: &Service, node: &NodeKey, id: &Text) -> Transition {
        Transition {
            service_name: service.name.clone(),
            from: Some(Status::Passing),
            cause: self.cause_of_end,
            ..self.blank(node, id, &Text::default())
        }
    }

    fn blank(&self, node: &NodeKey, service_id: &Text, check_id: &Text) -> Transition {
        let (node, service_id, check_id) = (node.clone(), service_id.clone(), check_id.clone());
        Transition {
            index: self.moment.index,
            position: 0,
            time_ms: self.moment.now_ms,
            subject: Arc::new(Subject { node, service_id, check_id }),
            service_name: Text::default(),
            check_name: Text::default(),
            from: None,
            from_since_ms: 0,
            is_first: false,
            to: None,
            cause: Cause::default(),
            caller: Caller::default(),
            output: Text::default(),
        }
    }

    fn service_name(&self, node: &NodeKey, id: &Text) -> Text {
        let present = self.state.node(node).and_then(|record| record.services().get(id)).map(|it| &**it);
        let service = present.or_else(|| self.removed.get(&(node, id)).copied());
        service.map(|service| service.name.clone()).unwrap_or_default()
    }
}

fn removed(changes: &[CatalogChange]) -> HashMap<(&NodeKey, &Text), &Service> {
    let removed = changes.iter().filter_map(|change| match change {
        CatalogChange::Service { node, id, before: Some(service), after: None } => {
            Some(((node, id), &**service))
        }
        _ => None,
    });
    removed.collect()
}

/// What there is to tell of a check's finding.
fn output(check: &Check) -> Text {
    let said = if check.output.is_empty() && hold::is_hold(check) { &check.notes } else { &check.output };
    match said.len() {
        0..=TRANSITION_OUTPUT_BYTES_MAX => said.clone(),
        _ => said[..said.floor_char_boundary(TRANSITION_OUTPUT_BYTES_MAX)].into(),
    }
}

fn is_end_of_drain(change: &CatalogChange) -> bool {
    match change {
        CatalogChange::Check { before: Some(check), after: None, .. } => hold::is_drained(check),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::state::CatalogBounds;
    use crate::core::model::{ExistingChecks, NodePart, Registration};

    fn node() -> NodePart {
        let (name, address) = ("N1".into(), "10.0.0.1".into());
        let id = Text::default();
        NodePart::Set { name, id, address, tagged_addresses: None, meta: None, keep_existing: false }
    }

    fn check(id: &str, service_id: &str, kind: &str, status: Status) -> Check {
        let (id, service_id, kind) = (id.into(), service_id.into(), kind.into());
        let (output, notes) = ("said".into(), "noted".into());
        Check { id, service_id, kind, status, output, notes, name: "alive".into(), ..Check::default() }
    }

    fn register(service_id: Option<&str>, checks: Vec<Check>, existing_checks: ExistingChecks) -> Command {
        let service =
            service_id.map(|id| Service { id: id.into(), name: "Web".into(), ..Service::default() });
        Command::Register(Box::new(Registration { node: node(), service, checks, existing_checks }))
    }

    fn update(check_id: &str, status: Status, cause: Cause, output: &str) -> Command {
        let (node, check_id, output) = ("n1".into(), check_id.into(), output.into());
        Command::UpdateCheck { node, check_id, status, output, cause }
    }

    /// `id: from -> to cause "output"` of each transition of the last command.
    fn told(commands: &[Command]) -> Vec<String> {
        let mut state = CatalogState::new(&"self".into(), CatalogBounds::default());
        let mut last = Vec::new();
        for (command, index) in commands.iter().zip(1..) {
            let moment = Moment { index, now_ms: index * 1_000 };
            let changes = state.apply(moment, command.clone()).unwrap();
            last = transitions(&state, moment, cause_of_end(command), &changes);
            assert!(last.iter().zip(0..).all(|(it, position)| it.place() == (index, position)));
        }
        let word = |status: Option<Status>| status.map_or("none", Status::as_str);
        let told = last.iter().map(|it| {
            let (subject, name) = (&it.subject, &it.service_name);
            let of = format!("{}/{}({name})/{}", subject.node, subject.service_id, subject.check_id);
            let (from, to, cause) = (word(it.from), word(it.to), it.cause.as_str());
            format!("{of}: {from}@{} -> {to} {cause} {:?}", it.from_since_ms, it.output.as_str())
        });
        told.collect()
    }

    #[test]
    fn transitions_are_told_of_what_a_command_changed() {
        use ExistingChecks::{KeepStatus, Overwrite, Replace};
        use Status::{Critical, Passing, Warning};
        let web = |status| register(Some("w"), vec![check("c", "w", "ttl", status)], Overwrite);
        let twice = |first, then| {
            let checks = vec![check("c", "w", "ttl", first), check("c", "w", "ttl", then)];
            register(Some("w"), checks, Overwrite)
        };
        let bare = || register(Some("w"), vec![], Overwrite);
        let hold = || hold::service_maintenance(&"w".into(), "noted".into());
        let maintenance = || register(None, vec![hold()], KeepStatus);
        let drained = Service { id: "w".into(), ..Service::default() };
        let drain = || register(None, vec![hold::drained(&drained, &"".into())], KeepStatus);
        let gone =
            || Command::DeregisterService { node: "n1".into(), service_id: "w".into(), must_exist: false };
        let reap = || Command::Reap { node: "n1".into(), service_id: "w".into(), check_id: "c".into() };
        let end_of =
            |id: &str| Command::DeregisterCheck { node: "n1".into(), check_id: id.into(), must_exist: false };
        let rows: Vec<(&str, Vec<Command>, &[&str])> = vec![
            ("a registration is none", vec![web(Critical)], &[]),
            ("nor is its repetition", vec![web(Critical), web(Critical)], &[]),
            ("nor is one that names a check twice", vec![twice(Critical, Warning)], &[]),
            (
                "a new word of its registrar is",
                vec![web(Passing), web(Warning)],
                &[r#"n1/w(Web)/c: passing@1000 -> warning report "said""#],
            ),
            (
                "a verdict",
                vec![web(Passing), update("c", Critical, Cause::Probe, "down")],
                &[r#"n1/w(Web)/c: passing@1000 -> critical probe "down""#],
            ),
            ("an output alone is none", vec![web(Passing), update("c", Passing, Cause::Probe, "fine")], &[]),
            (
                "maintenance begins",
                vec![web(Passing), maintenance()],
                &[r#"n1/w(Web)/_service_maintenance:w: none@0 -> critical registration "noted""#],
            ),
            (
                "maintenance ends",
                vec![web(Passing), maintenance(), end_of("_service_maintenance:w")],
                &[r#"n1/w(Web)/_service_maintenance:w: critical@2000 -> none deregistration "noted""#],
            ),
            (
                "an instance goes with its checks",
                vec![web(Passing), gone()],
                &[r#"n1/w(Web)/c: passing@1000 -> none deregistration "said""#],
            ),
            (
                "an instance without checks goes",
                vec![bare(), gone()],
                &[r#"n1/w(Web)/: passing@0 -> none deregistration """#],
            ),
            (
                "an instance is reaped",
                vec![web(Critical), reap()],
                &[r#"n1/w(Web)/c: critical@1000 -> none reaping "said""#],
            ),
            ("one that has recovered is not", vec![web(Passing), reap()], &[]),
            (
                "a drain ends with its instance",
                vec![web(Passing), drain(), gone()],
                &[
                    r#"n1/w(Web)/_service_drain:w: critical@2000 -> none drain "The drain of this instance is over.""#,
                    r#"n1/w(Web)/c: passing@1000 -> none drain "said""#,
                ],
            ),
            (
                "a check is left out of a new registration",
                vec![web(Passing), register(Some("w"), vec![], Replace)],
                &[r#"n1/w(Web)/c: passing@1000 -> none registration "said""#],
            ),
            (
                "a node goes with all that is on it",
                vec![
                    web(Passing),
                    register(Some("v"), vec![check("n", "", "", Warning)], Overwrite),
                    Command::DeregisterNode { node: "n1".into() },
                ],
                &[
                    r#"n1/v(Web)/: passing@0 -> none deregistration """#,
                    r#"n1/w(Web)/c: passing@1000 -> none deregistration "said""#,
                    r#"n1/()/n: warning@2000 -> none deregistration "said""#,
                ],
            ),
            (
                "two changes of a check in one command count as one",
                vec![
                    web(Passing),
                    register(
                        None,
                        vec![check("c", "w", "ttl", Warning), check("c", "w", "ttl", Critical)],
                        Overwrite,
                    ),
                ],
                &[r#"n1/w(Web)/c: passing@1000 -> critical report "said""#],
            ),
            (
                "there and back is none",
                vec![
                    web(Passing),
                    register(
                        None,
                        vec![check("c", "w", "ttl", Warning), check("c", "w", "ttl", Passing)],
                        Overwrite,
                    ),
                ],
                &[],
            ),
        ];
        for (name, commands, expected) in rows {
            assert_eq!(told(&commands), expected, "{name}");
        }
    }

    #[test]
    fn outputs_are_cut_at_a_character() {
        let web =
            || register(Some("w"), vec![check("c", "w", "ttl", Status::Passing)], ExistingChecks::Overwrite);
        for (output, kept_bytes) in
            [("x".repeat(256), 256), ("x".repeat(257), 256), (format!("{}ä", "x".repeat(255)), 255)]
        {
            let told = told(&[web(), update("c", Status::Critical, Cause::Probe, &output)]);
            assert_eq!(told[0].matches('x').count(), kept_bytes, "{output}");
        }
    }
}
