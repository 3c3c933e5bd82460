//! THE table of routes: every path muster answers, with its method, its handler and what is known of it.
//!
//! The router, the metrics' labels, `docs/http-api.md` and the tests all read these rows. A path that ends in `/` takes
//! the rest of the request's path as its argument, to the letter after decoding: ids may hold blanks, slashes and dots.

use crate::api::route::Access::{ByMethod, Read, Write};
use crate::api::route::Permission::{Agent, Catalog, Key, Management, Operator};
use crate::api::route::Route;
use crate::api::{
    agent_checks, agent_health, agent_info, agent_services, cache_report, catalog, drain, explain, health,
    history, kv, maintenance, operations, snapshot, stream, webhooks,
};

/// All routes, by chapter of Consul's API; muster's own last.
pub const ROUTES: &[Route] = &[
    Route::get("/v1/agent/self", agent_info::own, "the agent: its configuration, its node, how it is")
        .needs(Agent(Read)),
    Route::get("/v1/agent/members", agent_info::members, "the members of the cluster: this server")
        .needs(Catalog(Read)),
    Route::get("/v1/agent/host", agent_info::host, "the machine that it runs on").needs(Operator(Read)),
    Route::get("/v1/agent/version", agent_info::version, "the version"),
    Route::get("/v1/agent/metrics", agent_info::metrics, "counters and gauges as JSON").needs(Agent(Read)),
    Route::put("/v1/agent/reload", agent_info::reload, "reads the configuration again").needs(Agent(Write)),
    Route::put("/v1/agent/leave", agent_info::leave, "ends the process, where `enable_leave` lets it")
        .needs(Agent(Write)),
    Route::put(
        "/v1/agent/maintenance",
        maintenance::node,
        "takes the agent's node out of service, or puts it back",
    )
    .needs(Catalog(Write)),
    Route::get("/v1/agent/services", agent_services::list, "the agent's services").needs(Catalog(Read)),
    Route::get("/v1/agent/service/", agent_services::read, "one of the agent's services, by id")
        .needs(Catalog(Read)),
    Route::put("/v1/agent/service/register", agent_services::register, "registers a service with its checks")
        .needs(Catalog(Write)),
    Route::put("/v1/agent/service/deregister/", agent_services::deregister, "removes a service, by id")
        .needs(Catalog(Write)),
    Route::put(
        "/v1/agent/service/maintenance/",
        maintenance::service,
        "takes a service out of service, or puts it back",
    )
    .needs(Catalog(Write)),
    Route::get("/v1/agent/checks", agent_checks::list, "the agent's checks").needs(Catalog(Read)),
    Route::put("/v1/agent/check/register", agent_checks::register, "registers a check").needs(Catalog(Write)),
    Route::put("/v1/agent/check/deregister/", agent_checks::deregister, "removes a check, by id")
        .needs(Catalog(Write)),
    Route::put("/v1/agent/check/pass/", agent_checks::pass, "reports that a TTL check passes")
        .needs(Catalog(Write)),
    Route::put("/v1/agent/check/warn/", agent_checks::warn, "reports a warning of a TTL check")
        .needs(Catalog(Write)),
    Route::put("/v1/agent/check/fail/", agent_checks::fail, "reports that a TTL check is critical")
        .needs(Catalog(Write)),
    Route::put(
        "/v1/agent/check/update/",
        agent_checks::update,
        "reports the status and output of a TTL check",
    )
    .needs(Catalog(Write)),
    Route::get(
        "/v1/agent/health/service/id/",
        agent_health::by_id,
        "the health of one instance, also as the status of the answer",
    )
    .needs(Catalog(Read)),
    Route::get(
        "/v1/agent/health/service/name/",
        agent_health::by_name,
        "the health of the agent's instances of a service",
    )
    .needs(Catalog(Read)),
    Route::put(
        "/v1/catalog/register",
        catalog::register,
        "writes a node, a service and checks into the catalog",
    )
    .needs(Catalog(Write)),
    Route::put(
        "/v1/catalog/deregister",
        catalog::deregister,
        "removes a node, a service or a check from the catalog",
    )
    .needs(Catalog(Write)),
    Route::get("/v1/catalog/datacenters", catalog::datacenters, "the datacenters: this one"),
    Route::get("/v1/catalog/nodes", catalog::nodes, "all nodes").needs(Catalog(Read)).cached(),
    Route::get("/v1/catalog/services", catalog::services, "all services with their tags")
        .needs(Catalog(Read))
        .cached(),
    Route::get("/v1/catalog/service/", catalog::service, "the instances of a service")
        .needs(Catalog(Read))
        .cached(),
    Route::get("/v1/catalog/node/", catalog::node, "a node with its services by id")
        .needs(Catalog(Read))
        .cached(),
    Route::get("/v1/catalog/node-services/", catalog::node_services, "a node with its services as a list")
        .needs(Catalog(Read))
        .cached(),
    Route::get("/v1/health/node/", health::node, "the checks of a node").needs(Catalog(Read)).cached(),
    Route::get("/v1/health/checks/", health::checks, "the checks of a service").needs(Catalog(Read)).cached(),
    Route::get(
        "/v1/health/service/",
        health::service,
        "the instances of a service with their nodes and checks",
    )
    .needs(Catalog(Read))
    .cached(),
    Route::get("/v1/health/state/", health::state, "the checks in a state").needs(Catalog(Read)).cached(),
    Route::any("/v1/acl/", agent_info::acl_disabled, "says that access control is off"),
    Route::any("/v1/agent/token/", agent_info::acl_disabled, "says that access control is off"),
    Route::get_or_put(snapshot::PATH, snapshot::save_or_restore, "the snapshot of all records; restores one")
        .needs(Management),
    Route::get("/v1/status/leader", agent_info::leader, "the address of this server"),
    Route::get("/v1/status/peers", agent_info::peers, "the address of this server, in a list"),
    Route::get_put_or_delete(kv::PATH, kv::one_or_many, "reads, writes and removes keys")
        .needs(Key(ByMethod))
        .cached(),
    Route::absent("/v1/session/", "sessions"),
    Route::absent("/v1/txn", "transactions"),
    Route::absent("/v1/event/", "events"),
    Route::absent("/v1/query", "prepared queries"),
    Route::absent("/v1/query/", "prepared queries"),
    Route::absent("/v1/coordinate/", "network coordinates"),
    Route::get(
        "/v1/operator/raft/configuration",
        agent_info::raft_configuration,
        "the servers that vote: this one",
    )
    .needs(Operator(Read)),
    Route::absent("/v1/operator/", "Raft or gossip to operate"),
    Route::absent("/v1/config", "configuration entries"),
    Route::absent("/v1/config/", "configuration entries"),
    Route::absent("/v1/discovery-chain/", "mesh"),
    Route::absent("/v1/connect/", "mesh"),
    Route::absent("/v1/agent/connect/", "mesh"),
    Route::absent("/v1/catalog/connect/", "mesh"),
    Route::absent("/v1/catalog/gateway-services/", "mesh"),
    Route::absent("/v1/health/connect/", "mesh"),
    Route::absent("/v1/health/ingress/", "mesh"),
    Route::absent("/v1/exported-services", "mesh"),
    Route::absent("/v1/imported-services/", "mesh"),
    Route::absent("/v1/agent/join/", "cluster to join: it is one server"),
    Route::absent("/v1/agent/force-leave/", "cluster whose members could be made to leave: it is one server"),
    Route::absent(
        "/v1/agent/monitor",
        "log over HTTP: read it where muster's stderr goes, such as `journalctl -u muster`",
    ),
    Route::absent("/v1/internal/", "reads for Consul's user interface"),
    Route::absent("/v1/peering", "peerings"),
    Route::absent("/v1/peering/", "peerings"),
    Route::absent("/v1/peerings", "peerings"),
    Route::get("/v1/muster/cache", cache_report::show, "what the cache of answers holds and has done")
        .needs(Operator(Read)),
    Route::get("/v1/muster/drain", drain::list, "the instances that are drained").needs(Catalog(Read)),
    Route::get_or_put(
        "/v1/muster/drain/",
        drain::one,
        "how far the drain of an instance is; begins, alters or ends it",
    )
    .needs(Catalog(ByMethod)),
    Route::get("/v1/muster/explain", explain::query, "why a health query answers what it answers")
        .needs(Catalog(Read)),
    Route::get("/v1/muster/explain/", explain::instance, "why an instance is in answers, or is not")
        .needs(Catalog(Read)),
    Route::get("/v1/muster/history/check/", history::check, "the latest transitions of a check")
        .needs(Catalog(Read)),
    Route::get("/v1/muster/history/service/", history::service, "the latest transitions of an instance")
        .needs(Catalog(Read)),
    Route::get("/v1/muster/history/node/", history::node, "the latest transitions of a node")
        .needs(Catalog(Read)),
    Route::get("/v1/muster/stream", stream::open, "server-sent events: what changes in services")
        .needs(Catalog(Read)),
    Route::get("/v1/muster/webhooks", webhooks::list, "the webhooks and how they are doing")
        .needs(Operator(Read)),
    Route::get("/v1/muster/webhooks/dead/", webhooks::dead, "what a webhook could not deliver")
        .needs(Operator(Read)),
    Route::put("/v1/muster/webhooks/retry/", webhooks::retry, "has a webhook deliver that once more")
        .needs(Operator(Write)),
    Route::put("/v1/muster/webhooks/discard/", webhooks::discard, "has a webhook forget that")
        .needs(Operator(Write)),
    Route::get("/health", operations::health, "whether it is live and ready, in words"),
    Route::get("/livez", operations::live, "whether the process is alive"),
    Route::get("/readyz", operations::ready, "whether it may be sent requests"),
    Route::get("/metrics", operations::metrics, "all metrics in Prometheus's format").needs(Agent(Read)),
    Route::get("/", operations::root, "the words `Consul Agent`, for whoever looks what answers here"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::{Permission, Verb};

    /// The document, whose rows are compared.
    const DOCUMENT: &str = include_str!("../../docs/http-api.md");

    /// A route as the document lists it.
    fn row(route: &Route) -> String {
        let methods = route.verb.label().replace('|', " ");
        let kept = if route.is_cacheable { "yes" } else { "" };
        format!("| `{methods}` | `{}` | {} | {kept} |", route.path, route.about)
    }

    #[test]
    fn the_document_lists_exactly_what_is_served() {
        let rows: Vec<String> = ROUTES.iter().filter(|it| it.is_served).map(row).collect();
        let listed: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(listed, rows, "the rows of docs/http-api.md should read:\n{}\n", rows.join("\n"));
    }

    #[test]
    fn who_changes_something_has_to_be_allowed() {
        for route in ROUTES.iter().filter(|route| route.is_served) {
            let may_change = !matches!(route.verb, Verb::Get | Verb::Any);
            let asks_for_more = match route.permission {
                Agent(access) | Operator(access) | Catalog(access) | Key(access) => access != Read,
                Management => true,
                Permission::Public => false,
            };
            assert_eq!(may_change, asks_for_more, "{}", route.path);
            assert!(!(may_change && route.verb == Verb::Put && route.is_cacheable), "{}", route.path);
            assert!(!route.about.is_empty() && !route.about.ends_with('.'), "{}", route.path);
        }
    }
}
