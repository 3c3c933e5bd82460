//! What a setting accepts: one reader for each kind of value, with the sentence that says what it allows.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::address::ListenAddress;
use crate::config::callers;
use crate::config::redis_url::{RedisUrl, Secret};
use crate::model::limits::{META_KEY_BYTES_MAX, META_PAIRS_MAX, META_VALUE_BYTES_MAX};
use crate::stdx::duration;
use crate::stdx::network::Network;
use crate::wire::intake::names;

/// The kind of value a setting takes, with its range. Ranges are inclusive.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // `min`, `max` and `bytes_max` are what their names say.
pub enum Kind {
    /// `true` or `false`, or as Go writes them: `1`, `t`, `T`, `TRUE`, `True` and their opposites.
    Boolean,
    /// A whole number.
    Integer { min: u64, max: u64 },
    /// A number of bytes, plain or with `KiB`, `MiB`, `GiB`.
    Bytes { min: u64, max: u64 },
    /// A Go duration such as `1m30s`; the range is in seconds.
    Duration { min_s: u64, max_s: u64 },
    /// One of these words, in whatever case.
    Choice(&'static [&'static str]),
    /// A DNS label as RFC 1035 has it, up to 63 bytes, in whatever case; it is used in lower case.
    Label,
    /// A name without blanks and control characters.
    Name { bytes_max: usize },
    /// A path; relative ones count from the working directory.
    Path,
    /// One address or several to listen at.
    Addresses,
    /// Addresses to listen at, or none.
    AddressesOrNone,
    /// An IP address.
    Ip,
    /// Networks in CIDR notation, or none.
    Networks,
    /// Names without commas and control characters, or none.
    Names { bytes_max: usize },
    /// Names of hosts without port, `*.` before one for all below it, `*` for all; or none.
    Hosts,
    /// Origins of web pages, `*` for all; or none.
    Origins,
    /// The path of a file, or none.
    File,
    /// A text that is never shown, or none.
    Secret,
    /// Where a Redis is; shown without its password.
    Redis,
    /// A UUID, or none.
    Id,
    /// Metadata of a node, or none.
    Pairs,
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
    /// Of [`Kind::Addresses`], then never empty, and of [`Kind::AddressesOrNone`].
    Addresses(Vec<ListenAddress>),
    /// Of [`Kind::Ip`].
    Ip(IpAddr),
    /// Of [`Kind::Networks`].
    Networks(Vec<Network>),
    /// Of [`Kind::Names`], [`Kind::Hosts`] and [`Kind::Origins`].
    Names(Vec<String>),
    /// Of [`Kind::Secret`]; empty for none.
    Secret(Secret),
    /// Of [`Kind::Redis`].
    Redis(RedisUrl),
    /// Of [`Kind::Id`]; in lower case, empty for none.
    Id(String),
    /// Of [`Kind::Pairs`]; each key once, in their order.
    Pairs(BTreeMap<String, String>),
}

/// Words of Consul's for those of muster's.
const SYNONYMS: &[(&str, &str)] = &[("err", "error"), ("warning", "warn")];

