//! Readers that ask for much: costly filters, many parameters, large lists again and again.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::bystander::{beside, limits, metric_sum};
use super::raw;
use crate::stream::subscriber::Subscriber;
use crate::support::process::Process;

/// Registers so many instances of `crowded`, with so many pairs of metadata of half a kilobyte each.
fn crowd(server: &Process, instances: usize, pairs: usize) {
    let pair = |number: usize| format!(r#""text{number}":"{}""#, "ab".repeat(250));
    let text = (0..pairs).map(pair).collect::<Vec<_>>().join(",");
    // The disk is waited for by several at a time.
    std::thread::scope(|scope| {
        for part in 0..8 {
            let text = &text;
            scope.spawn(move || {
                let mut client = server.client();
                for number in (part..instances).step_by(8) {
                    let port = 1_000 + number % 60_000;
                    let body = format!(
                        r#"{{"ID":"crowded-{number}","Name":"crowded","Port":{port},"Tags":["a","b","v{number}"],
                        "Meta":{{{text}}}}}"#
                    );
                    let answer = client.put("/v1/agent/service/register", &body).expect("the server answers");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
}

/// The same target asked by so many at a time, so often by each; the answers.
fn ask_by_many(server: &Process, target: &str, clients: usize, times: usize) -> Vec<Vec<u8>> {
    let address = server.address;
    std::thread::scope(|scope| {
        let ask = move || (0..times).map(|_| raw::ask(address, target)).collect::<Vec<_>>();
        let asked: Vec<_> = (0..clients).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().flat_map(|it| it.join().expect("an attacker does not panic")).collect()
    })
}

#[test]
fn costly_patterns_hold_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    crowd(&server, 20, 1);
    // No match, so that each is tried on each instance.
    let comparison = "ServiceMeta.text0+matches+%60(?:%5Bab%5D?)%7B1500%7D%5B%5Eab%5D%60";
    let target = format!("/v1/catalog/service/crowded?filter={}", [comparison; 16].join("+or+"));
    let answers = beside(&server, &limits(), |scale| ask_by_many(&server, &target, 4, scale.pick(1, 4)));
    for answer in &answers {
        let said = String::from_utf8_lossy(answer);
        // On a busy machine the wait is over before the five seconds of work are.
        let sentences =
            ["more than 5 s of work", "reads are waiting already", "not done after 20 s", "waited 20 s"];
        let is_refused = sentences.iter().any(|it| said.contains(it));
        assert!(raw::status(answer) == 200 || raw::status(answer) == 503 && is_refused, "{said}");
    }
    let metrics = server.client().get("/metrics").expect("the server answers").text();
    assert!(metric_sum(&metrics, "muster_costly_reads_total{") >= 1.0, "they went to threads of their own");
}

#[test]
fn a_pattern_that_is_too_large_is_refused_at_once() {
    let server = Process::muster(&[]).expect("muster starts");
    let target = "/v1/catalog/service/x?filter=ServiceName+matches+%60(?:%5Bab%5D?)%7B7000%7D%5B%5Eab%5D%60";
    for target in
        [target.to_owned(), format!("{target}&index=1&wait=60s"), target.replace("ServiceName", "ID")]
    {
        let answer = server.client().get(&target).expect("the server answers");
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("use smaller repetitions"), "{}", answer.text());
    }
    let stream = "/v1/muster/stream?service=x&filter=Service.Service+matches+%60a%7B2%7D%60";
    let answer = server.client().get(stream).expect("the server answers");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("too costly for a stream"), "{}", answer.text());
}

#[test]
fn many_parameters_are_refused_and_the_same_twice_is_once() {
    let server = Process::muster(&[]).expect("muster starts");
    crowd(&server, 20, 0);
    let mut client = server.client();
    for (path, name) in [
        ("/v1/catalog/service/crowded", "tag"),
        ("/v1/health/service/crowded", "tag"),
        ("/v1/health/service/crowded", "node-meta"),
        ("/v1/catalog/nodes", "node-meta"),
        ("/v1/health/state/any", "node-meta"),
        ("/v1/muster/stream", "tag"),
    ] {
        let target = |count: usize| {
            let values: Vec<String> = (0..count).map(|number| format!("{name}={number}")).collect();
            format!("{path}?service=crowded&{}", values.join("&"))
        };
        let answer = client.get(&target(65)).expect("the server answers");
        assert_eq!(answer.status, 400, "{path}");
        let sentence = format!("more than 64 different {name}= parameters: ask for fewer");
        assert_eq!(answer.text(), sentence);
        if path != "/v1/muster/stream" {
            assert_eq!(client.get(&target(64)).expect("the server answers").status, 200, "{path}");
        }
    }
    let same = ["tag=a"; 1_300].join("&");
    let answer = client.get(&format!("/v1/catalog/service/crowded?{same}")).expect("the server answers");
    assert_eq!(answer.json().as_array().map(Vec::len), Some(20));
}

#[test]
fn large_lists_made_again_and_again_hold_nobody() {
    // Nothing of that size is kept, so that each is made anew.
    let server = Process::muster(&["--cache-bytes-max", "1MiB"]).expect("muster starts");
    crowd(&server, 400, 4);
    let heads = "HEAD /v1/health/service/crowded HTTP/1.1\r\nHost: localhost\r\n\r\n";
    beside(&server, &limits(), |scale| {
        let streams: Vec<_> = (0..scale.pick(2, 4))
            .map(|_| {
                let last = heads.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                let all = heads.repeat(scale.pick(50, 1_000) - 1) + &last;
                raw::silent(server.address, all.as_bytes())
            })
            .collect();
        for mut stream in streams {
            let said = raw::read_to_end(&mut stream);
            let answers = said.windows(9).filter(|bytes| bytes.starts_with(b"HTTP/1.1 ")).count();
            assert_eq!(answers, scale.pick(50, 1_000));
        }
    });
}

#[test]
fn streams_of_a_large_service_begin_as_other_large_reads_do() {
    const INSTANCES: usize = 1_200;
    let server = Process::muster(&[]).expect("muster starts");
    crowd(&server, INSTANCES, 32);
    let open = |query: &str| Subscriber::open(server.address, query, None).expect("a stream");
    let mut streams = ["", "&one-more", "&filter=Service.Port+!%3D+1"]
        .map(|query| open(&format!("service=crowded{query}&bookmark=300s")));
    for stream in &mut streams {
        let event = stream.next().expect("it goes on").expect("an event");
        assert_eq!(event.kind, "snapshot");
        assert_eq!(event.data["Entries"].as_array().map(Vec::len), Some(INSTANCES));
    }
    let metrics = server.client().get("/metrics").expect("the server answers").text();
    let made = metric_sum(&metrics, "muster_costly_reads_total{outcome=\"answered\"}");
    assert!(made >= 3.0, "each had a list of its own, which no worker has made: {made}");
    // They go on with what changes.
    let target = "/v1/agent/service/deregister/crowded-7";
    assert_eq!(server.client().put(target, "").expect("the server answers").status, 200);
    for stream in &mut streams {
        let event = stream.next().expect("it goes on").expect("an event");
        assert_eq!((event.kind.as_str(), event.data["ID"].as_str()), ("remove", Some("crowded-7")));
    }
}

/// Ends a flood when dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A GET from that address of this machine, on a connection of its own.
fn ask_from(from: [u8; 4], server: &Process, target: &str) -> Vec<u8> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((from, 0)).into()).expect("all of 127.0.0.0/8 is this machine's");
    socket.connect(&server.address.into()).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout above zero");
    let mut stream = TcpStream::from(socket);
    // A server may have hung up on it already; then nothing comes.
    let _ = stream.write_all(&raw::get(target, "Connection: close\r\n"));
    raw::read_to_end(&mut stream)
}

