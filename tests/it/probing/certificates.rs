//! Certificates and versions of TLS as they are found on old devices and quick set-ups.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::check_types::registry::Registry;
use crate::check_types::target::skip;

/// Longest start of `openssl s_server`.
const START_MAX: Duration = Duration::from_secs(30);

/// A server of `openssl`; dropping it kills it.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Shows the certificate in `directory`, and is given further options.
    fn start(directory: &Path, options: &[&str]) -> Server {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = Command::new("openssl");
        command.args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}")]);
        command.arg("-cert").arg(directory.join("cert.pem")).arg("-key").arg(directory.join("key.pem"));
        command.args(options).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server { child: command.spawn().expect("openssl can be run"), port };
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < deadline, "openssl s_server does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate that signs itself, as `openssl req -x509` makes it; `None` where there is no openssl.
fn self_signed(key: &str) -> Option<TempDir> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", key, "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1"]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
    command.arg("-keyout").arg(directory.path().join("key.pem"));
    command.arg("-out").arg(directory.path().join("cert.pem"));
    let made = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    made.is_ok_and(|status| status.success()).then_some(directory)
}

#[test]
fn a_certificate_that_signs_itself_is_trusted_where_it_is_among_the_authorities() {
    let (Some(trusted), Some(other)) = (self_signed("rsa:2048"), self_signed("rsa:2048")) else {
        return skip("openssl: scripts/test-deps installs it");
    };
    let (server, stranger) = (Server::start(trusted.path(), &[]), Server::start(other.path(), &[]));
    let authorities = trusted.path().join("cert.pem");
    let mut registry = Registry::start_with(&[], &[("SSL_CERT_FILE", &authorities)]);
    registry.check("good", json!({"HTTP": format!("https://127.0.0.1:{}/", server.port)}));
    registry.check("tcp", json!({"TCP": format!("127.0.0.1:{}", server.port), "TCPUseTLS": true}));
    registry.check(
        "name",
        json!({"HTTP": format!("https://127.0.0.1:{}/", server.port),
                                  "TLSServerName": "other.example"}),
    );
    registry.check("stranger", json!({"HTTP": format!("https://127.0.0.1:{}/", stranger.port)}));
    registry.wait_for("good", "passing", "200 ");
    registry.wait_for("tcp", "passing", "Success");
    registry.wait_for("name", "critical", "x509: ");
    registry.wait_for("stranger", "critical", "x509: ");
}

#[test]
fn old_devices_are_checked_or_told_of_as_they_are() {
    let Some(short) = self_signed("rsa:1024") else { return skip("openssl: scripts/test-deps installs it") };
    let weak = "DEFAULT@SECLEVEL=0";
    let new = Server::start(short.path(), &["-cipher", weak]);
    let middle = Server::start(short.path(), &["-cipher", weak, "-tls1_2"]);
    let old = Server::start(short.path(), &["-cipher", weak, "-tls1"]);
    let mut registry = Registry::start();
    for (name, server) in [("new", &new), ("middle", &middle), ("old", &old)] {
        let url = format!("https://127.0.0.1:{}/", server.port);
        registry.check(name, json!({"HTTP": url, "TLSSkipVerify": true}));
    }
    registry.wait_for("new", "passing", "200 ");
    registry.wait_for("middle", "passing", "200 ");
    let check = registry.wait_for("old", "critical", "tls: protocol version not supported");
    let output = check["Output"].as_str().unwrap_or_default();
    assert!(!output.contains("x509") && output.contains("TLS 1.2 and 1.3"), "{output}");
}
