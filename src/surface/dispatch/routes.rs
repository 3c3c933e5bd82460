//! THE table of routes: every path muster answers, with its method, what is known of it and who answers.
//!
//! The router, the metrics' labels, `docs/http-api.md` and the tests all read these rows. A path that ends in `/` takes
//! the rest of the request's path as its argument, to the letter after decoding: ids may hold blanks, slashes and dots.

use crate::core::acl::resource::Access::{Read, Write};
use crate::core::acl::resource::Resource::{Acl, Agent, Node, Operator, Service};
use crate::surface::acl::{agent_tokens, authorize, bootstrap, policies, roles, tokens};
use crate::surface::agent::{checks, info, maintenance, services};
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::dispatch::absent;
use crate::surface::dispatch::body_limit::BodyLimit;
use crate::surface::dispatch::permission::Permission::{self, Needs, Public};
use crate::surface::dispatch::permission::Requirement::{Need, NeedByMethod, NeedOfCheck, NeedOfKeys};
use crate::surface::dispatch::permission::Segment::{Body, Entries, OwnNode, Path, PathId, Sole};
use crate::surface::dispatch::route::{Neutral, Route};
use crate::surface::muster::{access, cache, drain, explain, history, operations, stream, webhooks};
use crate::surface::{acl, agent, catalog, health, kv, snapshot};

/// Answers a request that found its row.
pub type RouteHandler = fn(&mut Call<'_, '_>) -> HandlerResult;

/// A route, and who answers.
pub struct Row(pub Route, pub RouteHandler);

const OWN_AGENT_READ: Permission = Needs(&[Need(Agent, OwnNode, Read)]);
const OWN_AGENT_WRITE: Permission = Needs(&[Need(Agent, OwnNode, Write)]);
const OPERATOR_READ: Permission = Needs(&[Need(Operator, Sole, Read)]);
const OPERATOR_WRITE: Permission = Needs(&[Need(Operator, Sole, Write)]);
const ACL_READ: Permission = Needs(&[Need(Acl, Sole, Read)]);
const ACL_WRITE: Permission = Needs(&[Need(Acl, Sole, Write)]);
const ACL: Permission = Needs(&[NeedByMethod(Acl, Sole)]);
const NODES: Permission = Needs(&[Need(Node, Entries, Read)]);
const SERVICES: Permission = Needs(&[Need(Service, Entries, Read)]);
const NODES_AND_SERVICES: Permission = Needs(&[Need(Node, Entries, Read), Need(Service, Entries, Read)]);
const SERVICE_OF_ID_WRITE: Permission = Needs(&[Need(Service, PathId, Write)]);
const CHECK_WRITE: Permission = Needs(&[NeedOfCheck(PathId, Write)]);
/// Of the node only where something of it changes; who may write a node may deregister everything on it.
const CATALOG_WRITE: Permission =
    Needs(&[Need(Node, Body, Write), Need(Service, Body, Write), NeedOfCheck(Body, Write)]);

/// A path that is not served.
const fn absent(path: &'static str, what: &'static str) -> Row {
    Row(Route::absent(path, what), absent::answer)
}

