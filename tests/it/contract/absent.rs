//! Chapters that muster does not have, asked for as real clients ask.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{get, send, start};
use crate::support::client::{Answer, Request, ask_until};

/// What clients send, and the word for what is missing.
const REQUESTS: &[(&str, &str, &str)] = &[
    ("PUT", "/v1/session/create", "sessions"),
    ("PUT", "/v1/session/renew/97981c2d-dd8b-41c8-61d8-655bfc00fc89", "sessions"),
    ("GET", "/v1/session/list", "sessions"),
    ("PUT", "/v1/txn", "transactions"),
    ("PUT", "/v1/event/fire/deploy?service=web", "events"),
    ("GET", "/v1/event/list?name=deploy", "events"),
    ("GET", "/v1/query", "prepared queries"),
    ("POST", "/v1/query", "prepared queries"),
    ("GET", "/v1/query/web/execute?near=_agent", "prepared queries"),
    ("GET", "/v1/coordinate/nodes", "coordinates"),
    ("PUT", "/v1/operator/autopilot/configuration", "Raft"),
    ("PUT", "/v1/config", "configuration entries"),
    ("GET", "/v1/config/service-defaults/web", "configuration entries"),
    ("GET", "/v1/connect/intentions", "mesh"),
    ("GET", "/v1/agent/connect/ca/roots", "mesh"),
    ("GET", "/v1/agent/connect/ca/leaf/web", "mesh"),
    ("GET", "/v1/catalog/connect/web", "mesh"),
    ("GET", "/v1/catalog/gateway-services/web", "mesh"),
    ("GET", "/v1/health/connect/web", "mesh"),
    ("GET", "/v1/health/ingress/web", "mesh"),
    ("GET", "/v1/discovery-chain/web", "mesh"),
    ("GET", "/v1/exported-services", "mesh"),
    ("PUT", "/v1/agent/join/127.0.0.1?wan=1", "cluster"),
    ("PUT", "/v1/agent/force-leave/nobody?prune", "cluster"),
    ("GET", "/v1/agent/monitor?loglevel=debug", "log over HTTP"),
    ("GET", "/v1/internal/ui/services", "user interface"),
    ("GET", "/v1/peerings", "peerings"),
    ("GET", "/v1/peering/other", "peerings"),
];

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let (_server, mut client) = start();
    for (method, target, word) in REQUESTS {
        let (status, text) = send(&mut client, method, target, "");
        assert_eq!(status, 501, "{method} {target}: {text}");
        assert!(text.contains(word), "{method} {target}: {text}");
    }
}

#[test]
fn the_log_says_once_what_is_not_there() {
    let (server, mut client) = start();
    for _ in 0..3 {
        assert_eq!(send(&mut client, "PUT", "/v1/session/create?token=secret", "").0, 501);
    }
    assert_eq!(send(&mut client, "PUT", "/v1/txn", "").0, 501);
    // Lines are written in order, so with the second one the first are there.
    let (request, deadline) = (Request::new("GET", "/livez"), Instant::now() + Duration::from_secs(30));
    let is_told = |_: &Answer| server.log().contains("not served PUT /v1/txn");
    ask_until(&mut client, &request, deadline, is_told).expect("an answer");
    let log = server.log();
    let told = log.lines().filter(|line| line.contains("not served PUT /v1/session/create")).count();
    assert!((1..=2).contains(&told), "once a minute, which may end meanwhile: {log}");
    assert!(log.contains("muster has no sessions") && !log.contains("secret"), "{log}");
}

/// Test tools of clients ask this before each test, and wait until there is a leader that votes.
#[test]
fn the_server_is_the_one_that_votes() {
    let (_server, mut client) = start();
    let raft = get(&mut client, "/v1/operator/raft/configuration");
    let own = get(&mut client, "/v1/agent/self");
    let leader = get(&mut client, "/v1/status/leader");
    let expected = json!({
        "Servers": [{
            "ID": own["Config"]["NodeID"], "Node": own["Config"]["NodeName"], "Address": leader, "Leader": true,
            "ProtocolVersion": "3", "Voter": true,
        }],
        "Index": 0,
    });
    assert_eq!(raft, expected);
}

/// What Consul itself does not have is not there, and tokens are off as they are there.
#[test]
fn what_consul_lacks_is_not_found() {
    let (_server, mut client) = start();
    for target in
        ["/v1/nobody", "/v1/agent/nobody", "/v1/catalog/nobody", "/v1/status/nobody", "/v1/namespaces"]
    {
        assert_eq!(send(&mut client, "GET", target, ""), (404, String::new()), "{target}");
    }
    // Of muster's own paths the nearest is told.
    for (method, target, said) in [
        ("GET", "/v1/muster/xplain/web", "did you mean /v1/muster/explain,"),
        ("PUT", "/v1/muster/webhook/retry/a", "/v1/muster/webhooks/retry/"),
        ("GET", "/v1/muster/", "there are /v1/muster/cache,"),
        ("GET", "/v1/muster", "there are /v1/muster/cache,"),
    ] {
        let (status, text) = send(&mut client, method, target, "");
        assert!(status == 404 && text.contains(said), "{method} {target}: {status} {text}");
    }
    for (method, target) in [
        ("GET", "/v1/acl/tokens"),
        ("GET", "/v1/acl/token/self"),
        ("PUT", "/v1/acl/token"),
        ("PUT", "/v1/acl/bootstrap"),
        ("PUT", "/v1/acl/login"),
        ("PUT", "/v1/internal/acl/authorize"),
        ("PUT", "/v1/agent/token/default"),
    ] {
        let (status, text) = send(&mut client, method, target, "{}");
        assert_eq!((status, text.as_str()), (401, "ACL support disabled"), "{target}");
    }
}
