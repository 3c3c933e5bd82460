//! From definitions to what the agent's node shall hold, or to everything that is wrong with them. The one way for a
//! start, a reload and `muster validate`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::base::stdx::text::Text;
use crate::base::sys::host;
use crate::config::definitions::{Definition, DefinitionKind};
use crate::config::problem::Problem;
use crate::core::model::criticality;
use crate::core::model::limits::{CHECKS_PER_SERVICE_MAX, SERVICES_PER_NODE_MAX};
use crate::core::model::target::TargetPolicy;
use crate::core::model::validate::probes::Scripts;
use crate::core::model::{Defined, Registration};
use crate::wire::intake::definition::{check_definition, service_definition};
use crate::wire::intake::{AgentNode, Invalid};

/// Keys of an instance that can be wrong by themselves, whatever stands beside them.
const ALONE: &[&str] = &["id", "address", "port", "meta", "tags", "weights", "taggedaddresses", "connect"];

/// What files define, worked out.
#[derive(Debug, Default)]
pub struct Planned {
    /// Each instance with the checks of it, wherever these stand, and other checks by what they are of.
    pub defined: Vec<Defined>,
    /// Things to tell the operator that are no reason to refuse.
    pub warnings: Vec<String>,
}

/// What definitions are judged by.
#[derive(Clone, Debug)]
pub struct PlanTerms {
    /// Whose node they are of.
    pub agent: AgentNode,
    /// Whether they may name programs.
    pub scripts: Scripts,
    /// Where checks may go; not known where the settings are wrong.
    pub targets: Option<TargetPolicy>,
}

impl PlanTerms {
    /// What holds for a registration over HTTP too, beyond what can be read.
    fn judged(&self, read: Result<Registration, Invalid>) -> Result<Registration, String> {
        let read = read.map_err(|error| error.to_string())?;
        read.check_own_ids().map_err(|refusal| refusal.to_string())?;
        let mut probes = read.checks.iter().filter_map(|check| check.definition.probe.as_ref());
        let refusal = |probe| self.targets.as_ref()?.refusal(probe, host::has_address);
        match probes.find_map(refusal) {
            Some(refusal) => Err(format!("Invalid check: {refusal}")),
            None => Ok(read),
        }
    }

    fn service(&self, value: &Value) -> Result<Registration, String> {
        self.judged(service_definition(value, &self.agent, self.scripts))
    }
}

/// Works out what `definitions`, instances first, define on the agent's node. `registered` knows instances that no file
/// defines: `None` when there is none of that id, else what its metadata say of its criticality. Of two definitions of
/// the same thing the later one counts.
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn plan(
    definitions: &[Definition],
    terms: &PlanTerms,
    registered: impl Fn(&Text) -> Option<Option<Text>>,
) -> Result<Planned, Vec<Problem>> {
    let (mut plan, mut problems) = (Plan::default(), Vec::new());
    for definition in definitions {
        let read = match definition.kind {
            DefinitionKind::Service => read_service(definition, terms),
            DefinitionKind::Check => read_check(definition, terms, &plan, &registered),
        };
        match read {
            Ok(read) => problems.extend(plan.add(definition, read)),
            Err(refused) => problems.extend(refused),
        }
    }
    let instances = plan.planned.defined.iter().filter(|it| it.service.is_some()).count();
    if let Some(last) = definitions.last().filter(|_| instances > SERVICES_PER_NODE_MAX) {
        let complaint = format!("the files define {instances} instances");
        problems.push(last.problem("services", complaint, format!("define at most {SERVICES_PER_NODE_MAX}")));
    }
    if problems.is_empty() { Ok(plan.planned) } else { Err(problems) }
}

#[derive(Default)]
struct Plan<'d> {
    planned: Planned,
    /// Positions in `planned.defined` by the id of the instance.
    positions: HashMap<Text, usize>,
    /// Which definition each instance and each check comes from.
    services: HashMap<Text, &'d Definition>,
    checks: HashMap<Text, (Text, &'d Definition)>,
}

