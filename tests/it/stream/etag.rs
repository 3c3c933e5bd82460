//! Answers that the client still holds are not sent again.

use super::{register, report};
use crate::support::client::{Answer, Client, Request};
use crate::support::process::Process;

/// Reads that have a tag.
const TARGETS: [&str; 10] = [
    "/v1/health/service/web",
    "/v1/health/service/web?passing",
    "/v1/health/service/nobody",
    "/v1/health/node/node-one",
    "/v1/health/checks/web",
    "/v1/health/state/any",
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/catalog/service/web?pretty",
    "/v1/catalog/node/node-one",
];

fn ask(client: &mut Client, method: &str, target: &str, held: &str) -> Answer {
    let request = Request::new(method, target).header("Accept-Encoding", "gzip");
    client.request(&request.header("If-None-Match", held)).expect("an answer")
}

#[test]
fn an_answer_that_is_held_is_not_sent_again() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let mut tags = Vec::new();
    for target in TARGETS {
        let plain = client.get(target).expect("an answer");
        let tag = plain.header("ETag").expect(target).to_owned();
        for method in ["GET", "HEAD"] {
            for held in [tag.clone(), tag.replace("W/", ""), format!("\"x\", {tag}"), "*".to_owned()] {
                let answer = ask(&mut client, method, target, &held);
                assert_eq!((answer.status, answer.body.len()), (304, 0), "{method} {target} {held}");
                assert_eq!(answer.header("ETag"), Some(tag.as_str()));
                assert_eq!((answer.index(), answer.header("Content-Length")), (plain.index(), None));
            }
            let answer = ask(&mut client, method, target, "\"other\"");
            assert_eq!(
                (answer.status, answer.header("ETag")),
                (200, Some(tag.as_str())),
                "{method} {target}"
            );
        }
        tags.push(tag);
    }
    let mut distinct = tags.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), TARGETS.len(), "each question has a tag of its own");
}

#[test]
fn a_change_makes_another_tag_and_a_wait_in_vain_sends_nothing() {
    let process = Process::muster(&[]).expect("muster starts");
    let mut client = process.client();
    register(&mut client, "web", "a", 1);
    let target = "/v1/health/service/web?passing";
    let plain = client.get(target).expect("an answer");
    let (tag, index) = (plain.header("ETag").expect("a tag").to_owned(), plain.index().expect("an index"));
    let answer = ask(&mut client, "GET", &format!("{target}&index={index}&wait=1ms"), &tag);
    assert_eq!((answer.status, answer.index()), (304, Some(index)), "the wait is no part of the question");
    // Another question at the same index is another answer.
    assert_eq!(ask(&mut client, "GET", &format!("{target}&panic_threshold=50"), &tag).status, 200);
    assert_eq!(ask(&mut client, "GET", "/v1/health/service/web", &tag).status, 200);
    report(&mut client, "fail", "a");
    let answer = ask(&mut client, "GET", target, &tag);
    assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    assert!(answer.header("ETag").is_some_and(|other| other != tag));
}
