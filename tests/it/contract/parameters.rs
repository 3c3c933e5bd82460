//! Every read with every query parameter that Consul documents for it, up to its newest version: none is passed over.

use serde_json::json;

use super::{get, put, start};
use crate::support::client::Client;

/// What a parameter does to the answer.
#[derive(Clone, Copy)]
enum Effect {
    /// Another answer than without.
    Shows,
    /// 400 with a sentence: what is asked for is nothing that there is.
    Refused,
    /// The same answer, as there is nothing here that it could change.
    Same,
}
use Effect::{Refused, Same, Shows};

/// Parameters of all reads that go to servers.
const OF_ALL: &[(&str, Effect)] = &[
    ("dc=mars", Refused),
    ("dc=dc1", Same),
    ("partition=other", Refused),
    ("partition=default", Same),
    ("peer=other", Refused),
    ("sg=group", Refused),
    ("sameness-group=group", Refused),
    ("pretty", Shows),
];

/// Parameters of those that wait.
const OF_INDEXED: &[(&str, Effect)] = &[
    ("index=abc", Refused),
    ("index=1&wait=abc", Refused),
    ("index=1&wait=1s", Same),
    ("stale", Same),
    ("consistent", Same),
    ("stale&consistent", Refused),
    ("max_stale=abc", Refused),
    ("cached", Same),
];

