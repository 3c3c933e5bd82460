//! What a target says back of the secrets it was given.
//!
//! Nobody tells which words of an answer are such, so they are looked for to the letter, and in the forms that whoever
//! reads them takes them apart into. All of it is bounded: a definition is another's, and so is an answer.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::Value;

use super::is_open;
use crate::base::stdx::redact::{self, REDACTED};
use crate::base::stdx::target_url::TargetUrl;
use crate::base::stdx::text::Text;
use crate::core::model::Probe;

/// Bytes from which on a secret is looked for in what a target says. Shorter ones stand in any text by chance.
const ECHO_BYTES_MIN: usize = 6;

/// Parameters of a URL that are looked at for keys, and parts of a body or of a header.
const PAIRS_MAX: usize = 256;

/// Secrets of a check that are looked for, the longest first: each is held against all of an output.
const KEYS_MAX: usize = 256;

/// Bytes from which on a value looks like a key whatever its name is, if it has both letters and digits.
const KEY_BYTES_MIN: usize = 16;

/// Bytes of a body that is read as JSON. It is read at every run; of a longer one the words are looked for.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// What stands between the parts of forms, cookies, parameters of a header, and texts like XML.
const BETWEEN_PARTS: [char; 11] = [';', ',', '&', ':', '<', '>', ' ', '\t', '\r', '\n', '\0'];

/// What stands around them.
const AROUND_PARTS: [char; 8] = ['"', '\'', '(', ')', '{', '}', '[', ']'];

/// An output as it may be kept: what the target, or the program, says back of the secrets it was given is left out.
///
/// What is looked for are passwords, headers and bodies as a whole and in their parts, those values of a query or of
/// arguments that have the name or the look of a key, and what stands in a query without a name or without a value; to
/// the letter, as it is written and percent-decoded. Cost for a check without secrets: a look at its definition.
pub fn without_echo(way: &Probe, output: &Text) -> Option<Text> {
    if output.len() < ECHO_BYTES_MIN {
        return None;
    }
    let mut keys = Vec::new();
    match way {
        Probe::Http { url, header, body, .. } => {
            keys_of_url(url, &mut keys);
            header.iter().filter(|(name, _)| !is_open(name)).for_each(|(_, values)| {
                values.iter().for_each(|value| keys_of_header(value, &mut keys));
            });
            keys_of_text(body, &mut keys);
        }
        Probe::Grpc { address, service, .. } => {
            keys_of_url(&format!("grpc://{address}/{service}"), &mut keys)
        }
        Probe::Script { args } => keys_of_arguments(args, &mut keys),
        _ => return None,
    }
    without(keys, output).map(|text| text.as_str().into())
}

/// What a receiver said as it may be shown, without what it says back of the headers and of the path that it was sent:
/// with many services the path is the password.
pub fn without_post(url: &TargetUrl, headers: &[(String, String)], said: String) -> String {
    let mut keys = vec![url.target.clone()];
    keys.extend(url.target.split(['/', '?', '&', '=']).filter(|it| looks_like_a_key(it)).map(str::to_owned));
    keys_of_url(&url.request_uri(), &mut keys);
    let closed = headers.iter().filter(|(name, _)| !is_open(name));
    closed.for_each(|(_, value)| keys_of_header(value, &mut keys));
    without(keys, &said).unwrap_or(said)
}

fn without(mut keys: Vec<String>, text: &str) -> Option<String> {
    // What is a part of that which stands for it would be found again and again.
    keys.retain(|key| key.len() >= ECHO_BYTES_MIN && !REDACTED.contains(key.as_str()));
    // The longest first: one may be a part of another.
    keys.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    keys.dedup();
    keys.truncate(KEYS_MAX);
    let mut shown = None;
    for key in keys {
        let present: &str = shown.as_deref().unwrap_or(text);
        if present.contains(&key) {
            shown = Some(present.replace(&key, REDACTED));
        }
    }
    shown
}

fn keys_of_url(text: &str, keys: &mut Vec<String>) {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    keys_of_query(query.split('#').next().unwrap_or_default(), keys);
    path.split('/').skip(3).take(PAIRS_MAX).for_each(|segment| keys_of_segment(segment, keys));
    if let Ok(TargetUrl { user: Some((user, password)), .. }) = TargetUrl::parse(text) {
        let password = password.unwrap_or_default();
        keys.push(STANDARD.encode(format!("{user}:{password}")));
        keys_of_credentials(&user, &password, keys);
    }
}

