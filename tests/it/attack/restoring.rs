//! Snapshots, and a Redis, that hold more than the memory of the machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::bystander::held;
use super::group::{Group, SKIPPED};
use crate::redis::server::Redis;
use crate::snapshot::made_up::{self, THEIR_ID, THEIRS, line};
use crate::support::client::Request;
use crate::support::process::{Process, muster_binary};

/// Memory of the group in which the server lives.
const GROUP_BYTES: u64 = 256 << 20;

const INDEXES: &str = r#""indexes":{"create":1,"modify":1}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    packed(bytes, Compression::fast())
}

fn packed(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn snapshot_of(table: &str, count: usize, row: impl Fn(usize) -> String) -> Vec<u8> {
    let own = made_up::node(THEIRS);
    let mut node = own.2;
    node["id"] = json!(THEIR_ID);
    let mut lines = line(own.0, &own.1, &node.to_string());
    (0..count).for_each(|at| lines += &row(at));
    let mut counts = json!({ "nodes": 1 });
    counts[table] = json!(counts[table].as_u64().unwrap_or(0) + count as u64);
    made_up::sealed(json!({ "index": 9, "rows": counts }), count + 1, lines)
}

/// So many small instances.
fn instances(count: usize) -> Vec<u8> {
    snapshot_of("services", count, |at| {
        let value = format!(r#"{{"id":"web-{at:06}","name":"web","origin":"agent","port":80,{INDEXES}}}"#);
        line("services", &format!("{THEIRS}\tweb-{at:06}"), &value)
    })
}

/// What takes much more in memory than where it is written, or is much more once it is unpacked.
fn bombs() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let proxy = |at: usize| {
        let list = "1,".repeat(500_000);
        let proxy = format!(r#""proxy":{{"rest":{{"Config":{{"a":[{list}1]}}}}}}"#);
        let value = format!(r#"{{"id":"s-{at:03}","name":"s","origin":"agent",{proxy},{INDEXES}}}"#);
        line("services", &format!("{THEIRS}\ts-{at:03}"), &value)
    };
    let transition = |at: usize| {
        let value = format!(
            r#"{{"index":{at},"position":0,"time_ms":1,"service_name":"","check_name":"","from":null,"to":null,
            "cause":"probe","output":"{}"}}"#,
            "x".repeat(250)
        );
        line("history", &format!("{THEIRS}\ts\tc-{at:06}\t0"), &value.replace('\n', ""))
    };
    let blanks = |at: usize| {
        let value = format!(r#"{{{}"name":"n-{at:03}","address":"",{INDEXES}}}"#, " ".repeat(1 << 20));
        line("nodes", &format!("zzz-{at:03}"), &value.replace("n-", "zzz-"))
    };
    let large = snapshot_of("services", 40, proxy);
    let mut histories = snapshot_of("history", 60_000, transition);
    let text = String::from_utf8_lossy(&histories).replacen("\"index\":9", "\"index\":99999", 1);
    histories = resealed(&text);
    let endless = [&b"{\"muster_snapshot\":1,\"node\":\""[..], &vec![b'x'; 40 << 20]].concat();
    vec![
        ("instances", gzip(&instances(90_000)), &[503, 507]),
        ("lists of numbers", large, &[503, 507]),
        ("a history", gzip(&histories), &[503]),
        ("blanks", packed(&snapshot_of("nodes", 64, blanks), Compression::best()), &[413]),
        ("a line", gzip(&endless), &[413]),
        ("a line as it is", endless, &[413]),
    ]
}

/// The same lines under a seal that is right.
fn resealed(text: &str) -> Vec<u8> {
    let end = text.rfind("{\"end\"").expect("it has a seal");
    let (header, rows) = text[..end].split_once('\n').expect("it has a header");
    let header: serde_json::Value = serde_json::from_str(header).expect("it is JSON");
    made_up::sealed(header, rows.lines().count(), rows.to_owned())
}

#[test]
fn a_small_group_is_enough_whatever_is_restored() {
    let Some(group) = Group::new(GROUP_BYTES) else {
        println!("{SKIPPED}");
        return;
    };
    let server = Process::muster_after(&group.join(), &[]).expect("muster starts");
    let mut client = server.client();
    for (name, body, statuses) in bombs() {
        for target in ["/v1/snapshot?dry-run", "/v1/snapshot"] {
            let answer = client.request(&Request::new("PUT", target).body(&*body)).expect(name);
            assert!(statuses.contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
            assert!(
                answer.text().contains("limits.") || answer.text().contains("unpack"),
                "{}",
                answer.text()
            );
        }
        assert_eq!(held(&server, "restoring"), 0.0, "{name}");
    }
    let fits = client.request(&Request::new("PUT", "/v1/snapshot").body(gzip(&instances(10_000))));
    assert_eq!(fits.expect("an answer").status, 200);
    assert_eq!(held(&server, "restoring"), 0.0);
    assert_eq!(client.get("/readyz").expect("it lives").status, 200);
}

/// Offline it is row by row: what is too much for the account of a server is no matter.
#[test]
fn a_directory_is_made_in_constant_memory() {
    let Some(group) = Group::new(GROUP_BYTES / 4) else {
        println!("{SKIPPED}");
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (file, into) = (directory.path().join("large"), directory.path().join("made"));
    fs::write(&file, gzip(&instances(90_000))).expect("it can be written");
    let script = format!("{} && exec \"$0\" \"$@\"", group.join());
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(muster_binary()).args(["store", "restore"]).arg(&file);
    let made = shell.arg("--into").arg(&into).output().expect("sh runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let inspected =
        Command::new(muster_binary()).args(["store", "inspect"]).arg(&into).output().expect("it runs");
    let told = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(told.contains("90000 rows") && told.contains("it is whole"), "{told}");
}

/// A server in the place of Redis that answers whatever it is asked by a text of a gigabyte and a half.
#[test]
fn an_endless_answer_of_redis_is_not_received() {
    let Some(group) = Group::new(GROUP_BYTES) else {
        println!("{SKIPPED}");
        return;
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = is_over.clone();
    let answer = std::thread::spawn(move || {
        for stream in listener.incoming().take_while(|_| !ends.load(Ordering::Relaxed)) {
            let Ok(mut stream) = stream else { continue };
            let (mut question, piece) = ([0; 4096], vec![b'x'; 1 << 20]);
            let _ = stream.read(&mut question);
            let _ = stream.write_all(b"$1500000000\r\n");
            (0..1_500).take_while(|_| stream.write_all(&piece).is_ok()).for_each(drop);
        }
    });
    let url = format!("redis://127.0.0.1:{port}");
    let words = ["--store", "redis", "--redis-url", &url, "--redis-timeout", "10s"];
    let said = Process::muster_after(&group.join(), &words).map(drop).expect_err("there is no registry");
    assert!(
        said.contains("more than there is memory for") && said.contains("limits.transit_bytes_max"),
        "{said}"
    );
    is_over.store(true, Ordering::Relaxed);
    let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    answer.join().expect("it ends");
}

/// Rows that somebody else has put under the prefix, more than fit into memory: muster serves, and says what to do.
#[test]
fn a_redis_with_too_much_keeps_nobody_from_being_served() {
    let Some(group) = Group::new(GROUP_BYTES) else {
        println!("{SKIPPED}");
        return;
    };
    let redis = Redis::start(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port);
    let words = ["--store", "redis", "--redis-url", &url, "--redis-prefix", "full"];
    let mut server = Process::muster_after(&group.join(), &words).expect("muster starts");
    let body = json!({ "Name": "kept", "Port": 7 }).to_string();
    assert_eq!(server.client().put("/v1/agent/service/register", &body).expect("an answer").status, 200);
    server.stop().expect("it ends");
    for number in 0..4 {
        let row = "x".repeat(24 << 20);
        redis.ask::<()>(&["HSET", "full:v1:services", &format!("n\t{number}"), &row]);
    }
    server.start_again().expect("it serves on what it has");
    let said = |server: &Process| server.log().contains("more than there is memory for");
    let begun = std::time::Instant::now();
    while !said(&server) {
        assert!(begun.elapsed().as_secs() < 60, "{}", server.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let services = server.client().get("/v1/agent/services").expect("it lives").json();
    assert_eq!(services["kept"]["Port"], 7);
}
