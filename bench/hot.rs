//! The hot parts one by one: `cargo bench --bench hot [-- NAME]`.
//!
//! `part/…` calls the library: what one step costs, without sockets and threads. `request/…` asks the built program over
//! loopback on one connection: a whole round trip with nobody else there, of which the kernel takes the larger share.
//! The commit of the store has a bench of its own, `store.rs`.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use loadtest::client::Client;
use loadtest::scenario::Services;
use loadtest::seed;
use loadtest::servers::{Kind, Programs, Server};
use muster::core::catalog::state::{CatalogBounds, CatalogState, Moment};
use muster::core::catalog::update::Update;
use muster::core::filter;
use muster::core::model::{Command, ExistingChecks, NodePart, Registration};
use muster::net::http::Query;
use muster::node::registry::topics::Topics;
use muster::node::registry::views::Views;
use muster::surface::dispatch::router::Router;
use muster::wire::intake::{AgentNode, service_registration};
use muster::wire::json;
use muster::wire::select;
use muster::wire::show::health_entry::HealthEntry;

/// Instances of the service that is read: an answer of about 25 kB.
const INSTANCES: usize = 20;

const FILTER: &str = r#"Service.Meta.zone == "a" and "primary" in Service.Tags"#;

fn agent() -> AgentNode {
    AgentNode { name: "one".into(), datacenter: "dc1".into() }
}

fn registration(instance: usize, change: u64) -> Command {
    let body = seed::registration("web", instance, 1, &change.to_string());
    let read = service_registration(body.as_bytes(), ExistingChecks::KeepStatus, &agent());
    Command::Register(Box::new(read.expect("the body is sound")))
}

fn node() -> Command {
    let node = NodePart::Set {
        name: "one".into(),
        id: "40e4a748-2192-161a-0510-9bf59fe950b5".into(),
        address: "127.0.0.1".into(),
        tagged_addresses: None,
        meta: None,
        keep_existing: false,
    };
    let existing_checks = ExistingChecks::Overwrite;
    Command::Register(Box::new(Registration { node, service: None, checks: Vec::new(), existing_checks }))
}

/// A catalog of one service, and the views of it.
fn catalog() -> (CatalogState, Views) {
    let (mut state, views) = (CatalogState::new(&"one".into(), CatalogBounds::default()), Views::new(0));
    let commands = std::iter::once(node()).chain((0..INSTANCES).map(|it| registration(it, 0)));
    for (index, command) in (1..).zip(commands) {
        let changes = state.apply(Moment { index, now_ms: 0 }, command).expect("nothing forbids it");
        let update = views.prepare(Update::plan(&state, &changes), index);
        views.publish(&changes.into(), update, index);
    }
    (state, views)
}

fn parts(criterion: &mut Criterion) {
    let query = "passing&index=12345&wait=60s&filter=Service.Meta.zone%20%3D%3D%20%22a%22";
    criterion.bench_function("part/query", |bench| bench.iter(|| Query::parse(black_box(query))));

    let (router, path) = (Router::new(), "/v1/health/service/web");
    criterion.bench_function("part/route", |bench| {
        bench.iter(|| {
            black_box(router.find(black_box(path), path));
        });
    });

    let (body, agent) = (seed::registration("web", 7, 1, "1"), agent());
    criterion.bench_function("part/decode a registration", |bench| {
        bench.iter(|| service_registration(black_box(body.as_bytes()), ExistingChecks::KeepStatus, &agent));
    });

    let (mut state, views) = catalog();
    let mut index = 1_000;
    criterion.bench_function("part/apply a registration and publish it", |bench| {
        let next = |index: &mut u64| {
            *index += 1;
            (*index, registration(*index as usize % INSTANCES, *index))
        };
        bench.iter_batched(
            || next(&mut index),
            |(index, command)| {
                let changes = state.apply(Moment { index, now_ms: 0 }, command).expect("nothing forbids it");
                let update = views.prepare(Update::plan(&state, &changes), index);
                views.publish(&changes.into(), update, index)
            },
            BatchSize::SmallInput,
        );
    });

    let instances = views.instances(&"web".into());
    let entries = || instances.iter().map(|it| HealthEntry::new(&it.node, &it.service, &it.checks, "dc1"));
    criterion.bench_function("part/encode 20 instances", |bench| {
        bench.iter(|| json::list_to_vec(entries(), false));
    });

    let bind = |text| filter::parse(text).and_then(|it| it.bind(&select::INSTANCE)).expect("it is sound");
    criterion.bench_function("part/read a filter", |bench| bench.iter(|| bind(black_box(FILTER))));
    let filter = bind(FILTER);
    criterion.bench_function("part/filter 20 instances", |bench| {
        bench.iter(|| entries().filter(|entry| filter.matches(entry)).count());
    });

    let topics = Topics::new(1, 1);
    let topic = muster::core::catalog::topic::Topic::Health("web".into());
    let mut index = 1;
    criterion.bench_function("part/move a topic that nobody watches", |bench| {
        bench.iter(|| {
            index += 1;
            topics.advance([&topic], index).wake();
        });
    });
}

fn requests(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let muster = Some(PathBuf::from(env!("CARGO_BIN_EXE_muster")));
    let programs = Programs { muster, ..Programs::default() };
    let server = Server::registry(Kind::Muster, &programs, directory.path()).expect("muster starts");
    let web = Services { name: "web".into(), count: None, instances: INSTANCES, checks: 1 };
    seed::fill(server.address, &[web]).expect("the services are taken");
    let mut client = Client::new(server.address);
    let mut changer = Client::new(server.address);
    let mut change = 0;
    let mut register = |changer: &mut Client| {
        change += 1;
        let body = seed::registration("web", 0, 1, &change.to_string());
        let answer = changer.put("/v1/agent/service/register", &body).expect("muster answers");
        assert_eq!(answer.status, 200);
    };
    let path = "/v1/health/service/web?passing";
    let mut read = |path: &str, headers: &str| client.get(path, headers).expect("muster answers");

    criterion.bench_function("request/cached read", |bench| bench.iter(|| read(path, "")));
    let gzip = "Accept-Encoding: gzip\r\n";
    criterion.bench_function("request/cached read, gzip", |bench| bench.iter(|| read(path, gzip)));
    let mut port = 10_000;
    criterion.bench_function("request/read that misses", |bench| {
        bench.iter(|| {
            port += 1;
            read(&format!("{path}&filter=Service.Port!={port}"), "")
        });
    });
    criterion.bench_function("request/durable registration", |bench| bench.iter(|| register(&mut changer)));
    criterion.bench_function("request/durable registration seen by a blocking query", |bench| {
        let mut waiter = Client::new(server.address);
        let mut index = waiter.get(path, "").expect("muster answers").index.expect("it has an index");
        bench.iter(|| {
            std::thread::scope(|scope| {
                let (waiter, asked) = (&mut waiter, format!("{path}&index={index}"));
                let waiting = scope.spawn(move || waiter.get(&asked, ""));
                register(&mut changer);
                let answer = waiting.join().expect("waiting does not panic").expect("muster answers");
                index = answer.index.expect("it has an index");
            });
        });
    });
}

criterion_group!(hot, parts, requests);
criterion_main!(hot);
