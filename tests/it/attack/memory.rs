//! Clients that make the server hold bytes: what they send in part, and what they do not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Scale;
use super::bystander::{Limits, beside, held, limits, metric_sum};
use super::group::{Group, SKIPPED};
use super::raw;
use crate::support::process::Process;

/// Memory of the group in which the server lives.
const GROUP_BYTES: u64 = 256 << 20;

/// Bytes of the lists that are not read: large, and not kept.
const LIST_RECORDS: usize = 24;
const RECORD_BYTES: usize = 400_000;

/// Registers a list of some megabytes: checks with long outputs are cut, metadata are not.
fn large_list(server: &Process) {
    let mut client = server.client();
    let pairs: Vec<String> = (0..60).map(|at| format!(r#""key-{at}":"{}""#, "x".repeat(500))).collect();
    let tags: Vec<String> =
        (0..40).map(|at| format!(r#""{at}{}""#, "t".repeat(RECORD_BYTES / 1_000))).collect();
    for number in 0..LIST_RECORDS * 10 {
        let body = format!(
            r#"{{"ID":"large-{number}","Name":"large","Meta":{{{}}},"Tags":[{}]}}"#,
            pairs.join(","),
            tags.join(",")
        );
        let answer = client.put("/v1/agent/service/register", &body).expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Many who ask for the list and read nothing; each asks for another list, so that nothing is shared.
fn non_readers(server: &Process, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|number| {
            let target = format!("/v1/health/service/large?filter=Service.Port+!=+{}", 20_000 + number);
            raw::silent(server.address, &raw::get(&target, ""))
        })
        .collect()
}

/// Many who send most of a body.
fn half_senders(server: &Process, count: usize, bytes: usize) -> Vec<TcpStream> {
    let body = vec![b'x'; bytes - 1];
    (0..count)
        .map(|_| {
            let head = format!(
                "PUT /v1/agent/service/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n"
            );
            let mut stream = raw::silent(server.address, head.as_bytes());
            stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout above zero");
            // It may be refused before it has sent everything.
            let _ = stream.write_all(&body);
            stream
        })
        .collect()
}

#[test]
fn half_sent_bodies_are_refused_past_the_bound() {
    let arguments = ["--limits-transit-bytes-max", "8MiB", "--limits-body-timeout", "5s"];
    let server = Process::muster(&arguments).expect("muster starts");
    let refused = beside(&server, &limits(), |scale| {
        let mut senders = half_senders(&server, scale.pick(40, 1_500), 900_000);
        assert!(held(&server, "requests") <= 4_194_304.0);
        let said: Vec<Vec<u8>> = senders.iter_mut().map(raw::read_to_end).collect();
        said.into_iter().filter(|it| raw::status(it) == 503).collect::<Vec<_>>()
    });
    assert!(!refused.is_empty(), "some had to be refused");
    let said = String::from_utf8_lossy(&refused[0]).into_owned();
    assert!(said.contains("as many bytes of unfinished requests as it may"), "{said}");
}

#[test]
fn unread_answers_are_refused_past_the_bound_and_slow_readers_end() {
    let arguments = ["--limits-transit-bytes-max", "32MiB", "--limits-write-timeout", "3s"];
    let server = Process::muster(&arguments).expect("muster starts");
    large_list(&server);
    beside(&server, &limits(), |scale| {
        let mut readers = non_readers(&server, scale.pick(6, 100));
        for stream in &mut readers {
            // The head comes at once, or a refusal; nothing more is read before the server has lost its patience.
            let mut first = [0; 12];
            stream.read_exact(&mut first).expect("it is answered");
            assert!(first.ends_with(b"200") || first.ends_with(b"503"), "{}", first.escape_ascii());
        }
        assert!(held(&server, "answers") <= 16_777_216.0);
    });
}

#[test]
fn long_bodies_that_are_compressed_delay_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    large_list(&server);
    let statuses = beside(&server, &limits(), |scale| {
        let asked: Vec<TcpStream> = (0..scale.pick(6, 60))
            .map(|number| {
                let target = format!("/v1/health/service/large?filter=Service.Port+!=+{}", 10_000 + number);
                let headers = "Accept-Encoding: gzip\r\nConnection: close\r\n";
                raw::silent(server.address, &raw::get(&target, headers))
            })
            .collect();
        asked.into_iter().map(|mut it| raw::status(&raw::read_to_end(&mut it))).collect::<Vec<u16>>()
    });
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
}

/// A reader that takes a few bytes now and then makes progress all the time, and is slow all the same.
#[test]
fn a_trickling_reader_ends_at_the_least_rate() {
    let arguments = ["--limits-write-timeout", "1s", "--limits-rate-bytes-min", "1MiB"];
    let server = Process::muster(&arguments).expect("muster starts");
    large_list(&server);
    // More than the kernel takes for both ends.
    let asked = raw::get("/v1/health/service/large", "").repeat(8);
    let stream = raw::silent_and_small(server.address, &asked);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut piece = [0; 16 * 1024];
            // 160 KiB a second: progress at every look, and minutes for all of it.
            while !is_over.load(Ordering::Relaxed)
                && (&stream).read(&mut piece).is_ok_and(|length| length > 0)
            {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let wait_until = |is_so: &dyn Fn() -> bool| {
            let deadline = Instant::now() + Duration::from_secs(90);
            while Instant::now() < deadline {
                // Once is enough: the connection of the question before may still count.
                if is_so() {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            false
        };
        let waited_for = wait_until(&|| held(&server, "answers") > 0.0);
        let cut_off = wait_until(&|| connections(&server) <= 1.0 && held(&server, "answers") == 0.0);
        is_over.store(true, Ordering::Relaxed);
        assert!(waited_for && cut_off, "waited for {waited_for}, cut off {cut_off}");
    });
}

/// A kept connection whose large answer was read holds nothing.
#[test]
fn an_answer_that_was_read_is_held_no_longer() {
    let server = Process::muster(&[]).expect("muster starts");
    large_list(&server);
    let mut client = server.client();
    assert!(client.get("/v1/health/service/large").expect("it is answered").body.len() > 1 << 20);
    assert_eq!(held(&server, "answers"), 0.0);
}

/// Connections that are open, that of the question included.
fn connections(server: &Process) -> f64 {
    let metrics = server.client().get("/metrics").expect("the server answers").text();
    metric_sum(&metrics, "muster_http_connections ")
}

#[test]
fn a_small_group_is_enough_whatever_clients_do() {
    let Some(group) = Group::new(GROUP_BYTES) else {
        println!("{SKIPPED}");
        return;
    };
    let server = Process::muster_after(
        &group.join(),
        &["--limits-body-timeout", "5s", "--limits-write-timeout", "5s"],
    )
    .expect("muster starts");
    large_list(&server);
    let limits = Limits { resident_bytes_max: Some(GROUP_BYTES), ..limits() };
    let pid = server.pid();
    beside(&server, &limits, |scale| {
        // So many that what each of those that are refused still held would be too much.
        let _half = half_senders(&server, 1_500, 1_000_000);
        let _unread = non_readers(&server, scale.pick(20, 100));
        let same: Vec<u8> = raw::get("/v1/health/service/large", "Accept-Encoding: gzip\r\n");
        let _shared: Vec<TcpStream> =
            (0..scale.pick(50, 200)).map(|_| raw::silent(server.address, &same)).collect();
        std::thread::sleep(scale.pick(Duration::from_secs(1), Duration::from_secs(10)));
        assert!(Scale::of_this_run() == scale);
    });
    assert_eq!(server.pid(), pid);
    assert_eq!(server.client().get("/readyz").expect("it lives").status, 200);
    drop(server);
    drop(group);
}
