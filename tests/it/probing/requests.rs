//! What a check sends, beside what a real Consul sends for the same definition: byte by byte, but for what is told
//! apart in the list of differences (the case and order of header names, `Accept-Encoding`, `Referer`).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::check_types::registry::Registry;
use crate::differential::find_consul;
use crate::support::process::Process;

/// Longest wait for a request. A first run of Consul's comes within an interval.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(30);

/// A server that writes down what it is asked, by the row of the table that stands in the path, and sends on what ends
/// in the number of a redirect.
struct Ear {
    address: SocketAddr,
    heard: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Ear {
    fn open() -> Ear {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(BTreeMap::new()));
        let told = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = told.clone();
                thread::spawn(move || hear(stream, &told));
            }
        });
        Ear { address, heard }
    }

    /// The first request of a row, made comparable.
    fn wait_for(&self, row: &str) -> String {
        let deadline = Instant::now() + REQUEST_WAIT_MAX;
        loop {
            if let Some(request) = self.heard.lock().expect("nobody panics with it").get(row) {
                return request.replace(&self.address.to_string(), "TARGET");
            }
            assert!(Instant::now() < deadline, "nobody asks for {row}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads a request and answers it; only the first of each path is kept.
fn hear(stream: TcpStream, told: &Mutex<BTreeMap<String, String>>) {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    let mut headers = Vec::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.trim_end().split_once(':').unwrap_or((header.trim_end(), ""));
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.trim().parse().unwrap_or(0);
        }
        if !["accept-encoding", "referer"].contains(&name.as_str()) {
            headers.push(format!("{name}:{value}"));
        }
    }
    headers.sort();
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let request = format!("{line}{}\n\n{}", headers.join("\n"), String::from_utf8_lossy(&body));
    let row = path.split(['/', '?']).nth(1).unwrap_or_default().to_owned();
    told.lock().expect("nobody panics with it").entry(row).or_insert(request);
    let redirect = path.rsplit('/').next().and_then(|last| last.strip_prefix("redirect-")).map(str::to_owned);
    let answer = match redirect {
        Some(status) => {
            let row = path.split('/').nth(1).unwrap_or_default();
            format!(
                "HTTP/1.1 {status} Moved\r\nLocation: /{row}-then/x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        None => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    };
    // Whoever has left meanwhile asks again.
    let _left = (&stream).write_all(answer.as_bytes());
}

/// The definitions, but for scheme and address of the URL; and what is asked for by each, by the first part of the
/// path.
fn rows() -> Vec<(&'static str, Value)> {
    vec![
        ("/get", json!({})),
        ("/post", json!({"Method": "POST"})),
        ("/put", json!({"Method": "PUT"})),
        ("/patch", json!({"Method": "PATCH"})),
        ("/delete", json!({"Method": "DELETE"})),
        ("/head", json!({"Method": "HEAD"})),
        ("/options", json!({"Method": "OPTIONS"})),
        ("/get-body", json!({"Body": "ping"})),
        ("/post-body", json!({"Method": "POST", "Body": "ping"})),
        ("/delete-body", json!({"Method": "DELETE", "Body": "ping"})),
        ("/utf8/ä/b%20c", json!({})),
        ("/escaped/a%2Fb/!'()*", json!({})),
        ("/blank/a b", json!({})),
        ("/query?a=b&c=%20d", json!({})),
        ("/fragment/a#b", json!({})),
        ("/host", json!({"Header": {"Host": ["one.example"]}})),
        ("/hosts", json!({"Header": {"Host": ["one.example", "two.example"]}})),
        ("/host-empty", json!({"Header": {"Host": [""]}})),
        ("/agent", json!({"Header": {"User-Agent": ["one", "two"]}})),
        ("/agent-empty", json!({"Header": {"User-Agent": [""]}})),
        ("/accept", json!({"Header": {"Accept": ["a/b", "c/d"]}})),
        ("/accept-empty", json!({"Header": {"Accept": [""]}})),
        ("/many", json!({"Header": {"X-One": ["1", "2"], "x-two": [""]}})),
        ("/authorization", json!({"Header": {"Authorization": ["Bearer x"]}})),
        ("/moved/redirect-302", json!({"Method": "POST", "Body": "ping", "Header": {"X-One": ["1"]}})),
        ("/other/redirect-303", json!({"Method": "PUT", "Body": "ping"})),
        ("/temporary/redirect-307", json!({"Method": "POST", "Body": "ping", "Header": {"X-One": ["1"]}})),
        ("/permanent/redirect-308", json!({"Method": "PUT", "Body": "ping"})),
        ("/kept/redirect-308", json!({"Method": "DELETE"})),
    ]
}

/// Definitions with a user in the URL.
const USERS: [(&str, &str); 5] = [
    ("u:p@", "/user"),
    ("u:p%40%3a@", "/user-escaped"),
    ("u@", "/user-alone"),
    (":p@", "/password-alone"),
    ("%C3%A4:%20@", "/user-utf8"),
];

#[test]
fn checks_send_what_consul_sends() {
    let consul = match find_consul() {
        Ok(binary) => Process::consul(&binary).expect("Consul starts"),
        Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("no Consul: {reason}"),
        Err(reason) => return eprintln!("skipped: no Consul to compare with: {reason}"),
    };
    let mut registry = Registry::start();
    let (by_muster, by_consul) = (Ear::open(), Ear::open());
    let mut at_consul = consul.client();
    let mut expected = Vec::new();
    let rows = rows().into_iter().map(|(path, check)| ("", path, check));
    let users = USERS.into_iter().map(|(user, path)| (user, path, json!({})));
    for (user, path, mut check) in rows.chain(users) {
        let row = path.split(['/', '?', '#']).nth(1).expect("a first part").to_owned();
        for (ear, is_ours) in [(&by_muster, true), (&by_consul, false)] {
            check["HTTP"] = json!(format!("http://{user}{}{path}", ear.address));
            (check["Name"], check["Interval"]) = (json!(row), json!("1s"));
            if is_ours {
                registry.accept("/v1/agent/check/register", &check);
            } else {
                let answer =
                    at_consul.put("/v1/agent/check/register", &check.to_string()).expect("an answer");
                assert_eq!(answer.status, 200, "{check}: {}", answer.text());
            }
        }
        if path.contains("redirect-") {
            expected.push(format!("{row}-then"));
        }
        expected.push(row);
    }
    let mut different = Vec::new();
    for row in expected {
        let (ours, theirs) = (by_muster.wait_for(&row), by_consul.wait_for(&row));
        // A connection that may be held is not said to be closed; Consul says it of each.
        let mut ours_closed = with_close(&ours);
        // Consul says of PATCH without a body nothing, which leaves a server to guess.
        if row == "patch" {
            ours_closed = ours_closed.replace("content-length: 0\n", "");
        }
        if ours_closed != theirs {
            different.push(format!("muster:\n{ours}\nConsul:\n{theirs}\n"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn with_close(request: &str) -> String {
    let (head, body) = request.split_once("\n\n").expect("a head");
    let (line, headers) = head.split_once('\n').expect("a request line");
    let mut headers: Vec<&str> = headers.lines().filter(|it| !it.starts_with("connection:")).collect();
    headers.push("connection: close");
    headers.sort_unstable();
    format!("{line}\n{}\n\n{body}", headers.join("\n"))
}

#[test]
fn headers_that_may_be_secrets_stay_with_their_target() {
    let (own, other) = (Ear::open(), Ear::open());
    let to = format!("http://{}/other/x", other.address);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let sending = listener.local_addr().expect("an address");
    let home = format!("http://{}/home/x", own.address);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _read = BufReader::new(&stream).read_line(&mut line);
            let to = if line.contains("elsewhere") { &to } else { &home };
            let answer = format!(
                "HTTP/1.1 307 Moved\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _left = stream.write_all(answer.as_bytes());
        }
    });
    let header = json!({"X-Api-Key": ["secret"], "Authorization": ["secret"], "Cookie": ["secret"],
                        "Proxy-Authorization": ["secret"], "Accept": ["a/b"], "User-Agent": ["me"]});
    let mut registry = Registry::start();
    registry.check("away", json!({"HTTP": format!("http://u:secret@{sending}/elsewhere"), "Header": header}));
    let request = other.wait_for("other");
    assert!(!request.contains("secret"), "{request}");
    assert!(request.contains("accept: a/b") && request.contains("user-agent: me"), "{request}");
    registry
        .check("here", json!({"HTTP": format!("http://{}/to/redirect-302", own.address), "Header": header}));
    let request = own.wait_for("to-then");
    assert!(request.contains("x-api-key: secret") && request.contains("authorization: secret"), "{request}");
}

#[test]
fn the_port_of_an_address_may_be_a_name() {
    let mut registry = Registry::start();
    registry.check("http", json!({"TCP": "localhost:http"}));
    registry.check("zone", json!({"TCP": "[::1%1]:http"}));
    // Whether somebody listens there is not the question: the port is known.
    for name in ["http", "zone"] {
        let deadline = Instant::now() + REQUEST_WAIT_MAX;
        let mut output = String::new();
        while output.is_empty() && Instant::now() < deadline {
            output = registry.shown(name)["Output"].as_str().unwrap_or_default().to_owned();
        }
        let is_known = output.contains("Success") || output.contains(":80: ");
        assert!(is_known, "{name}: {output}");
    }
}
