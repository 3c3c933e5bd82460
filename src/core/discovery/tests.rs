//! Questions and their answers, as tables: no request and no registry is needed.

use std::sync::Arc;
use std::time::Duration;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::core::catalog::instance::{Instance, Position};
use crate::core::catalog::service_log::Aspect;
use crate::core::catalog::service_table::InstanceDiff;
use crate::core::discovery::difference::ListDifference;
use crate::core::discovery::listing::Listing;
use crate::core::discovery::panic::PanicSettings;
use crate::core::discovery::query::{ExclusionReason, ServiceQuery};
use crate::core::filter;
use crate::core::filter::decision::Filter;
use crate::core::filter::record::{FieldValue, Record};
use crate::core::filter::schema::{FieldKind, Schema};
use crate::core::model::{Cause, Check, Node, Service, Status};

/// Shows an instance's tags and status, and no more.
#[derive(Debug)]
struct TestListing;

/// What may be asked of that.
const SHOWN: Schema =
    Schema(&[("Datacenter", FieldKind::Text), ("Tags", FieldKind::TextList), ("Status", FieldKind::Text)]);

struct Shown<'a>(&'a Instance, &'a str);

impl Record for Shown<'_> {
    fn field(&self, name: &str) -> FieldValue<'_> {
        match name {
            "Datacenter" => FieldValue::Text(self.1),
            "Tags" => FieldValue::TextList(&self.0.service.tags),
            "Status" => FieldValue::Text(self.0.status().as_str()),
            _ => FieldValue::Absent,
        }
    }
}

impl Listing for TestListing {
    fn matches(
        &self,
        _: Aspect,
        datacenter: &str,
        instance: &Instance,
        filter: &Filter,
        meter: &Meter<'_>,
    ) -> bool {
        filter.matches_within(&Shown(instance, datacenter), meter)
    }

    fn look_alike(&self, _: Aspect, left: &Instance, right: &Instance) -> bool {
        left.service.tags == right.service.tags && left.status() == right.status()
    }
}

/// Asks for every instance of the service.
fn everything() -> ServiceQuery {
    ServiceQuery {
        service: "web".into(),
        aspect: Aspect::Health,
        listing: &TestListing,
        tags: Vec::new(),
        node_meta: Vec::new(),
        passing_only: false,
        panic: None,
        filter: None,
        near: None,
        datacenter: "dc1".into(),
    }
}

fn filtered_by(expression: &str) -> ServiceQuery {
    let filter = filter::parse(expression).and_then(|it| it.bind_untried(&SHOWN));
    ServiceQuery { filter: Some(filter.expect("the filter is sound").into()), ..everything() }
}

/// The instance `web` on the node, whose check has this status since second 100.
fn instance(node: &str, tags: &[&str], status: Status) -> Arc<Instance> {
    let meta = [("rack".into(), Text::from(&node[..1]))].into_iter().collect();
    let node = Node { name: node.into(), meta: Some(meta), ..Node::default() };
    let tags = tags.iter().map(|tag| Text::from(*tag)).collect();
    let service = Service { id: "web".into(), name: "web".into(), tags, ..Service::default() };
    let check = Check {
        id: "c".into(),
        service_id: "web".into(),
        status,
        status_since_ms: 100_000,
        status_cause: Cause::Probe,
        ..Check::default()
    };
    Arc::new(Instance { node: node.into(), service: service.into(), checks: Box::new([check.into()]) })
}

fn fleet() -> Vec<Arc<Instance>> {
    vec![
        instance("A1", &["Blue", "v1"], Status::Passing),
        instance("a2", &["blue"], Status::Critical),
        instance("b1", &["größe"], Status::Passing),
        instance("b2", &[], Status::Warning),
    ]
}

fn names(instances: &[Arc<Instance>]) -> Vec<&str> {
    instances.iter().map(|instance| instance.node.name.as_str()).collect()
}