/// All routes, by chapter of Consul's API; muster's own last.
pub const ROUTES: &[Row] = &[
    Row(
        Route::get("/v1/agent/self", OWN_AGENT_READ, "the agent: its configuration, its node, how it is"),
        info::own,
    ),
    Row(Route::get("/v1/agent/members", NODES, "the members of the cluster: this server"), info::members),
    Row(Route::get("/v1/agent/host", OPERATOR_READ, "the machine that it runs on"), info::host),
    Row(Route::get("/v1/agent/version", Public, "the version"), info::version),
    Row(Route::get("/v1/agent/metrics", OWN_AGENT_READ, "counters and gauges as JSON"), info::metrics),
    Row(Route::put("/v1/agent/reload", OWN_AGENT_WRITE, "reads the configuration again"), info::reload),
    Row(
        Route::put("/v1/agent/leave", OWN_AGENT_WRITE, "ends the process, where `enable_leave` lets it"),
        info::leave,
    ),
    Row(
        Route::put(
            "/v1/agent/maintenance",
            Needs(&[Need(Node, OwnNode, Write)]),
            "takes the agent's node out of service, or puts it back",
        ),
        maintenance::node,
    ),
    Row(Route::get("/v1/agent/services", SERVICES, "the agent's services"), services::list),
    Row(
        Route::get(
            "/v1/agent/service/",
            Needs(&[Need(Service, PathId, Read)]),
            "one of the agent's services, by id",
        ),
        services::read,
    ),
    Row(
        Route::put(
            "/v1/agent/service/register",
            Needs(&[Need(Service, Body, Write)]),
            "registers a service with its checks",
        ),
        services::register,
    ),
    Row(
        Route::put("/v1/agent/service/deregister/", SERVICE_OF_ID_WRITE, "removes a service, by id"),
        services::deregister,
    ),
    Row(
        Route::put(
            "/v1/agent/service/maintenance/",
            SERVICE_OF_ID_WRITE,
            "takes a service out of service, or puts it back",
        ),
        maintenance::service,
    ),
    Row(
        Route::get("/v1/agent/checks", Needs(&[NeedOfCheck(Entries, Read)]), "the agent's checks"),
        checks::list,
    ),
    Row(
        Route::put("/v1/agent/check/register", Needs(&[NeedOfCheck(Body, Write)]), "registers a check"),
        checks::register,
    ),
    Row(Route::put("/v1/agent/check/deregister/", CHECK_WRITE, "removes a check, by id"), checks::deregister),
    Row(Route::put("/v1/agent/check/pass/", CHECK_WRITE, "reports that a TTL check passes"), checks::pass),
    Row(Route::put("/v1/agent/check/warn/", CHECK_WRITE, "reports a warning of a TTL check"), checks::warn),
    Row(
        Route::put("/v1/agent/check/fail/", CHECK_WRITE, "reports that a TTL check is critical"),
        checks::fail,
    ),
    Row(
        Route::put("/v1/agent/check/update/", CHECK_WRITE, "reports the status and output of a TTL check"),
        checks::update,
    ),
    Row(
        Route::get(
            "/v1/agent/health/service/id/",
            Needs(&[Need(Service, PathId, Read)]),
            "the health of one instance, also as the status of the answer",
        ),
        agent::health::by_id,
    ),
    Row(
        Route::get(
            "/v1/agent/health/service/name/",
            Needs(&[Need(Service, Path, Read)]),
            "the health of the agent's instances of a service",
        ),
        agent::health::by_name,
    ),
    Row(
        Route::put(
            "/v1/catalog/register",
            CATALOG_WRITE,
            "writes a node, a service and checks into the catalog",
        ),
        catalog::register,
    ),
    Row(
        Route::put(
            "/v1/catalog/deregister",
            CATALOG_WRITE,
            "removes a node, a service or a check from the catalog",
        ),
        catalog::deregister,
    ),
    Row(Route::get("/v1/catalog/datacenters", Public, "the datacenters: this one"), catalog::datacenters),
    Row(Route::get("/v1/catalog/nodes", NODES, "all nodes").cached(Neutral::IN_READS), catalog::nodes),
    Row(
        Route::get("/v1/catalog/services", SERVICES, "all services with their tags")
            .cached(Neutral::IN_READS),
        catalog::services,
    ),
    Row(
        Route::get("/v1/catalog/service/", NODES_AND_SERVICES, "the instances of a service")
            .cached(Neutral::IN_READS),
        catalog::service,
    ),
    Row(
        Route::get("/v1/catalog/node/", NODES_AND_SERVICES, "a node with its services by id")
            .cached(Neutral::IN_READS),
        catalog::node,
    ),
    Row(
        Route::get("/v1/catalog/node-services/", NODES_AND_SERVICES, "a node with its services as a list")
            .cached(Neutral::IN_READS),
        catalog::node_services,
    ),
    Row(
        Route::get("/v1/health/node/", NODES_AND_SERVICES, "the checks of a node").cached(Neutral::IN_READS),
        health::node,
    ),
    Row(
        Route::get("/v1/health/checks/", NODES_AND_SERVICES, "the checks of a service")
            .cached(Neutral::IN_READS),
        health::checks,
    ),
    Row(
        Route::get(
            "/v1/health/service/",
            NODES_AND_SERVICES,
            "the instances of a service with their nodes and checks",
        )
        .cached(Neutral::IN_READS),
        health::service,
    ),
    Row(
        Route::get("/v1/health/state/", NODES_AND_SERVICES, "the checks in a state")
            .cached(Neutral::IN_READS),
        health::state,
    ),
    Row(Route::put("/v1/acl/bootstrap", Public, "makes the first token of all, once"), bootstrap::bootstrap),
    Row(
        Route::get("/v1/acl/replication", Public, "that access control is not replicated"),
        bootstrap::replication,
    ),
    Row(Route::get("/v1/acl/policies", ACL_READ, "all policies, without their rules"), policies::list),
    Row(Route::put("/v1/acl/policy", ACL_WRITE, "creates a policy"), policies::create),
    Row(
        Route::get_put_or_delete("/v1/acl/policy/", ACL, "reads, replaces and removes a policy, by id"),
        policies::one,
    ),
    Row(Route::get("/v1/acl/policy/name/", ACL_READ, "a policy, by name"), policies::by_name),
    Row(Route::get("/v1/acl/roles", ACL_READ, "all roles"), roles::list),
    Row(Route::put("/v1/acl/role", ACL_WRITE, "creates a role"), roles::create),
    Row(
        Route::get_put_or_delete("/v1/acl/role/", ACL, "reads, replaces and removes a role, by id"),
        roles::one,
    ),
    Row(Route::get("/v1/acl/role/name/", ACL_READ, "a role, by name"), roles::by_name),
    Row(Route::get("/v1/acl/tokens", ACL_READ, "all tokens, without their secrets"), tokens::list),
    Row(Route::put("/v1/acl/token", ACL_WRITE, "creates a token"), tokens::create),
    Row(
        Route::get_put_or_delete(
            "/v1/acl/token/",
            ACL,
            "reads, replaces and removes a token, by accessor; with `/clone` behind it, makes another like it",
        ),
        tokens::one,
    ),
    Row(Route::get("/v1/acl/token/self", Public, "the token that is shown"), tokens::own),
    Row(Route::any("/v1/acl/", ACL, "says what else of access control is missing"), acl::rest),
    Row(
        Route::put("/v1/internal/acl/authorize", Public, "what the caller may do of what is asked"),
        authorize::authorize,
    ),
    Row(
        Route::put("/v1/agent/token/", OWN_AGENT_WRITE, "sets a token of the agent's own, until it ends"),
        agent_tokens::set,
    ),
    Row(
        Route::get_or_put(snapshot::PATH, ACL_WRITE, "the snapshot of all records; restores one")
            .takes(BodyLimit::Snapshot),
        snapshot::save_or_restore,
    ),
    Row(Route::get("/v1/status/leader", Public, "the address of this server"), info::leader),
    Row(Route::get("/v1/status/peers", Public, "the address of this server, in a list"), info::peers),
    Row(
        Route::get_put_or_delete(kv::PATH, Needs(&[NeedOfKeys(Path)]), "reads, writes and removes keys")
            .cached(Neutral::IN_READS)
            .takes(BodyLimit::Value),
        kv::one_or_many,
    ),
    absent("/v1/session/", "sessions"),
    absent("/v1/txn", "transactions"),
    absent("/v1/event/", "events"),
    absent("/v1/query", "prepared queries"),
    absent("/v1/query/", "prepared queries"),
    absent("/v1/coordinate/", "network coordinates"),
    Row(
        Route::get("/v1/operator/raft/configuration", OPERATOR_READ, "the servers that vote: this one"),
        info::raft_configuration,
    ),
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
    absent(
        "/v1/agent/monitor",
        "log over HTTP: read it where muster's stderr goes, such as `journalctl -u muster`",
    ),
    absent("/v1/internal/", "reads for Consul's user interface"),
    absent("/v1/peering", "peerings"),
    absent("/v1/peering/", "peerings"),
    absent("/v1/peerings", "peerings"),
    Row(
        Route::get("/v1/muster/cache", OPERATOR_READ, "what the cache of answers holds and has done"),
        cache::show,
    ),
    Row(
        Route::get("/v1/muster/acl/denials", ACL_READ, "what was denied of late, or would have been"),
        access::denials,
    ),
    Row(
        Route::get("/v1/muster/acl/explain", ACL_READ, "why a token may send a request, or may not"),
        access::explain,
    ),
    Row(Route::get("/v1/muster/drain", NODES_AND_SERVICES, "the instances that are drained"), drain::list),
    Row(
        Route::get_or_put(
            "/v1/muster/drain/",
            Needs(&[NeedByMethod(Service, Entries)]),
            "how far the drain of an instance is; begins, alters or ends it",
        ),
        drain::one,
    ),
    Row(
        Route::get("/v1/muster/explain", NODES_AND_SERVICES, "why a health query answers what it answers"),
        explain::query,
    ),
    Row(
        Route::get("/v1/muster/explain/", NODES_AND_SERVICES, "why an instance is in answers, or is not"),
        explain::instance,
    ),
    Row(
        Route::get("/v1/muster/history/check/", NODES_AND_SERVICES, "the latest transitions of a check"),
        history::check,
    ),
    Row(
        Route::get(
            "/v1/muster/history/service/",
            NODES_AND_SERVICES,
            "the latest transitions of an instance",
        ),
        history::service,
    ),
    Row(
        Route::get("/v1/muster/history/node/", NODES_AND_SERVICES, "the latest transitions of a node"),
        history::node,
    ),
    Row(
        Route::get("/v1/muster/stream", NODES_AND_SERVICES, "server-sent events: what changes in services")
            .shared(Neutral::IN_READS),
        stream::open,
    ),
    Row(
        Route::get("/v1/muster/webhooks", OPERATOR_READ, "the webhooks and how they are doing"),
        webhooks::list,
    ),
    Row(
        Route::get("/v1/muster/webhooks/dead/", OPERATOR_READ, "what a webhook could not deliver"),
        webhooks::dead,
    ),
    Row(
        Route::put("/v1/muster/webhooks/retry/", OPERATOR_WRITE, "has a webhook deliver that once more"),
        webhooks::retry,
    ),
    Row(
        Route::put("/v1/muster/webhooks/discard/", OPERATOR_WRITE, "has a webhook forget that"),
        webhooks::discard,
    ),
    Row(Route::get("/health", Public, "whether it is live and ready, in words"), operations::health),
    Row(Route::get("/livez", Public, "whether the process is alive"), operations::live),
    Row(Route::get("/readyz", Public, "whether it may be sent requests"), operations::ready),
    Row(Route::get("/metrics", OWN_AGENT_READ, "all metrics in Prometheus's format"), operations::metrics),
    Row(
        Route::get("/", Public, "the words `Consul Agent`, for whoever looks what answers here"),
        operations::root,
    ),
];

