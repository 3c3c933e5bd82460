//! What of a check is a secret, what may be shown in its place, and what of it a target may say back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::model::{CheckDefinition, Probe};
use crate::stdx::shown::{self, REDACTED};
use crate::stdx::target_url::TargetUrl;
use crate::stdx::text::Text;

/// Headers that are no secret.
const OPEN_HEADERS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-type",
    "host",
    "user-agent",
];

/// Bytes from which on a secret is looked for in what a target says. Shorter ones stand in any text by chance.
const ECHO_BYTES_MIN: usize = 6;

/// Parameters of a URL that are looked at for keys.
const PAIRS_MAX: usize = 256;

/// Secrets of a check that are looked for, the longest first: each is held against all of an output.
const KEYS_MAX: usize = 64;

/// Bytes from which on a value looks like a key whatever its name is, if it has both letters and digits.
const KEY_BYTES_MIN: usize = 16;

/// The value of a header as it may be shown.
pub fn header(name: &str, value: &str) -> String {
    if is_open(name) || value.is_empty() { shown::in_text(value) } else { REDACTED.to_owned() }
}

/// A check's definition as it may be shown.
pub fn definition(definition: &CheckDefinition) -> CheckDefinition {
    let mut open = definition.clone();
    if let Some(way) = &mut open.probe {
        hide(way);
    }
    for (key, value) in &mut open.told {
        *value = said(key, value);
    }
    open
}

/// Whether something of a check's definition is left out.
pub fn is_redacted(definition: &CheckDefinition) -> bool {
    let is = |text: &Text| text.contains(REDACTED);
    let of_way = definition.probe.as_ref().is_some_and(|way| match way {
        Probe::Http { url, header, body, .. } => header.values().flatten().chain([url, body]).any(is),
        Probe::Tcp { address, .. } | Probe::Udp { address } | Probe::H2Ping { address, .. } => is(address),
        Probe::Grpc { address, service, .. } => is(address) || is(service),
        Probe::Script { args } => args.iter().any(is),
        Probe::Ttl { .. } | Probe::OsService { .. } | Probe::Alias { .. } => false,
    });
    of_way || definition.told.values().any(|value| value.to_string().contains(REDACTED))
}

/// What stands at a place in a definition, `checks[0].header.X-Key`, as it may be shown.
pub fn said_at(path: &str, value: &Value) -> Value {
    let mut keys = path.split('.').map(|key| key.split('[').next().unwrap_or_default());
    match keys.clone().find(|key| !matches!(matter(key), Matter::Open)) {
        Some(key) if path.ends_with(key) => said(key, value),
        Some(key) if matter(key) == Matter::Place => said(key, value),
        Some(_) => hidden(value),
        None => said(keys.next_back().unwrap_or_default(), value),
    }
}

/// What a definition says by one of its keys, as it may be shown.
pub fn said(key: &str, value: &Value) -> Value {
    match (matter(key), value) {
        (Matter::Place, Value::String(text)) => shown::url(text).into(),
        (Matter::Header, Value::Object(headers)) => {
            let open = |(name, value): (&String, &Value)| {
                let value = if is_open(name) { value.clone() } else { hidden(value) };
                (name.clone(), value)
            };
            headers.iter().map(open).collect::<serde_json::Map<_, _>>().into()
        }
        (Matter::Words, Value::Array(words)) => {
            let shown = words.iter().enumerate();
            shown.map(|(at, word)| if at == 0 { said("", word) } else { hidden(word) }).collect()
        }
        (Matter::Secret | Matter::Header | Matter::Words, value) => hidden(value),
        (_, Value::Object(object)) => {
            let open = object.iter().map(|(key, value)| (key.clone(), said(key, value)));
            open.collect::<serde_json::Map<_, _>>().into()
        }
        (_, Value::Array(values)) => values.iter().map(|value| said(key, value)).collect(),
        (_, Value::String(text)) => shown::in_text(text).into(),
        (_, value) => value.clone(),
    }
}

/// What stands by a key of a definition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matter {
    /// Nothing secret.
    Open,
    /// A URL or an address.
    Place,
    /// Headers by name.
    Header,
    /// A program and its arguments.
    Words,
    /// Secret as a whole.
    Secret,
}

