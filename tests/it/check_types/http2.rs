//! HTTP/2 pings, of Node's HTTP/2 server.

use serde_json::json;

use super::registry::Registry;
use super::target::Target;
use crate::instance::certificates::Certificates;
use crate::instance::{Instance, Place};

#[test]
fn an_http2_server_is_pinged() {
    let Some(mut target) = Target::http2(None) else { return };
    let mut registry = Registry::start();
    let address = target.address.to_string();
    registry.check("plain", json!({"H2PING": address, "H2PingUseTLS": false}));
    registry.check("tls", json!({"H2PING": address}));
    // A server that speaks HTTP/1.1 only answers with something else.
    let older = Instance::start(&Place::here()).expect("an instance starts");
    registry
        .check("older", json!({"H2PING": older.address.to_string(), "H2PingUseTLS": false, "Timeout": "1s"}));

    let check = registry.wait_for("plain", "passing", "HTTP2 ping was successful");
    assert_eq!(check["Type"], "h2ping");
    registry.wait_for("tls", "critical", &format!("Failed to dial to {address}: tls: "));
    registry.wait_for("older", "critical", "HTTP2 ping failed: ");

    target.kill();
    let refused = format!("Failed to dial to {address}: dial tcp {address}: connect: connection refused");
    registry.wait_for("plain", "critical", &refused);
}

#[test]
fn an_http2_server_is_pinged_through_tls() {
    let certificates = Certificates::create();
    let Some(mut target) = Target::http2(Some(&certificates)) else { return };
    let mut registry = Registry::start_with(&[], &[("SSL_CERT_FILE", &certificates.authority())]);
    let address = target.address.to_string();
    registry.check("tls", json!({"H2PING": address}));
    registry.check("name", json!({"H2PING": address, "TLSServerName": "other.example"}));
    let any = json!({"H2PING": address, "TLSServerName": "other.example", "TLSSkipVerify": true});
    registry.check("any", any);

    registry.wait_for("tls", "passing", "HTTP2 ping was successful");
    registry.wait_for("any", "passing", "HTTP2 ping was successful");
    registry.wait_for("name", "critical", "x509: ");

    target.kill();
    registry.wait_for("tls", "critical", "connection refused");
}
