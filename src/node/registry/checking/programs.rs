//! Which checks may run a program: those that the definition files of this start or of the last reload hold, in these
//! very words.
//!
//! No record says so of itself, whatever its origin: records come out of snapshots, other servers and files that
//! somebody may have written. A check with a program that is not armed is kept and shown as it stands, and is neither
//! run nor reaped. Decides only; knows no clock and runs nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::health::{CheckKey, Saved};
use crate::core::model::{Check, CheckDefinition, Origin, Probe};

/// The checks with a program that definition files hold, by id. All are on the agent's own node.
#[derive(Clone, Debug, Default)]
pub struct Armed(Arc<HashMap<Text, Arc<CheckDefinition>>>);

impl Armed {
    /// Those among the checks that definition files hold.
    pub fn by<'a>(checks: impl Iterator<Item = &'a Check>) -> Armed {
        let armed = checks.filter(|check| is_program(&check.definition));
        Armed(Arc::new(armed.map(|check| (check.id.clone(), check.definition.clone())).collect()))
    }

    /// Whether a check of the agent may be: it runs no program, or one that a definition file has for it.
    pub fn allows(&self, check: &Check) -> bool {
        check.origin != Origin::Agent || !is_program(&check.definition) || self.has(check)
    }

    /// As [`Armed::allows`], where only the program itself is known for sure and not how often it is to run.
    pub fn allows_program_of(&self, check: &Check) -> bool {
        let has_program = || self.0.get(&check.id).is_some_and(|it| it.probe == check.definition.probe);
        check.origin != Origin::Agent || !is_program(&check.definition) || has_program()
    }

    fn has(&self, check: &Check) -> bool {
        self.0.get(&check.id).is_some_and(|armed| *armed == check.definition)
    }

    fn has_probe(&self, probe: &Probe) -> bool {
        self.0.values().any(|armed| armed.probe.as_ref() == Some(probe))
    }
}

/// Why a check with a program is refused, for whoever wants it in.
pub fn refusal(check: &Check) -> String {
    format!(
        "the check {:?} runs a program, and no definition file that this agent has read holds it like that; programs \
         are run for definition files alone: add it to one and reload, or leave the check out",
        check.id.as_str()
    )
}

/// Whether a definition is to run a program.
fn is_program(definition: &CheckDefinition) -> bool {
    matches!(definition.probe, Some(Probe::Script { .. }))
}

/// A check of the agent that would run a program.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its record.
    pub check: Arc<Check>,
    /// What was carried over of it from before the start.
    pub saved: Option<Saved>,
}

/// What is armed, and the checks with a program that the catalog holds.
#[derive(Debug, Default)]
pub struct ArmedPrograms {
    armed: Armed,
    /// Those that are watched, by id.
    watched: HashMap<Text, Candidate>,
    /// Those that are kept and not run, by id.
    kept: HashMap<Text, Candidate>,
}

/// What follows when other programs are armed.
#[derive(Debug, Default)]
pub struct Rearmed {
    /// These are to be watched from now on.
    pub begin: Vec<Candidate>,
    /// These are to be watched no more.
    pub end: Vec<Text>,
}

impl ArmedPrograms {
    /// What is armed now.
    pub fn armed(&self) -> Armed {
        self.armed.clone()
    }

    /// Takes over how a check of the agent stands in the catalog: whether it may be watched.
    pub fn take(&mut self, check: &Arc<Check>, saved: Option<Saved>) -> bool {
        self.forget(&check.id);
        if !is_program(&check.definition) {
            return true;
        }
        let is_armed = self.armed.has(check);
        let place = if is_armed { &mut self.watched } else { &mut self.kept };
        place.insert(check.id.clone(), Candidate { check: check.clone(), saved });
        is_armed
    }

    /// The check is gone from the catalog.
    pub fn forget(&mut self, id: &Text) {
        if !(self.watched.is_empty() && self.kept.is_empty()) {
            self.watched.remove(id);
            self.kept.remove(id);
        }
    }

