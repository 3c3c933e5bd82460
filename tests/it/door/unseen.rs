//! Names that look like others: what nobody sees of them is refused, whatever they name.

use super::{ask, server};
use crate::support::client::Request;

const SERVICE: &str = "/v1/agent/service/register";
const CHECK: &str = "/v1/agent/check/register";
const CATALOG: &str = "/v1/catalog/register";

#[test]
fn what_nobody_sees_is_in_no_name() {
    let server = server(&[]);
    let seen = "is not allowed, which is not seen";
    let rows = [
        (SERVICE, r#"{"Name":"web\u3164"}"#, seen),
        (SERVICE, r#"{"Name":"web","ID":"web\ufe0f"}"#, seen),
        (SERVICE, r#"{"Name":"web","ID":"w\u00a0b"}"#, seen),
        (SERVICE, r#"{"Name":"web "}"#, "begin or end with a blank"),
        (SERVICE, r#"{"Name":"web","Tags":["a b","a\u200bb"]}"#, seen),
        (SERVICE, r#"{"Name":"web","Address":"10.0.0.1\u2060"}"#, seen),
        (SERVICE, r#"{"Name":"web","TaggedAddresses":{"lan\uffa0":{"Address":"10.0.0.1","Port":1}}}"#, seen),
        (SERVICE, r#"{"Name":"web","Check":{"Name":"up\ue000","TTL":"1h"}}"#, seen),
        (CHECK, r#"{"Name":"up","ID":"up\ufffe","TTL":"1h"}"#, seen),
        (CHECK, r#"{"Name":"\u2003up","ID":"up","TTL":"1h"}"#, "begin or end with a blank"),
        (CATALOG, r#"{"Node":"n\u2800","Address":"b"}"#, seen),
        (CATALOG, r#"{"Node":"n","Address":"b","Service":{"Service":"y\u2028z"}}"#, seen),
        (CATALOG, r#"{"Node":"n","Address":"b","Check":{"CheckID":"a","Name":"a\u115fb"}}"#, seen),
        (SERVICE, r#"{"Name":"Büro Süd","Tags":[" a ","b\tc"]}"#, ""),
        (SERVICE, r#"{"Name":"می\u200cخواهم"}"#, ""),
        (CHECK, r#"{"Name":"all is well \u2764\ufe0f \ud83d\udc69\u200d\ud83d\udcbb","TTL":"1h"}"#, ""),
    ];
    for (target, body, fault) in rows {
        let answer = ask(&server, &Request::new("PUT", target).body(body));
        let status = if fault.is_empty() { 200 } else { 400 };
        assert_eq!(answer.status, status, "{target} {body}: {}", answer.text());
        assert!(answer.text().contains(fault), "{target} {body}: {}", answer.text());
    }
}
