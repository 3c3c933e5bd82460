//! What reads cost: each one pays for what grows with the registry, and what costs too much goes to a lane.

mod sharing;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::base::stdx::meter::Meter;
use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::telemetry::metrics::Metrics;
use crate::core::model::{
    Command, DrainOrder, ExistingChecks, NodePart, Observation, Registration, Service, Status,
};
use crate::net::http::{Exchange, Handler, Method, Request, Response, SharedBody};
use crate::node::notify::{self, follower::intake};
use crate::node::registry::Registry;
use crate::node::registry::publish::Follower;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::node::registry::tests::{open_followed, register, ttl_check};
use crate::surface::answers::body_history::{Events, Rendering};
use crate::surface::answers::cache::CacheBounds;
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::api::Backend;
use crate::surface::context::host::{CertificatesEnd, HostProcess, Spooling, StoreFacts};
use crate::surface::context::rights::Rights;
use crate::surface::dispatch::Dispatch;
use crate::surface::dispatch::body_limit::BodyLimit;
use crate::surface::dispatch::route::Verb;
use crate::surface::dispatch::routes::{ROUTES, Row};
use crate::surface::slow_reads::{self, LaneRequest};
use crate::surface::{kv, snapshot};

/// What a read may spend in these tests.
const UNITS: u64 = 600;

/// Records of each kind in a small registry, and in one that is large beside [`UNITS`].
const FEW: usize = 5;
const MANY: usize = 2_600;

/// A process that does nothing.
struct Idle;

impl HostProcess for Idle {
    fn reload(&self) -> Result<(), String> {
        Ok(())
    }

    fn may_leave(&self) -> bool {
        false
    }

    fn leave(&self) {}

    fn is_draining(&self) -> bool {
        false
    }

    fn store(&self) -> StoreFacts {
        StoreFacts { kind: "memory", guarantee: "none", redis: None }
    }

    fn certificates_end(&self) -> Option<CertificatesEnd> {
        None
    }

    fn debug_config(&self) -> Arc<serde_json::Map<String, serde_json::Value>> {
        Arc::default()
    }

    fn spooling(&self) -> Spooling {
        Spooling { directory: std::env::temp_dir(), room_bytes_min: 0 }
    }

    fn spooled_bytes_max(&self) -> u64 {
        1 << 20
    }

    fn snapshot_bytes_max(&self) -> usize {
        1 << 20
    }

    fn snapshot_time_max(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn bootstrap_reset_file(&self) -> Option<PathBuf> {
        None
    }

    fn snapshot_terms(&self) -> RowRules {
        RowRules::default()
    }
}

/// An API over a registry with so many instances of `web` on the agent's node, each drained and with a check that has a
/// history, and with so many other nodes, each with a service of its own.
fn api(count: usize) -> Arc<Dispatch> {
    caching(count, CacheBounds { entries_max: 0, bytes_max: 0 })
}

/// The same, which keeps so many bodies.
fn caching(count: usize, cache: CacheBounds) -> Arc<Dispatch> {
    let dispatch = over(open_followed, cache);
    let registry = &dispatch.api.registry;
    for number in 0..count {
        let id = Text::from(format!("web-{number}"));
        registry.write(register(&id, Some(ttl_check(&id)))).unwrap();
        let observation = Observation { status: Status::Passing, output: "well".into() };
        registry.report(&format!("service:{id}").as_str().into(), observation).unwrap();
        let order = DrainOrder::Begin {
            deadline: Duration::from_secs(3_600),
            deregister: false,
            reason: Text::default(),
        };
        registry.write(Command::Drain { node: "own".into(), service_id: id, order }).unwrap();
        registry.write(elsewhere(number)).unwrap();
    }
    dispatch
}

/// An API over the registry that `open` opens, which keeps so many bodies.
pub(super) fn over(
    open: impl FnOnce(Vec<Box<dyn Follower>>) -> Registry,
    cache: CacheBounds,
) -> Arc<Dispatch> {
    let (feed, inbox) = intake();
    let registry = Arc::new(open(vec![Box::new(feed)]));
    let metrics = Arc::new(Metrics::new().unwrap());
    let notifier = notify::tests::begun(inbox, &registry, &metrics, Vec::new());
    let (notifier, host) = (Arc::new(notifier), Arc::new(Idle));
    Dispatch::new(Backend { registry, notifier, metrics, host, clock: Clock }, cache, 10).unwrap()
}

fn elsewhere(number: usize) -> Command {
    let name = Text::from(format!("n{number:05}"));
    let service =
        Service { id: "s".into(), name: format!("s{number}").as_str().into(), ..Service::default() };
    Command::Register(Box::new(Registration {
        node: NodePart::Set {
            name,
            id: Text::default(),
            address: "192.0.2.1".into(),
            tagged_addresses: None,
            meta: None,
            keep_existing: false,
        },
        service: Some(service),
        checks: Vec::new(),
        existing_checks: ExistingChecks::KeepStatus,
    }))
}

/// Whether a read grows with the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    Grows,
    Stays,
}