/// Queries, and the nodes whose instances they choose, in order.
fn rows() -> Vec<(ServiceQuery, &'static [&'static str])> {
    let tags = |tags: &[&str]| tags.iter().map(|&tag| tag.to_owned()).collect::<Vec<_>>();
    let half = Some(PanicSettings { threshold_percent: 40, window: Duration::from_secs(30) });
    let node_meta = vec![("rack".into(), "b".into())];
    vec![
        (everything(), &["A1", "a2", "b1", "b2"]),
        (ServiceQuery { tags: tags(&["blue"]), ..everything() }, &["A1", "a2"]),
        (ServiceQuery { tags: tags(&["blue", "v1"]), ..everything() }, &["A1"]),
        (ServiceQuery { tags: tags(&["größe"]), ..everything() }, &["b1"]),
        (ServiceQuery { node_meta: node_meta.clone(), ..everything() }, &["b1", "b2"]),
        (ServiceQuery { passing_only: true, ..everything() }, &["A1", "b1"]),
        (ServiceQuery { passing_only: true, panic: half, ..everything() }, &["A1", "a2", "b1", "b2"]),
        (ServiceQuery { node_meta, passing_only: true, panic: half, ..everything() }, &["b1", "b2"]),
        (ServiceQuery { near: Some("b1".into()), ..everything() }, &["b1", "A1", "a2", "b2"]),
        (ServiceQuery { near: Some("a1".into()), passing_only: true, ..everything() }, &["A1", "b1"]),
        (ServiceQuery { near: Some("z".into()), ..everything() }, &["A1", "a2", "b1", "b2"]),
        (filtered_by("Datacenter == dc1 and Status == critical"), &["a2"]),
        (ServiceQuery { passing_only: true, ..filtered_by("Tags is empty") }, &[]),
    ]
}

#[test]
fn a_query_chooses_in_answer_order() {
    for (query, expected) in rows() {
        let selected = query.select(fleet(), &Meter::boundless());
        assert_eq!(names(&selected.instances), expected, "{query:?}");
        assert_eq!(selected.panic.is_some(), query.panic.is_some(), "{query:?}");
        let before_filter = query.select_unfiltered(fleet(), &Meter::boundless()).instances.len();
        assert!(query.filter.is_some() || before_filter == expected.len(), "{query:?}");
    }
}

#[test]
fn what_keeps_an_instance_out_is_told_in_order() {
    let blue = vec!["blue".to_owned()];
    let all = ServiceQuery {
        tags: blue,
        node_meta: vec![("rack".into(), "a".into())],
        passing_only: true,
        ..filtered_by("Tags contains v1")
    };
    let meter = Meter::boundless();
    let reason = |node, tags, status| all.exclusion(&instance(node, tags, status), None, &meter);
    assert_eq!(reason("b", &[], Status::Critical), Some(ExclusionReason::Tag("blue")));
    assert_eq!(reason("b", &["blue"], Status::Critical), Some(ExclusionReason::NodeMeta("rack", "a")));
    assert_eq!(reason("a", &["blue"], Status::Critical), Some(ExclusionReason::Failing));
    assert_eq!(reason("a", &["blue"], Status::Passing), Some(ExclusionReason::Filter));
    assert_eq!(reason("a", &["blue", "v1"], Status::Passing), None);
}

/// Whoever looks at an instance pays for it: what a meter cannot pay for is not chosen, and the meter knows.
#[test]
fn what_is_chosen_is_paid_for() {
    let goes_on = || true;
    let costs = |query: &ServiceQuery, units: u64| {
        let meter = Meter::new(units, usize::MAX, &goes_on);
        query.select(fleet(), &meter);
        !meter.is_exhausted()
    };
    let panic = Some(PanicSettings { threshold_percent: 99, window: Duration::from_secs(30) });
    let many_tags = ServiceQuery { tags: vec!["blue".to_owned(); 64], ..everything() };
    // A unit for the look at each of the four and one to ask the filter, if there is one or not.
    let rows = [
        (everything(), 8),
        // One for each that is judged; two of them fail, and are asked no further.
        (ServiceQuery { passing_only: true, panic, ..everything() }, 4 + 4 + 2),
        // 64 tags are compared with two, one, one and none; two have them all.
        (many_tags, (1 + 4) + (1 + 2) + (1 + 2) + 1 + 2),
    ];
    for (query, units) in rows {
        assert!(costs(&query, units) && !costs(&query, units - 1), "{query:?}");
    }
}