    /// Arms these and no others. A check that is armed in other words is about to be registered in them: until then it
    /// is watched on, and not run.
    pub fn arm(&mut self, armed: Armed) -> Rearmed {
        self.armed = armed;
        let armed = &self.armed;
        let begin: Vec<_> = self.kept.extract_if(|_, it| armed.has(&it.check)).collect();
        let end: Vec<_> = self.watched.extract_if(|id, _| !armed.0.contains_key(id)).collect();
        let ids = end.iter().map(|(id, _)| id.clone()).collect();
        let rearmed = Rearmed { begin: begin.iter().map(|(_, it)| it.clone()).collect(), end: ids };
        self.watched.extend(begin);
        self.kept.extend(end);
        rearmed
    }

    /// Ids of the checks that are kept and not run, in order.
    pub fn kept(&self) -> Vec<Text> {
        let mut ids: Vec<Text> = self.kept.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    /// Whether this may be run for a check at this moment.
    pub fn may_run(&self, key: &CheckKey, probe: &Probe) -> bool {
        let is_armed = || self.armed.0.get(&key.check_id).is_some_and(|it| it.probe.as_ref() == Some(probe));
        !matches!(probe, Probe::Script { .. }) || is_armed()
    }

    /// Whether this may be run at this moment, for whichever check.
    pub fn may_run_at_all(&self, probe: &Probe) -> bool {
        !matches!(probe, Probe::Script { .. }) || self.armed.has_probe(probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, program: &str) -> Arc<Check> {
        let probe = Some(Probe::Script { args: vec![program.into()] });
        let definition = CheckDefinition { probe, ..CheckDefinition::default() };
        let (id, origin) = (id.into(), Origin::Agent);
        Arc::new(Check { id, definition: definition.into(), origin, ..Check::default() })
    }

    fn armed(checks: &[&Arc<Check>]) -> Armed {
        Armed::by(checks.iter().map(|check| &***check))
    }

    fn ids(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|it| it.check.id.as_str()).collect()
    }

    #[test]
    fn only_what_a_file_holds_in_these_words_is_watched() {
        let (own, other) = (check("a", "true"), check("a", "false"));
        let mut programs = ArmedPrograms::default();
        assert!(!programs.take(&own, None), "nothing is armed");
        assert!(programs.take(&Arc::default(), None), "what runs no program needs no arming");
        assert!(ids(&programs.arm(armed(&[&other])).begin).is_empty(), "another program under the same id");
        assert_eq!(ids(&programs.arm(armed(&[&own])).begin), ["a"]);
        let key = CheckKey::new("own", "a");
        let probe = |check: &Arc<Check>| check.definition.probe.clone().unwrap();
        assert!(programs.may_run(&key, &probe(&own)) && !programs.may_run(&key, &probe(&other)));
        assert!(!programs.take(&other, None), "the record says something else now");
        assert_eq!(programs.kept(), ["a"]);
        assert!(programs.take(&own, None) && programs.kept().is_empty());
        let rearmed = programs.arm(armed(&[&other]));
        assert!(rearmed.begin.is_empty() && rearmed.end.is_empty(), "it is about to be registered anew");
        assert!(!programs.may_run(&key, &probe(&own)), "and is not run until then");
        assert_eq!(programs.arm(Armed::default()).end, ["a"]);
        programs.forget(&"a".into());
        assert!(programs.arm(armed(&[&own])).begin.is_empty());
    }

    #[test]
    fn records_of_others_need_no_file() {
        let own = check("a", "true");
        let of_catalog = Check { origin: Origin::Catalog, ..Check::clone(&own) };
        let slower = Check {
            definition: CheckDefinition {
                interval: std::time::Duration::from_secs(9),
                ..CheckDefinition::clone(&own.definition)
            }
            .into(),
            ..Check::clone(&own)
        };
        let rows = [(&of_catalog, false, true, true), (&own, false, false, false), (&own, true, true, true)];
        for (check, is_armed, allows, allows_program) in
            rows.into_iter().chain([(&slower, true, false, true)])
        {
            let armed = if is_armed { armed(&[&own]) } else { Armed::default() };
            assert_eq!((armed.allows(check), armed.allows_program_of(check)), (allows, allows_program));
        }
    }
}
