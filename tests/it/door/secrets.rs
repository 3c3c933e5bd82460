//! What the server says, writes and logs never holds the keys that checks, webhooks and requests were given; and who may
//! have them after all.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ask, log_until, server};
use crate::support::client::{Client, Request};
use crate::support::process::{Process, free_port};

/// Stands in everything that must not be seen.
const SECRET: &str = "s3cret";

/// Everything that tells of checks, and of how this server is set up.
const TELLING: [&str; 11] = [
    "/v1/agent/checks",
    "/v1/agent/self",
    "/v1/agent/services",
    "/v1/health/state/any",
    "/v1/health/service/web",
    "/v1/catalog/service/web",
    "/v1/muster/explain/web",
    "/v1/muster/history/service/web",
    "/v1/muster/webhooks",
    "/v1/snapshot",
    "/metrics",
];

/// A target that says everything back that it is sent; from `/away` it leads to where nothing can be asked.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let (mut sent, mut buffer) = (Vec::new(), [0; 4096]);
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                sent.extend_from_slice(&buffer[..count]);
                let text = String::from_utf8_lossy(&sent);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let head = head.to_ascii_lowercase();
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    break;
                }
            }
            let head = match sent.starts_with(b"GET /away") {
                true => "HTTP/1.1 302 Found\r\nLocation: gopher://s3cret-us:er@h/?key=s3cret-where\r\n",
                false => "HTTP/1.1 500 Oh\r\n",
            };
            let head = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n", sent.len());
            // Whoever has left hears nothing.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&sent));
        }
    });
    address
}

