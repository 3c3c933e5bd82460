//! What a setting accepts: one reader for each kind of value, with the sentence that says what it allows.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::ListenAddress;
use crate::config::redis_url::{RedisUrl, Secret};
use crate::stdx::duration;
use crate::stdx::network::Network;

/// The kind of value a setting takes, with its range. Ranges are inclusive.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // `min`, `max` and `bytes_max` are what their names say.
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer { min: u64, max: u64 },
    /// A number of bytes, plain or with `KiB`, `MiB`, `GiB`.
    Bytes { min: u64, max: u64 },
    /// A Go duration such as `1m30s`; the range is in seconds.
    Duration { min_s: u64, max_s: u64 },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A DNS label as RFC 1035 has it, up to 63 bytes.
    Label,
    /// A name without blanks and control characters.
    Name { bytes_max: usize },
    /// A path; relative ones count from the working directory.
    Path,
    /// One address or several to listen at.
    Addresses,
    /// An IP address.
    Ip,
    /// Networks in CIDR notation, or none.
    Networks,
    /// Names without commas and control characters, or none.
    Names { bytes_max: usize },
    /// The path of a file, or none.
    File,
    /// A text that is never shown, or none.
    Secret,
    /// Where a Redis is; shown without its password.
    Redis,
}

/// A value that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Boolean`].
    Boolean(bool),
    /// Of [`Kind::Integer`].
    Integer(u64),
    /// Of [`Kind::Bytes`].
    Bytes(u64),
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::Choice`], [`Kind::Label`] and [`Kind::Name`].
    Text(String),
    /// Of [`Kind::Path`] and [`Kind::File`]; empty for no file.
    Path(PathBuf),
    /// Of [`Kind::Addresses`]; never empty.
    Addresses(Vec<ListenAddress>),
    /// Of [`Kind::Ip`].
    Ip(IpAddr),
    /// Of [`Kind::Networks`].
    Networks(Vec<Network>),
    /// Of [`Kind::Names`].
    Names(Vec<String>),
    /// Of [`Kind::Secret`]; empty for none.
    Secret(Secret),
    /// Of [`Kind::Redis`].
    Redis(RedisUrl),
}

const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Kind {
    /// Reads what was written. A list has one entry for each of its elements, everything else exactly one.
    ///
    /// # Errors
    /// A sentence that says what is wrong; [`Kind::allowed`] says what would be right.
    pub fn read(&self, written: &[String]) -> Result<Value, String> {
        match self {
            Kind::Addresses => return read_addresses(written),
            Kind::Networks => return read_networks(written),
            Kind::Names { bytes_max } => return read_names(written, *bytes_max),
            _ => {}
        }
        let [text] = written else {
            return Err(format!("it takes one value, not a list of {}", written.len()));
        };
        match *self {
            Kind::Boolean => {
                text.parse().map(Value::Boolean).map_err(|_| "it is neither true nor false".to_owned())
            }
            Kind::Integer { min, max } => {
                let number = text.parse().map_err(|_| "it is no whole number".to_owned())?;
                within(number, min, max).map(Value::Integer)
            }
            Kind::Bytes { min, max } => within(read_bytes(text)?, min, max).map(Value::Bytes),
            Kind::Duration { min_s, max_s } => read_duration(text, min_s, max_s),
            Kind::Choice(words) => {
                let known = words.contains(&text.as_str());
                known.then(|| Value::Text(text.clone())).ok_or("it is none of the words".to_owned())
            }
            Kind::Label => read_label(text),
            Kind::Name { bytes_max } => read_name(text, bytes_max),
            Kind::Path if text.is_empty() => Err("it is empty".to_owned()),
            Kind::Path | Kind::File => Ok(Value::Path(PathBuf::from(text))),
            Kind::Secret => Ok(Value::Secret(Secret(text.clone()))),
            Kind::Redis => RedisUrl::parse(text).map(Value::Redis),
            Kind::Ip => text.parse().map(Value::Ip).map_err(|_| "it is no IP address".to_owned()),
            Kind::Addresses => read_addresses(written),
            Kind::Networks => read_networks(written),
            Kind::Names { bytes_max } => read_names(written, bytes_max),
        }
    }

    /// What the kind accepts, in words.
    pub fn allowed(&self) -> String {
        match *self {
            Kind::Boolean => "`true` or `false`".to_owned(),
            Kind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Bytes { min, max } => format!("bytes from {} to {}", Value::Bytes(min), Value::Bytes(max)),
            Kind::Duration { min_s, max_s } => {
                format!(
                    "a duration from {} to {}",
                    shown(Duration::from_secs(min_s)),
                    shown(Duration::from_secs(max_s))
                )
            }
            Kind::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Kind::Label => {
                "a DNS label: letters, digits and inner hyphens, a letter first, up to 63".to_owned()
            }
            Kind::Name { bytes_max } => {
                format!("a name up to {bytes_max} bytes, no blanks or control characters")
            }
            Kind::Path => "a path".to_owned(),
            Kind::Addresses => {
                "`IP:PORT`, `[IPv6]:PORT`, `:PORT` or `unix:///PATH`, or a list of these".to_owned()
            }
            Kind::Ip => "an IP address".to_owned(),
            Kind::Networks => "networks such as `10.0.0.0/8` or `fd00::/8`, or an empty list".to_owned(),
            Kind::Names { bytes_max } => format!("names up to {bytes_max} bytes each, or an empty list"),
            Kind::File => "the path of a file".to_owned(),
            Kind::Secret => "any text".to_owned(),
            Kind::Redis => "`redis://HOST[:PORT][/DATABASE]`, `rediss://…` with TLS, `unix:///PATH`, or \
                 `redis[s]+sentinel://HOST[:PORT],…/MASTER`"
                .to_owned(),
        }
    }

    /// Whether what was written may hold a password, and so is shown nowhere, not even when it is wrong.
    pub fn is_confidential(&self) -> bool {
        matches!(self, Kind::Secret | Kind::Redis)
    }

    /// Whether it takes several values; in text they are separated by commas.
    pub fn is_list(&self) -> bool {
        matches!(self, Kind::Addresses | Kind::Networks | Kind::Names { .. })
    }
}

