//! The same state seen through different answers: each becomes a table of rows, a key and what is said of it, so that
//! what is missing, what is too much and what is wrong can be told apart.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ledger::{Instance, NAMES};
use crate::support::process::NODE_NAME;

/// A table: key and content, both for people.
pub type Rows = BTreeMap<String, String>;

/// A question whose answer is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum View {
    /// `catalog/service/NAME`
    Instances(&'static str),
    /// `health/service/NAME?passing`: with the check of each instance.
    Passing(&'static str),
    /// `agent/services`
    Agent,
    /// `catalog/services`
    Names,
    /// `catalog/nodes`
    Nodes,
    /// `health/state/WORD`
    Checks(&'static str),
}

/// Every view, in the order in which a reader asks for them.
pub fn all() -> Vec<View> {
    let by_name = NAMES.iter().flat_map(|name| [View::Passing(name), View::Instances(name)]);
    let others = [View::Agent, View::Names, View::Nodes, View::Checks("any"), View::Checks("critical")];
    by_name.chain(others).collect()
}

impl View {
    pub fn target(self) -> String {
        match self {
            View::Instances(name) => format!("/v1/catalog/service/{name}"),
            View::Passing(name) => format!("/v1/health/service/{name}?passing"),
            View::Agent => "/v1/agent/services".to_owned(),
            View::Names => "/v1/catalog/services".to_owned(),
            View::Nodes => "/v1/catalog/nodes".to_owned(),
            View::Checks(word) => format!("/v1/health/state/{word}"),
        }
    }

    /// The same question as a blocking query.
    pub fn blocking_target(self, index: u64, wait: &str) -> String {
        let target = self.target();
        let joint = if target.contains('?') { '&' } else { '?' };
        format!("{target}{joint}index={index}&wait={wait}")
    }

    /// Whether the answer carries an index that a blocking query may name.
    pub fn is_indexed(self) -> bool {
        self != View::Agent
    }

    /// The table in an answer's body. What has another shape becomes rows that match nothing.
    pub fn rows(self, body: &Value) -> Rows {
        let list = || body.as_array().into_iter().flatten();
        let map = || body.as_object().into_iter().flatten();
        match self {
            View::Instances(_) => list().map(catalog_row).collect(),
            View::Passing(_) => list().map(passing_row).collect(),
            View::Agent => map().map(|(_, service)| service_row(NODE_NAME, service)).collect(),
            View::Names => map().map(|(name, tags)| (name.clone(), tag_set(tags))).collect(),
            View::Nodes => list().map(|node| (text(&node["Node"]), text(&node["Address"]))).collect(),
            View::Checks(_) => list().map(check_row).collect(),
        }
    }

    /// The rows that these instances make.
    pub fn expected<'a>(self, instances: impl Iterator<Item = &'a Instance>) -> Rows {
        match self {
            View::Instances(name) => instances.filter(|it| it.name == name).map(row_of).collect(),
            View::Passing(name) => instances.filter(|it| it.name == name).map(row_with_check_of).collect(),
            View::Agent => instances.filter(|it| it.node == NODE_NAME).map(row_of).collect(),
            View::Names => {
                let mut tags: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
                for instance in instances {
                    let known = tags.entry(instance.name.to_owned()).or_default();
                    known.extend(instance.tags.iter().map(String::as_str));
                }
                tags.into_iter().map(|(name, tags)| (name, format!("{tags:?}"))).collect()
            }
            View::Nodes | View::Checks("critical") => Rows::new(),
            View::Checks(_) => instances.map(check_row_of).collect(),
        }
    }
}

/// Key and content of an instance in [`View::Passing`], the one that shows all of it.
pub fn row_with_check_of(instance: &Instance) -> (String, String) {
    let (key, content) = row_of(instance);
    (key, format!("{content}, {}: passing, {}", instance.check_id(), instance.notes()))
}

fn row_of(instance: &Instance) -> (String, String) {
    let Instance { node, id, name, port, tags, revision } = instance;
    (format!("{node}/{id}"), format!("{name}:{port} {tags:?} revision {revision}"))
}

fn check_row_of(instance: &Instance) -> (String, String) {
    let Instance { node, id, name, .. } = instance;
    let (check_id, notes) = (instance.check_id(), instance.notes());
    (format!("{node}/{check_id}"), format!("passing, {notes}, of {id} ({name}), says \"\""))
}

fn catalog_row(row: &Value) -> (String, String) {
    let key = format!("{}/{}", text(&row["Node"]), text(&row["ServiceID"]));
    let content = (&row["ServiceName"], &row["ServicePort"], &row["ServiceTags"], &row["ServiceMeta"]);
    (key, content_shown(content))
}

fn service_row(node: &str, service: &Value) -> (String, String) {
    let content = (&service["Service"], &service["Port"], &service["Tags"], &service["Meta"]);
    (format!("{node}/{}", text(&service["ID"])), content_shown(content))
}

fn passing_row(entry: &Value) -> (String, String) {
    let (key, mut content) = service_row(&text(&entry["Node"]["Node"]), &entry["Service"]);
    for check in entry["Checks"].as_array().into_iter().flatten() {
        if check["ServiceID"] == entry["Service"]["ID"] {
            let (id, status, notes) =
                (text(&check["CheckID"]), text(&check["Status"]), text(&check["Notes"]));
            content += &format!(", {id}: {status}, {notes}");
        }
    }
    (key, content)
}

fn check_row(check: &Value) -> (String, String) {
    let shown = ["Status", "Notes", "ServiceID", "ServiceName", "Output"].map(|key| text(&check[key]));
    let [status, notes, id, name, output] = shown;
    let key = format!("{}/{}", text(&check["Node"]), text(&check["CheckID"]));
    (key, format!("{status}, {notes}, of {id} ({name}), says {output:?}"))
}

fn content_shown((name, port, tags, meta): (&Value, &Value, &Value, &Value)) -> String {
    let tags: Vec<String> = tags.as_array().into_iter().flatten().map(text).collect();
    format!("{}:{port} {tags:?} revision {}", text(name), text(&meta["revision"]))
}

fn tag_set(tags: &Value) -> String {
    let tags: BTreeSet<String> = tags.as_array().into_iter().flatten().map(text).collect();
    format!("{tags:?}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What is wrong between two tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Acknowledged and not there.
    pub lost: usize,
    /// There, though its end was acknowledged or it never was.
    pub resurrected: usize,
    /// There with another content, or any other answer that is not the truth.
    pub wrong: usize,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.lost += other.lost;
        self.resurrected += other.resurrected;
        self.wrong += other.wrong;
    }

    pub fn is_clean(self) -> bool {
        self == Tally::default()
    }
}

/// Compares two tables; the sentences say each difference.
pub fn compare(expected: &Rows, found: &Rows) -> (Tally, Vec<String>) {
    let (mut tally, mut sentences) = (Tally::default(), Vec::new());
    for (key, content) in expected {
        match found.get(key) {
            Some(other) if other == content => {}
            Some(other) => {
                tally.wrong += 1;
                sentences.push(format!("wrong: {key}: {other}; acknowledged was {content}"));
            }
            None => {
                tally.lost += 1;
                sentences.push(format!("lost: {key}: {content}"));
            }
        }
    }
    for (key, content) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
        tally.resurrected += 1;
        sentences.push(format!("resurrected: {key}: {content}"));
    }
    (tally, sentences)
}

#[test]
fn differences_are_told_apart() {
    let rows = |pairs: &[(&str, &str)]| -> Rows {
        pairs.iter().map(|(key, content)| ((*key).to_owned(), (*content).to_owned())).collect()
    };
    let (tally, sentences) =
        compare(&rows(&[("a", "1"), ("b", "2"), ("c", "3")]), &rows(&[("b", "2"), ("c", "4"), ("d", "5")]));
    assert_eq!(tally, Tally { lost: 1, resurrected: 1, wrong: 1 });
    assert_eq!(sentences.len(), 3);
    assert!(compare(&rows(&[("a", "1")]), &rows(&[("a", "1")])).0.is_clean());
}
