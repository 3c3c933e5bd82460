//! THE table of routes: every path muster answers, with its method and its handler.
//!
//! The router, the metrics' labels and the tests all read these rows. A path that ends in `/` takes the rest of the
//! request's path as its argument, to the letter after decoding: ids may hold blanks, slashes and dots.

use crate::api::call::{Call, Outcome};
use crate::api::{
    absent, agent_checks, agent_health, agent_info, agent_services, cache_report, catalog, drain, explain,
    health, history, kv, maintenance, operations, snapshot, stream, webhooks,
};

/// One row.
pub struct Route {
    /// How the path reads, or how it begins when it ends in `/`.
    pub path: &'static str,
    /// Which methods are meant.
    pub verb: Verb,
    /// Answers the request.
    pub handler: fn(&mut Call<'_, '_>) -> Outcome,
    /// What Consul has at the path and muster does not, in a few words; `None` for what is served.
    pub absent: Option<&'static str>,
}

/// What a route does with the registry, in Consul's methods. Where Consul takes PUT, POST is taken too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads: GET and HEAD.
    Get,
    /// Writes: PUT and POST.
    Put,
    /// Reads and writes; the handler tells them apart.
    GetOrPut,
    /// Reads, writes and removes; the handler tells them apart.
    GetPutOrDelete,
    /// Whatever the method, the answer is the same.
    Any,
}

const fn get(path: &'static str, handler: fn(&mut Call<'_, '_>) -> Outcome) -> Route {
    Route { path, verb: Verb::Get, handler, absent: None }
}

const fn put(path: &'static str, handler: fn(&mut Call<'_, '_>) -> Outcome) -> Route {
    Route { path, verb: Verb::Put, handler, absent: None }
}

const fn any(path: &'static str, handler: fn(&mut Call<'_, '_>) -> Outcome) -> Route {
    Route { path, verb: Verb::Any, handler, absent: None }
}

const fn get_or_put(path: &'static str, handler: fn(&mut Call<'_, '_>) -> Outcome) -> Route {
    Route { path, verb: Verb::GetOrPut, handler, absent: None }
}

const fn get_put_or_delete(path: &'static str, handler: fn(&mut Call<'_, '_>) -> Outcome) -> Route {
    Route { path, verb: Verb::GetPutOrDelete, handler, absent: None }
}

/// A path of Consul's that is not served: clients are told so, for they read 404 as "there is no such key".
const fn absent(path: &'static str, what: &'static str) -> Route {
    Route { path, verb: Verb::Any, handler: absent::answer, absent: Some(what) }
}

/// All routes, by chapter of Consul's API; muster's own last.
pub const ROUTES: &[Route] = &[
    get("/v1/agent/self", agent_info::own),
    get("/v1/agent/members", agent_info::members),
    get("/v1/agent/host", agent_info::host),
    get("/v1/agent/version", agent_info::version),
    get("/v1/agent/metrics", agent_info::metrics),
    put("/v1/agent/reload", agent_info::reload),
    put("/v1/agent/leave", agent_info::leave),
    put("/v1/agent/maintenance", maintenance::node),
    get("/v1/agent/services", agent_services::list),
    get("/v1/agent/service/", agent_services::read),
    put("/v1/agent/service/register", agent_services::register),
    put("/v1/agent/service/deregister/", agent_services::deregister),
    put("/v1/agent/service/maintenance/", maintenance::service),
    get("/v1/agent/checks", agent_checks::list),
    put("/v1/agent/check/register", agent_checks::register),
    put("/v1/agent/check/deregister/", agent_checks::deregister),
    put("/v1/agent/check/pass/", agent_checks::pass),
    put("/v1/agent/check/warn/", agent_checks::warn),
    put("/v1/agent/check/fail/", agent_checks::fail),
    put("/v1/agent/check/update/", agent_checks::update),
    get("/v1/agent/health/service/id/", agent_health::by_id),
    get("/v1/agent/health/service/name/", agent_health::by_name),
    put("/v1/catalog/register", catalog::register),
    put("/v1/catalog/deregister", catalog::deregister),
    get("/v1/catalog/datacenters", catalog::datacenters),
    get("/v1/catalog/nodes", catalog::nodes),
    get("/v1/catalog/services", catalog::services),
    get("/v1/catalog/service/", catalog::service),
    get("/v1/catalog/node/", catalog::node),
    get("/v1/catalog/node-services/", catalog::node_services),
    get("/v1/health/node/", health::node),
    get("/v1/health/checks/", health::checks),
    get("/v1/health/service/", health::service),
    get("/v1/health/state/", health::state),
    any("/v1/acl/", agent_info::acl_disabled),
    any("/v1/agent/token/", agent_info::acl_disabled),
    get_or_put(snapshot::PATH, snapshot::save_or_restore),
    get("/v1/status/leader", agent_info::leader),
    get("/v1/status/peers", agent_info::peers),
    get_put_or_delete(kv::PATH, kv::one_or_many),
    absent("/v1/session/", "sessions"),
    absent("/v1/txn", "transactions"),
    absent("/v1/event/", "events"),
    absent("/v1/query", "prepared queries"),
    absent("/v1/query/", "prepared queries"),
    absent("/v1/coordinate/", "network coordinates"),
    get("/v1/operator/raft/configuration", agent_info::raft_configuration),
    absent("/v1/operator/", "Raft or gossip to operate"),
    absent("/v1/config", "configuration entries"),
    absent("/v1/config/", "configuration entries"),
    absent("/v1/discovery-chain/", "mesh"),
    absent("/v1/connect/", "mesh"),
    absent("/v1/agent/connect/", "mesh"),
    absent("/v1/catalog/connect/", "mesh"),
    absent("/v1/catalog/gateway-services/", "mesh"),
    absent("/v1/health/connect/", "mesh"),
    absent("/v1/health/ingress/", "mesh"),
    absent("/v1/exported-services", "mesh"),
    absent("/v1/imported-services/", "mesh"),
    absent("/v1/agent/join/", "cluster to join: it is one server"),
    absent("/v1/agent/force-leave/", "cluster whose members could be made to leave: it is one server"),
    absent("/v1/agent/monitor", "log over HTTP: read it where muster writes it"),
    absent("/v1/internal/", "reads for Consul's user interface"),
    absent("/v1/peering", "peerings"),
    absent("/v1/peering/", "peerings"),
    absent("/v1/peerings", "peerings"),
    get("/v1/muster/cache", cache_report::show),
    get("/v1/muster/drain", drain::list),
    get_or_put("/v1/muster/drain/", drain::one),
    get("/v1/muster/explain", explain::query),
    get("/v1/muster/explain/", explain::instance),
    get("/v1/muster/history/check/", history::check),
    get("/v1/muster/history/service/", history::service),
    get("/v1/muster/history/node/", history::node),
    get("/v1/muster/stream", stream::open),
    get("/v1/muster/webhooks", webhooks::list),
    get("/v1/muster/webhooks/dead/", webhooks::dead),
    put("/v1/muster/webhooks/retry/", webhooks::retry),
    put("/v1/muster/webhooks/discard/", webhooks::discard),
    get("/health", operations::health),
    get("/livez", operations::live),
    get("/readyz", operations::ready),
    get("/metrics", operations::metrics),
    get("/", operations::root),
];
