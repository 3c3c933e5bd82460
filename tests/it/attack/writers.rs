//! Small writes that mean much work: what they change is how thousands of records look.

use std::net::TcpStream;

use serde_json::json;

use super::bystander::{beside, limits};
use super::{Scale, raw};
use crate::snapshot::made_up::{node, service, snapshot};
use crate::support::client::Request;
use crate::support::process::Process;

#[test]
fn a_large_node_that_changes_again_and_again_holds_nobody() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut rows = vec![node("large")];
    rows.extend((0..Scale::of_this_run().pick(8_000, 90_000)).map(|at| {
        let id = format!("i{at:06}");
        service("large", &id, json!({ "name": "on-large", "origin": "catalog" }))
    }));
    let request = Request::new("PUT", "/v1/snapshot").body(snapshot(9, &rows));
    let answer = server.client().request(&request).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    beside(&server, &limits(), |scale| {
        let writers: Vec<TcpStream> = (0..scale.pick(300, 600))
            .map(|at| {
                let body = json!({ "Node": "large", "Address": format!("10.1.{}.{}", at / 250, at % 250) }).to_string();
                let head = format!(
                    "PUT /v1/catalog/register HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}",
                    body.len()
                );
                raw::silent(server.address, format!("{head}\r\n\r\n{body}").as_bytes())
            })
            .collect();
        for mut writer in writers {
            assert_eq!(raw::status(&raw::read_to_end(&mut writer)), 200);
        }
    });
}
