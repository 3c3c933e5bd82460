//! What a setting accepts: one reader for each kind of value, with the sentence that says what it allows.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::stdx::duration;
use crate::base::stdx::network::Network;
use crate::config::address::ListenAddress;
use crate::config::callers;
use crate::config::redis_url::{RedisUrl, Secret};
use crate::core::model::limits::{META_KEY_BYTES_MAX, META_PAIRS_MAX, META_VALUE_BYTES_MAX};
use crate::core::model::validate::names;

/// The kind of value a setting takes, with its range. Ranges are inclusive.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // `min`, `max` and `bytes_max` are what their names say.
pub enum SettingKind {
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
    /// One address or several to listen at, or `off`.
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
    /// The paths of files, or none.
    Files,
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
pub enum SettingValue {
    /// Of [`SettingKind::Boolean`].
    Boolean(bool),
    /// Of [`SettingKind::Integer`].
    Integer(u64),
    /// Of [`SettingKind::Bytes`].
    Bytes(u64),
    /// Of [`SettingKind::Duration`].
    Duration(Duration),
    /// Of [`SettingKind::Choice`], [`SettingKind::Label`] and [`SettingKind::Name`].
    Text(String),
    /// Of [`SettingKind::Path`] and [`SettingKind::File`]; empty for no file.
    Path(PathBuf),
    /// Of [`SettingKind::Addresses`] and [`SettingKind::AddressesOrNone`].
    Addresses(Vec<ListenAddress>),
    /// Of [`SettingKind::Ip`].
    Ip(IpAddr),
    /// Of [`SettingKind::Networks`].
    Networks(Vec<Network>),
    /// Of [`SettingKind::Names`], [`SettingKind::Hosts`], [`SettingKind::Origins`] and [`SettingKind::Files`].
    Names(Vec<String>),
    /// Of [`SettingKind::Secret`]; empty for none.
    Secret(Secret),
    /// Of [`SettingKind::Redis`].
    Redis(RedisUrl),
    /// Of [`SettingKind::Id`]; in lower case, empty for none.
    Id(String),
    /// Of [`SettingKind::Pairs`]; each key once, in their order.
    Pairs(BTreeMap<String, String>),
}

/// Bytes of a path at most, as the system has it.
const PATH_BYTES_MAX: usize = 4096;

/// Words of Consul's for those of muster's.
const SYNONYMS: &[(&str, &str)] = &[
    ("err", "error"),
    ("warning", "warn"),
    // What is older is not spoken, whoever would allow it.
    ("tls10", "1.2"),
    ("tls11", "1.2"),
    ("tls12", "1.2"),
    ("tls13", "1.3"),
    ("TLSv1_0", "1.2"),
    ("TLSv1_1", "1.2"),
    ("TLSv1_2", "1.2"),
    ("TLSv1_3", "1.3"),
    ("TLS_AUTO", "1.2"),
];

/// In the place of all addresses: none.
const OFF: &str = "off";

const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl SettingKind {
    /// Reads what was written. A list has one entry for each of its elements, everything else exactly one.
    ///
    /// # Errors
    /// A sentence that says what is wrong; [`SettingKind::allowed`] says what would be right.
    pub fn read(&self, written: &[String]) -> Result<SettingValue, String> {
        match self {
            SettingKind::Addresses if written == [OFF] => return Ok(SettingValue::Addresses(Vec::new())),
            SettingKind::Addresses => return read_addresses(written),
            // An empty text is how the environment writes an empty list.
            SettingKind::AddressesOrNone if written.iter().all(String::is_empty) => {
                return Ok(SettingValue::Addresses(Vec::new()));
            }
            SettingKind::AddressesOrNone => return read_addresses(written),
            SettingKind::Networks => return read_networks(written),
            SettingKind::Names { bytes_max } => return read_names(written, *bytes_max),
            SettingKind::Files => return read_names(written, PATH_BYTES_MAX),
            SettingKind::Pairs => return read_pairs(written),
            SettingKind::Hosts => return read_each(written, callers::check_host),
            SettingKind::Origins => return read_each(written, callers::check_origin),
            _ => {}
        }
        let [text] = written else {
            return Err(format!("it takes one value, not a list of {}", written.len()));
        };
        match *self {
            SettingKind::Boolean => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(SettingValue::Boolean(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(SettingValue::Boolean(false)),
                _ => Err("it is neither true nor false".to_owned()),
            },
            SettingKind::Integer { min, max } => {
                let number = text.parse().map_err(|_| "it is no whole number".to_owned())?;
                within(number, min, max).map(SettingValue::Integer)
            }
            SettingKind::Bytes { min, max } => within(read_bytes(text)?, min, max).map(SettingValue::Bytes),
            SettingKind::Duration { min_s, max_s } => read_duration(text, min_s, max_s),
            SettingKind::Choice(words) => {
                let synonym = SYNONYMS.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(text));
                let meant = synonym.map_or(text.as_str(), |(_, ours)| ours);
                let known = words.iter().find(|word| word.eq_ignore_ascii_case(meant));
                known
                    .map(|word| SettingValue::Text((*word).to_owned()))
                    .ok_or("it is none of the words".to_owned())
            }
            SettingKind::Label => read_label(text),
            SettingKind::Name { bytes_max } => read_name(text, bytes_max),
            SettingKind::Path if text.is_empty() => Err("it is empty".to_owned()),
            SettingKind::Path | SettingKind::File => Ok(SettingValue::Path(PathBuf::from(text))),
            SettingKind::Secret => Ok(SettingValue::Secret(Secret(text.clone()))),
            SettingKind::Redis => RedisUrl::parse(text).map(SettingValue::Redis),
            SettingKind::Id => read_id(text),
            SettingKind::Pairs => read_pairs(written),
            SettingKind::Ip => {
                text.parse().map(SettingValue::Ip).map_err(|_| "it is no IP address".to_owned())
            }
            SettingKind::Addresses | SettingKind::AddressesOrNone => read_addresses(written),
            SettingKind::Networks => read_networks(written),
            SettingKind::Names { bytes_max } => read_names(written, bytes_max),
            SettingKind::Files => read_names(written, PATH_BYTES_MAX),
            SettingKind::Hosts => read_each(written, callers::check_host),
            SettingKind::Origins => read_each(written, callers::check_origin),
        }
    }

    /// What the kind accepts, in words.
    pub fn allowed(&self) -> String {
        match *self {
            SettingKind::Boolean => "`true` or `false`".to_owned(),
            SettingKind::Integer { min, max } => format!("a whole number from {min} to {max}"),
            SettingKind::Bytes { min, max } => {
                format!("bytes from {} to {}", SettingValue::Bytes(min), SettingValue::Bytes(max))
            }
            SettingKind::Duration { min_s, max_s } => {
                format!(
                    "a duration from {} to {}",
                    shown(Duration::from_secs(min_s)),
                    shown(Duration::from_secs(max_s))
                )
            }
            SettingKind::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            SettingKind::Label => {
                "a DNS label: letters, digits and inner hyphens, a letter first, up to 63".to_owned()
            }
            SettingKind::Name { bytes_max } => {
                format!("a name up to {bytes_max} bytes, no blanks or control characters")
            }
            SettingKind::Path => "a path".to_owned(),
            SettingKind::Addresses => {
                "`IP:PORT`, `[IPv6]:PORT`, `localhost:PORT`, `:PORT` or `unix:///PATH`, a list of these, or `off`"
                    .to_owned()
            }
            SettingKind::AddressesOrNone => "as `http_addr`, or an empty list".to_owned(),
            SettingKind::Ip => "an IP address".to_owned(),
            SettingKind::Networks => {
                "networks such as `10.0.0.0/8` or `fd00::/8`, or an empty list".to_owned()
            }
            SettingKind::Names { bytes_max } => {
                format!("names up to {bytes_max} bytes each, or an empty list")
            }
            SettingKind::Hosts => "names of hosts without port, `*.NAME` or `*`, or an empty list".to_owned(),
            SettingKind::Origins => {
                "origins such as `https://example.com:8443`, or `*`, or an empty list".to_owned()
            }
            SettingKind::File => "the path of a file".to_owned(),
            SettingKind::Files => "the path of a file, or a list of such".to_owned(),
            SettingKind::Id => "a UUID: 32 hexadecimal digits with four hyphens".to_owned(),
            SettingKind::Pairs => format!(
                "up to {META_PAIRS_MAX} pairs; keys of letters, digits, hyphens and underscores up to \
                 {META_KEY_BYTES_MAX} bytes, values up to {META_VALUE_BYTES_MAX}"
            ),
            SettingKind::Secret => "any text".to_owned(),
            SettingKind::Redis => {
                "`redis://HOST[:PORT][/DATABASE]`, `rediss://…` with TLS, `unix:///PATH`, or \
                 `redis[s]+sentinel://HOST[:PORT],…/MASTER`"
                    .to_owned()
            }
        }
    }

    /// Whether what was written may hold a password, and so is shown nowhere, not even when it is wrong.
    pub fn is_confidential(&self) -> bool {
        matches!(self, SettingKind::Secret | SettingKind::Redis)
    }

    /// Whether it takes several values; in text they are separated by commas.
    pub fn is_list(&self) -> bool {
        matches!(
            self,
            SettingKind::Addresses
                | SettingKind::AddressesOrNone
                | SettingKind::Networks
                | SettingKind::Names { .. }
                | SettingKind::Files
                | SettingKind::Pairs
                | SettingKind::Hosts
                | SettingKind::Origins
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

fn read_duration(text: &str, min_s: u64, max_s: u64) -> Result<SettingValue, String> {
    let signed = duration::parse(text).map_err(|error| error.to_string())?;
    let read = signed.to_std().ok_or("it is negative".to_owned())?;
    match read {
        _ if read < Duration::from_secs(min_s) => Err("it is too short".to_owned()),
        _ if read > Duration::from_secs(max_s) => Err("it is too long".to_owned()),
        _ => Ok(SettingValue::Duration(read)),
    }
}

fn read_label(text: &str) -> Result<SettingValue, String> {
    let bytes = text.as_bytes();
    let well_formed = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && bytes.len() <= 63;
    well_formed.then(|| SettingValue::Text(text.to_ascii_lowercase())).ok_or("it is no DNS label".to_owned())
}

fn read_name(text: &str, bytes_max: usize) -> Result<SettingValue, String> {
    match text {
        "" => Err("it is empty".to_owned()),
        _ if text.len() > bytes_max => Err(format!("it has {} bytes", text.len())),
        _ if text.contains(|it: char| it.is_whitespace() || it.is_control()) => {
            Err("it holds a blank or a control character".to_owned())
        }
        _ => match names::check_seen("name", text) {
            Ok(()) => Ok(SettingValue::Text(text.to_owned())),
            Err(refused) => Err(refused.to_string()),
        },
    }
}

fn read_addresses(written: &[String]) -> Result<SettingValue, String> {
    let read =
        |text: &String| ListenAddress::parse(text).map_err(|complaint| format!("`{text}`: {complaint}"));
    let addresses = written.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let twice = addresses.iter().enumerate().find(|(at, address)| addresses[..*at].contains(address));
    match twice {
        Some((_, ListenAddress::Tcp(address))) if address.port() == 0 => {
            Ok(SettingValue::Addresses(addresses))
        }
        Some((_, address)) => Err(format!("`{address}` stands there twice")),
        None if addresses.is_empty() => Err("the list is empty".to_owned()),
        None => Ok(SettingValue::Addresses(addresses)),
    }
}

fn read_networks(written: &[String]) -> Result<SettingValue, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let read = |text: &String| text.parse::<Network>().map_err(|error| error.to_string());
    texts.map(read).collect::<Result<Vec<_>, _>>().map(SettingValue::Networks)
}

fn read_names(written: &[String], bytes_max: usize) -> Result<SettingValue, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let read = |text: &String| match text {
        _ if text.len() > bytes_max => Err(format!("`{text}` has {} bytes", text.len())),
        _ if text.contains(|it: char| it.is_control()) => Err("a control character stands in it".to_owned()),
        _ => Ok(text.clone()),
    };
    texts.map(read).collect::<Result<Vec<_>, _>>().map(SettingValue::Names)
}

fn read_id(text: &str) -> Result<SettingValue, String> {
    // The other forms that a UUID may have would be other texts in the catalog.
    let is_hyphenated = text.is_empty() || (text.len() == 36 && uuid::Uuid::try_parse(text).is_ok());
    is_hyphenated.then(|| SettingValue::Id(text.to_ascii_lowercase())).ok_or("it is no UUID".to_owned())
}

/// The prefix of keys that say what muster itself tells of a node.
const META_KEY_RESERVED: &str = "consul-";

fn read_pairs(written: &[String]) -> Result<SettingValue, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let pairs = texts.map(|text| read_pair(text)).collect::<Result<BTreeMap<_, _>, _>>()?;
    if pairs.len() > META_PAIRS_MAX {
        return Err(format!("these are {} pairs", pairs.len()));
    }
    Ok(SettingValue::Pairs(pairs))
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
fn read_each(
    written: &[String],
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Result<SettingValue, String> {
    // An empty text is how the environment writes an empty list.
    let texts = written.iter().filter(|text| !text.is_empty());
    let read = |text: &String| match check(text) {
        Ok(()) => Ok(text.clone()),
        Err(complaint) => Err(format!("`{text}`: {complaint}")),
    };
    texts.map(read).collect::<Result<Vec<_>, _>>().map(SettingValue::Names)
}

/// A duration as an operator would write it.
fn shown(length: Duration) -> String {
    duration::GoDuration::from(length).to_string()
}

impl fmt::Display for SettingValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Boolean(value) => write!(formatter, "{value}"),
            SettingValue::Integer(value) => write!(formatter, "{value}"),
            SettingValue::Bytes(value) => {
                let exact = UNITS.iter().find(|(_, factor)| *value >= *factor && value % factor == 0);
                let (unit, factor) = exact.copied().unwrap_or(("B", 1));
                write!(formatter, "{}{unit}", value / factor)
            }
            SettingValue::Duration(value) => write!(formatter, "{}", shown(*value)),
            SettingValue::Text(value) => write!(formatter, "{value}"),
            SettingValue::Path(value) => write!(formatter, "{}", value.display()),
            SettingValue::Ip(value) => write!(formatter, "{value}"),
            SettingValue::Redis(value) => write!(formatter, "{value}"),
            SettingValue::Secret(Secret(text)) => {
                formatter.write_str(if text.is_empty() { "" } else { "(hidden)" })
            }
            SettingValue::Addresses(value) => {
                let all: Vec<String> = value.iter().map(ToString::to_string).collect();
                write!(formatter, "{}", all.join(","))
            }
            SettingValue::Networks(value) => {
                let all: Vec<String> = value.iter().map(ToString::to_string).collect();
                write!(formatter, "{}", all.join(","))
            }
            SettingValue::Names(value) => write!(formatter, "{}", value.join(",")),
            SettingValue::Id(value) => formatter.write_str(value),
            SettingValue::Pairs(value) => {
                let all: Vec<String> = value.iter().map(|(key, value)| format!("{key}={value}")).collect();
                formatter.write_str(&all.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests;
