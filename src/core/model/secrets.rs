//! What of a check is a secret, and what may be shown in its place. What a target says back of it is found in [`echo`].

mod echo;

use serde_json::Value;

use crate::base::stdx::redact::{self, REDACTED};
use crate::base::stdx::text::Text;
use crate::core::model::{CheckDefinition, Probe};

pub use echo::{without_echo, without_post};

/// Headers that are no secret, whatever is in them: in which form and language an answer is wished for, and by whom.
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

/// The value of a header as it may be shown.
pub fn header(name: &str, value: &str) -> String {
    if is_open(name) || value.is_empty() { redact::in_text(value) } else { REDACTED.to_owned() }
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
        (Matter::Place, Value::String(text)) => redact::url(text).into(),
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
        (_, Value::String(text)) => redact::in_text(text).into(),
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
    let place = |text: &mut Text| *text = redact::url(text).as_str().into();
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
            args.iter_mut().take(1).for_each(|program| *program = redact::in_text(program).as_str().into());
        }
        Probe::Ttl { .. } | Probe::OsService { .. } | Probe::Alias { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(super) fn http(url: &str, name: &str, value: &str, body: &str) -> Probe {
        Probe::http(url, [(name.into(), vec![value.into()])].into(), body)
    }

    pub(super) fn script(words: &[&str]) -> Probe {
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
}