impl<'d> Plan<'d> {
    /// What the metadata of an instance say that is defined; `None` when it is not.
    fn criticality(&self, service_id: &Text) -> Option<Option<Text>> {
        let service = self.planned.defined[*self.positions.get(service_id)?].service.as_ref()?;
        Some(service.meta.as_ref().and_then(|meta| meta.get(criticality::META_KEY).cloned()))
    }

    fn add(&mut self, definition: &'d Definition, read: Registration) -> Option<Problem> {
        let of_service = read.service.as_ref().map(|service| service.id.clone());
        let of_check = || read.checks.first().map(|check| check.service_id.clone());
        let service_id = of_service.clone().or_else(of_check).unwrap_or_default();
        let defined = &mut self.planned.defined;
        let at = *self.positions.entry(service_id.clone()).or_insert_with(|| {
            defined.push(Defined { service_id: service_id.clone(), ..Defined::default() });
            defined.len() - 1
        });
        if let Some(other) = of_service.and_then(|id| self.services.insert(id, definition)) {
            let warning = format!("{definition} takes the place of {other}: both have the id {service_id:?}");
            self.planned.warnings.push(warning);
            self.planned.defined[at].checks.clear();
        }
        if read.service.is_some() {
            self.planned.defined[at].service = read.service;
        }
        for check in read.checks {
            if let Some((of, other)) = self.checks.insert(check.id.clone(), (service_id.clone(), definition))
                && let Some(position) = self.positions.get(&of)
            {
                let checks = &mut self.planned.defined[*position].checks;
                let before = checks.len();
                checks.retain(|other| other.id != check.id);
                if checks.len() < before {
                    let id = check.id.as_str();
                    let warning = format!(
                        "a check of {definition} takes the place of one of {other}: both have the id {id:?}"
                    );
                    self.planned.warnings.push(warning);
                }
            }
            self.planned.defined[at].checks.push(check);
        }
        let count = self.planned.defined[at].checks.len();
        (count > CHECKS_PER_SERVICE_MAX).then(|| {
            let complaint = format!("with it there are {count} checks of {service_id:?}");
            let remedy = format!("define at most {CHECKS_PER_SERVICE_MAX} checks of one instance");
            definition.problem(&definition.path, complaint, remedy)
        })
    }
}

fn read_check(
    definition: &Definition,
    terms: &PlanTerms,
    plan: &Plan<'_>,
    registered: &impl Fn(&Text) -> Option<Option<Text>>,
) -> Result<Registration, Vec<Problem>> {
    let known = |id: &Text| plan.criticality(id).or_else(|| registered(id));
    let read = check_definition(&definition.value, &terms.agent, terms.scripts, |id| known(id).flatten());
    let read = terms.judged(read).map_err(|error| vec![refused(definition, &definition.path, &error)])?;
    let unknown = read.checks.iter().find(|it| !it.service_id.is_empty() && known(&it.service_id).is_none());
    match unknown {
        None => Ok(read),
        Some(check) => {
            let complaint = format!("there is no instance with the id {:?}", check.service_id.as_str());
            let remedy =
                "name one that a file defines, or leave the key out for a check of the node".to_owned();
            let path = format!("{}.service_id", definition.path);
            Err(vec![definition.problem(&path, complaint, remedy)])
        }
    }
}

