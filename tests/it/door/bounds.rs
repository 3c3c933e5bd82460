//! Bounds that are met: whoever looks at the log sees which, by what name it is moved, and not more lines than can be
//! read.

use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ask, log_until};
use crate::support::client::{Client, Request};
use crate::support::network;
use crate::support::process::Process;

/// What meets a bound: its name, a request by number, the status, and words of the log.
type Row<'a> = (&'a str, &'a dyn Fn(usize) -> Request, u16, &'a str);

fn put(target: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("PUT", target).body(body)
}

#[test]
fn every_bound_is_said_with_the_name_of_its_setting() {
    let server = Process::muster(&[
        "--limits-blocking-queries-max",
        "1",
        "--limits-streams-max",
        "1",
        "--limits-nodes-max",
        "1",
        "--limits-catalog-bytes-max",
        "1MiB",
        "--limits-body-bytes-max",
        "512KiB",
    ])
    .expect("muster starts");
    let node =
        |name: &str| put("/v1/catalog/register", json!({"Node": name, "Address": "10.0.0.1"}).to_string());
    let large = |id: usize| {
        let tags: Vec<String> = (0..100).map(|at| format!("{at}{}", "t".repeat(4_000))).collect();
        put(
            "/v1/agent/service/register",
            json!({"ID": format!("l{id}"), "Name": "l", "Tags": tags}).to_string(),
        )
    };
    let index = ask(&server, &Request::new("GET", "/v1/catalog/services")).index().expect("an index");
    let blocking = format!("/v1/catalog/services?wait=60s&index={index}");
    let held: Vec<Client> = [blocking.as_str(), "/v1/muster/stream?service=web"]
        .into_iter()
        .map(|target| {
            let mut client = Client::new(server.address);
            client.send(&Request::new("GET", target)).expect("it listens");
            client
        })
        .collect();
    // Of a kind, again and again until the bound is met.
    let rows: [Row<'_>; 5] = [
        (
            "blocking queries",
            &|_| Request::new("GET", &format!("/v1/catalog/services?wait=1ms&index={index}")),
            503,
            "refused GET /v1/catalog/services: 1 blocking queries are waiting already, as many as \
             limits.blocking_queries_max allows",
        ),
        (
            "streams",
            &|_| Request::new("GET", "/v1/muster/stream?service=web"),
            503,
            "refused GET /v1/muster/stream: 1 streams are open already, as many as limits.streams_max allows",
        ),
        ("nodes", &|at| node(&format!("n{at}")), 503, "(limits.nodes_max)"),
        ("bytes", &large, 507, "(limits.catalog_bytes_max)"),
        (
            "a body",
            &|_| put("/v1/agent/service/register", vec![b' '; (512 << 10) + 1]),
            413,
            "limits.body_bytes_max allows 524288 bytes",
        ),
    ];
    let deadline = Instant::now() + Duration::from_secs(60);
    for (name, request, status, words) in rows {
        let mut tries = 0;
        let answer = loop {
            let mut client = Client::new(server.address);
            client.send(&request(tries)).expect("it listens");
            tries += 1;
            // A stream that found a place goes on; it is left.
            let answer = status_of(&client);
            if answer == status || Instant::now() > deadline {
                break answer;
            }
        };
        assert_eq!(answer, status, "{name}");
        // A line is said once a second for each status, so the first of a kind may not be among them.
        let log = log_until(&server, |log| {
            let mut client = Client::new(server.address);
            client.send(&request(tries + 1_000)).is_ok_and(|()| client.receive().is_ok())
                && log.contains(words)
        });
        assert!(log.contains(words), "{name}: {log}");
    }
    drop(held);
}

#[test]
fn one_address_that_takes_too_many_connections_is_said() {
    const CLIENT: &str = "198.18.0.1";
    let tried = network::apart(&[CLIENT], "", || {
        let server = Process::muster(&["--limits-connections-per-ip-max", "1"]).expect("muster starts");
        let connect = || Client::on(network::connect_from(CLIENT, server.address)).expect("a connection");
        let mut first = connect();
        assert_eq!(first.get("/v1/status/leader").expect("an answer").status, 200);
        let refused = connect().get("/v1/status/leader").expect("an answer");
        let words = "limits.connections_per_ip_max allows 1";
        assert!(refused.status == 429 && refused.text().contains(words), "{}", refused.text());
        let log = log_until(&server, |log| log.contains(words));
        let line = log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("status=429") && line.contains(&format!("peer={CLIENT}:")), "{line}");
    });
    network::or_skipped(tried);
}

/// The status of the answer. Nothing else of it is read.
fn status_of(client: &Client) -> u16 {
    let mut first = [0; 12];
    client.connection().and_then(|mut it| it.read_exact(&mut first)).expect("an answer");
    str::from_utf8(&first[9..]).ok().and_then(|digits| digits.parse().ok()).expect("a status")
}

#[test]
fn an_answer_by_status_is_no_bound_and_crowds_leave_few_lines() {
    let server = Process::muster(&["--limits-nodes-max", "1"]).expect("muster starts");
    let check = json!({"Name": "ill", "Check": {"TTL": "1h", "Status": "critical"}});
    assert_eq!(ask(&server, &put("/v1/agent/service/register", check.to_string())).status, 200);
    let ill = Request::new("GET", "/v1/agent/health/service/name/ill");
    assert_eq!(ask(&server, &ill).status, 503);
    let began = Instant::now();
    let mut client = server.client();
    for at in 0..50 {
        let body = json!({"Node": format!("n{at}"), "Address": "10.0.0.1"}).to_string();
        let status = client.put("/v1/catalog/register", &body).expect("an answer").status;
        assert!(at < 2 || status == 503, "{at}: {status}");
    }
    let log = log_until(&server, |log| log.contains("(limits.nodes_max)"));
    let lines = log.matches("refused PUT /v1/catalog/register").count();
    assert!(lines > 0, "{log}");
    assert!(lines <= 2 + began.elapsed().as_secs() as usize, "{lines} lines in {:?}", began.elapsed());
    assert!(!log.contains("refused GET /v1/agent/health"), "{log}");
}