fn within(number: u64, min: u64, max: u64) -> Result<u64, String> {
    match number {
        _ if number < min => Err("it is too small".to_owned()),
        _ if number > max => Err("it is too large".to_owned()),
        _ => Ok(number),
    }
}

fn read_bytes(text: &str) -> Result<u64, String> {
    let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
    let (digits, factor) =
        unit.map_or((text, 1), |(unit, factor)| (text.trim_end_matches(unit).trim_end(), *factor));
    let number: u64 = digits.parse().map_err(|_| "it is no number of bytes".to_owned())?;
    number.checked_mul(factor).ok_or("it is too large".to_owned())
}

fn read_duration(text: &str, min_s: u64, max_s: u64) -> Result<Value, String> {
    let signed = duration::parse(text).map_err(|error| error.to_string())?;
    let read = signed.to_std().ok_or("it is negative".to_owned())?;
    match read {
        _ if read < Duration::from_secs(min_s) => Err("it is too short".to_owned()),
        _ if read > Duration::from_secs(max_s) => Err("it is too long".to_owned()),
        _ => Ok(Value::Duration(read)),
    }
}

fn read_label(text: &str) -> Result<Value, String> {
    let bytes = text.as_bytes();
    let well_formed = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && bytes.len() <= 63;
    well_formed.then(|| Value::Text(text.to_owned())).ok_or("it is no DNS label".to_owned())
}

fn read_name(text: &str, bytes_max: usize) -> Result<Value, String> {
    match text {
        "" => Err("it is empty".to_owned()),
        _ if text.len() > bytes_max => Err(format!("it has {} bytes", text.len())),
        _ if text.contains(|it: char| it.is_whitespace() || it.is_control()) => {
            Err("it holds a blank or a control character".to_owned())
        }
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn read_addresses(written: &[String]) -> Result<Value, String> {
    let read =
        |text: &String| ListenAddress::parse(text).map_err(|complaint| format!("`{text}`: {complaint}"));
    let addresses = written.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let twice = addresses.iter().enumerate().find(|(at, address)| addresses[..*at].contains(address));
    match twice {
        Some((_, ListenAddress::Tcp(address))) if address.port() == 0 => Ok(Value::Addresses(addresses)),
        Some((_, address)) => Err(format!("`{address}` stands there twice")),
        None if addresses.is_empty() => Err("the list is empty".to_owned()),
        None => Ok(Value::Addresses(addresses)),
    }
}

fn read_networks(written: &[String]) -> Result<Value, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let read = |text: &String| text.parse::<Network>().map_err(|error| error.to_string());
    texts.map(read).collect::<Result<Vec<_>, _>>().map(Value::Networks)
}

fn read_names(written: &[String], bytes_max: usize) -> Result<Value, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let read = |text: &String| match text {
        _ if text.len() > bytes_max => Err(format!("`{text}` has {} bytes", text.len())),
        _ if text.contains(|it: char| it.is_control()) => Err("a control character stands in it".to_owned()),
        _ => Ok(text.clone()),
    };
    texts.map(read).collect::<Result<Vec<_>, _>>().map(Value::Names)
}

