//! What a check of the catalog says beside its way of checking: read from a body, and held to the rules of what is
//! kept.

use serde_json::Value;

use crate::base::stdx::text::Text;
use crate::core::model::validate::checks::{TOLD_KEYS, check_held};
use crate::core::model::{Check, Origin};
use crate::wire::intake::catalog_registration;

/// A check of the catalog of which everything is said.
fn told() -> Check {
    let body = br#"{"Node": "n", "Address": "a", "Check": {"Name": "c", "Definition": {
        "HTTP": "http://x/", "Header": {"A": ["b"]}, "Method": "PUT", "Body": "b", "DisableRedirects": true,
        "TLSSkipVerify": true, "TLSServerName": "s", "TCP": "x:1", "TCPUseTLS": true, "UDP": "x:1",
        "GRPC": "x:1", "H2PING": "x:1", "H2PingUseTLS": true, "OSService": "u", "ScriptArgs": ["a"],
        "DockerContainerID": "d", "Shell": "sh", "AliasNode": "n", "AliasService": "s", "TTL": "5s"}}}"#;
    catalog_registration(body, "dc1").expect("it is taken").checks.remove(0)
}

#[test]
fn what_a_check_is_told_of_is_taken_back_as_it_was() {
    let told = told();
    assert_eq!(told.definition.told.len(), TOLD_KEYS.len() - 2, "gRPC is its way of checking");
    assert_eq!(check_held(&told), Ok(()));
}

#[test]
fn nothing_else_can_be_said_of_a_check() {
    let with = |origin, key: &str, value: Value| {
        let mut check = Check { origin, ..told() };
        let definition = std::sync::Arc::make_mut(&mut check.definition);
        definition.told = [(Text::from(key), value)].into();
        check
    };
    let deep = serde_json::json!({"a": [[1]]});
    for (faulty, says) in [
        (with(Origin::Agent, "TCP", "x:1".into()), "only a check of the catalog"),
        (with(Origin::Catalog, "Interval", "1ns".into()), "there is no \"Interval\" in it"),
        (with(Origin::Catalog, "Header", deep), "nested deeper than 2 levels"),
    ] {
        let refused = check_held(&faulty).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
}
