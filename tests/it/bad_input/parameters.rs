//! Queries, paths, ids and methods that cannot be meant.

use super::row::{Row, bare, put};

pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = QUERIES.iter().map(|(target, says)| get(target, 400, says)).collect();
    rows.extend(PATHS.iter().map(|(target, status, says)| get(target, *status, says)));
    rows.extend(WRITES.iter().map(|(target, status, says)| {
        Row::refused("a write", put(target, r#"{"Status":"passing"}"#), *status, says)
    }));
    rows.extend(
        METHODS
            .iter()
            .map(|(method, target, says)| Row::refused("a method", bare(method, target), 405, says)),
    );
    rows.extend(cache_control());
    rows.extend(odd());
    rows
}

fn get(target: &str, status: u16, says: &'static str) -> Row {
    Row::refused("a read", bare("GET", target), status, says)
}

const QUERIES: &[(&str, &str)] = &[
    ("/v1/catalog/nodes?index=abc", "Invalid index"),
    ("/v1/catalog/services?index=-1", "Invalid index"),
    ("/v1/catalog/services?index=%2B1", "Invalid index"),
    ("/v1/catalog/service/web?index=1.5", "Invalid index"),
    ("/v1/catalog/service/web?index=0x1", "Invalid index"),
    ("/v1/health/service/web?index=18446744073709551616", "Invalid index"),
    ("/v1/health/service/web?index=1%00", "Invalid index"),
    ("/v1/health/state/any?index=%20", "Invalid index"),
    ("/v1/catalog/nodes?wait=abc", "Invalid wait time"),
    ("/v1/catalog/services?wait=10", "Invalid wait time"),
    ("/v1/health/service/web?wait=1d", "Invalid wait time"),
    ("/v1/health/service/web?wait=10%20s", "Invalid wait time"),
    ("/v1/health/node/n2?wait=99999999h", "Invalid wait time"),
    ("/v1/agent/service/web?hash=x&wait=abc", "Invalid wait time"),
    ("/v1/health/service/web?passing=banana", "Invalid value for ?passing"),
    ("/v1/health/service/web?passing=2", "Invalid value for ?passing"),
    ("/v1/health/service/web?passing=yes", "Invalid value for ?passing"),
    ("/v1/catalog/nodes?dc=mars", "No path to datacenter"),
    ("/v1/health/service/web?dc=mars", "No path to datacenter"),
    ("/v1/status/leader?dc=mars", "No path to datacenter"),
    ("/v1/catalog/services?ns=other", "Invalid query parameter: \"ns\""),
    ("/v1/health/service/web?ns=other", "Invalid query parameter: \"ns\""),
    ("/v1/catalog/nodes?stale&consistent", "Cannot specify ?stale with ?consistent, conflicting semantics."),
    ("/v1/catalog/nodes?max_stale=1s&consistent", "Cannot specify ?stale with ?consistent"),
    (
        "/v1/health/service/web?cached&consistent",
        "Cannot specify ?cached with ?consistent, conflicting semantics.",
    ),
    ("/v1/catalog/nodes?max_stale=foo", "Invalid max_stale value \"foo\""),
    ("/v1/catalog/nodes?x=%zz", "%25"),
    ("/v1/catalog/nodes?%=1", "%25"),
    ("/v1/catalog/service/web?tag=%FF", "not UTF-8"),
    ("/v1/catalog/service/web?tag=a;tag=b", "%3B"),
    ("/v1/agent/members?wan=1&segment=x", "Cannot provide a segment with wan=true"),
    ("/v1/agent/service/web?x=%zz", "%25"),
];

const PATHS: &[(&str, u16, &str)] = &[
    ("/v1/nobody", 404, ""),
    ("/v1", 404, ""),
    ("/v2/catalog/nodes", 404, ""),
    ("/v1/Catalog/Nodes", 404, ""),
    ("/v1/catalog/nodes/", 404, ""),
    ("/v1/agent/services/web", 404, ""),
    ("/v1/catalog%2Fnodes%00", 404, ""),
    ("/..%2f..%2fetc%2fpasswd", 404, ""),
    ("/v1/catalog/service/", 400, "Missing service name"),
    ("/v1/catalog/node/", 400, "Missing node name"),
    ("/v1/catalog/node-services/", 400, "Missing node name"),
    ("/v1/health/service/", 400, "Missing service name"),
    ("/v1/health/checks/", 400, "Missing service name"),
    ("/v1/health/node/", 400, "Missing node name"),
    ("/v1/health/state/", 400, "Missing check state"),
    ("/v1/agent/health/service/id/", 400, "Missing serviceID"),
    ("/v1/agent/health/service/name/", 400, "Missing service Name"),
    ("/v1/agent/service/", 404, "unknown service ID"),
    ("/v1/agent/service/nobody", 404, "unknown service ID: nobody"),
    ("/v1/catalog/service/a%00b", 400, "control character"),
    ("/v1/catalog/service/a%0Ab", 400, "control character"),
    ("/v1/catalog/node/a%7Fb", 400, "control character"),
    ("/v1/health/service/a%0D%0AX-Injected:%20b", 400, "control character"),
    ("/v1/agent/health/service/name/a%0D%0AX-Injected:%20b", 400, "control character"),
];

const WRITES: &[(&str, u16, &str)] = &[
    ("/v1/agent/service/deregister/", 400, "ServiceID missing"),
    (
        "/v1/agent/service/deregister/nobody",
        404,
        "Unknown service ID \"nobody\". Ensure that the service ID is passed",
    ),
    // The service of another node is none of the agent's.
    ("/v1/agent/service/deregister/db", 404, "Unknown service ID \"db\""),
    ("/v1/agent/service/deregister/web%00", 400, "control character"),
    ("/v1/agent/check/deregister/", 400, "CheckID missing"),
    (
        "/v1/agent/check/deregister/nobody",
        404,
        "Unknown check ID \"nobody\". Ensure that the check ID is passed",
    ),
    ("/v1/agent/check/pass/", 404, "Unknown check ID"),
    ("/v1/agent/check/pass/nobody", 404, "Unknown check ID \"nobody\""),
    ("/v1/agent/check/warn/nobody", 404, "Unknown check ID \"nobody\""),
    ("/v1/agent/check/fail/db-up", 404, "Unknown check ID \"db-up\""),
    ("/v1/agent/check/fail/memory?note=%zz", 400, "%25"),
    ("/v1/agent/check/fail/memory%0A", 400, "control character"),
    ("/v1/agent/check/update/nobody", 404, "Unknown check ID \"nobody\""),
    ("/v1/agent/service/maintenance/", 400, "Missing service ID"),
    ("/v1/agent/service/maintenance/web", 400, "Missing value for enable"),
    ("/v1/agent/service/maintenance/web?enable=banana", 400, "Invalid value for enable: \"banana\""),
    ("/v1/agent/service/maintenance/web?enable=true&reason=%zz", 400, "%25"),
    ("/v1/agent/service/maintenance/nobody?enable=true", 404, "No service registered with ID \"nobody\""),
    ("/v1/agent/maintenance", 400, "Missing value for enable"),
    ("/v1/agent/maintenance?enable=TrUe", 400, "Invalid value for enable: \"TrUe\""),
    ("/v1/agent/service/register?replace-existing-checks=%zz", 400, "%25"),
];

const METHODS: &[(&str, &str, &str)] = &[
    ("GET", "/v1/agent/service/register", "method GET not allowed"),
    ("GET", "/v1/agent/service/deregister/web", "method GET not allowed"),
    ("GET", "/v1/agent/check/fail/service:web", "method GET not allowed"),
    ("GET", "/v1/agent/maintenance?enable=true", "method GET not allowed"),
    ("GET", "/v1/catalog/deregister", "method GET not allowed"),
    ("PUT", "/v1/catalog/nodes", "method PUT not allowed"),
    ("POST", "/v1/health/service/web", "method POST not allowed"),
    ("DELETE", "/v1/agent/service/deregister/web", "method DELETE not allowed"),
    ("DELETE", "/v1/catalog/node/n2", "method DELETE not allowed"),
    ("PATCH", "/v1/catalog/register", "method PATCH not allowed"),
    ("TRACE", "/v1/status/leader", "method TRACE not allowed"),
    ("get", "/v1/status/leader", "method get not allowed"),
    ("PUT", "/", "method PUT not allowed"),
];

fn cache_control() -> Vec<Row> {
    let request = |value: &str| {
        format!("GET /v1/catalog/nodes HTTP/1.1\r\nHost: localhost\r\nCache-Control: {value}\r\n\r\n")
    };
    let values =
        ["max-age=abc", "max-age=-1", "max-age=", "no-cache, max-age=1.5", "stale-if-error=99999999999"];
    values.map(|value| Row::refused("a header", request(value), 400, "Invalid Cache-Control header.")).into()
}

/// What is odd and yet answered, and changes nothing.
fn odd() -> Vec<Row> {
    let overridden = "GET /v1/agent/service/deregister/web HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: PUT\r\n\r\n";
    let answered = |target: &str, status: u16| Row::answered("a read", bare("GET", target), status);
    let redirected = |target: &str, says| Row::answered_with("a read", bare("GET", target), 301, says);
    vec![
        Row::refused("a method by header", overridden, 405, "method GET not allowed"),
        Row::answered("a HEAD where PUT is meant", bare("HEAD", "/v1/agent/service/deregister/web"), 405),
        Row::answered("OPTIONS of a write", bare("OPTIONS", "/v1/agent/service/deregister/web"), 200),
        answered("/v1/catalog/nodes?index=18446744073709551615", 200),
        answered("/v1/health/service/web?index=1&index=abc&wait=-1s", 200),
        answered("/v1/health/service/web?wait=2562047h", 200),
        answered("/v1/health/state/bogus", 200),
        answered("/v1/catalog/node/nobody", 200),
        answered("/v1/catalog/service/..%2F..%2Fweb", 200),
        answered("/v1/catalog/service/%252e%252e", 200),
        answered("/v1/agent/health/service/id/nobody", 404),
        answered("/v1/agent/service/%2e%2e/%2e%2e/%2e%2e/v1/catalog/nodes", 404),
        redirected("/v1/agent/service/../../../v1/catalog/nodes", "<a href=\"/v1/catalog/nodes\">"),
        redirected("//elsewhere.example/", "<a href=\"/elsewhere.example/\">"),
        redirected("//<script>", "<a href=\"/&lt;script&gt;\">"),
        redirected("//x\"onload=", "<a href=\"/x&#34;onload=\">"),
        answered("/v1/catalog/nodes?tag=&&&=&=&near=&node-meta=&node-meta=:", 200),
    ]
}