use Cost::{Grows, Stays};

/// `(route, target, cost)` for every route that reads, apart from those of [`OTHERWISE`].
const READS: &[(&str, &str, Cost)] = &[
    ("/v1/agent/self", "/v1/agent/self", Grows),
    ("/v1/agent/members", "/v1/agent/members", Stays),
    ("/v1/agent/host", "/v1/agent/host", Stays),
    ("/v1/agent/version", "/v1/agent/version", Stays),
    ("/v1/agent/metrics", "/v1/agent/metrics", Stays),
    ("/v1/agent/services", "/v1/agent/services", Grows),
    ("/v1/agent/service/", "/v1/agent/service/web-1", Stays),
    ("/v1/agent/checks", "/v1/agent/checks", Grows),
    ("/v1/agent/health/service/id/", "/v1/agent/health/service/id/web-1", Stays),
    ("/v1/agent/health/service/id/", "/v1/agent/health/service/id/none", Stays),
    ("/v1/agent/health/service/name/", "/v1/agent/health/service/name/web", Grows),
    ("/v1/agent/health/service/name/", "/v1/agent/health/service/name/s1", Stays),
    ("/v1/catalog/datacenters", "/v1/catalog/datacenters", Stays),
    ("/v1/catalog/nodes", "/v1/catalog/nodes", Grows),
    ("/v1/catalog/services", "/v1/catalog/services", Grows),
    ("/v1/catalog/services", "/v1/catalog/services?filter=ServiceName+!=+none", Grows),
    ("/v1/catalog/service/", "/v1/catalog/service/web", Grows),
    ("/v1/catalog/service/", "/v1/catalog/service/web?delta=1", Grows),
    ("/v1/catalog/service/", "/v1/catalog/service/s1", Stays),
    ("/v1/catalog/node/", "/v1/catalog/node/own", Grows),
    ("/v1/catalog/node/", "/v1/catalog/node/n00001", Stays),
    ("/v1/catalog/node/", "/v1/catalog/node/none", Grows),
    ("/v1/catalog/node-services/", "/v1/catalog/node-services/own", Grows),
    ("/v1/catalog/node-services/", "/v1/catalog/node-services/40e4", Grows),
    ("/v1/health/node/", "/v1/health/node/own", Grows),
    ("/v1/health/checks/", "/v1/health/checks/web", Grows),
    ("/v1/health/service/", "/v1/health/service/web", Grows),
    ("/v1/health/service/", "/v1/health/service/web?passing&panic_threshold=50", Grows),
    ("/v1/health/service/", "/v1/health/service/web?delta=1", Grows),
    ("/v1/health/service/", "/v1/health/service/s1", Stays),
    ("/v1/health/state/", "/v1/health/state/any", Grows),
    ("/v1/health/state/", "/v1/health/state/passing", Grows),
    ("/v1/health/state/", "/v1/health/state/critical", Stays),
    // While access control is off; what it costs otherwise is shown beside it.
    ("/v1/acl/replication", "/v1/acl/replication", Stays),
    ("/v1/acl/policies", "/v1/acl/policies", Stays),
    ("/v1/acl/policy/", "/v1/acl/policy/none", Stays),
    ("/v1/acl/policy/name/", "/v1/acl/policy/name/none", Stays),
    ("/v1/acl/roles", "/v1/acl/roles", Stays),
    ("/v1/acl/role/", "/v1/acl/role/none", Stays),
    ("/v1/acl/role/name/", "/v1/acl/role/name/none", Stays),
    ("/v1/acl/tokens", "/v1/acl/tokens", Stays),
    ("/v1/acl/token/", "/v1/acl/token/none", Stays),
    ("/v1/acl/token/self", "/v1/acl/token/self", Stays),
    ("/v1/status/leader", "/v1/status/leader", Stays),
    ("/v1/status/peers", "/v1/status/peers", Stays),
    ("/v1/operator/raft/configuration", "/v1/operator/raft/configuration", Stays),
    ("/v1/muster/cache", "/v1/muster/cache", Stays),
    ("/v1/muster/drain", "/v1/muster/drain", Grows),
    ("/v1/muster/drain/", "/v1/muster/drain/web-1", Stays),
    ("/v1/muster/explain", "/v1/muster/explain?service=web", Grows),
    ("/v1/muster/explain", "/v1/muster/explain?service=s1", Stays),
    ("/v1/muster/explain/", "/v1/muster/explain/web-1", Stays),
    ("/v1/muster/explain/", "/v1/muster/explain/none", Grows),
    ("/v1/muster/history/check/", "/v1/muster/history/check/none", Grows),
    ("/v1/muster/history/service/", "/v1/muster/history/service/web-1", Stays),
    ("/v1/muster/history/service/", "/v1/muster/history/service/none", Grows),
    ("/v1/muster/history/node/", "/v1/muster/history/node/own?limit=1", Grows),
    ("/v1/muster/webhooks", "/v1/muster/webhooks", Stays),
    ("/v1/muster/webhooks/dead/", "/v1/muster/webhooks/dead/none", Stays),
    ("/health", "/health", Stays),
    ("/livez", "/livez", Stays),
    ("/readyz", "/readyz", Stays),
    ("/metrics", "/metrics", Stays),
    ("/", "/", Stays),
];

