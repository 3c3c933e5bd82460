//! gRPC checks, of a server by gRPC's own library with its health service.

use serde_json::json;

use super::registry::Registry;
use super::target::Target;
use crate::instance::certificates::Certificates;

#[test]
fn a_grpc_server_tells_how_its_services_are() {
    let Some(mut target) = Target::grpc(None) else { return };
    let mut registry = Registry::start();
    let address = target.address;
    target.order("- SERVING");
    target.order("shop.Cart NOT_SERVING");
    registry.check("whole", json!({"GRPC": address.to_string()}));
    registry.check("cart", json!({"GRPC": format!("{address}/shop.Cart")}));
    registry.check("unknown", json!({"GRPC": format!("{address}/shop.Nothing")}));

    let check = registry.wait_for("whole", "passing", &format!("gRPC check {address}: success"));
    assert_eq!(check["Type"], "grpc");
    registry.wait_for("cart", "critical", "gRPC application didn't report service healthy");
    registry.wait_for("unknown", "critical", "rpc error: code = NotFound");

    target.order("shop.Cart SERVING");
    registry.wait_for("cart", "passing", &format!("gRPC check {address}/shop.Cart: success"));
    target.order("shop.Cart NOT_SERVING");
    registry.wait_for("cart", "critical", "gRPC application didn't report service healthy");
    registry.wait_for("whole", "passing", "success");

    target.kill();
    registry.wait_for("whole", "critical", "rpc error: code = Unavailable");
    registry.wait_for("whole", "critical", &format!("dial tcp {address}: connect: connection refused"));
}

#[test]
fn a_grpc_server_is_reached_through_tls() {
    let certificates = Certificates::create();
    let Some(mut target) = Target::grpc(Some(&certificates)) else { return };
    let mut registry = Registry::start_with(&[], &[("SSL_CERT_FILE", &certificates.authority())]);
    target.order("- SERVING");
    let address = target.address.to_string();
    registry.check("tls", json!({"GRPC": address, "GRPCUseTLS": true}));
    registry.check("name", json!({"GRPC": address, "GRPCUseTLS": true, "TLSServerName": "other.example"}));
    registry.check("plain", json!({"GRPC": address}));

    registry.wait_for("tls", "passing", &format!("gRPC check {address}: success"));
    registry.wait_for("name", "critical", "x509: ");
    registry.wait_for("plain", "critical", "rpc error: code = ");

    target.kill();
    registry.wait_for("tls", "critical", "connection refused");
}
