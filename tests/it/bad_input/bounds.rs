//! Limits of what a record may hold: accepted at the limit, refused one past it.

use super::bodies::{CHECK, REGISTER, SERVICE};
use super::message::BODY_BYTES_MAX;
use super::row::{Row, put};

/// One limit: how a body that stands at `n` of it looks, and what is said to one that is past it.
struct Bound {
    what: &'static str,
    target: &'static str,
    body: fn(usize) -> String,
    max: usize,
    says: &'static str,
}

const fn bound(
    what: &'static str,
    target: &'static str,
    body: fn(usize) -> String,
    max: usize,
    says: &'static str,
) -> Bound {
    Bound { what, target, body, max, says }
}

pub fn rows() -> Vec<Row> {
    let sides = BOUNDS.iter().flat_map(|bound| {
        let request = |number: usize| put(bound.target, (bound.body)(number));
        [
            Row::stored(&format!("{} at the bound", bound.what), request(bound.max)),
            Row::refused(&format!("{} past the bound", bound.what), request(bound.max + 1), 400, bound.says),
        ]
    });
    sides.chain(body_size()).collect()
}

/// The whole body is bounded before anything looks at it, so this one costs the connection.
fn body_size() -> Vec<Row> {
    let body = |bytes: usize| {
        let service = r#"{"Name":"x"}"#;
        format!("{service}{}", " ".repeat(bytes - service.len()))
    };
    let request = |bytes: usize| put(SERVICE, body(bytes));
    vec![
        Row::stored("a body at the bound", request(BODY_BYTES_MAX)),
        Row::malformed(
            "a body past the bound",
            request(BODY_BYTES_MAX + 1),
            413,
            "The request body is larger",
        ),
    ]
}

const PORT: &str = "must be between 0 and 65535";
const NAME: &str = "longer than 255 bytes";