fn keys_of_query(query: &str, keys: &mut Vec<String>) {
    for written in query.split(['&', ';']).take(PAIRS_MAX) {
        keys_of_pair(written, keys);
        for decoded in redact::decodings(written) {
            decoded.split(['&', ';']).take(PAIRS_MAX).for_each(|pair| keys_of_pair(pair, keys));
        }
    }
}

/// A value with the name or the look of a key, also what has no name, or is a name without a value.
fn keys_of_pair(pair: &str, keys: &mut Vec<String>) {
    match pair.trim_end_matches('=').split_once('=').filter(|(name, _)| !name.is_empty()) {
        Some((name, value)) if redact::is_secret_name(name) || looks_like_a_key(value) => {
            keys.push(value.to_owned());
            // Written in full, it ends as base64 does.
            keys.extend(pair.split_once('=').map(|(_, value)| value.to_owned()));
        }
        Some(_) => {}
        None => keys.push(pair.trim_matches('=').to_owned()),
    }
}

/// Of a segment of a path only what has a name or the look of a key: where a request goes is no secret.
fn keys_of_segment(segment: &str, keys: &mut Vec<String>) {
    let all = std::iter::once(segment.to_owned()).chain(redact::decodings(segment));
    for written in all {
        let (name, query) = written.split_once(['?', '#']).unwrap_or((&written, ""));
        keys_of_query(query, keys);
        for part in name.split(['/', ';']).take(PAIRS_MAX) {
            let named = part.split_once(['=', ':']).filter(|(name, _)| redact::is_secret_name(name));
            let value = named.or(part.split_once('=')).map_or(part, |(_, value)| value);
            if named.is_some() || looks_like_a_key(value) {
                keys.push(value.to_owned());
            }
        }
    }
}

/// The whole, what stands behind the name of a scheme (`Bearer KEY`), the credentials of `Basic`, and the parts.
fn keys_of_header(value: &str, keys: &mut Vec<String>) {
    let (scheme, key) = value.split_once(' ').map_or(("", value), |(scheme, key)| (scheme, key.trim()));
    if scheme.eq_ignore_ascii_case("basic") {
        keys_of_basic(key, keys);
    }
    keys.extend([value.to_owned(), key.to_owned()]);
    // A scheme by itself is none.
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphabetic());
    keys_of_text(if is_scheme { key } else { value }, keys);
}

fn keys_of_basic(encoded: &str, keys: &mut Vec<String>) {
    let decoded = STANDARD_NO_PAD.decode(encoded.trim_end_matches('='));
    if let Some(pair) = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
        keys_of_credentials(user, password, keys);
    }
}

/// Both together, and the password, or the user where there is none.
fn keys_of_credentials(user: &str, password: &str, keys: &mut Vec<String>) {
    keys.extend([format!("{user}:{password}"), if password.is_empty() { user } else { password }.to_owned()]);
}

/// Of a text that is secret as a whole, a body or a header, the whole, also without blanks, and what a reader takes out
/// of it: the strings of JSON, or the values of a form, of cookies and of whatever else has parts.
fn keys_of_text(text: &str, keys: &mut Vec<String>) {
    keys.extend([text.to_owned(), text.split_whitespace().collect()]);
    let is_json = text.len() <= JSON_BYTES_MAX && text.trim_start().starts_with(['{', '[', '"']);
    match is_json.then(|| serde_json::from_str(text)) {
        Some(Ok(value)) => keys_of_json(&value, keys),
        _ => text.split(BETWEEN_PARTS).take(PAIRS_MAX).for_each(|part| keys_of_part(part, keys)),
    }
}

/// What stands behind `=`, or all where nothing does; as it is written and percent-decoded. The name of a key is none.
fn keys_of_part(part: &str, keys: &mut Vec<String>) {
    let named =
        part.split_once('=').filter(|(name, value)| !name.is_empty() && !value.trim_matches('=').is_empty());
    let value = named.map_or(part, |(_, value)| value).trim_matches(AROUND_PARTS);
    if named.is_none()
        && redact::is_secret_name(value)
        && value.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        return;
    }
    let spaced = value.replace('+', " ");
    keys.extend(redact::decodings(value));
    keys.extend(redact::decodings(&spaced));
    // It may end as base64 does, which not everybody says.
    keys.extend([value.to_owned(), spaced, value.trim_end_matches('=').to_owned()]);
}