#[test]
fn nothing_that_is_told_holds_a_key() {
    let target = echo();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("muster.toml");
    let webhook = "[[webhooks]]\nname = 'hook'\nurl = 'http://TARGET/T0/s3cret-hook?key=s3cret-hook-key'\n\
                   [webhooks.headers]\nAuthorization = 'Bearer s3cret-hook-header'\n";
    fs::write(&config, webhook.replace("TARGET", &target.to_string())).expect("it can be written");
    let check = json!({"check": {"name": "program", "interval": "1s",
        "args": ["/bin/sh", "-c", "echo $0 $1; exit 2", "--token", "s3cret-word"]}});
    let definitions = directory.path().join("check.json");
    fs::write(&definitions, check.to_string()).expect("it can be written");
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let admin = format!("127.0.0.1:{}", free_port());
    let muster = Process::muster(&[
        "--admin-addr",
        &admin,
        "--check-update-interval",
        "0s",
        "--log-level",
        "debug",
        "--enable-local-script-checks",
        "--config-file",
        &path(&config),
        "--config-file",
        &path(&definitions),
    ]);
    let muster = muster.expect("it starts");
    let odd = "hook%3Fs3cret-a/;token%3Ds3cret-b?token%3Ds3cret-c&==s3cret-d&s3cret-e=&s3cret-f&a%26token%253ds3cret-g";
    let key = "?key=s3cret-key&token=s3cret-token;secret=s3cret-k#s3cret-part";
    let checks = json!([
        {"CheckID": "refused", "HTTP": format!("http://s3cret-user:s3cret-pw@127.0.0.1:9/a;t=s3cret-t/b{key}")},
        {"CheckID": "token", "HTTP": "http://s3cret-alone@127.0.0.1:9/"},
        {"CheckID": "echo", "HTTP": format!("http://s3cret-user:s3cret-pw@{target}/{key}"), "Method": "POST",
         "Header": {"X-Key": ["Bearer s3cret-header"]}, "Body": "s3cret-body"},
        {"CheckID": "away", "HTTP": format!("http://{target}/away{key}")},
        {"CheckID": "odd", "HTTP": format!("http://{target}/{odd}")},
        {"CheckID": "lost", "HTTP": format!("http://127.0.0.1:9/{odd}")},
        {"CheckID": "grpc", "GRPC": "127.0.0.1:9/service?key=s3cret-grpc"},
    ]);
    let checks: Vec<_> = checks
        .as_array()
        .expect("a list")
        .iter()
        .map(|check| {
            let mut check = check.clone();
            (check["Interval"], check["Name"]) = (json!("1s"), check["CheckID"].clone());
            check
        })
        .collect();
    let body = json!({"Name": "web", "Port": 1, "Checks": checks}).to_string();
    let register = Request::new("PUT", "/v1/agent/service/register?token=s3cret-asked").body(body);
    let register = register.header("X-Consul-Token", "s3cret-asked");
    assert_eq!(ask(&muster, &register).status, 200);
    let mut client = muster.client();
    let begun = Instant::now();
    let outputs = loop {
        let checks = client.get("/v1/agent/checks").expect("an answer").json();
        let outputs: Vec<String> = ["refused", "token", "echo", "away", "grpc", "program", "odd", "lost"]
            .map(|id| checks[id]["Output"].as_str().unwrap_or_default().to_owned())
            .into();
        if outputs.iter().all(|output| !output.is_empty()) {
            break outputs;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "all have run: {checks}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(outputs[0].starts_with(
        "Get \"http://(redacted)@127.0.0.1:9/a;t=(redacted)/b?key=(redacted)&token=(redacted)#(redacted)\": dial tcp"
    ), "{outputs:?}");
    assert!(
        outputs[2].contains("500 Internal Server Error Output: POST /?key=(redacted)&token=(redacted)"),
        "{outputs:?}"
    );
    for said in ["x-key: (redacted)", "Basic (redacted)", "\r\n\r\n(redacted)"] {
        assert!(outputs[2].contains(said), "{said}: {outputs:?}");
    }
    assert!(outputs[3].contains("unsupported protocol scheme"), "{outputs:?}");
    assert_eq!(outputs[5], "--token (redacted)\n");
    // In the log with a query and a whole URL, and cut short.
    for target in
        ["/v1/agent/checks?token=s3cret-asked", "http://s3cret:s3cret@localhost/v1/x;k=s3cret?k=s3cret"]
    {
        ask(&muster, &Request::new("GET", target));
    }
    // Something to tell: the others have never passed.
    let beat = r#"{"Name": "beat", "TTL": "1h", "Status": "passing"}"#;
    for (target, body) in [("/v1/agent/check/register", beat), ("/v1/agent/check/fail/beat", "")] {
        assert_eq!(client.put(target, body).expect("an answer").status, 200, "{target}");
    }
    let told = |client: &mut Client| client.get("/v1/muster/webhooks").expect("an answer").text();
    while !told(&mut client).contains("the receiver answered 500: POST (redacted)") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it was told: {}", told(&mut client));
        std::thread::sleep(Duration::from_millis(20));
    }
    for target in TELLING {
        let answer = client.get(target).expect("an answer");
        assert!(answer.status == 200 && !answer.text().contains(SECRET), "{target}: {}", answer.text());
    }
    ask(&muster, &Request::new("GET", "/v1/status/leader").header("X-Request-Id", "the-last"));
    let log = log_until(&muster, |log| log.contains("request_id=the-last") && log.contains("webhook=hook"));
    assert!(log.contains("/v1/x;k=(redacted)"), "{log}");
    let found: Vec<&str> = log.lines().filter(|line| line.contains(SECRET)).collect();
    assert_eq!(found, [""; 0]);
    let mut operator = Client::new(admin.parse().expect("an address"));
    let full = operator.get("/v1/snapshot?secrets").expect("an answer");
    assert!(full.status == 200 && full.text().contains("s3cret-word"), "{}", full.text());
}

