//! Finished answers: always those of now, warm after a restart, and accounted for.

use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::process::Process;

/// More than every so many answers that go the long way.
const ASKED: usize = 150;

fn register(client: &mut Client, id: &str, port: u16) {
    let body = json!({"ID": id, "Name": "web", "Port": port, "Check": {"TTL": "1h", "Status": "passing"}});
    let answer = client.put("/v1/agent/service/register", &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn report(client: &mut Client) -> Value {
    client.get("/v1/muster/cache").expect("an answer").json()
}

/// Ports of an answer of `/v1/health/service`.
fn ports(body: &Value) -> Vec<u64> {
    let entries = body.as_array().expect("a list").iter();
    entries.map(|entry| entry["Service"]["Port"].as_u64().expect("a port")).collect()
}

#[test]
fn a_repeated_question_gets_the_answer_of_now_with_the_same_headers() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    ["a", "b", "c"].iter().for_each(|id| register(&mut client, id, 1));
    let targets = [
        "/v1/health/service/web?passing",
        "/v1/health/service/web?passing&tag=none",
        "/v1/health/service/WEB",
        "/v1/health/service/web?filter=Service.Port%20!=%207",
        "/v1/catalog/service/web",
        "/v1/health/checks/web",
        "/v1/catalog/services",
        "/v1/health/service/unknown",
    ];
    for round in 2..12 {
        for target in targets {
            // The same question otherwise written is not answered by the short cut; both must agree at every repetition.
            let detour =
                format!("{target}{}dc=dc1&wait={round}s", if target.contains('?') { '&' } else { '?' });
            let long = client.get(&detour).expect("an answer");
            for repetition in 0..4 {
                let short = client.get(target).expect("an answer");
                assert_eq!(short.text(), long.text(), "{target}, {repetition} in round {round}");
                let of_exchange = ["X-Request-Id", "Date"];
                let heads = [&short, &long].map(|answer| {
                    let kept =
                        answer.headers.iter().filter(|(name, _)| !of_exchange.contains(&name.as_str()));
                    kept.cloned().collect::<Vec<_>>()
                });
                assert_eq!(heads[0], heads[1], "{target}, {repetition} in round {round}");
            }
        }
        register(&mut client, ["a", "b", "c"][round % 3], 10 * round as u16);
        let answer = client.get(targets[0]).expect("an answer");
        assert!(ports(&answer.json()).contains(&(10 * round as u64)), "round {round}: {}", answer.text());
    }
}

#[test]
fn headers_and_methods_that_matter_are_looked_at_every_time() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "a", 1);
    let target = "/v1/health/service/web?passing";
    for repetition in 0..4 {
        let got = client.get(target).expect("an answer");
        assert_eq!((got.status, ports(&got.json())), (200, vec![1]));
        let refused = client.request(&Request::new("GET", target).header("Cache-Control", "max-age=x"));
        assert_eq!(refused.expect("an answer").status, 400, "{repetition}");
        let head = client.request(&Request::new("HEAD", target)).expect("an answer");
        assert_eq!((head.status, head.body.len(), head.index()), (200, 0, got.index()), "{repetition}");
        let put = client.request(&Request::new("PUT", target)).expect("an answer");
        assert_eq!(put.status, 405, "{repetition}");
        let zipped = client.request(&Request::new("GET", target).header("Accept-Encoding", "gzip"));
        assert_eq!(zipped.expect("an answer").header("Content-Encoding"), Some("gzip"), "{repetition}");
    }
}

