//! The words that Consul, written in Go, has for failures. Alerts and people match on them.

use std::io::{self, ErrorKind};

/// What happened to the system call `call`.
pub fn io(call: &str, error: &io::Error) -> String {
    let what = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => return "i/o timeout".to_owned(),
        ErrorKind::FileTooLarge => {
            "the target sends more than a check reads: 4 MiB, or 16384 pieces".to_owned()
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_read_as_words() {
        for (given, expected) in [("GET", "Get"), ("pUT", "Put"), ("", "")] {
            assert_eq!(method(given), expected);
        }
    }
}