fn matter(key: &str) -> Matter {
    let plain = key.replace('_', "").to_ascii_lowercase();
    match plain.as_str() {
        "http" | "tcp" | "udp" | "grpc" | "h2ping" => Matter::Place,
        "header" => Matter::Header,
        "args" | "scriptargs" => Matter::Words,
        "body" | "script" | "token" => Matter::Secret,
        _ => Matter::Open,
    }
}

fn is_open(header: &str) -> bool {
    OPEN_HEADERS.iter().any(|open| open.eq_ignore_ascii_case(header))
}

fn hidden(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => value.clone(),
        Value::Array(values) => values.iter().map(hidden).collect(),
        Value::Null => Value::Null,
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Object(_) => REDACTED.into(),
    }
}

fn hide(way: &mut Probe) {
    let place = |text: &mut Text| *text = shown::url(text).as_str().into();
    match way {
        Probe::Http { url, header: headers, body, .. } => {
            place(url);
            for (name, values) in headers {
                values.iter_mut().for_each(|value| *value = header(name, value).as_str().into());
            }
            if !body.is_empty() {
                *body = REDACTED.into();
            }
        }
        Probe::Tcp { address, .. } | Probe::Udp { address } | Probe::H2Ping { address, .. } => place(address),
        Probe::Grpc { address, service, .. } => {
            place(address);
            place(service);
        }
        Probe::Script { args } => {
            args.iter_mut().skip(1).filter(|word| !word.is_empty()).for_each(|word| *word = REDACTED.into());
            args.iter_mut().take(1).for_each(|program| *program = shown::in_text(program).as_str().into());
        }
        Probe::Ttl { .. } | Probe::OsService { .. } | Probe::Alias { .. } => {}
    }
}