/// All strings, as they are and as JSON writes them; numbers that have the name of a key; and the whole as short as can
/// be.
fn keys_of_json(value: &Value, keys: &mut Vec<String>) {
    keys.push(value.to_string());
    let (mut open, mut seen) = (vec![(false, value)], 0);
    while let Some((is_named, value)) = open.pop() {
        seen += 1;
        match value {
            _ if seen > PAIRS_MAX => return,
            Value::String(text) => {
                let written = value.to_string();
                keys.extend([text.clone(), written[1..written.len() - 1].to_owned()]);
            }
            Value::Number(number) if is_named => keys.push(number.to_string()),
            Value::Array(values) => open.extend(values.iter().map(|value| (is_named, value))),
            Value::Object(object) => {
                open.extend(object.iter().map(|(name, value)| (redact::is_secret_name(name), value)));
            }
            Value::Number(_) | Value::Bool(_) | Value::Null => {}
        }
    }
}

/// What stands in arguments as `--token=KEY`, `--token KEY`, `TOKEN=KEY`, `Authorization: KEY` or in a URL.
fn keys_of_arguments(words: &[Text], keys: &mut Vec<String>) {
    let mut is_awaited = false;
    for word in words.iter().skip(1) {
        if std::mem::take(&mut is_awaited) {
            keys.push(word.to_string());
        }
        let name = word.trim_start_matches('-');
        match (name.split_once('='), name.split_once(": ")) {
            (Some((name, value)), _) if redact::is_secret_name(name) && !word.contains("://") => {
                keys.push(value.to_owned());
            }
            (_, Some((name, value))) if redact::is_secret_name(name) => keys_of_header(value, keys),
            _ if word.contains("://") => keys_of_url(word, keys),
            _ => is_awaited = word.starts_with('-') && redact::is_secret_name(name),
        }
    }
}

