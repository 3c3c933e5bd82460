//! Whether what readers are shown is what there is.

use std::fmt::Debug;
use std::sync::Arc;

use muster::base::stdx::text::Text;
use muster::core::catalog::instance::CheckView;
use muster::core::model::acl::AclRecord;
use muster::core::model::{Check, Node, Service, ServiceKey, Status, Transition};
use muster::node::registry::read_model::ReadModel;

use crate::registry::oracle::{Catalog, Place};

/// Transitions that are asked for at a time: more than there ever are.
const ALL: usize = 1_000_000;

/// Right, or what is not.
pub type Judged = Result<(), String>;

/// Holds everything that is shown against `catalog`.
pub fn compare(catalog: &Catalog, shown: &ReadModel) -> Judged {
    let views = &shown.views;
    same("the nodes", &views.nodes(), &catalog.nodes.values().cloned().collect())?;
    for key in catalog.nodes.keys() {
        let on_it = views.node(key, |record| {
            let services: Vec<Arc<Service>> = record.services().values().cloned().collect();
            (services, record.checks().values().cloned().collect::<Vec<Arc<Check>>>())
        });
        let services = catalog.services.iter().filter(|(place, _)| place.0 == *key);
        let checks = catalog.checks.iter().filter(|(place, _)| place.0 == *key);
        let expected = (services.map(|it| it.1.clone()).collect(), checks.map(|it| it.1.clone()).collect());
        same(&format!("what is on node {key}"), &on_it, &Some(expected))?;
    }
    let names =
        views.services(|entry| Some((entry.instances().len(), entry.tags().cloned().collect::<Vec<Text>>())));
    let names: Vec<_> =
        names.into_iter().map(|(name, (count, tags))| (ServiceKey::of(&name), count, tags)).collect();
    same("the names of services", &sorted(names), &service_names(catalog))?;
    for (key, _, _) in service_names(catalog) {
        let shown: Vec<_> = views
            .instances(&key)
            .iter()
            .map(|it| (it.node.clone(), it.service.clone(), it.checks.to_vec()))
            .collect();
        same(&format!("the instances of {key}"), &shown, &instances(catalog, &key))?;
    }
    for status in [None, Some(Status::Passing), Some(Status::Warning), Some(Status::Critical)] {
        let shown: Vec<_> = views.checks(status).into_iter().map(joined).collect();
        same(&format!("the checks in {status:?}"), &shown, &checks(catalog, status))?;
    }
    let pairs: Vec<_> = views.pairs(|table| table.under(&"".into())).iter().cloned().collect();
    same("the keys and values", &pairs, &catalog.pairs.values().cloned().collect())?;
    compare_access(catalog, shown)?;
    compare_history(catalog, &shown.history.since(0, ALL))
}

/// Holds policies, roles and tokens against the catalog's, however they are asked for.
fn compare_access(catalog: &Catalog, shown: &ReadModel) -> Judged {
    let expected: Vec<AclRecord> = catalog.acl.values().cloned().collect();
    shown.access.read(|state| {
        same("what access control holds", &state.iter().cloned().collect(), &expected)?;
        expected.iter().try_for_each(|record| {
            let found = match record {
                AclRecord::Token(token) => state.token(&token.secret).map(|it| AclRecord::Token(it.clone())),
                AclRecord::Bootstrap(_) => state.get(record.kind(), &record.id()).cloned(),
                _ => state.by_name(record.kind(), record.name()).cloned(),
            };
            same("what is found by name or secret", &found.as_ref(), &Some(record))
        })
    })
}

fn joined(view: CheckView) -> Joined {
    let labels = |service: Arc<Service>| (service.name.clone(), service.tags.clone());
    (view.node, view.service.map(labels), view.check)
}

/// A check with what is shown of its node and its instance.
type Joined = (Arc<Node>, Option<(Text, Vec<Text>)>, Arc<Check>);
type Instance = (Arc<Node>, Arc<Service>, Vec<Arc<Check>>);