/// Routes that have bounds of their own: snapshots have places, keys are paid for one by one, and streams are shown
/// below.
const OTHERWISE: &[&str] = &[
    snapshot::PATH,
    kv::PATH,
    "/v1/muster/stream",
    // As many rows as are kept, and one request.
    "/v1/muster/acl/denials",
    "/v1/muster/acl/explain",
];

#[test]
fn every_read_is_listed_with_what_it_costs() {
    let reads = |Row(route, _): &&Row| route.is_served && !matches!(route.verb, Verb::Put | Verb::Any);
    for Row(route, _) in ROUTES.iter().filter(reads) {
        let is_listed = READS.iter().any(|(path, ..)| *path == route.path) || OTHERWISE.contains(&route.path);
        assert!(is_listed, "{}: say what it costs", route.path);
    }
}

#[test]
fn the_table_says_how_large_bodies_may_be() {
    let dispatch = api(0);
    for Row(route, _) in ROUTES {
        let is_snapshot = route.body_limit == BodyLimit::Snapshot;
        for (method, is_write) in [(Method::Get, false), (Method::Put, true), (Method::Post, true)] {
            let bound = dispatch.body_bound(method, route.path);
            let stated = bound.map(|bound| (bound.setting, bound.is_read_by_handler));
            assert_eq!(stated, (is_snapshot && is_write).then_some(("limits.snapshot_bytes_max", true)));
        }
        assert!(!(is_snapshot && route.path.ends_with('/')), "{}: it is looked for as a whole", route.path);
        assert_eq!(route.body_limit == BodyLimit::Value, route.path == kv::PATH);
    }
}

