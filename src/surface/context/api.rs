//! The API of one agent: what handlers work with.

use std::io;
use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::base::sys::clock::Clock;
use crate::base::sys::offload::Offload;
use crate::base::telemetry::families;
use crate::base::telemetry::metrics::{IntCounter, Metrics};
use crate::node::notify::Notifier;
use crate::node::registry::Registry;
use crate::surface::answers::Answers;
use crate::surface::answers::cache::CacheBounds;
use crate::surface::context::host::HostProcess;
use crate::surface::dispatch::route::Route;
use crate::surface::muster::stream::slots::StreamSlots;
use crate::surface::slow_reads::SlowReads;
use crate::surface::snapshot::places::Snapshots;

/// Threads that read files for answers; only `/v1/agent/host` does.
const FILE_THREADS: usize = 1;

/// Answers that may wait for that thread.
const FILE_QUEUE_MAX: usize = 16;

/// What an API answers from.
pub struct Backend {
    /// The records.
    pub registry: Arc<Registry>,
    /// The webhooks.
    pub notifier: Arc<Notifier>,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// The process around it.
    pub host: Arc<dyn HostProcess>,
    /// What time it is.
    pub clock: Clock,
}

/// See [`Api::find_route`].
pub(crate) type RouteFinder = Box<dyn Fn(&str) -> Option<(&'static Route, Text)> + Send + Sync>;

/// What handlers work with.
pub struct Api {
    pub(crate) registry: Arc<Registry>,
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) host: Arc<dyn HostProcess>,
    pub(crate) clock: Clock,
    /// Finds the row of the table of routes that a path leads to, and the rest of the path.
    pub(crate) find_route: RouteFinder,
    pub(crate) counters: ApiCounters,
    /// What is kept for whoever asks the same.
    pub(crate) answers: Answers,
    /// What there is little of.
    pub(crate) resources: Resources,
}

/// What answers may take of threads and places, each bounded.
pub(crate) struct Resources {
    /// Reads files.
    pub(crate) files: Offload,
    /// Makes what takes longer than a worker's turn.
    pub(crate) slow_reads: Arc<SlowReads>,
    /// Places and threads of snapshots.
    pub(crate) snapshots: Snapshots,
    /// Places of streams.
    pub(crate) streams: Arc<StreamSlots>,
}

/// What handlers count: accepted writes by kind of record, and answers in panic.
pub(crate) struct ApiCounters {
    pub(crate) registrations_node: IntCounter,
    pub(crate) registrations_service: IntCounter,
    pub(crate) registrations_check: IntCounter,
    pub(crate) deregistrations_node: IntCounter,
    pub(crate) deregistrations_service: IntCounter,
    pub(crate) deregistrations_check: IntCounter,
    pub(crate) answers_in_panic: IntCounter,
}

impl ApiCounters {
    fn new(metrics: &Metrics) -> ApiCounters {
        let registered = |kind| metrics.counter(families::REGISTRATIONS, &[kind]);
        let deregistered = |kind| metrics.counter(families::DEREGISTRATIONS, &[kind]);
        ApiCounters {
            registrations_node: registered("node"),
            registrations_service: registered("service"),
            registrations_check: registered("check"),
            deregistrations_node: deregistered("node"),
            deregistrations_service: deregistered("service"),
            deregistrations_check: deregistered("check"),
            answers_in_panic: metrics.counter(families::PANIC_ANSWERS, &[]),
        }
    }
}

impl Api {
    /// An API over `backend` that keeps as many answers as `cache` says of routes with these paths, with at most
    /// `streams_max` streams of changes.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub(crate) fn new(
        backend: Backend,
        cache: CacheBounds,
        (paths, find_route): (impl Iterator<Item = &'static str>, RouteFinder),
        streams_max: usize,
    ) -> io::Result<Api> {
        let Backend { registry, notifier, metrics, host, clock } = backend;
        let resources = Resources {
            files: Offload::new("api", FILE_THREADS, FILE_QUEUE_MAX)?,
            slow_reads: Arc::new(SlowReads::new(&metrics)?),
            snapshots: Snapshots::new(host.spooled_bytes_max())?,
            streams: Arc::new(StreamSlots::new(streams_max, &metrics)),
        };
        let streams = resources.streams.clone();
        metrics.read(families::STREAMS, &[], move || streams.open() as f64);
        let (counters, answers) = (ApiCounters::new(&metrics), Answers::new(cache, paths, &metrics));
        Ok(Api { registry, notifier, metrics, host, clock, find_route, counters, answers, resources })
    }
}