/// A duration as an operator would write it.
fn shown(length: Duration) -> String {
    duration::GoDuration::from(length).to_string()
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => write!(formatter, "{value}"),
            Value::Integer(value) => write!(formatter, "{value}"),
            Value::Bytes(value) => {
                let exact = UNITS.iter().find(|(_, factor)| *value >= *factor && value % factor == 0);
                let (unit, factor) = exact.copied().unwrap_or(("B", 1));
                write!(formatter, "{}{unit}", value / factor)
            }
            Value::Duration(value) => write!(formatter, "{}", shown(*value)),
            Value::Text(value) => write!(formatter, "{value}"),
            Value::Path(value) => write!(formatter, "{}", value.display()),
            Value::Ip(value) => write!(formatter, "{value}"),
            Value::Redis(value) => write!(formatter, "{value}"),
            Value::Secret(Secret(text)) => formatter.write_str(if text.is_empty() { "" } else { "(hidden)" }),
            Value::Addresses(value) => {
                let all: Vec<String> = value.iter().map(ToString::to_string).collect();
                write!(formatter, "{}", all.join(","))
            }
            Value::Networks(value) => {
                let all: Vec<String> = value.iter().map(ToString::to_string).collect();
                write!(formatter, "{}", all.join(","))
            }
            Value::Names(value) => write!(formatter, "{}", value.join(",")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: Kind = Kind::Integer { min: 2, max: 9 };
    const SIZE: Kind = Kind::Bytes { min: 1024, max: 1 << 20 };
    const WAIT: Kind = Kind::Duration { min_s: 1, max_s: 3600 };
    const NAME: Kind = Kind::Name { bytes_max: 4 };
    const NAMES: Kind = Kind::Names { bytes_max: 4 };

    #[test]
    fn values_at_their_bounds_are_accepted() {
        let label = "a".repeat(63);
        let rows = [
            (Kind::Boolean, "true", "true"),
            (COUNT, "2", "2"),
            (COUNT, "9", "9"),
            (SIZE, "1024", "1KiB"),
            (SIZE, "1025B", "1025B"),
            (SIZE, "1 MiB", "1MiB"),
            (WAIT, "1s", "1s"),
            (WAIT, "1h", "1h0m0s"),
            (Kind::Choice(&["text", "json"]), "json", "json"),
            (Kind::Label, label.as_str(), label.as_str()),
            (NAME, "node", "node"),
            (Kind::Path, "./data", "./data"),
            (Kind::Ip, "::1", "::1"),
            (Kind::Addresses, "127.0.0.1:1", "127.0.0.1:1"),
            (Kind::Networks, "10.0.0.0/8", "10.0.0.0/8"),
            (Kind::Networks, "::1", "::1/128"),
            (Kind::Networks, "", ""),
            (NAMES, "four", "four"),
            (NAMES, "", ""),
        ];
        for (kind, text, shown) in rows {
            let value = kind.read(&[text.to_owned()]);
            assert_eq!(value.map(|it| it.to_string()), Ok(shown.to_owned()), "{kind:?} {text}");
        }
    }

    #[test]
    fn values_past_their_bounds_are_refused() {
        let label = "a".repeat(64);
        let rows = [
            (Kind::Boolean, "yes", "neither"),
            (COUNT, "1", "too small"),
            (COUNT, "10", "too large"),
            (COUNT, "-3", "no whole number"),
            (SIZE, "1023", "too small"),
            (SIZE, "1048577", "too large"),
            (SIZE, "99999999999GiB", "too large"),
            (SIZE, "1MB", "no number of bytes"),
            (WAIT, "999ms", "too short"),
            (WAIT, "1h1ns", "too long"),
            (WAIT, "-5s", "negative"),
            (WAIT, "5", "missing unit"),
            (Kind::Choice(&["text", "json"]), "xml", "none of the words"),
            (Kind::Label, label.as_str(), "no DNS label"),
            (Kind::Label, "-dc", "no DNS label"),
            (Kind::Label, "1dc", "no DNS label"),
            (Kind::Label, "dc-", "no DNS label"),
            (Kind::Label, "", "no DNS label"),
            (NAME, "nodes", "5 bytes"),
            (NAME, "a b", "blank"),
            (NAME, "", "empty"),
            (Kind::Path, "", "empty"),
            (Kind::Ip, "localhost", "no IP address"),
            (Kind::Networks, "10.0.0.0/33", "no network"),
            (Kind::Networks, "metadata", "no network"),
            (NAMES, "nodes", "5 bytes"),
            (NAMES, "a\tb", "control character"),
        ];
        for (kind, text, said) in rows {
            let complaint = kind.read(&[text.to_owned()]).expect_err(text);
            assert!(complaint.contains(said), "{kind:?} {text}: {complaint}");
        }
    }

    #[test]
    fn only_some_kinds_take_lists() {
        let two = ["127.0.0.1:1".to_owned(), "[::1]:1".to_owned()];
        assert_eq!(Kind::Addresses.read(&two).map(|it| it.to_string()), Ok("127.0.0.1:1,[::1]:1".to_owned()));
        assert!(COUNT.read(&two).expect_err("a list").contains("list of 2"));
        assert!(Kind::Addresses.read(&[]).expect_err("none").contains("empty"));
        let networks = ["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()];
        let shown = Kind::Networks.read(&networks).map(|it| it.to_string());
        assert_eq!(shown, Ok("10.0.0.0/8,fd00::/8".to_owned()));
        assert_eq!(Kind::Networks.read(&[]), Ok(Value::Networks(Vec::new())));
        let names = ["web".to_owned(), "db".to_owned()];
        assert_eq!(NAMES.read(&names), Ok(Value::Names(names.to_vec())));
        let twice = [two[0].clone(), two[0].clone()];
        assert!(Kind::Addresses.read(&twice).expect_err("twice").contains("twice"));
    }
}
