//! Names whose name server says nothing: they hold up neither the checks of other names nor those of addresses.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::check_types::target::skip;
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Where the name server of these tests listens: on the loopback network, where nobody else does.
const SERVER: &str = "127.53.53.53";

/// Names of silent zones that are checked: four times as many as muster once had threads.
const SILENT: usize = 16;

/// A name server that answers everything below `good.example` with 127.0.0.1, for as long as it is to, and says nothing
/// to other questions.
struct NameServer {
    answers: Arc<AtomicBool>,
}

impl NameServer {
    fn start() -> Option<NameServer> {
        let socket = UdpSocket::bind((SERVER, 53)).ok()?;
        let answers = Arc::new(AtomicBool::new(true));
        let told = answers.clone();
        thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                if let Some(answer) = reply(&question[..length]).filter(|_| told.load(Ordering::SeqCst)) {
                    // Whoever does not wait any more asks again.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Some(NameServer { answers })
    }
}

/// The answer to a question for an address (RFC 1035, section 4): 127.0.0.1, or nothing of that type.
fn reply(question: &[u8]) -> Option<Vec<u8>> {
    const GOOD: &[u8] = b"\x04good\x07example\x00";
    let at = question.windows(GOOD.len()).position(|it| it.eq_ignore_ascii_case(GOOD))? + GOOD.len();
    let (kind, end) = (question.get(at..at + 2)?, at + 4);
    let mut answer = question.get(..end)?.to_vec();
    let count = u8::from(kind == [0, 1]);
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
    if count == 1 {
        // The name of the question, an address of the Internet, good for no time at all.
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}

fn register(client: &mut Client, id: &str, target: &str) {
    let check = json!({"Name": id, "TCP": target, "Interval": "1s", "Timeout": "2s"});
    let answer = client.put("/v1/agent/check/register", &check.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn wait_for(client: &mut Client, id: &str, status: &str, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_so = |check: &serde_json::Value| {
        check["Status"] == status && check["Output"].as_str().is_some_and(|output| output.contains(words))
    };
    let request = Request::new("GET", "/v1/agent/checks");
    let answer = ask_until(client, &request, deadline, |it| is_so(&it.json()[id])).expect("an answer");
    assert!(is_so(&answer.json()[id]), "{id} should be {status}: {}", answer.json()[id]);
}

#[test]
fn silent_name_servers_hold_up_no_other_check() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let resolv = directory.path().join("resolv.conf");
    fs::write(&resolv, format!("nameserver {SERVER}\n")).expect("a file can be written");
    let Some(names) = NameServer::start() else {
        return skip("port 53 of an address of this machine, which only root may have");
    };
    let server = match Process::muster_resolving(&resolv, &["--check-update-interval", "0s"]) {
        Ok(server) => server,
        Err(error) => return skip(&format!("a mount of its own (unshare): {error}")),
    };
    let mut client = server.client();
    let target = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = target.local_addr().expect("an address").port();
    thread::spawn(move || target.incoming().flatten().for_each(drop));
    let rows = [
        ("address", format!("127.0.0.1:{port}")),
        ("localhost", format!("localhost:{port}")),
        ("known", format!("web.good.example:{port}")),
    ];
    for (id, target) in &rows {
        register(&mut client, id, target);
    }
    for (id, _) in &rows {
        wait_for(&mut client, id, "passing", "Success");
    }
    for at in 0..SILENT {
        register(&mut client, &format!("silent{at}"), &format!("web.silent{at}.example:{port}"));
    }
    for at in 0..SILENT {
        wait_for(&mut client, &format!("silent{at}"), "critical", "i/o timeout");
    }
    // Every thread that looks names up has had time to be taken. A name that is new now is found all the same.
    register(&mut client, "new", &format!("new.good.example:{port}"));
    wait_for(&mut client, "new", "passing", "Success");
    // Even the server of the known names says nothing now: their last answer serves.
    names.answers.store(false, Ordering::SeqCst);
    let index =
        |client: &mut Client, id: &str| client.get("/v1/agent/checks").expect("an answer").json()[id].clone();
    let deadline = Instant::now() + Duration::from_secs(8);
    while Instant::now() < deadline {
        for id in ["address", "localhost", "known", "new"] {
            let check = index(&mut client, id);
            assert_eq!(check["Status"], "passing", "{id}: {check}");
        }
        thread::sleep(Duration::from_millis(200));
    }
}