/// Reads an instance; where it is refused, its parts one by one, so that all that is wrong is told.
fn read_service(definition: &Definition, terms: &PlanTerms) -> Result<Registration, Vec<Problem>> {
    let whole = match terms.service(&definition.value) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let (path, mut problems) = (&definition.path, Vec::new());
    let empty = Map::new();
    let object = definition.value.as_object().unwrap_or(&empty);
    let folded = |key: &str| key.replace('_', "").to_ascii_lowercase();
    let name = object.iter().find(|(key, _)| folded(key) == "name").map(|(_, name)| name.clone());
    let is_named = name.as_ref().and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let mut beside = Map::from_iter([("name".to_owned(), name.filter(|_| is_named).unwrap_or("x".into()))]);
    let mut try_alone = |path: String, beside: &Map<String, Value>, key: &str, value: &Value| {
        let mut alone = beside.clone();
        alone.insert(key.to_owned(), value.clone());
        if let Err(error) = terms.service(&Value::Object(alone)) {
            problems.push(refused(definition, &path, &error));
            return false;
        }
        true
    };
    let named = if is_named { beside["name"].clone() } else { "".into() };
    if !try_alone(format!("{path}.name"), &Map::new(), "name", &named) {
        // Said once, and not of all that stands beside it.
        beside.insert("name".to_owned(), "x".into());
    }
    let is_alone = |key: &str| ALONE.contains(&folded(key).as_str());
    for (key, value) in object.iter().filter(|(key, _)| is_alone(key)) {
        let is_good = try_alone(format!("{path}.{key}"), &beside, key, value);
        if is_good && folded(key) == "meta" {
            // It may say how much depends on the instance, and so what its checks may leave out.
            beside.insert(key.clone(), value.clone());
        }
    }
    for (key, value) in object {
        match (folded(key).as_str(), value) {
            ("check", check) => drop(try_alone(format!("{path}.{key}"), &beside, "check", check)),
            ("checks", Value::Array(checks)) => {
                for (at, check) in checks.iter().enumerate() {
                    try_alone(
                        format!("{path}.{key}[{at}]"),
                        &beside,
                        "checks",
                        &Value::Array(vec![check.clone()]),
                    );
                }
            }
            _ => {}
        }
    }
    if problems.is_empty() {
        problems.push(refused(definition, path, &whole));
    }
    Err(problems)
}