#[test]
fn one_client_that_floods_starves_nobody() {
    // Nothing of that size is kept, so that each is made anew.
    let server =
        Process::muster(&["--cache-bytes-max", "1MiB", "--log-level", "error"]).expect("muster starts");
    crowd(&server, 400, 4);
    let is_over = AtomicBool::new(false);
    let (refused, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for flooder in 0..70 {
            let (server, is_over, refused, answered) = (&server, &is_over, &refused, &answered);
            scope.spawn(move || {
                // Each its own, so that no two share one making.
                let term = |number: usize| format!("ServiceID!=f{flooder}t{number}");
                let terms: Vec<String> = (0..300).map(term).collect();
                let target = format!("/v1/catalog/service/crowded?filter={}", terms.join("+and+"));
                while !is_over.load(Ordering::Relaxed) {
                    let answer = raw::ask(server.address, &target);
                    match raw::status(&answer) {
                        200 => answered.fetch_add(1, Ordering::Relaxed),
                        503 => refused.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other}: {}", String::from_utf8_lossy(&answer)),
                    };
                }
            });
        }
        // However it ends.
        let _over = Over(&is_over);
        let begun = Instant::now();
        while refused.load(Ordering::Relaxed) == 0 && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        // Others: a plain list, also from the flooder's own address, and a filtered one.
        let filtered = "/v1/health/service/crowded?filter=Service.Port+!%3D+1";
        for round in 0..3 {
            for (from, target) in [
                ([127, 0, 0, 2], "/v1/health/service/crowded?plain"),
                ([127, 0, 0, 1], "/v1/health/service/crowded?plain"),
                ([127, 0, 0, 3], filtered),
            ] {
                let (asked, target) = (Instant::now(), format!("{target}&round={round}"));
                let answer = ask_from(from, &server, &target);
                let took = asked.elapsed();
                let said = || String::from_utf8_lossy(&answer[..answer.len().min(400)]).into_owned();
                assert_eq!(raw::status(&answer), 200, "{target} after {took:?}: {}", said());
                assert!(took < Duration::from_secs(10), "{target} took {took:?}");
            }
        }
    });
    assert!(refused.load(Ordering::Relaxed) > 0, "they were more than may wait");
    assert!(answered.load(Ordering::Relaxed) > 0, "and they have their share");
}