const _: () = assert!(ROUTES.len() <= absent::ROWS_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::acl::resource::Resource;
    use crate::surface::dispatch::route::Verb;

    /// The document, whose rows are compared.
    const DOCUMENT: &str = include_str!("../../../docs/http-api.md");

    /// The paths that everybody may ask for, as in Consul's documentation: they show and change nothing registered. The
    /// first token of all is made by who has none, and of a token everybody may see what he shows himself.
    const PUBLIC: &[&str] = &[
        "/v1/agent/version",
        "/v1/catalog/datacenters",
        "/v1/acl/bootstrap",
        "/v1/acl/replication",
        "/v1/acl/token/self",
        "/v1/internal/acl/authorize",
        "/v1/status/leader",
        "/v1/status/peers",
        "/health",
        "/livez",
        "/readyz",
        "/",
    ];

    fn served() -> impl Iterator<Item = &'static Route> {
        ROUTES.iter().map(|Row(route, _)| route).filter(|route| route.is_served)
    }

    /// A route as the document lists it.
    fn row(route: &Route) -> String {
        let methods = route.verb.label().replace('|', " ");
        let kept = if route.is_cacheable { "yes" } else { "" };
        format!("| `{methods}` | `{}` | {} | {kept} |", route.path, route.about)
    }

    #[test]
    fn the_document_lists_exactly_what_is_served() {
        let rows: Vec<String> = served().map(row).collect();
        let listed: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(listed, rows, "the rows of docs/http-api.md should read:\n{}\n", rows.join("\n"));
    }

    #[test]
    fn every_route_says_what_a_caller_has_to_be_allowed() {
        for route in served() {
            let path = route.path;
            let needs = route.permission.needs();
            assert_eq!(needs.is_empty(), PUBLIC.contains(&path), "{path}");
            for need in needs {
                let (resource, segment, access) = match *need {
                    Need(resource, segment, access) => (Some(resource), segment, Some(access)),
                    NeedByMethod(resource, segment) => (Some(resource), segment, None),
                    NeedOfKeys(segment) => (Some(Resource::Key), segment, None),
                    NeedOfCheck(segment, access) => (None, segment, Some(access)),
                };
                let has_rest = path.ends_with('/');
                assert!(has_rest || !matches!(segment, Path | PathId), "{path} has no rest to name anything");
                assert_eq!(segment == Sole, resource.is_some_and(|it| it.is_sole()), "{path}");
                let is_own = resource == Some(Agent) || path == "/v1/agent/maintenance";
                assert_eq!(segment == OwnNode, is_own, "{path}");
                // What only changes asks for `Write`, and what only reads for `Read`.
                match route.verb {
                    Verb::Put => assert_eq!(access, Some(Write), "{path}"),
                    Verb::Get => assert_eq!(access, Some(Read), "{path}"),
                    Verb::GetOrPut | Verb::GetPutOrDelete | Verb::Any => {
                        assert_ne!(access, Some(Read), "{path}")
                    }
                }
            }
        }
        let paths: Vec<&str> = served().map(|route| route.path).collect();
        assert!(PUBLIC.iter().all(|path| paths.contains(path)), "what is gone is listed");
    }

    #[test]
    fn every_route_is_told_in_a_line_and_began_in_some_version() {
        let version = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
        for Row(route, _) in ROUTES {
            assert!(!route.about.is_empty() && !route.about.ends_with('.'), "{}", route.path);
            assert!(version(route.since) <= version(env!("CARGO_PKG_VERSION")), "{}", route.path);
        }
    }

    #[test]
    fn what_is_kept_is_read_and_says_what_is_neutral() {
        for route in served() {
            assert!(!(route.is_cacheable && route.verb == Verb::Put), "{}", route.path);
            assert!(!route.is_cacheable || route.neutral.parameters.contains(&"index"), "{}", route.path);
        }
    }

    #[test]
    fn every_row_that_is_absent_is_answered_here_and_no_other() {
        let here: RouteHandler = absent::answer;
        for Row(route, handler) in ROUTES {
            let is_here = std::ptr::fn_addr_eq(*handler, here);
            assert_eq!(is_here, !route.is_served, "{}", route.path);
        }
    }
}
