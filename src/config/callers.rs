//! What `allowed_hosts` and `allowed_origins` may hold: names without a port, and origins without a path.

/// Checks a name of `allowed_hosts`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_host(text: &str) -> Result<(), &'static str> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match () {
        () if text == "*" => Ok(()),
        () if name.contains("://") => Err("it is a URL; write the name alone"),
        () if name.contains(':') => Err("it has a port; every port is meant"),
        () if name.is_empty() || !name.bytes().all(is_name_byte) => Err("it is no name of a host"),
        () => Ok(()),
    }
}

/// Checks an origin of `allowed_origins`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_origin(text: &str) -> Result<(), &'static str> {
    let host = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match host {
        _ if text == "*" => Ok(()),
        None => Err("it does not begin with http:// or https://"),
        Some(host) if host.contains('/') => Err("it has a path; an origin ends with its host and port"),
        Some(host) if host.is_empty() || host.contains(|it: char| it.is_whitespace() || it == '@') => {
            Err("it has no host")
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&str) -> Result<(), &'static str>;

    #[test]
    fn names_and_origins_are_checked() {
        let fine = [
            (check_host as Check, "consul"),
            (check_host as Check, "*.svc.cluster.local"),
            (check_host as Check, "*"),
            (check_origin as Check, "https://console.example:8443"),
            (check_origin as Check, "*"),
        ];
        for (check, text) in fine {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let refused = [
            (check_host as Check, "http://a", "a URL"),
            (check_host as Check, "a:8500", "a port"),
            (check_host as Check, "a b", "no name"),
            (check_host as Check, "a*b", "no name"),
            (check_host as Check, "*.", "no name"),
            (check_origin as Check, "console.example", "does not begin"),
            (check_origin as Check, "ftp://console.example", "does not begin"),
            (check_origin as Check, "http://console.example/", "a path"),
            (check_origin as Check, "http://", "no host"),
            (check_origin as Check, "httpx://a", "does not begin"),
        ];
        for (check, text, said) in refused {
            assert!(check(text).is_err_and(|complaint| complaint.contains(said)), "{text}");
        }
    }
}