fn refused(definition: &Definition, path: &str, sentence: &str) -> Problem {
    definition.problem(path, sentence.trim_end().to_owned(), String::new())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::config::definitions::take;
    use crate::wire::decode::audit::Form;

    fn planned(value: Value, registered: Option<Option<Text>>) -> Result<Planned, Vec<Problem>> {
        let mut object = value.as_object().expect("an object").clone();
        let read = take(Path::new("web.json"), &mut object, Form::Json);
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        let agent = AgentNode { name: "own".into(), datacenter: "dc1".into() };
        let targets = TargetPolicy {
            own_listeners: vec!["127.0.0.1:8500".parse().expect("an address")],
            ..TargetPolicy::default()
        };
        let terms = PlanTerms { agent, scripts: Scripts::Off, targets: Some(targets) };
        plan(&read.definitions, &terms, |_| registered.clone())
    }

    #[test]
    fn what_the_agent_refuses_is_told_with_its_key() {
        let rows = [
            (json!({"service": {"port": 1}}), "service.name", "Missing service name"),
            (json!({"service": {"name": "a", "port": 99_999}}), "service.port", "between 0 and 65535"),
            (json!({"service": {"name": "a", "meta": {"a.b": "c"}}}), "service.meta", "invalid characters"),
            (
                json!({"service": {"name": "a", "check": {"http": "http://h/"}}}),
                "service.check",
                "Interval must be > 0",
            ),
            (
                json!({"service": {"name": "a", "checks": [{"ttl": "1s"}, {}]}}),
                "service.checks[1]",
                "TTL must be > 0",
            ),
            (
                json!({"service": {"name": "a", "connect": {"sidecar_service": {}}}}),
                "service.connect",
                "sidecars",
            ),
            (json!({"service": {"name": "a", "kind": "proxy"}}), "service", "Invalid service kind"),
            (
                json!({"check": {"name": "a", "args": ["b"], "interval": "5s"}}),
                "check",
                "enable_local_script_checks",
            ),
            (
                json!({"check": {"name": "a", "ttl": "5s", "service_id": "b"}}),
                "check.service_id",
                "no instance",
            ),
            (json!({"check": {"ttl": "5s"}}), "check", "Missing check name"),
            (
                json!({"service": {"name": "consul", "port": 1, "tags": ["a"]}}),
                "service.name",
                "muster's own",
            ),
            (json!({"service": {"name": "a", "id": "consul"}}), "service.id", "muster's own"),
            (
                json!({"service": {"name": "a", "check": {"id": "serfHealth", "ttl": "3s"}}}),
                "service.check",
                "muster's own",
            ),
            (json!({"check": {"name": "serfHealth", "ttl": "3s"}}), "check", "muster's own"),
            (
                json!({"check": {"name": "a", "http": "http://169.254.169.254/", "interval": "1s"}}),
                "check",
                "Invalid check: 169.254.169.254 is refused",
            ),
            (
                json!({"service": {"name": "a", "checks": [
                    {"ttl": "1s"},
                    {"tcp": "127.0.0.1:8500", "interval": "1s"},
                ]}}),
                "service.checks[1]",
                "muster itself listens there",
            ),
        ];
        for (value, key, said) in rows {
            let problems = planned(value.clone(), None).expect_err("it is wrong");
            let [problem] = &problems[..] else { panic!("{value}: {problems:?}") };
            assert_eq!(problem.key, key, "{value}");
            assert!(problem.complaint.contains(said), "{value}: {problem}");
        }
        let many = json!({"services": [{"port": -1, "check": {"tcp": "h:1"}}, {"name": "a", "weights": {"passing": 0}}],
                          "check": {"name": "c"}});
        let problems = planned(many, None).expect_err("it is wrong");
        let keys: Vec<&str> = problems.iter().map(|it| it.key.as_str()).collect();
        let expected =
            ["services[0].name", "services[0].port", "services[0].check", "services[1].weights", "check"];
        assert_eq!(keys, expected);
    }

    #[test]
    fn checks_stand_with_what_they_are_of() {
        let files = json!({
            "service": {"name": "web", "meta": {"criticality": "low"}, "check": {"ttl": "1s"}},
            "checks": [
                {"name": "a", "tcp": "h:1", "service_id": "web"},
                {"name": "b", "ttl": "1s"},
                {"name": "c", "tcp": "h:1", "service_id": "db"},
            ],
        });
        let planned = planned(files, Some(Some("critical".into()))).expect("it is right");
        let shown = |defined: &Defined| {
            let checks = defined.checks.iter();
            let checks = checks.map(|it| format!("{} {}", it.id, it.definition.interval.as_secs()));
            (defined.service_id.to_string(), checks.collect::<Vec<_>>().join(","))
        };
        let shown: Vec<_> = planned.defined.iter().map(shown).collect();
        let expected = [("web", "service:web 0,a 60"), ("", "b 0"), ("db", "c 2")];
        assert_eq!(shown, expected.map(|(id, checks)| (id.to_owned(), checks.to_owned())));
        assert!(planned.warnings.is_empty());
    }

    #[test]
    fn of_two_with_one_id_the_later_counts_and_it_is_said() {
        let files = json!({
            "services": [{"name": "web", "port": 1, "check": {"ttl": "1s"}}, {"name": "web", "port": 2}],
            "checks": [{"name": "a", "ttl": "1s"}, {"name": "a", "ttl": "2s"}],
        });
        let planned = planned(files, None).expect("it is right");
        assert_eq!(planned.warnings.len(), 2, "{:?}", planned.warnings);
        assert!(planned.warnings[0].contains("services[1]"), "{:?}", planned.warnings);
        assert_eq!(planned.defined[0].service.as_ref().map(|it| it.port), Some(2));
        assert_eq!((planned.defined[0].checks.len(), planned.defined[1].checks.len()), (0, 1));
    }

    #[test]
    fn checks_of_one_instance_are_bounded_wherever_they_stand() {
        let file = |count: usize| {
            let of = |number: usize| json!({"name": format!("c{number}"), "ttl": "1s", "service_id": "web"});
            let checks: Vec<Value> = (0..count).map(of).collect();
            json!({"service": {"name": "web"}, "checks": checks})
        };
        assert!(planned(file(CHECKS_PER_SERVICE_MAX), None).is_ok());
        let problems = planned(file(CHECKS_PER_SERVICE_MAX + 1), None).expect_err("one too many");
        assert!(problems.len() == 1 && problems[0].key == "checks[64]", "{problems:?}");
    }
}
