//! TCP checks with a TLS handshake, of a server that shows different certificates by turns.

use serde_json::json;

use super::registry::Registry;
use crate::instance::certificates::Certificates;
use crate::instance::{Instance, Place};

#[test]
fn a_handshake_must_be_good() {
    let certificates = Certificates::create();
    let place = Place::here_with_tls(certificates.directory());
    let mut instance = Instance::start(&place).expect("an instance starts");
    let mut registry = Registry::start_with(&[], &[("SSL_CERT_FILE", &certificates.authority())]);
    let address = instance.address.to_string();
    let checks = [
        ("plain", json!({"TCP": address})),
        ("good", json!({"TCP": address, "TCPUseTLS": true})),
        ("named", json!({"TCP": address, "TCPUseTLS": true, "TLSServerName": "127.0.0.1"})),
        ("other", json!({"TCP": address, "TCPUseTLS": true, "TLSServerName": "other.example"})),
        ("any", json!({"TCP": address, "TCPUseTLS": true, "TLSSkipVerify": true})),
    ];
    for (name, check) in checks {
        registry.check(name, check);
    }
    let (accepted, success) =
        (format!("TCP connect {address}: Success"), format!("TCP+TLS connect {address}: Success"));
    registry.wait_for("plain", "passing", &accepted);
    for name in ["good", "named", "any"] {
        registry.wait_for(name, "passing", &success);
    }
    registry.wait_for("other", "critical", "x509: ");

    instance.order("expired");
    registry.wait_for("good", "critical", "x509: certificate has expired or is not yet valid");
    registry.wait_for("any", "passing", &success);

    instance.order("refuse");
    registry.wait_for("good", "critical", "tls: ");
    registry.wait_for("any", "critical", "tls: ");
    registry.wait_for("plain", "passing", &accepted);

    drop(instance);
    for name in ["plain", "good", "any"] {
        registry.wait_for(name, "critical", &format!("dial tcp {address}: connect: connection refused"));
    }
}

#[test]
fn an_authority_that_nobody_knows_is_not_trusted() {
    let (certificates, others) = (Certificates::create(), Certificates::create());
    let place = Place::here_with_tls(certificates.directory());
    let instance = Instance::start(&place).expect("an instance starts");
    let mut registry = Registry::start_with(&[], &[("SSL_CERT_FILE", &others.authority())]);
    registry.check("tls", json!({"TCP": instance.address.to_string(), "TCPUseTLS": true}));
    registry.wait_for("tls", "critical", "x509: certificate signed by unknown authority");
}