const BOUNDS: &[Bound] = &[
    bound("a service name", SERVICE, |n| format!(r#"{{"Name":"{}"}}"#, x(n)), 255, NAME),
    bound(
        "a service name in two-byte letters",
        SERVICE,
        |n| format!(r#"{{"Name":"{}{}"}}"#, "é".repeat(127), x(n)),
        1,
        NAME,
    ),
    bound("a service id", SERVICE, |n| format!(r#"{{"Name":"x","ID":"{}"}}"#, x(n)), 255, NAME),
    bound("a service address", SERVICE, |n| format!(r#"{{"Name":"x","Address":"{}"}}"#, x(n)), 255, NAME),
    bound("a port", SERVICE, |n| format!(r#"{{"Name":"x","Port":{n}}}"#), 65_535, PORT),
    bound(
        "tags",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Tags":[{}]}}"#, list(n, r#""t""#)),
        256,
        "at most 256",
    ),
    bound(
        "a tag",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Tags":["{}"]}}"#, x(n)),
        4096,
        "longer than 4096 bytes",
    ),
    bound(
        "service meta pairs",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Meta":{{{}}}}}"#, pairs(n, r#""v""#)),
        64,
        "cannot contain more than 64 key/value pairs",
    ),
    bound(
        "a service meta key",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Meta":{{"{}":"v"}}}}"#, x(n)),
        128,
        "Key is too long (limit: 128 characters)",
    ),
    bound(
        "a service meta value",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Meta":{{"k":"{}"}}}}"#, x(n)),
        512,
        "Value is too long (limit: 512 characters)",
    ),
    bound(
        "tagged addresses",
        SERVICE,
        |n| format!(r#"{{"Name":"x","TaggedAddresses":{{{}}}}}"#, pairs(n, r#"{"Address":"a"}"#)),
        64,
        "at most 64",
    ),
    bound(
        "the port of a tagged address",
        SERVICE,
        |n| format!(r#"{{"Name":"x","TaggedAddresses":{{"lan":{{"Address":"a","Port":{n}}}}}}}"#),
        65_535,
        PORT,
    ),
    bound(
        "a weight",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Weights":{{"Passing":{n},"Warning":{n}}}}}"#),
        65_535,
        "DNS Weight must be between 0 and 65535",
    ),
    bound(
        "checks",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Checks":[{}]}}"#, list(n, r#"{"TTL":"1h"}"#)),
        64,
        "at most 64",
    ),
    bound(
        "checks with the single one",
        SERVICE,
        |n| format!(r#"{{"Name":"x","Check":{{"TTL":"1h"}},"Checks":[{}]}}"#, list(n, r#"{"TTL":"1h"}"#)),
        63,
        "at most 64",
    ),
    bound("a check id", CHECK, |n| format!(r#"{{"Name":"x","TTL":"1h","ID":"{}"}}"#, x(n)), 255, NAME),
    bound("a check name", CHECK, |n| format!(r#"{{"Name":"{}","TTL":"1h"}}"#, x(n)), 255, NAME),
    bound(
        "results in a row",
        CHECK,
        |n| format!(r#"{{"Name":"x","TTL":"1h","FailuresBeforeCritical":{n}}}"#),
        4_294_967_295,
        "must be between 0 and 4294967295",
    ),
    bound(
        "a span in nanoseconds as text",
        CHECK,
        |n| format!(r#"{{"Name":"x","TTL":"{n}ns"}}"#),
        9_223_372_036_854_775_807,
        "time: invalid duration",
    ),
    bound(
        "the depth of a proxy's settings",
        SERVICE,
        |n| {
            let (open, close) = (r#"{"a":"#.repeat(n), "}".repeat(n));
            format!(r#"{{"Name":"x","Proxy":{{"Config":{open}1{close}}}}}"#)
        },
        32,
        "nested deeper than 32 levels",
    ),
    bound("a node name", REGISTER, |n| format!(r#"{{"Node":"{}","Address":"a"}}"#, x(n)), 255, NAME),
    bound("a node address", REGISTER, |n| format!(r#"{{"Node":"x","Address":"{}"}}"#, x(n)), 255, NAME),
    bound(
        "node meta pairs",
        REGISTER,
        |n| format!(r#"{{"Node":"x","Address":"a","NodeMeta":{{{}}}}}"#, pairs(n, r#""v""#)),
        64,
        "cannot contain more than 64 key/value pairs",
    ),
    bound(
        "a node meta value",
        REGISTER,
        |n| format!(r#"{{"Node":"x","Address":"a","NodeMeta":{{"k":"{}"}}}}"#, x(n)),
        512,
        "Value is too long (limit: 512 characters)",
    ),
    bound(
        "the id of a service in the catalog",
        REGISTER,
        |n| format!(r#"{{"Node":"x","Address":"a","Service":{{"Service":"y","ID":"{}"}}}}"#, x(n)),
        255,
        NAME,
    ),
    bound(
        "the port of a service in the catalog",
        REGISTER,
        |n| format!(r#"{{"Node":"x","Address":"a","Service":{{"Service":"y","Port":{n}}}}}"#),
        65_535,
        PORT,
    ),
    bound(
        "tags of a service in the catalog",
        REGISTER,
        |n| {
            format!(
                r#"{{"Node":"x","Address":"a","Service":{{"Service":"y","Tags":[{}]}}}}"#,
                list(n, r#""t""#)
            )
        },
        256,
        "at most 256",
    ),
    bound(
        "the name of a check in the catalog",
        REGISTER,
        |n| format!(r#"{{"Node":"x","Address":"a","Check":{{"Name":"{}"}}}}"#, x(n)),
        255,
        NAME,
    ),
    bound(
        "checks in the catalog",
        REGISTER,
        |n| format!(r#"{{"Node":"x","Address":"a","Checks":[{}]}}"#, named_checks(n)),
        64,
        "at most 64",
    ),
];

fn x(count: usize) -> String {
    "x".repeat(count)
}

fn list(count: usize, item: &str) -> String {
    vec![item; count].join(",")
}

fn pairs(count: usize, value: &str) -> String {
    let pairs: Vec<String> = (0..count).map(|number| format!(r#""k{number}":{value}"#)).collect();
    pairs.join(",")
}

fn named_checks(count: usize) -> String {
    let checks: Vec<String> = (0..count).map(|number| format!(r#"{{"Name":"c{number}"}}"#)).collect();
    checks.join(",")
}