#[test]
fn what_grows_with_the_registry_is_paid_for() {
    let always = || true;
    let exhausts = |dispatch: &Dispatch, target: &str| {
        let request = Request::get(target).unwrap();
        let (mut response, meter) = (Response::new(200), Meter::new(UNITS, usize::MAX, &always));
        dispatch.dispatch(&Rights::Everything, &mut Exchange::detached(&request), &mut response, &meter);
        meter.is_exhausted()
    };
    let (small, large) = (api(FEW), api(MANY));
    for (_, target, cost) in READS {
        assert!(!exhausts(&small, target), "{target} costs little where there is little");
        assert_eq!(exhausts(&large, target), *cost == Grows, "{target} where there is much");
    }
}

/// How many costly reads had this outcome.
fn costly_reads(dispatch: &Dispatch, outcome: &str) -> f64 {
    let samples = dispatch.api.metrics.samples();
    let wanted = |labels: &BTreeMap<String, String>| labels.values().any(|label| label == outcome);
    let found =
        samples.iter().find(|(name, labels, _)| name == "muster_costly_reads_total" && wanted(labels));
    found.map_or(0.0, |(_, _, value)| *value)
}

#[test]
fn a_stream_begins_with_what_a_lane_has_made() {
    let dispatch = api(FEW);
    let status = |target: &str| {
        let (request, mut response) = (Request::get(target).unwrap(), Response::new(200));
        dispatch.handle(&mut Exchange::detached(&request), &mut response);
        response.status
    };
    assert_eq!((status("/v1/muster/stream?service=web"), costly_reads(&dispatch, "answered")), (200, 0.0));
    for number in FEW..20_000 {
        dispatch.api.registry.write(register(&format!("web-{number}"), None)).unwrap();
    }
    for (number, filter) in ["", "&passing", "&filter=Service.ID+!=+none"].iter().enumerate() {
        assert_eq!(status(&format!("/v1/muster/stream?service=web{filter}")), 200);
        assert_eq!(costly_reads(&dispatch, "answered"), 1.0 + number as f64, "not on the worker: {filter:?}");
    }
    // There is room for the last of them.
    status("/v1/muster/stream?service=web&filter=Service.ID+!=+none");
    assert_eq!(costly_reads(&dispatch, "answered"), 3.0, "what is made already is shared");
}

#[test]
fn streams_that_ask_the_same_share_one_making_and_bytes_are_bounded() {
    let dispatch = api(0);
    let slow_reads = &dispatch.api.resources.slow_reads;
    let request = Request::get("/v1/muster/stream?service=web").unwrap();
    let wanted = |key: &str| LaneRequest::by(&request, AnswerKey::of_target(key));
    let made = Arc::new(AtomicUsize::new(0));
    let events = || Rendering {
        body: SharedBody::new(b"x".to_vec()),
        index: 1,
        panic: None,
        hides: false,
        events: Events::default(),
    };
    let (begun, has_begun) = channel();
    let (release, released) = channel::<()>();
    std::thread::scope(|threads| {
        // One that holds the lane until all others have come.
        threads.spawn(|| {
            let hold = move |_: &Meter<'_>| {
                begun.send(()).unwrap();
                released.recv().unwrap();
                Some(events())
            };
            let mut exchange = Exchange::detached(&request);
            slow_reads.events(wanted("held"), &mut exchange, hold).unwrap();
        });
        has_begun.recv().unwrap();
        for _ in 0..3 * slow_reads::LANE_SHARE_MAX {
            threads.spawn(|| {
                let counted = made.clone();
                let make = move |_: &Meter<'_>| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    Some(events())
                };
                slow_reads.events(wanted("same"), &mut Exchange::detached(&request), make).unwrap();
            });
        }
        while slow_reads.readers(&wanted("same")) < 3 * slow_reads::LANE_SHARE_MAX {
            std::thread::yield_now();
        }
        release.send(()).unwrap();
    });
    assert_eq!(made.load(Ordering::Relaxed), 1);
    let too_large = move |meter: &Meter<'_>| {
        let fits = meter.spend_bytes(0, usize::MAX);
        fits.then(events)
    };
    let refused = slow_reads.events(wanted("large"), &mut Exchange::detached(&request), too_large);
    let Err(slow_reads::Unmade::Refused(error)) = refused else { panic!("it has more bytes than there are") };
    assert!(error.status == 503 && error.message.contains("limits.transit_bytes_max"), "{}", error.message);
}