#[test]
fn a_token_changes_nothing_while_there_is_no_access_control_and_what_is_not_known_counts() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "a", 1);
    let target = "/v1/health/service/web";
    let count = |client: &mut Client| {
        let report = report(client);
        ["Hits", "MissesAbsent"].map(|name| report[name].as_u64().expect("a count"))
    };
    let plain = client.get(target).expect("an answer").text();
    let [hits, misses] = count(&mut client);
    let of_callers = [("?token=t", None), ("", Some("X-Consul-Token")), ("", Some("Authorization"))];
    for (at, (parameter, header)) in of_callers.into_iter().enumerate() {
        let target = format!("{target}{parameter}");
        let request = Request::new("GET", &target);
        let request = header.into_iter().fold(request, |request, name| request.header(name, "Bearer t"));
        assert_eq!(client.request(&request).expect("an answer").text(), plain);
        assert_eq!(count(&mut client), [hits + 1 + at as u64, misses], "{target} {header:?}");
    }
    let unknown = [("?unknown=1", "X-Other"), ("", "X-Consul-Unknown"), ("", "X-Muster-Unknown")];
    for (at, (parameter, header)) in unknown.into_iter().enumerate() {
        let target = format!("{target}{parameter}");
        let request = Request::new("GET", &target).header(header, "1");
        assert_eq!(client.request(&request).expect("an answer").text(), plain);
        assert_eq!(count(&mut client), [hits + 3, misses + 1 + at as u64], "{target} {header}");
    }
}

#[test]
fn what_was_asked_most_is_warm_after_an_orderly_restart() {
    let mut process = Process::muster(&["--cache-warm-services", "named,web"]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "a", 1);
    let often = "/v1/health/service/web?filter=Service.Port%20%3D%3D%201&passing";
    (0..ASKED).for_each(|_| drop(client.get(often).expect("an answer")));
    drop(client.get("/v1/catalog/services").expect("an answer"));
    let before = report(&mut client);
    assert_eq!(before["MostAsked"][0], json!({"Query": often, "Asked": ASKED}));
    assert_eq!(before["MostMissed"][0]["Misses"], 1);
    assert_eq!((before["Hits"].as_u64(), before["MissesAbsent"].as_u64()), (Some(ASKED as u64 - 1), Some(2)));
    assert!(before["HitRatio"].as_f64().expect("a ratio") > 0.98, "{before}");

    process.stop().expect("it ends by itself");
    process.start_again().expect("it starts again");
    let mut client = process.client();
    let warm = report(&mut client);
    // Two answers of each named service, and the two that were asked for.
    assert_eq!((&warm["Warmed"]["Answers"], &warm["Warmed"]["Wanted"]), (&json!(6), &json!(6)), "{warm}");
    assert_eq!(warm["MostAsked"][0], json!({"Query": often, "Asked": ASKED / 2}));
    assert_eq!(
        (warm["Hits"].as_u64(), warm["MissesAbsent"].as_u64()),
        (Some(0), Some(0)),
        "nobody has asked"
    );
    for target in
        [often, "/v1/health/service/web?passing", "/v1/health/service/named", "/v1/catalog/services"]
    {
        assert_eq!(client.get(target).expect("an answer").status, 200, "{target}");
    }
    let asked = report(&mut client);
    assert_eq!((asked["Hits"].as_u64(), asked["MissesAbsent"].as_u64()), (Some(4), Some(0)), "{asked}");
    let text = client.get("/metrics").expect("an answer").text();
    for line in ["muster_cache_hits_total 4", "muster_cache_misses_total{reason=\"absent\"} 0"] {
        assert!(text.lines().any(|it| it == line), "{line} is missing");
    }
    register(&mut client, "a", 2);
    assert_eq!(client.get(often).expect("an answer").text(), "[]");
    assert_eq!(report(&mut client)["MissesChanged"], 1);
}

#[test]
fn the_bounds_hold_and_are_shown() {
    let process = Process::muster(&["--cache-entries-max", "16"]).expect("muster starts");
    let mut client = process.client();
    for number in 0..40 {
        drop(client.get(&format!("/v1/health/service/s{number}")).expect("an answer"));
    }
    let report = report(&mut client);
    assert_eq!(
        (&report["Entries"], &report["EntriesMax"], &report["Evictions"]),
        (&json!(16), &json!(16), &json!(24))
    );
    assert_eq!(report["Routes"][0]["Route"], "/v1/health/service/");
    for (top, status) in [("0", 200), ("1000", 200), ("1001", 400), ("-1", 400), ("x", 400)] {
        let answer = client.get(&format!("/v1/muster/cache?top={top}")).expect("an answer");
        assert_eq!(answer.status, status, "{top}: {}", answer.text());
    }
}