fn service_names(catalog: &Catalog) -> Vec<(ServiceKey, usize, Vec<Text>)> {
    let mut keys: Vec<ServiceKey> = catalog.services.values().map(|it| ServiceKey::of(&it.name)).collect();
    keys.sort();
    keys.dedup();
    let describe = |key: ServiceKey| {
        let of_it = || catalog.instances_of(&key);
        let mut tags: Vec<Text> = of_it().flat_map(|(_, it)| it.tags.clone()).collect();
        tags.sort();
        tags.dedup();
        let count = of_it().count();
        (key, count, tags)
    };
    keys.into_iter().map(describe).collect()
}

fn instances(catalog: &Catalog, key: &ServiceKey) -> Vec<Instance> {
    let mut of_it: Vec<_> = catalog.instances_of(key).collect();
    of_it.sort_by_key(|(place, _)| (place.0.clone(), place.1.folded(), place.1.clone()));
    let instance = |((node, id), service): (&Place, &Arc<Service>)| {
        let bears = |check: &Arc<Check>| check.service_id.is_empty() || check.service_id == *id;
        let checks = catalog.checks.iter().filter(|(place, it)| place.0 == *node && bears(it));
        let mut checks: Vec<Arc<Check>> = checks.map(|it| it.1.clone()).collect();
        checks.sort_by_key(|it| (!it.service_id.is_empty(), it.id.folded(), it.id.clone()));
        (catalog.nodes[node].clone(), service.clone(), checks)
    };
    of_it.into_iter().map(instance).collect()
}

fn checks(catalog: &Catalog, status: Option<Status>) -> Vec<Joined> {
    let in_it = catalog.checks.iter().filter(|(_, it)| status.is_none_or(|status| it.status == status));
    let mut in_it: Vec<_> = in_it.collect();
    in_it.sort_by_key(|(place, _)| (place.0.clone(), place.1.folded(), place.1.clone()));
    let joined = |((node, _), check): (&Place, &Arc<Check>)| {
        let service = catalog.services.get(&(node.clone(), check.service_id.clone()));
        let service = service.map(|it| (it.name.clone(), it.tags.clone()));
        (catalog.nodes[node].clone(), service, check.clone())
    };
    in_it.into_iter().map(joined).collect()
}

/// Holds the history against the catalog's. Within one change the order is the registry's choice, but the positions
/// number it.
fn compare_history(catalog: &Catalog, shown: &[Arc<Transition>]) -> Judged {
    let in_order = |it: &&Arc<Transition>| (it.index, it.subject.clone());
    let (mut shown, mut expected): (Vec<_>, Vec<_>) =
        (shown.iter().collect(), catalog.history.iter().collect());
    shown.sort_by_key(in_order);
    expected.sort_by_key(in_order);
    if shown.len() != expected.len() {
        let what = "the number of transitions that are remembered";
        return same(what, &shown.len(), &expected.len());
    }
    for (shown, expected) in shown.iter().zip(&expected) {
        // Who asked is beside the command, and so beside what the oracle knows.
        let (position, caller) = (shown.position, shown.caller.clone());
        if (Transition { position, caller, ..Transition::clone(expected) }) != ***shown {
            same("a transition", shown, expected)?;
        }
    }
    let mut places: Vec<_> = shown.iter().map(|it| it.place()).collect();
    places.sort_unstable();
    if places.windows(2).any(|it| it[0] == it[1]) {
        return Err("two transitions have the same place".into());
    }
    // The newest transition of a check leads to the status that it shows.
    for (place, check) in &catalog.checks {
        let newest = shown.iter().rfind(|it| {
            it.subject.node == place.0
                && it.subject.check_id == place.1
                && it.subject.service_id == check.service_id
        });
        let led_to = newest.and_then(|it| it.to);
        if led_to.is_some_and(|status| status != check.status) {
            return Err(format!("{place:?} is {}, and its history ends with {newest:?}", check.status));
        }
    }
    Ok(())
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

fn same<T: PartialEq + Debug>(what: &str, shown: &T, expected: &T) -> Judged {
    if shown == expected {
        return Ok(());
    }
    Err(format!("{what}: shown is\n    {shown:?}\n  and right would be\n    {expected:?}"))
}
