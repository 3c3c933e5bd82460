//! The one difference that every refusal shows (row [`ROW`]): Consul 1.8.7 says `Permission denied`, and at times of whom
//! and what; muster says it as later versions do.

use serde_json::Value;

use super::compare::Difference;

/// Its row in `docs/compatibility.md`.
pub const ROW: &str = "D60";

/// Whether a difference is this one: a refusal on both sides, and where Consul names what is missing, the same is named.
pub fn is_in_later_words(difference: &Difference) -> bool {
    let (Some(Value::String(before)), Some(Value::String(now))) =
        (&difference.reference, &difference.subject)
    else {
        return false;
    };
    let Some(lacks) = lacking(now).filter(|_| difference.path == "body") else { return false };
    match before.strip_prefix("Permission denied: Missing ") {
        Some(missing) => missing.split_once(" on ").is_some_and(|(right, name)| {
            lacks.strip_prefix(&format!("'{right}' on ")).is_some_and(|on| on == format!("{name:?}"))
        }),
        None => before == "Permission denied",
    }
}

/// What a refusal in later words says is missing: `'service:write' on "web"`.
fn lacking(text: &str) -> Option<&str> {
    const LACKS: &str = " lacks permission ";
    const IMPLICIT: &str =
        ". The anonymous token is used implicitly when a request does not specify a token.";
    if let Some(rest) = text.strip_prefix("Permission denied: anonymous token") {
        return rest.strip_prefix(LACKS)?.strip_suffix(IMPLICIT);
    }
    let (accessor, rest) =
        text.strip_prefix("Permission denied: token with AccessorID '")?.split_once('\'')?;
    rest.strip_prefix(LACKS).filter(|_| !accessor.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_a_refusal_of_the_same_is_one() {
        let of = |text: &str| format!("Permission denied: token with AccessorID 'a' lacks permission {text}");
        let anonymous = "Permission denied: anonymous token lacks permission 'acl:read'. The anonymous token is used \
                         implicitly when a request does not specify a token.";
        let cases = [
            ("Permission denied", of("'acl:read'"), true),
            ("Permission denied", anonymous.to_owned(), true),
            ("Permission denied", "Permission denied".to_owned(), false),
            ("ACL not found", of("'acl:read'"), false),
            ("Permission denied: Missing service:write on web", of("'service:write' on \"web\""), true),
            ("Permission denied: Missing service:write on web", of("'service:write' on \"api\""), false),
            ("Permission denied: Missing service:write on web", of("'node:write' on \"web\""), false),
        ];
        for (before, now, wanted) in cases {
            let difference = Difference {
                path: "body".to_owned(),
                reference: Some(json!(before)),
                subject: Some(json!(now)),
            };
            assert_eq!(is_in_later_words(&difference), wanted, "{before} / {now}");
        }
    }
}