#[test]
fn problems_with_what_is_written_show_no_key() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let rows = [
        ("a.json", r#"{"check": {"name": "a", "interval": "1s", "http": "http://h/", "header": "s3cret"}}"#),
        (
            "b.json",
            r#"{"check": {"name": "a", "interval": "1s", "http": "http://h/", "hedaer": {"a": ["s3cret"]}}}"#,
        ),
        ("c.json", r#"{"check": {"name": "a", "interval": "1s", "args": ["a", {"b": "s3cret"}]}}"#),
        ("d.json", r#"{"checks": [{"name": "a", "interval": "1s", "http": {"url": "http://h/?k=s3cret"}}]}"#),
        ("e.json", r#"{"check": {"name": "a", "interval": "1s", "http": "http://us:s3/cret@h:x/"}}"#),
        ("f.toml", "redis_pasword = 's3cret'"),
        ("g.toml", "redis_password = { a = 's3cret' }"),
        ("h.toml", "redis_url = 'redis://:s3cret@h:x/y'"),
        ("i.toml", "http_addr = 'http://us:s3cret@h'"),
        ("j.hcl", "acl { tokens { agent = \"s3cret\" } }\nencrypt = \"s3cret\"\nencrpyt = \"s3cret\""),
    ];
    for (name, text) in rows {
        let file = directory.path().join(name);
        fs::write(&file, text).expect("it can be written");
        let output = std::process::Command::new(crate::support::process::muster_binary())
            .args(["validate", "--enable-local-script-checks", "--config-file"])
            .arg(&file)
            .output()
            .expect("the built program runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && !said.contains("s3"), "{name}: {said}");
    }
}

/// Passes on what comes, as a proxy does that adds no header and asks by the address it was given: nginx's
/// `proxy_pass http://127.0.0.1:PORT;` and no more.
fn proxy_to(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let mut head = BufReader::new(stream);
            let mut line = String::new();
            if head.read_line(&mut line).is_err() {
                continue;
            }
            let path = line.split(' ').nth(1).unwrap_or_default();
            let answer = Client::new(target).request(&Request::new("GET", path)).expect("muster answers");
            let told = format!(
                "HTTP/1.1 {} Told\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                answer.status,
                answer.body.len()
            );
            // Whoever has left hears nothing.
            let mut stream = head.into_inner();
            let _ = stream.write_all(told.as_bytes()).and_then(|()| stream.write_all(&answer.body));
        }
    });
    address
}

#[test]
fn secrets_go_by_the_ways_of_operators_only() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (admin, socket) = (format!("127.0.0.1:{}", free_port()), directory.path().join("muster.sock"));
    let muster = server(&["--admin-addr", &format!("{admin},unix://{}", socket.display())]);
    let plain = || Request::new("GET", "/v1/snapshot?secrets");
    // By itself, as a client on this machine, and as proxies ask, whether they say that they are some or not.
    let asked = [
        plain(),
        plain().header("Host", "localhost"),
        plain().header("Host", "192.0.2.7:8500"),
        plain().header("X-Forwarded-For", "192.0.2.1"),
        plain().header("User-Agent", "Consul Snapshot"),
        Request::new("GET", "http://localhost:8500/v1/snapshot?secrets").header("Host", "localhost"),
        Request::new("HEAD", "/v1/snapshot?secrets"),
    ];
    let mut operator = Client::new(admin.parse().expect("an address"));
    for request in &asked {
        let answer = ask(&muster, request);
        assert_eq!(answer.status, 403, "{request:?}: {}", answer.text());
        assert!(request.method == "HEAD" || answer.text().contains("admin_addr only"), "{}", answer.text());
        let by_admin = operator.request(request).expect("an answer");
        assert_eq!(by_admin.status, 200, "{request:?}: {}", by_admin.text());
    }
    let mut proxied = Client::new(proxy_to(muster.address));
    let outside = |target: &str| Request::new("GET", target).header("Host", "muster.example.com");
    assert_eq!(proxied.request(&outside("/v1/snapshot?secrets")).expect("an answer").status, 403);
    assert_eq!(proxied.request(&outside("/v1/snapshot")).expect("an answer").status, 200);
    let mut unix = UnixStream::connect(&socket).expect("it listens");
    unix.write_all(b"GET /v1/snapshot?secrets HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    unix.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