fn told(difference: &ListDifference) -> (Vec<&str>, Vec<(&str, bool)>) {
    let changed = difference.changed.iter().map(|it| (it.instance.node.name.as_str(), it.is_new));
    (names(&difference.removed), changed.collect())
}

fn placed(instances: Vec<Arc<Instance>>) -> Vec<(Position, Arc<Instance>)> {
    instances.into_iter().map(|instance| (instance.position(), instance)).collect()
}

/// Records that are not the same may still look it: those are not told of.
#[test]
fn what_looks_as_before_has_not_changed() {
    let before = instance("a", &["blue"], Status::Passing);
    let node = Node { address: "10.0.0.1".into(), ..Node::clone(&before.node) };
    let after = Arc::new(Instance { node: node.into(), ..Instance::clone(&before) });
    let diff = InstanceDiff { before: Some(before), after: Some(after) };
    assert_eq!(told(&everything().difference_of([diff], &Meter::boundless())), (vec![], vec![]));
}

/// Two states of a service, and what is told of the way from one to the other.
#[test]
fn a_difference_is_that_of_two_answers() {
    let before = vec![
        instance("a", &["blue"], Status::Passing),
        instance("b", &["blue"], Status::Passing),
        instance("c", &["blue"], Status::Passing),
        instance("d", &[], Status::Passing),
        instance("e", &["blue"], Status::Passing),
    ];
    let after = vec![
        before[0].clone(),
        instance("b", &["blue", "v2"], Status::Passing),
        instance("c", &["blue"], Status::Critical),
        instance("d", &["blue"], Status::Passing),
        instance("E", &["blue"], Status::Passing),
        instance("f", &["green"], Status::Passing),
    ];
    let query = ServiceQuery { tags: vec!["blue".to_owned()], passing_only: true, ..everything() };
    let meter = Meter::boundless();
    let between = query.difference_between(placed(before.clone()), placed(after.clone()), &meter);
    let expected = (vec!["c", "e"], vec![("b", false), ("d", true), ("E", true)]);
    assert_eq!(told(&between), expected);
    // The same by the instances that have changed alone.
    let diffs =
        (1..6).map(|at| InstanceDiff { before: before.get(at).cloned(), after: after.get(at).cloned() });
    assert_eq!(told(&query.difference_of(diffs.clone(), &meter)), expected);
    let near = ServiceQuery { near: Some("e".into()), ..query };
    assert_eq!(told(&near.difference_of(diffs, &meter)).1, [("E", true), ("b", false), ("d", true)]);
}

/// In panic an instance that has not changed comes back into the answer for what has become of others.
#[test]
fn a_difference_knows_both_panics() {
    let panic = Some(PanicSettings { threshold_percent: 50, window: Duration::from_secs(30) });
    let query = ServiceQuery { passing_only: true, panic, ..everything() };
    let failing = instance("a", &[], Status::Critical);
    let states = [Status::Passing, Status::Critical].map(|status| {
        placed(vec![failing.clone(), instance("b", &[], status), instance("c", &[], Status::Passing)])
    });
    let [calm, worse] = states;
    let difference = query.difference_between(calm.clone(), worse.clone(), &Meter::boundless());
    assert_eq!(told(&difference), (vec![], vec![("a", true), ("b", false)]));
    assert_eq!(difference.panic.map(|panic| panic.kept), Some(2));
    let back = query.difference_between(worse, calm, &Meter::boundless());
    assert_eq!(told(&back), (vec!["a"], vec![("b", false)]));
    assert!(back.panic.is_none());
}
