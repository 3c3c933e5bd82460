//! Who shares what is kept of answers: those alone who ask the same and may see the same.

use super::*;
use crate::core::acl::resource::Resource;
use crate::core::model::{Condition, PairWrite};
use crate::net::http::Body;
use crate::surface::context::rights::RightsKey;

/// Those of somebody from whom something is hidden, though nothing of what there is here.
fn other() -> Rights {
    Rights::hiding(&[(Resource::Node, "hidden"), (Resource::Service, "hidden"), (Resource::Key, "hidden")])
}

/// `(route, target)` for every route whose answers are kept.
const KEPT: &[(&str, &str)] = &[
    ("/v1/catalog/nodes", "/v1/catalog/nodes"),
    ("/v1/catalog/services", "/v1/catalog/services"),
    ("/v1/catalog/service/", "/v1/catalog/service/web"),
    ("/v1/catalog/node/", "/v1/catalog/node/own"),
    ("/v1/catalog/node-services/", "/v1/catalog/node-services/own"),
    ("/v1/health/node/", "/v1/health/node/own"),
    ("/v1/health/checks/", "/v1/health/checks/web"),
    ("/v1/health/service/", "/v1/health/service/web"),
    ("/v1/health/state/", "/v1/health/state/any"),
    (kv::PATH, "/v1/kv/a"),
];

/// An answer: its status, its body where there is one, and its tag.
struct Got {
    status: u16,
    body: Option<Arc<SharedBody>>,
    tag: String,
}

impl Got {
    fn shares_with(&self, other: &Got) -> bool {
        self.body.as_ref().zip(other.body.as_ref()).is_some_and(|(own, other)| Arc::ptr_eq(own, other))
    }
}

fn request(target: &str, headers: &str) -> Request {
    Request::of_head(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).unwrap()
}

fn ask(dispatch: &Dispatch, rights: &Rights, target: &str, headers: &str) -> Got {
    let (request, mut response) = (request(target, headers), Response::new(200));
    dispatch.respond(rights, &mut Exchange::detached(&request), &mut response);
    let tag = response.headers.get("ETag").map(|tag| String::from_utf8_lossy(tag).into_owned());
    let body = match response.body {
        Body::Shared(body) => Some(body),
        _ => None,
    };
    Got { status: response.status, body, tag: tag.unwrap_or_default() }
}

/// An API that keeps answers, with a few records and a key.
fn filled() -> Arc<Dispatch> {
    let dispatch = caching(FEW, CacheBounds { entries_max: 1_000, bytes_max: 1 << 20 });
    let (key, value) = ("a".into(), b"b"[..].into());
    let put = PairWrite::Put { key, value, flags: 0, condition: Condition::Always };
    dispatch.api.registry.write(Command::WritePair(put)).unwrap();
    dispatch
}

#[test]
fn every_route_whose_answers_are_kept_is_listed() {
    let kept: Vec<&str> =
        ROUTES.iter().filter(|Row(route, _)| route.is_cacheable).map(|Row(route, _)| route.path).collect();
    let listed: Vec<&str> = KEPT.iter().map(|(path, _)| *path).collect();
    assert_eq!(listed, kept);
}

#[test]
fn nobody_gets_what_was_kept_for_another_question_or_another_caller() {
    let dispatch = filled();
    for (_, target) in KEPT {
        let first = ask(&dispatch, &Rights::Everything, target, "");
        assert!(first.status == 200 && first.body.is_some() && !first.tag.is_empty(), "{target}");
        for _ in 0..3 {
            // With nobody there who gives out tokens, one changes nothing.
            for (target, headers) in [
                ((*target).to_owned(), ""),
                ((*target).to_owned(), "X-Consul-Token: t\r\nAuthorization: Bearer t\r\n"),
                (format!("{target}?token=t"), ""),
            ] {
                let again = ask(&dispatch, &Rights::Everything, &target, headers);
                assert!(again.shares_with(&first) && again.tag == first.tag, "{target} {headers}");
            }
        }
        let plain = request(target, "");
        assert!(
            dispatch.api.answers.fast_path.find(RightsKey::WHOLE, &plain).is_some(),
            "{target} has a short cut"
        );
        assert!(
            dispatch.api.answers.fast_path.find(other().key(), &plain).is_none(),
            "{target}: not for another caller"
        );
        let others = [
            (Rights::Everything, format!("{target}?unknown=1"), ""),
            (Rights::Everything, (*target).to_owned(), "X-Consul-Unknown: 1\r\n"),
            (other(), (*target).to_owned(), ""),
            (other(), (*target).to_owned(), "X-Consul-Token: t\r\n"),
            (other(), format!("{target}?token=t"), ""),
        ];
        for (rights, target, headers) in &others {
            for _ in 0..3 {
                let other = ask(&dispatch, rights, target, headers);
                assert_eq!(other.status, 200, "{target} {headers}");
                assert!(!other.shares_with(&first), "{rights:?} {target} {headers}");
                assert_ne!(other.tag, first.tag, "{rights:?} {target} {headers}");
            }
        }
        let held = format!("If-None-Match: {}\r\n", first.tag);
        assert_eq!(ask(&dispatch, &Rights::Everything, target, &held).status, 304, "{target}");
        assert_eq!(ask(&dispatch, &other(), target, &held).status, 200, "{target}: it is the tag of another");
        assert!(ask(&dispatch, &Rights::Everything, target, "").shares_with(&first), "{target}");
    }
}

#[test]
fn a_parameter_whose_name_reads_like_two_is_a_question_of_its_own() {
    let dispatch = filled();
    let odd = ask(&dispatch, &Rights::Everything, "/v1/health/service/web?passing%26tag%3Dnone", "");
    let plain = ask(&dispatch, &Rights::Everything, "/v1/health/service/web?passing&tag=none", "");
    assert_eq!(plain.body.as_ref().map(|body| body.plain()), Some(&b"[]"[..]));
    assert!(!plain.shares_with(&odd));
}

#[test]
fn differences_and_events_are_shared_by_the_same_callers_only() {
    let dispatch = filled();
    for target in ["/v1/health/service/web?delta=1", "/v1/catalog/service/web?delta=1"] {
        let [first, again] = [(); 2].map(|()| ask(&dispatch, &Rights::Everything, target, ""));
        assert!(first.shares_with(&again), "{target}");
        assert!(!ask(&dispatch, &other(), target, "").shares_with(&first), "{target}");
    }
    let made = |rights| {
        let before = dispatch.api.answers.history.count();
        assert_eq!(ask(&dispatch, &rights, "/v1/muster/stream?service=web", "").status, 200);
        dispatch.api.answers.history.count() - before
    };
    assert_eq!([Rights::Everything, Rights::Everything, other(), other()].map(made), [1, 0, 1, 0]);
}