/// An output as it may be kept: what the target, or the program, says back of the secrets it was given is left out.
///
/// What is looked for are passwords, headers, bodies, those values of a query or of arguments that have the name or the
/// look of a key, and what stands in a query without a name or without a value; to the letter, as it is written and
/// percent-decoded. Cost for a check without secrets: a look at its definition.
pub fn without_echo(way: &Probe, output: &Text) -> Option<Text> {
    let mut keys = Vec::new();
    match way {
        Probe::Http { url, header, body, .. } => {
            keys_of_url(url, &mut keys);
            header.iter().filter(|(name, _)| !is_open(name)).for_each(|(_, values)| {
                values.iter().for_each(|value| keys_of_header(value, &mut keys));
            });
            keys.push(body.to_string());
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
        keys.push(if password.is_empty() { user } else { password });
    }
}

fn keys_of_query(query: &str, keys: &mut Vec<String>) {
    for written in query.split(['&', ';']).take(PAIRS_MAX) {
        keys_of_pair(written, keys);
        for decoded in shown::decodings(written) {
            decoded.split(['&', ';']).take(PAIRS_MAX).for_each(|pair| keys_of_pair(pair, keys));
        }
    }
}

/// A value with the name or the look of a key, also what has no name, or is a name without a value.
fn keys_of_pair(pair: &str, keys: &mut Vec<String>) {
    match pair.trim_end_matches('=').split_once('=').filter(|(name, _)| !name.is_empty()) {
        Some((name, value)) if shown::is_secret_name(name) || looks_like_a_key(value) => {
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
    let all = std::iter::once(segment.to_owned()).chain(shown::decodings(segment));
    for written in all {
        let (name, query) = written.split_once(['?', '#']).unwrap_or((&written, ""));
        keys_of_query(query, keys);
        for part in name.split(['/', ';']).take(PAIRS_MAX) {
            let named = part.split_once(['=', ':']).filter(|(name, _)| shown::is_secret_name(name));
            let value = named.or(part.split_once('=')).map_or(part, |(_, value)| value);
            if named.is_some() || looks_like_a_key(value) {
                keys.push(value.to_owned());
            }
        }
    }
}

/// The whole, and what stands behind the name of a scheme: `Bearer KEY`.
fn keys_of_header(value: &str, keys: &mut Vec<String>) {
    keys.push(value.to_owned());
    keys.extend(value.split_once(' ').map(|(_, key)| key.trim().to_owned()));
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
            (Some((name, value)), _) if shown::is_secret_name(name) && !word.contains("://") => {
                keys.push(value.to_owned());
            }
            (_, Some((name, value))) if shown::is_secret_name(name) => keys_of_header(value, keys),
            _ if word.contains("://") => keys_of_url(word, keys),
            _ => is_awaited = word.starts_with('-') && shown::is_secret_name(name),
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
    use serde_json::json;

    use super::*;

    fn http(url: &str, name: &str, value: &str, body: &str) -> Probe {
        Probe::Http {
            url: url.into(),
            method: "".into(),
            header: [(name.into(), vec![value.into()])].into(),
            body: body.into(),
            tls_skip_verify: false,
            tls_server_name: "".into(),
            disable_redirects: false,
        }
    }

    fn script(words: &[&str]) -> Probe {
        Probe::Script { args: words.iter().map(|word| Text::from(*word)).collect() }
    }

    #[test]
    fn every_way_of_checking_loses_its_secrets() {
        let grpc = |address: &str, service: &str| Probe::Grpc {
            address: address.into(),
            service: service.into(),
            tls: None,
        };
        let tcp = |address: &str| Probe::Tcp { address: address.into(), tls: None };
        let rows = [
            (
                http("http://u:p@h/;t=k?a=b", "X-Key", "k", "b"),
                http("http://(redacted)@h/;t=(redacted)?a=(redacted)", "X-Key", REDACTED, REDACTED),
            ),
            (http("http://h/", "Accept", "text/plain", ""), http("http://h/", "Accept", "text/plain", "")),
            (tcp("h:80"), tcp("h:80")),
            (tcp("u:p@h:80"), tcp("(redacted)@h:80")),
            (grpc("h:80", "a.b?k=v"), grpc("h:80", "a.b?k=(redacted)")),
            (script(&["/bin/check"]), script(&["/bin/check"])),
            (script(&["/bin/sh", "-c", "x"]), script(&["/bin/sh", REDACTED, REDACTED])),
        ];
        for (way, expected) in rows {
            let whole = CheckDefinition { probe: Some(way.clone()), ..CheckDefinition::default() };
            let open = definition(&whole);
            assert_eq!(open.probe.as_ref(), Some(&expected));
            assert_eq!(is_redacted(&open), way != expected);
            assert!(!is_redacted(&whole));
        }
    }

    #[test]
    fn what_was_told_besides_loses_its_secrets() {
        let rows = [
            ("HTTP", json!("http://h/?k=v"), json!("http://h/?k=(redacted)")),
            ("GRPC", json!("h:80/s"), json!("h:80/s")),
            (
                "Header",
                json!({"X": ["v", ""], "Accept": ["a"]}),
                json!({"X": [REDACTED, ""], "Accept": ["a"]}),
            ),
            ("Header", json!(["v"]), json!([REDACTED])),
            ("header", json!({"X": {"y": "v"}}), json!({"X": REDACTED})),
            ("Body", json!("v"), json!(REDACTED)),
            ("Body", json!(""), json!("")),
            ("ScriptArgs", json!(["a", "b", 5]), json!(["a", REDACTED, REDACTED])),
            ("script_args", json!("a"), json!(REDACTED)),
            ("TTL", json!(5), json!(5)),
            ("Shell", json!("sh"), json!("sh")),
        ];
        for (key, value, expected) in rows {
            assert_eq!(said(key, &value), expected, "{key} {value}");
        }
    }

    #[test]
    fn places_in_a_definition_are_known() {
        let rows = [
            ("check.interval", json!("soon"), json!("soon")),
            ("checks[0].header", json!("v"), json!(REDACTED)),
            ("checks[0].header.X-Key", json!(5), json!(REDACTED)),
            ("service.check.args[1]", json!(5), json!(REDACTED)),
            ("service.check.http", json!("http://h/?k=v"), json!("http://h/?k=(redacted)")),
            ("check", json!([{"Body": "v"}, 1]), json!([{"Body": REDACTED}, 1])),
        ];
        for (path, value, expected) in rows {
            assert_eq!(said_at(path, &value), expected, "{path} {value}");
        }
    }

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
}
