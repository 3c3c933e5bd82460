//! Filters that cannot be meant, or would cost too much. The texts stand behind one prefix.

use std::iter;

use super::row::{Row, bare};

/// Deepest nesting of parentheses and `not`s, and most patterns.
const DEPTH_MAX: usize = 32;
const PATTERNS_MAX: usize = 16;

/// The longest request line, within which a filter must come.
const LINE_BYTES_MAX: usize = 8 * 1024;

const SERVICES: &str = "/v1/catalog/service/web";
const NODES: &str = "/v1/catalog/nodes";
const HEALTH: &str = "/v1/health/service/web";
const AGENT: &str = "/v1/agent/services";
const CHECKS: &str = "/v1/agent/checks";

pub fn rows() -> Vec<Row> {
    let fixed = REFUSED.iter().map(|(target, filter, says)| refused(target, filter, says));
    fixed.chain(bounds()).collect()
}

fn refused(target: &str, filter: &str, says: &'static str) -> Row {
    Row::refused("a filter", request(target, filter), 400, says)
}

fn answered(target: &str, filter: &str) -> Row {
    Row::answered("a filter", request(target, filter), 200)
}

fn request(target: &str, filter: &str) -> Vec<u8> {
    bare("GET", &format!("{target}?filter={}", encoded(filter)))
}

/// Encoded for a query, one byte a letter and a blank, so that a filter can be as long as a line.
fn encoded(filter: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"().=!\"_".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    filter.bytes().map(encode).collect()
}

/// Where it goes, the filter, and what the answer says.
const REFUSED: &[(&str, &str, &str)] = &[
    (SERVICES, " ", "Failed to create boolean expression evaluator: "),
    (SERVICES, "ServiceName", "no match found, expected"),
    (SERVICES, "ServiceName ==", "1:15 (14): no match found, expected"),
    (SERVICES, "ServiceName = web", "no match found, expected"),
    (SERVICES, "ServiceName == web-1", "no match found, expected"),
    (SERVICES, "ServiceName == web and", "no match found, expected"),
    (SERVICES, "ServiceName == web AND ServicePort == 80", "no match found, expected"),
    (SERVICES, "(ServiceName == web", "Unmatched parentheses"),
    (SERVICES, "ServiceName == web)", "no match found, expected"),
    (SERVICES, "ServiceName == \"web", "Unterminated string literal"),
    (SERVICES, "ServicePort > 80", "no match found, expected"),
    (SERVICES, "ServicePort == 080", "Invalid number literal"),
    (SERVICES, "ServiceName == web\0", "no match found, expected"),
    (SERVICES, "Bogus == 1", "Selector \"Bogus\" is not valid"),
    (SERVICES, "servicename == web", "Selector \"servicename\" is not valid"),
    (SERVICES, "ServiceName.x == 1", "Selector \"ServiceName.x\" is not valid"),
    (
        SERVICES,
        "ServiceAddress is empty",
        "Invalid match operator \"Is Empty\" for selector \"ServiceAddress\"",
    ),
    (SERVICES, "ServicePort matches 80", "Invalid match operator \"Matches\" for selector \"ServicePort\""),
    (SERVICES, "ServicePort == abc", "Failed to coerce value \"abc\" for selector \"ServicePort\""),
    (SERVICES, "ServicePort == 99999999999999999999", "value out of range"),
    (SERVICES, "ServiceEnableTagOverride == no", "strconv.ParseBool: parsing \"no\": invalid syntax"),
    (SERVICES, "ServiceName matches \"(\"", "Failed to compile regular expression \"(\""),
    (SERVICES, "ServiceName matches \"(?=a)\"", "Failed to compile regular expression"),
    (SERVICES, "ServiceName matches \"[a-\"", "Failed to compile regular expression"),
    (SERVICES, "ServiceName matches \"(((a{100}){100}){100}){100}\"", "use smaller repetitions"),
    (
        SERVICES,
        "ServiceName matches \"((((((((((((((((((((a))))))))))))))))))))\"",
        "Failed to compile regular expression",
    ),
    (NODES, "Bogus == 1", "Selector \"Bogus\" is not valid"),
    (NODES, "Node", "no match found, expected"),
    (HEALTH, "Bogus == 1", "Selector \"Bogus\" is not valid"),
    (HEALTH, "Service.Bogus == 1", "Selector \"Service.Bogus\" is not valid"),
    (HEALTH, "Checks.Bogus == 1", "Selector \"Checks.Bogus\" is not valid"),
    (AGENT, "Bogus == 1", "Selector \"Bogus\" is not valid"),
    (CHECKS, "Bogus == 1", "Selector \"Bogus\" is not valid"),
    // Wrong on a list that is empty, too.
    ("/v1/catalog/service/nobody", "Bogus == 1", "Selector \"Bogus\" is not valid"),
    ("/v1/health/state/bogus", "Bogus == 1", "Selector \"Bogus\" is not valid"),
    ("/v1/health/node/n2", "Bogus == 1", "Selector \"Bogus\" is not valid"),
    ("/v1/health/checks/web", "Bogus == 1", "Selector \"Bogus\" is not valid"),
    ("/v1/catalog/node-services/n2", "Bogus == 1", "Selector \"Bogus\" is not valid"),
    // The selectors on which a real Consul drops the connection.
    (AGENT, "Connect.Native", "no match found, expected"),
    (AGENT, "Proxy.DestinationServiceName is empty", "Invalid match operator"),
];

fn bounds() -> Vec<Row> {
    let nested = |levels: usize| format!("{}ServicePort==80{}", "(".repeat(levels), ")".repeat(levels));
    let negated = |levels: usize| format!("{}ServicePort==80", "not ".repeat(levels));
    let patterns =
        |count: usize| iter::repeat_n("ServiceName matches w", count).collect::<Vec<_>>().join(" or ");
    let too_deep = "deeper than 32 levels";
    let head = format!("GET {SERVICES}?filter= HTTP/1.1").len();
    // As long as a line lets it be, of many comparisons.
    let long = |bytes: usize| {
        let terms = iter::repeat_n("ServicePort==80", bytes / "ServicePort==80 or ".len());
        format!("{:<bytes$}", terms.collect::<Vec<_>>().join(" or "))
    };
    vec![
        answered(SERVICES, &nested(DEPTH_MAX)),
        refused(SERVICES, &nested(DEPTH_MAX + 1), too_deep),
        refused(SERVICES, &nested(3_000), too_deep),
        refused(SERVICES, &"(".repeat(7_000), too_deep),
        answered(SERVICES, &negated(DEPTH_MAX)),
        refused(SERVICES, &negated(DEPTH_MAX + 1), too_deep),
        refused(SERVICES, &negated(1_500), too_deep),
        answered(SERVICES, &patterns(PATTERNS_MAX)),
        refused(SERVICES, &patterns(PATTERNS_MAX + 1), "more than 16 regular expressions"),
        answered(SERVICES, &long(LINE_BYTES_MAX - head)),
        Row::malformed(
            "a filter",
            request(SERVICES, &long(LINE_BYTES_MAX - head + 1)),
            414,
            "The request line is longer",
        ),
        answered(AGENT, "Connect.Native == true"),
        answered(AGENT, "Proxy.DestinationServiceName == web"),
        answered(AGENT, "Proxy.Upstreams is empty"),
        answered(CHECKS, "Status != \"\u{1F984}\""),
    ]
}
