//! What a reader has after following: the instances of one service, built up from differences alone. Strict: whatever a
//! difference says that is not one is a failure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::subscriber::Event;

/// Instances by node and id, in the shape of the plain answer.
pub type Instances = BTreeMap<(String, String), Value>;

/// The instances of a plain answer, of health or of the catalog.
pub fn instances(answer: &Value) -> Instances {
    answer.as_array().expect("a list").iter().map(|entry| (key(entry), entry.clone())).collect()
}

fn key(entry: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let health = (text(&entry["Node"]["Node"]), text(&entry["Service"]["ID"]));
    let catalog = (text(&entry["Node"]), text(&entry["ServiceID"]));
    match (health, catalog) {
        ((Some(node), Some(id)), _) | (_, (Some(node), Some(id))) => (node, id),
        _ => panic!("no instance: {entry}"),
    }
}

/// Takes over an answer to `?delta`; gives its index.
///
/// # Panics
/// When it says what is no difference.
pub fn apply_delta(replica: &mut Instances, delta: &Value) -> u64 {
    let full = delta["Full"].as_bool().expect("Full is a boolean");
    if full {
        replica.clear();
    }
    for removed in delta["Removed"].as_array().expect("a list") {
        let name = |key: &str| removed[key].as_str().expect("a name").to_owned();
        let removed = replica.remove(&(name("Node"), name("ID")));
        assert!(removed.is_some() && !full, "who is removed was there: {delta}");
    }
    for entry in delta["Changed"].as_array().expect("a list") {
        let before = replica.insert(key(entry), entry.clone());
        assert_ne!(before.as_ref(), Some(entry), "who changed looks different");
    }
    delta["Index"].as_u64().expect("an index")
}

/// Takes over an event of a stream; gives the name of the service it is of.
///
/// # Panics
/// When it says what is no difference.
pub fn apply_event(replicas: &mut BTreeMap<String, Instances>, event: &Event) -> Option<String> {
    if event.kind == "bookmark" {
        assert_eq!(event.data["Index"].as_u64(), event.id, "{event:?}");
        return None;
    }
    let service = event.data["Service"].as_str().expect("a name").to_owned();
    assert!(event.data["Index"].as_u64().is_some(), "{event:?}");
    let replica = replicas.entry(service.clone()).or_default();
    let entry = &event.data["Entry"];
    match event.kind.as_str() {
        "snapshot" => *replica = instances(&event.data["Entries"]),
        "add" => assert!(replica.insert(key(entry), entry.clone()).is_none(), "new: {event:?}"),
        "update" => {
            let before = replica.insert(key(entry), entry.clone());
            assert!(before.is_some_and(|before| before != *entry), "known and different: {event:?}");
        }
        "remove" => {
            let name = |key: &str| event.data[key].as_str().expect("a name").to_owned();
            assert!(replica.remove(&(name("Node"), name("ID"))).is_some(), "known: {event:?}");
        }
        kind => panic!("no event of a stream: {kind}"),
    }
    Some(service)
}
