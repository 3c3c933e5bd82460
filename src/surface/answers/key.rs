//! What tells one answer from another, for everything that keeps answers.

use std::fmt::{Display, Write};

use crate::net::http::Request;
use crate::net::http::percent::encode_into;
use crate::surface::context::rights::RightsKey;
use crate::surface::dispatch::route::Neutral;

/// Stand before the parts of a key that follow its target; in a target they would be encoded.
const RIGHTS_MARK: char = '\u{1}';
const HEADER_MARK: char = '\u{2}';
const VARIANT_MARK: char = '\u{3}';

/// Everything that an answer depends on but the state of the registry. Requests with one key get one answer.
///
/// It begins with the target of a request that asks for it: the path and, in order, the parameters. Whose rights it is
/// of, headers and a variant follow where they say anything. Whatever a route does not declare neutral is in it, also
/// what is not known yet: the worst that a parameter can do is to have an answer made that was there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerKey(String);

impl AnswerKey {
    /// That of what `request` asks for with such rights, of a route to which this is `neutral`. `variant` is what the
    /// answer depends on beside the request; empty for nothing.
    pub fn of(rights: RightsKey, request: &Request, neutral: &Neutral, variant: &str) -> AnswerKey {
        let mut key = String::with_capacity(64);
        encode_into(&mut key, request.path());
        let counts = |name: &str| !neutral.parameters.contains(&name);
        let mut parameters: Vec<_> = request.query().iter().filter(|(name, _)| counts(name)).collect();
        // Values of one parameter stay as they were sent: of several the first may be the one that counts.
        parameters.sort_by_key(|(name, _)| *name);
        for (position, (name, value)) in parameters.into_iter().enumerate() {
            key.push(if position == 0 { '?' } else { '&' });
            encode_into(&mut key, name);
            if !value.is_empty() {
                key.push('=');
                encode_into(&mut key, value);
            }
        }
        push_rights(&mut key, rights);
        push_headers(&mut key, request, neutral.headers);
        if !variant.is_empty() {
            key.push(VARIANT_MARK);
            key.push_str(variant);
        }
        AnswerKey(key)
    }

    /// That of the whole response to `request`, its status and headers included: everything counts, as it was sent.
    pub fn of_response(rights: RightsKey, request: &Request) -> AnswerKey {
        let mut key = format!("{} {}", request.method_name(), request.raw_target());
        push_rights(&mut key, rights);
        push_headers(&mut key, request, &[]);
        AnswerKey(key)
    }

    /// That of what the text of an earlier key's [`target`](AnswerKey::target) asks for, of which nothing is left out.
    pub fn of_target(target: &str) -> AnswerKey {
        AnswerKey(target.to_owned())
    }

    /// That of a part of the answer, or of something made for it.
    pub fn with(&self, part: impl Display) -> AnswerKey {
        AnswerKey(format!("{}{VARIANT_MARK}{part}", self.0))
    }

    /// The target of a request that asks for it.
    pub fn target(&self) -> &str {
        self.0.split(is_mark).next().unwrap_or_default()
    }

    /// What the answer depends on beside the request; empty for nothing.
    pub fn variant(&self) -> &str {
        self.0.split_once(VARIANT_MARK).map_or("", |(_, variant)| variant)
    }

    /// Whether the target alone says what is asked for.
    pub fn is_plain(&self) -> bool {
        !self.0.contains(is_mark)
    }

    /// Its bytes, for whoever counts what is kept.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

fn is_mark(letter: char) -> bool {
    matches!(letter, RIGHTS_MARK | HEADER_MARK | VARIANT_MARK)
}

fn push_rights(key: &mut String, rights: RightsKey) {
    if rights != RightsKey::WHOLE {
        // Writing to text cannot fail.
        let _ = write!(key, "{RIGHTS_MARK}{:x}", rights.fingerprint());
    }
}

fn push_headers(key: &mut String, request: &Request, neutral: &[&str]) {
    if !request.is_particular() {
        return;
    }
    for (name, value) in request.particulars() {
        let name = name.to_ascii_lowercase();
        if !neutral.contains(&name.as_str()) {
            let _ = write!(key, "{HEADER_MARK}{name}:{}", value.escape_ascii());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        Request::of_head(head).expect("a request")
    }

    fn key(target: &str, headers: &str) -> AnswerKey {
        let request = request(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        AnswerKey::of(RightsKey::WHOLE, &request, &Neutral::IN_READS, "")
    }

    #[test]
    fn the_same_question_has_one_key_however_it_is_written() {
        let rows = [
            ("/v1/a?passing&tag=b", "/v1/a?tag=b&passing", ""),
            ("/v1/a", "/v1/a?index=7&wait=5s&token=x&dc=dc1&stale&consistent&cached&ns=default", ""),
            ("/v1/a%20b", "/v1/%61%20b", ""),
            ("/v1/a", "/v1/a", "Cache-Control: max-age=1\r\nIf-None-Match: \"a\"\r\n"),
            ("/v1/a", "/v1/a", "User-Agent: x\r\nAccept: y\r\nX-Request-Id: 7\r\nX-Forwarded-For: z\r\n"),
            ("/v1/a", "/v1/a", "X-Consul-Token: x\r\nAuthorization: Bearer x\r\n"),
        ];
        for (one, other, headers) in rows {
            assert_eq!(key(one, ""), key(other, headers), "{other} {headers}");
        }
    }

    #[test]
    fn other_questions_have_other_keys() {
        let rows = [
            ("/v1/a", ""),
            ("/v1/b", ""),
            ("/v1/a?unknown", ""),
            ("/v1/a?unknown=1", ""),
            ("/v1/a?passing&tag=b", ""),
            ("/v1/a?near=x&near=y", ""),
            ("/v1/a?near=y&near=x", ""),
            // One parameter whose name reads like two.
            ("/v1/a?passing%26tag=b", ""),
            ("/v1/a?passing%26tag%3Db", ""),
            ("/v1/a?%01passing", ""),
            ("/v1/a?%03passing", ""),
            ("/v1/a", "X-Consul-Unknown: 1\r\n"),
            ("/v1/a", "X-Consul-Unknown: 2\r\n"),
            ("/v1/a", "x-muster-unknown: 1\r\n"),
            ("/v1/a", "X-Consul-Token: 1\r\nX-CONSUL-TOKENS: 1\r\n"),
        ];
        for (at, one) in rows.iter().enumerate() {
            for other in &rows[..at] {
                assert_ne!(key(one.0, one.1), key(other.0, other.1), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn callers_variants_and_parts_are_told_apart_and_the_target_is_found_again() {
        let request = request("GET /v1/a?tag=b%20c&index=4 HTTP/1.1\r\nHost: a\r\n\r\n");
        let of = |number, variant| {
            AnswerKey::of(RightsKey::numbered(number), &request, &Neutral::IN_READS, variant)
        };
        let keys = [of(0, ""), of(1, ""), of(0, "1"), of(1, "1"), of(0, "").with("2"), of(1, "").with("2")];
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(key.target(), "/v1/a?tag=b%20c");
            assert_eq!(key.variant(), ["", "", "1", "1", "2", "2"][at]);
            assert_eq!(key.is_plain(), at == 0);
            assert!(keys[..at].iter().all(|other| other != key), "{key:?}");
        }
        assert_eq!(AnswerKey::of_target(keys[0].target()), keys[0]);
        let response = |number| AnswerKey::of_response(RightsKey::numbered(number), &request);
        assert_ne!(response(0), response(1));
    }
}