fn looks_like_a_key(value: &str) -> bool {
    value.len() >= KEY_BYTES_MIN
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::secrets::tests::{http, script};

    #[test]
    fn a_target_cannot_say_its_secrets_back() {
        let way = http(
            "http://us:pass%40word@h/?token=abcdef&format=prometheus",
            "X-Key",
            "Bearer 123456",
            "{body}",
        );
        let rows = [
            ("all is well", None),
            ("prometheus", None),
            ("you sent abcdef and Bearer 123456", Some("you sent (redacted) and (redacted)")),
            ("key 123456, {body}", Some("key (redacted), (redacted)")),
            ("pass@word dXM6cGFzc0B3b3Jk", Some("(redacted) (redacted)")),
        ];
        for (output, expected) in rows {
            let found = without_echo(&way, &output.into());
            assert_eq!(found.as_deref(), expected, "{output}");
        }
        let rows = [
            ("http://h/hook?token%3Dabcdef", "GET /hook?token%3Dabcdef", "GET /hook?(redacted)"),
            ("http://h/hook?token%3Dabcdef", "token: abcdef", "token: (redacted)"),
            ("http://h/?a%26token%253Dabcdef%26b", "abcdef", "(redacted)"),
            ("http://h/?==abcdef", "?==abcdef", "?==(redacted)"),
            ("http://h/?abcdef=", "abcdef=", "(redacted)="),
            ("http://h/?abcdef", "abcdef", "(redacted)"),
            ("http://h/?key=abcdef==", "abcdef or abcdef==", "(redacted) or (redacted)"),
            ("http://h/hook%3Fabcdef", "abcdef", "(redacted)"),
            ("http://h/a;token%3Dabcdef/b", "abcdef", "(redacted)"),
            ("http://h/token:abcdef/b", "abcdef", "(redacted)"),
        ];
        for (url, output, expected) in rows {
            let found = without_echo(&http(url, "Accept", "text/plain", ""), &output.into());
            assert_eq!(found.as_deref(), Some(expected), "{url}");
        }
        let grpc = Probe::Grpc { address: "h:80".into(), service: "a.b?abcdef".into(), tls: None };
        assert_eq!(
            without_echo(&grpc, &"unknown a.b?abcdef".into()).as_deref(),
            Some("unknown a.b?(redacted)")
        );
        let many = Text::from("redact abcdef".repeat(100));
        let way = http("http://h/?token=redact&key=abcdef&token=abcdef", "X-Key", "redact", "");
        let said = without_echo(&way, &many);
        assert_eq!(said.as_deref(), Some("redact (redacted)".repeat(100).as_str()));
        let words =
            ["check", "--token", "abcdef", "--key=ghijkl", "-H", "X-Token: mnopqr", "http://h/?key=stuvwx"];
        let said = without_echo(&script(&words), &"check abcdef ghijkl mnopqr stuvwx".into());
        assert_eq!(said.as_deref(), Some("check (redacted) (redacted) (redacted) (redacted)"));
        assert_eq!(without_echo(&script(&["check", "--port", "123456"]), &"123456".into()), None);
    }

    #[test]
    fn parts_of_what_is_secret_are_found_as_well() {
        let json = r#"{"user": "x", "password": "pass\"w0rd", "pins": [123456, 7],
                       "pin_token": 654321, "a": ["inner1"]}"#;
        let form = "user=x&password=p%40ss+word";
        let rows = [
            ("", json, "wrong password pass\"w0rd", Some("wrong password (redacted)")),
            ("", json, r#"wrong: "pass\"w0rd""#, Some(r#"wrong: "(redacted)""#)),
            ("", json, "pins 123456 and 654321, inner1", Some("pins 123456 and (redacted), (redacted)")),
            ("", r#"{"b": 1, "user": "x"}"#, r#"got {"b":1,"user":"x"}"#, Some("got (redacted)")),
            ("", "a b c d\n e f", "got abcdef", Some("got (redacted)")),
            (
                "",
                form,
                "wrong password p@ss word, p%40ss+word",
                Some("wrong password (redacted), (redacted)"),
            ),
            ("", "<a><password>S3cret</password></a>", "password S3cret", Some("password (redacted)")),
            ("", r#"{"password": "S3cret", {{broken"#, "password S3cret", Some("password (redacted)")),
            ("lang=en; session=S3cret=", "", "en: bad session S3cret=", Some("en: bad session (redacted)")),
            ("lang=en; session=S3cret=", "", "bad session S3cret", Some("bad session (redacted)")),
            (
                "Digest user=\"abcdef\", response=\"S3cret\"",
                "",
                "abcdef, S3cret",
                Some("(redacted), (redacted)"),
            ),
            ("{\"key\": \"S3cret\"}", "", "no S3cret", Some("no (redacted)")),
            ("Basic dXNlcjpTM2NyZXQ=", "", "no user user:S3cret", Some("no user (redacted)")),
            ("basic dXNlcjpTM2NyZXQ", "", "no S3cret for user", Some("no (redacted) for user")),
            ("Basic dXNlcjpwMQ==", "", "user:p1 is not user, p1", Some("(redacted) is not user, p1")),
            ("Bearer abcdef", "", "Bearer wanted", None),
            ("Bearer dXNlcjpwMQ==", "", "dXNlcjpwMQ== and dXNlcjpwMQ", Some("(redacted) and (redacted)")),
        ];
        for (header, body, output, expected) in rows {
            let found = without_echo(&http("http://h/", "X-Any", header, body), &output.into());
            assert_eq!(found.as_deref(), expected, "{header}{body}: {output}");
        }
        let open = http("http://h/", "Accept", "text/plain; q=0.5", "");
        assert_eq!(without_echo(&open, &"text/plain; q=0.5".into()), None);
    }

    #[test]
    fn what_is_looked_for_is_bounded() {
        let words = |count: usize| (0..count).map(|at| format!("word{at:06}")).collect::<Vec<_>>();
        let bodies = [
            words(100_000).join(" "),
            format!("[\"{}\"]", words(100_000).join("\",\"")),
            format!("[\"{}\"]", words(1000).join("\",\"")),
            "[".repeat(JSON_BYTES_MAX),
        ];
        for body in bodies {
            let mut keys = Vec::new();
            keys_of_text(&body, &mut keys);
            assert!(keys.len() <= 16 * PAIRS_MAX, "{}", keys.len());
            let whole = without_echo(&http("http://h/", "X-Any", "", &body), &body.as_str().into());
            assert_eq!(whole.as_deref(), Some(REDACTED));
        }
    }
}