/// The reads; whether they are indexed; and their own parameters.
type Row = (&'static str, bool, &'static [(&'static str, Effect)]);

const READS: &[Row] = &[
    (
        "/v1/catalog/nodes",
        true,
        &[
            ("near=n3", Shows),
            ("near=_agent", Shows),
            ("node-meta=zone:b", Shows),
            ("filter=Meta.zone==b", Shows),
            ("filter=bogus", Refused),
        ],
    ),
    (
        "/v1/catalog/services",
        true,
        &[
            ("ns=other", Refused),
            ("node-meta=zone:b", Shows),
            ("filter=ServiceName==web", Shows),
            ("filter=ServicePort==81", Shows),
            ("filter=v1%20in%20ServiceTags", Shows),
            ("filter=NodeMeta.zone==b", Shows),
            ("filter=ServiceMeta.a==b", Shows),
            ("filter=bogus", Refused),
            ("filter=Bogus==1", Refused),
        ],
    ),
    (
        "/v1/catalog/service/web",
        true,
        &[
            ("ns=other", Refused),
            ("tag=v1", Shows),
            ("near=n3", Shows),
            ("node-meta=zone:b", Shows),
            ("filter=ServicePort==81", Shows),
            ("filter=bogus", Refused),
            ("merge-central-config", Same),
        ],
    ),
    ("/v1/catalog/node/n3", true, &[("ns=other", Refused), ("filter=Port==1", Shows), ("filter=x", Refused)]),
    (
        "/v1/catalog/node-services/n3",
        true,
        &[
            ("ns=other", Refused),
            ("filter=Port==1", Shows),
            ("filter=x", Refused),
            ("merge-central-config", Same),
        ],
    ),
    (
        "/v1/health/node/n3",
        true,
        &[("ns=other", Refused), ("filter=Status==passing", Shows), ("filter=x", Refused)],
    ),
    (
        "/v1/health/checks/web",
        true,
        &[
            ("ns=other", Refused),
            ("near=n3", Shows),
            ("node-meta=zone:a", Shows),
            ("filter=Status==passing", Shows),
            ("filter=x", Refused),
        ],
    ),
    (
        "/v1/health/service/web",
        true,
        &[
            ("ns=other", Refused),
            ("near=n3", Shows),
            ("tag=v1", Shows),
            ("node-meta=zone:a", Shows),
            ("passing", Shows),
            ("passing=false", Same),
            ("passing=maybe", Refused),
            ("filter=Service.Port==81", Shows),
            ("filter=x", Refused),
            ("merge-central-config", Same),
        ],
    ),
    (
        "/v1/health/state/any",
        true,
        &[
            ("ns=other", Refused),
            ("near=n3", Shows),
            ("node-meta=zone:b", Shows),
            ("filter=Status==critical", Shows),
            ("filter=x", Refused),
        ],
    ),
    (
        "/v1/agent/services",
        false,
        &[("ns=other", Refused), ("filter=Service==none", Shows), ("filter=x", Refused)],
    ),
    ("/v1/agent/service/own", false, &[("ns=other", Refused), ("wait=abc", Refused)]),
    (
        "/v1/agent/checks",
        false,
        &[("ns=other", Refused), ("filter=Name==none", Shows), ("filter=x", Refused)],
    ),
    ("/v1/status/leader", false, &[]),
    ("/v1/status/peers", false, &[]),
];

/// Reads of the agent alone, which knows no datacenters.
const READS_OF_AGENT: &[Row] = &[
    (
        "/v1/agent/members",
        false,
        &[
            ("wan=1", Shows),
            ("segment=x", Refused),
            ("segment=_all", Same),
            ("segment=x&wan=1", Refused),
            ("segment=_all&wan=1", Shows),
            ("partition=other", Refused),
            ("filter=Name==none", Shows),
            ("filter=Port==1", Shows),
            ("filter=Status==1", Same),
            ("filter=Tags.dc==dc1", Same),
            ("filter=Tags.dc==dc2", Shows),
            ("filter=x", Refused),
        ],
    ),
    (
        "/v1/agent/health/service/id/own",
        false,
        &[("ns=other", Refused), ("partition=other", Refused), ("format=text", Shows), ("pretty", Shows)],
    ),
    (
        "/v1/agent/health/service/name/own",
        false,
        &[("ns=other", Refused), ("partition=other", Refused), ("format=text", Shows), ("pretty", Shows)],
    ),
    ("/v1/agent/metrics", false, &[("format=prometheus", Shows)]),
];

/// Three nodes that have not everything in common, so that whatever selects leaves something out.
fn seed(client: &mut Client) {
    let instances = [
        ("n1", "a", 80, "v1", "passing"),
        ("n2", "b", 81, "v2", "warning"),
        ("n3", "b", 82, "v2", "critical"),
    ];
    for (node, zone, port, tag, status) in instances {
        let service = json!({"Service": "web", "Port": port, "Tags": [tag], "Meta": {"a": node}});
        let check = json!({"Name": "c", "ServiceID": "web", "Status": status});
        let meta = json!({"zone": zone});
        let body = json!({"Node": node, "Address": "10.0.0.1", "NodeMeta": meta, "Service": service, "Check": check});
        put(client, "/v1/catalog/register", &body);
    }
    let own = json!({"Name": "own", "Meta": {"a": "b"}, "Check": {"TTL": "1h", "Status": "passing"}});
    put(client, "/v1/agent/service/register", &own);
}

#[test]
fn no_documented_parameter_is_passed_over() {
    let (_server, mut client) = start();
    seed(&mut client);
    let mut faults = Vec::new();
    for (target, is_indexed, own) in READS.iter().chain(READS_OF_AGENT) {
        let is_of_agent = READS_OF_AGENT.iter().any(|(other, ..)| other == target);
        let of_all = if is_of_agent { &[] } else { OF_ALL };
        let of_indexed = if *is_indexed { OF_INDEXED } else { &[] };
        let plain = client.get(target).expect("an answer");
        assert_eq!(plain.status, 200, "{target}: {}", plain.text());
        for (parameter, effect) in of_all.iter().chain(of_indexed).chain(*own) {
            let answer = client.get(&format!("{target}?{parameter}")).expect("an answer");
            let is_right = match effect {
                Shows => answer.status == 200 && answer.text() != plain.text(),
                Same => answer.status == 200 && answer.text() == plain.text(),
                Refused => answer.status == 400 && !answer.text().is_empty(),
            };
            if !is_right {
                faults.push(format!("{target}?{parameter}: {} {}", answer.status, answer.text()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The list of services moves for who filters by a port, and for nobody else.
#[test]
fn a_filter_on_services_waits_for_what_it_asks_for() {
    let (_server, mut client) = start();
    seed(&mut client);
    let index = |client: &mut Client, target: &str| client.get(target).expect("an answer").index();
    let (plain, filtered) = ("/v1/catalog/services", "/v1/catalog/services?filter=ServicePort==9");
    let before = (index(&mut client, plain), index(&mut client, filtered));
    assert_eq!(get(&mut client, filtered), json!({}));
    put(&mut client, "/v1/agent/service/register", &json!({"Name": "own", "Port": 9}));
    assert_eq!(get(&mut client, filtered), json!({"own": []}));
    assert_eq!(index(&mut client, plain), before.0);
    assert!(index(&mut client, filtered) > before.1);
}
