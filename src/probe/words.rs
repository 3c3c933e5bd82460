//! The words that Consul, written in Go, has for failures. Alerts and people match on them.

use std::io::{self, ErrorKind};

/// What happened to the system call `call`.
pub fn io(call: &str, error: &io::Error) -> String {
    let what = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => return "i/o timeout".to_owned(),
        ErrorKind::UnexpectedEof => return "EOF".to_owned(),
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::ConnectionReset => "connection reset by peer".to_owned(),
        ErrorKind::BrokenPipe => "broken pipe".to_owned(),
        ErrorKind::HostUnreachable => "no route to host".to_owned(),
        ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        _ => error.to_string(),
    };
    format!("{call}: {what}")
}

/// A method as errors show it: `GET` as `Get`.
pub fn method(method: &str) -> String {
    let mut word = method.to_ascii_lowercase();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    word
}

/// `url` without the password in it.
pub fn url_without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let Some((user_info, _)) = authority.rsplit_once('@') else { return url.to_owned() };
    let Some((user, _)) = user_info.split_once(':') else { return url.to_owned() };
    format!("{scheme}://{user}:***{}", &rest[user_info.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_as_words() {
        for (given, expected) in [("GET", "Get"), ("pUT", "Put"), ("", "")] {
            assert_eq!(method(given), expected);
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let rows = [
            ("http://h/p", "http://h/p"),
            ("http://user@h/p", "http://user@h/p"),
            ("http://user:secret@h:80/p", "http://user:***@h:80/p"),
            ("http://user:sec@ret@h?q=a:b@c", "http://user:***@h?q=a:b@c"),
            ("http://h/a:b@c", "http://h/a:b@c"),
            ("garbage", "garbage"),
        ];
        for (given, expected) in rows {
            assert_eq!(url_without_password(given), expected);
        }
    }
}
