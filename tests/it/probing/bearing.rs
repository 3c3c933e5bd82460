//! Servers of others that are checked, and used: no connection that muster holds to them costs their users anything.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::check_types::registry::Registry;
use crate::check_types::target::skip;
use crate::support::client::{Request, ask_until};

/// Paths of a server that are checked, each by a check of its own.
const PATHS: usize = 3;

/// How long a user waits for an answer at most. When a server is tried, one that serves a single connection keeps him
/// waiting for three quarters of a second; the rest is for a machine that is busy otherwise.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How long users come: some intervals of the checks.
const USED_FOR: Duration = Duration::from_secs(5);

/// A server that runs; dropping it kills it.
struct Server {
    child: Child,
    address: SocketAddr,
    /// What it needs on disk.
    _directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that says its port.
fn speaking(mut command: Command) -> Option<Server> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let lines = BufReader::new(child.stdout.take()?).lines();
    let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("port ")?.parse().ok())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Some(Server { child, address, _directory: directory() })
}

/// A server that is told its port, and listens there when this returns.
fn told(command: impl FnOnce(SocketAddr, &Path) -> Command) -> Option<Server> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let directory = directory();
    let mut command = command(address, directory.path());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let server = Server { child, address, _directory: directory };
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "{command:?} does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Some(server)
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn python(kind: &str) -> Option<Server> {
    let mut command = Command::new("python3");
    command.arg(project("tests/targets/servers.py")).arg(kind);
    speaking(command)
}

fn gunicorn(workers: &str) -> Option<Server> {
    told(|address, directory| {
        let app = "def app(e, s):\n    s('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n";
        fs::write(directory.join("app.py"), app).expect("a file can be written");
        let mut command = Command::new(project("target/clients/servers/bin/gunicorn"));
        command.args(["--workers", workers, "--bind", &address.to_string(), "app:app"]);
        command.current_dir(directory);
        command
    })
}

fn php() -> Option<Server> {
    told(|address, directory| {
        fs::write(directory.join("index.php"), "ok").expect("a file can be written");
        let mut command = Command::new("php");
        command.args(["-S", &address.to_string(), "-t"]).arg(directory).arg(directory.join("index.php"));
        command
    })
}

fn nginx() -> Option<Server> {
    told(|address, directory| {
        let at = directory.display();
        let text = format!(
            "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
             uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
             server {{ listen {address}; location / {{ return 200 ok; }} }} }}\n"
        );
        fs::write(directory.join("nginx.conf"), text).expect("a file can be written");
        let mut command = Command::new("nginx");
        command.arg("-c").arg(directory.join("nginx.conf")).arg("-e").arg(directory.join("early.log"));
        command
    })
}

fn node() -> Option<Server> {
    let mut command = Command::new("node");
    command.arg(project("tests/targets/http1.js"));
    speaking(command)
}

fn go() -> Option<Server> {
    let built = directory();
    let binary = built.path().join("server");
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&binary).arg(project("tests/targets/server.go"));
    build.env("GO111MODULE", "off").status().ok().filter(|status| status.success())?;
    let mut server = speaking(Command::new(binary))?;
    server._directory = built;
    Some(server)
}

/// What a user gets over a connection of his own, and how long he waits for it.
fn use_once(address: SocketAddr) -> Result<Duration, String> {
    let since = Instant::now();
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(2 * WAIT_MAX)).expect("a timeout above zero");
    let request = format!("GET /user HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut first = [0; 12];
    stream.read_exact(&mut first).map_err(|error| error.to_string())?;
    // To the end, as clients do.
    let _ = stream.read_to_end(&mut Vec::new());
    match &first == b"HTTP/1.1 200" || &first == b"HTTP/1.0 200" {
        true => Ok(since.elapsed()),
        false => Err(String::from_utf8_lossy(&first).into_owned()),
    }
}

/// Checks the server, and uses it meanwhile. `held`: how many connections are held to it in the end, one of these.
fn check_and_use(name: &str, server: Option<Server>, held: &[u32]) {
    let Some(server) = server else { return skip(&format!("{name}: scripts/test-deps installs it")) };
    let mut registry = Registry::start();
    for path in 0..PATHS {
        registry.check(&format!("path {path}"), json!({"HTTP": format!("http://{}/{path}", server.address)}));
    }
    let (since, mut longest) = (Instant::now(), Duration::ZERO);
    while since.elapsed() < USED_FOR {
        let waited = use_once(server.address).unwrap_or_else(|error| panic!("{name}: {error}"));
        longest = longest.max(waited);
        assert!(waited <= WAIT_MAX, "{name}: a user waited for {waited:?}");
        thread::sleep(Duration::from_millis(50));
    }
    for path in 0..PATHS {
        registry.wait_for(&format!("path {path}"), "passing", "200 OK");
    }
    eprintln!("{name}: the user who waited longest waited for {longest:?}");
    let lines: Vec<String> = held.iter().map(|held| format!("muster_watched_connections {held}")).collect();
    let is_so = |text: &str| text.lines().any(|it| lines.iter().any(|line| it == line));
    let deadline = Instant::now() + Duration::from_secs(20);
    let request = Request::new("GET", "/metrics");
    let answer = ask_until(&mut registry.client, &request, deadline, |it| is_so(&it.text()));
    let text = answer.expect("an answer").text();
    let shown: Vec<&str> = text.lines().filter(|it| it.contains("watched_connections")).collect();
    assert!(is_so(&text), "{name}: {lines:?}: {}", shown.join("\n"));
}

#[test]
fn servers_with_one_thread_serve_their_users() {
    for kind in ["http.server", "pool-1", "wsgiref"] {
        check_and_use(kind, python(kind), &[0]);
    }
    check_and_use("php", php(), &[0]);
}

#[test]
fn servers_with_workers_serve_their_users() {
    // They close each connection after an answer.
    for workers in ["1", "2"] {
        check_and_use(&format!("gunicorn, workers: {workers}"), gunicorn(workers), &[0]);
    }
    // With three checks and a user for two threads it may or may not look as if it bore one.
    check_and_use("pool-2", python("pool-2"), &[0, 1]);
}

#[test]
fn servers_that_bear_it_have_one_connection_held_to_them() {
    check_and_use("threading", python("threading"), &[1]);
    check_and_use("node", node(), &[1]);
    check_and_use("nginx", nginx(), &[1]);
    check_and_use("go", go(), &[1]);
}

#[test]
fn the_last_worker_is_never_held() {
    let Some(server) = python("pool-2") else { return skip("python3: scripts/test-deps installs it") };
    let mut registry = Registry::start();
    registry.check("web", json!({"HTTP": format!("http://{}/", server.address)}));
    registry.wait_for("web", "passing", "200 OK");
    // A user who keeps his connection, as browsers and proxies do. The other worker must not be kept from the next.
    let mut keeping = TcpStream::connect(server.address).expect("it listens");
    keeping.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    keeping.read_exact(&mut [0; 12]).expect("it answers");
    for _ in 0..10 {
        let waited = use_once(server.address).expect("an answer");
        assert!(waited <= WAIT_MAX, "{waited:?}");
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(registry.shown("web")["Status"], "passing");
}