const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Kind {
    /// Reads what was written. A list has one entry for each of its elements, everything else exactly one.
    ///
    /// # Errors
    /// A sentence that says what is wrong; [`Kind::allowed`] says what would be right.
    pub fn read(&self, written: &[String]) -> Result<Value, String> {
        match self {
            Kind::Addresses => return read_addresses(written),
            // An empty text is how the environment writes an empty list.
            Kind::AddressesOrNone if written.iter().all(String::is_empty) => {
                return Ok(Value::Addresses(Vec::new()));
            }
            Kind::AddressesOrNone => return read_addresses(written),
            Kind::Networks => return read_networks(written),
            Kind::Names { bytes_max } => return read_names(written, *bytes_max),
            Kind::Pairs => return read_pairs(written),
            Kind::Hosts => return read_each(written, callers::check_host),
            Kind::Origins => return read_each(written, callers::check_origin),
            _ => {}
        }
        let [text] = written else {
            return Err(format!("it takes one value, not a list of {}", written.len()));
        };
        match *self {
            Kind::Boolean => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Boolean(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Boolean(false)),
                _ => Err("it is neither true nor false".to_owned()),
            },
            Kind::Integer { min, max } => {
                let number = text.parse().map_err(|_| "it is no whole number".to_owned())?;
                within(number, min, max).map(Value::Integer)
            }
            Kind::Bytes { min, max } => within(read_bytes(text)?, min, max).map(Value::Bytes),
            Kind::Duration { min_s, max_s } => read_duration(text, min_s, max_s),
            Kind::Choice(words) => {
                let synonym = SYNONYMS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(text));
                let meant = synonym.map_or(text.as_str(), |(_, ours)| ours);
                let known = words.iter().find(|word| word.eq_ignore_ascii_case(meant));
                known.map(|word| Value::Text((*word).to_owned())).ok_or("it is none of the words".to_owned())
            }
            Kind::Label => read_label(text),
            Kind::Name { bytes_max } => read_name(text, bytes_max),
            Kind::Path if text.is_empty() => Err("it is empty".to_owned()),
            Kind::Path | Kind::File => Ok(Value::Path(PathBuf::from(text))),
            Kind::Secret => Ok(Value::Secret(Secret(text.clone()))),
            Kind::Redis => RedisUrl::parse(text).map(Value::Redis),
            Kind::Id => read_id(text),
            Kind::Pairs => read_pairs(written),
            Kind::Ip => text.parse().map(Value::Ip).map_err(|_| "it is no IP address".to_owned()),
            Kind::Addresses | Kind::AddressesOrNone => read_addresses(written),
            Kind::Networks => read_networks(written),
            Kind::Names { bytes_max } => read_names(written, bytes_max),
            Kind::Hosts => read_each(written, callers::check_host),
            Kind::Origins => read_each(written, callers::check_origin),
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
                "`IP:PORT`, `[IPv6]:PORT`, `localhost:PORT`, `:PORT` or `unix:///PATH`, or a list of these"
                    .to_owned()
            }
            Kind::AddressesOrNone => "as `http_addr`, or an empty list".to_owned(),
            Kind::Ip => "an IP address".to_owned(),
            Kind::Networks => "networks such as `10.0.0.0/8` or `fd00::/8`, or an empty list".to_owned(),
            Kind::Names { bytes_max } => format!("names up to {bytes_max} bytes each, or an empty list"),
            Kind::Hosts => "names of hosts without port, `*.NAME` or `*`, or an empty list".to_owned(),
            Kind::Origins => {
                "origins such as `https://example.com:8443`, or `*`, or an empty list".to_owned()
            }
            Kind::File => "the path of a file".to_owned(),
            Kind::Id => "a UUID: 32 hexadecimal digits with four hyphens".to_owned(),
            Kind::Pairs => format!(
                "up to {META_PAIRS_MAX} pairs; keys of letters, digits, hyphens and underscores up to \
                 {META_KEY_BYTES_MAX} bytes, values up to {META_VALUE_BYTES_MAX}"
            ),
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
        matches!(
            self,
            Kind::Addresses
                | Kind::AddressesOrNone
                | Kind::Networks
                | Kind::Names { .. }
                | Kind::Pairs
                | Kind::Hosts
                | Kind::Origins
        )
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
    well_formed.then(|| Value::Text(text.to_ascii_lowercase())).ok_or("it is no DNS label".to_owned())
}

fn read_name(text: &str, bytes_max: usize) -> Result<Value, String> {
    match text {
        "" => Err("it is empty".to_owned()),
        _ if text.len() > bytes_max => Err(format!("it has {} bytes", text.len())),
        _ if text.contains(|it: char| it.is_whitespace() || it.is_control()) => {
            Err("it holds a blank or a control character".to_owned())
        }
        _ => match names::check_seen("name", text) {
            Ok(()) => Ok(Value::Text(text.to_owned())),
            Err(refused) => Err(refused.to_string()),
        },
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

fn read_id(text: &str) -> Result<Value, String> {
    // The other forms that a UUID may have would be other texts in the catalog.
    let is_hyphenated = text.is_empty() || (text.len() == 36 && uuid::Uuid::try_parse(text).is_ok());
    is_hyphenated.then(|| Value::Id(text.to_ascii_lowercase())).ok_or("it is no UUID".to_owned())
}

/// The prefix of keys that say what muster itself tells of a node.
const META_KEY_RESERVED: &str = "consul-";

fn read_pairs(written: &[String]) -> Result<Value, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let pairs = texts.map(|text| read_pair(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    if pairs.len() > META_PAIRS_MAX {
        return Err(format!("these are {} pairs", pairs.len()));
    }
    Ok(Value::Pairs(pairs))
}

fn read_pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once(['=', ':']).ok_or(format!("`{text}` has no `=`"))?;
    let is_key = !key.is_empty()
        && key.len() <= META_KEY_BYTES_MAX
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    match (key, value) {
        _ if !is_key => Err(format!("`{key}` is no key")),
        _ if key.starts_with(META_KEY_RESERVED) => {
            Err(format!("`{key}`: keys with `{META_KEY_RESERVED}` are muster's own"))
        }
        _ if value.len() > META_VALUE_BYTES_MAX => Err(format!("the value of `{key}` is too long")),
        _ => Ok((key.to_owned(), value.to_owned())),
    }
}

/// Reads a list of texts that `check` has nothing against.
fn read_each(written: &[String], check: impl Fn(&str) -> Result<(), &'static str>) -> Result<Value, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let read = |text: &String| match check(text) {
        Ok(()) => Ok(text.clone()),
        Err(complaint) => Err(format!("`{text}`: {complaint}")),
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
            Value::Id(value) => formatter.write_str(value),
            Value::Pairs(value) => {
                let all: Vec<String> = value.iter().map(|(key, value)| format!("{key}={value}")).collect();
                formatter.write_str(&all.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests;
