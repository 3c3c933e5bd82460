//! URLs of targets: read as Go reads them, since checks were written for it, and written as they are sent.
//!
//! Pure: what is asked for there, and whether it may be, is not known here.

use std::fmt;

/// Ports where none is written.
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// A URL of HTTP or HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUrl {
    /// HTTPS.
    pub is_tls: bool,
    /// User and password, decoded; without a colon there is no password.
    pub user: Option<(String, Option<String>)>,
    /// Name or address of the host, an IPv6 one without brackets but with its zone.
    pub host: String,
    /// The port as it is written; `None`: that of the scheme.
    port_written: Option<u16>,
    /// Path and query as they are sent; begins with a slash.
    pub target: String,
}

/// Why a text is no such URL. Displayed in Go's words where it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetUrlError {
    /// The scheme is another, or none.
    Scheme(String),
    /// There is no host.
    NoHost,
    /// The host cannot be one.
    Host(String),
    /// The port is none between 0 and 65535.
    Port(String),
    /// A `%` without two hexadecimal digits after it, or a user's name that is not text.
    Escape(String),
}

impl fmt::Display for TargetUrlError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetUrlError::Scheme(scheme) => write!(formatter, "unsupported protocol scheme {scheme:?}"),
            TargetUrlError::NoHost => formatter.write_str("http: no Host in request URL"),
            TargetUrlError::Host(host) => {
                // What stands behind a colon may be a password with a slash in it.
                let is_address =
                    host.bytes().all(|byte| byte.is_ascii_hexdigit() || b"[]:.%".contains(&byte));
                let shown = if is_address { host } else { host.split(':').next().unwrap_or_default() };
                write!(formatter, "invalid host {shown:?}: write a name in ASCII, or an address")
            }
            TargetUrlError::Port(port) => {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit() || b"+-".contains(&byte));
                let shown = if is_number { format!(" {port:?}") } else { String::new() };
                write!(formatter, "invalid port{shown}: write a number up to 65535, or none")
            }
            TargetUrlError::Escape(part) => write!(formatter, "invalid URL escape in {part}"),
        }
    }
}

impl std::error::Error for TargetUrlError {}

impl TargetUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// Why it is none that can be asked.
    pub fn parse(text: &str) -> Result<TargetUrl, TargetUrlError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme, rest),
            _ => {
                let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
                let scheme = if is_scheme(scheme) && !text.starts_with('/') { scheme } else { "" };
                return Err(TargetUrlError::Scheme(scheme.to_ascii_lowercase()));
            }
        };
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => return Err(TargetUrlError::Scheme(other.to_owned())),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(read_user(user)?), address),
            None => (None, authority),
        };
        let (host, port_written) = read_address(address)?;
        Ok(TargetUrl { is_tls, user, host, port_written, target: read_target(rest)? })
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    /// Why it leads nowhere.
    pub fn join(&self, location: &str) -> Result<TargetUrl, TargetUrlError> {
        let before_path = location.split(['/', '?', '#']).next().unwrap_or_default();
        if let Some((scheme, _)) = before_path.split_once(':')
            && is_scheme(scheme)
        {
            return TargetUrl::parse(location);
        }
        if location.starts_with("//") {
            let scheme = if self.is_tls { "https" } else { "http" };
            return TargetUrl::parse(&format!("{scheme}:{location}"));
        }
        let location = location.split('#').next().unwrap_or_default();
        let path = self.target.split('?').next().unwrap_or_default();
        let target = match location.bytes().next() {
            None => self.target.clone(),
            Some(b'?') => format!("{path}{location}"),
            Some(b'/') => without_dots(location),
            Some(_) => {
                let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
                without_dots(&format!("{folder}{location}"))
            }
        };
        Ok(TargetUrl { target: read_target(&target)?, ..self.clone() })
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port_written.unwrap_or(if self.is_tls { HTTPS_PORT } else { HTTP_PORT })
    }

    /// Whether both are served by one and the same: scheme, host and port.
    pub fn is_of_one_origin_with(&self, other: &TargetUrl) -> bool {
        self.is_tls == other.is_tls
            && self.port() == other.port()
            && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// The URL as requests are made of it: without user and zone.
    pub fn request_uri(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        let host = self.host.split('%').next().unwrap_or_default();
        let port = self.port_written.map_or_else(String::new, |port| format!(":{port}"));
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{scheme}://{open}{host}{close}{port}{}", self.target)
    }
}

fn is_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) && text.bytes().all(is_part)
}

fn read_user(text: &str) -> Result<(String, Option<String>), TargetUrlError> {
    let decoded = |part: &str| {
        let bytes = unescaped(part).ok_or_else(|| TargetUrlError::Escape("user or password".to_owned()))?;
        String::from_utf8(bytes).map_err(|_| TargetUrlError::Escape("user or password".to_owned()))
    };
    match text.split_once(':') {
        Some((user, password)) => Ok((decoded(user)?, Some(decoded(password)?))),
        None => Ok((decoded(text)?, None)),
    }
}

/// `host`, `host:port`, `[v6]`, `[v6%25zone]:port`.
fn read_address(address: &str) -> Result<(String, Option<u16>), TargetUrlError> {
    let host_error = || TargetUrlError::Host(address.to_owned());
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(host_error)?;
            let (bare, zone) = host.split_once('%').unwrap_or((host, ""));
            bare.parse::<std::net::Ipv6Addr>().map_err(|_| host_error())?;
            let zone = zone.strip_prefix("25").unwrap_or(zone);
            let host = if zone.is_empty() { bare.to_owned() } else { format!("{bare}%{zone}") };
            match port.strip_prefix(':') {
                Some(port) => (host, port),
                None if port.is_empty() => (host, ""),
                None => return Err(host_error()),
            }
        }
        None => {
            let (host, port) = address.split_once(':').unwrap_or((address, ""));
            let is_part = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}%[]".contains(&byte);
            if port.contains(':') || !host.bytes().all(is_part) {
                return Err(host_error());
            }
            (host.to_owned(), port)
        }
    };
    if host.is_empty() {
        return Err(TargetUrlError::NoHost);
    }
    match port {
        "" => Ok((host, None)),
        port if !port.bytes().all(|byte| byte.is_ascii_digit()) => Err(TargetUrlError::Port(port.to_owned())),
        port => {
            port.parse().map(|port| (host, Some(port))).map_err(|_| TargetUrlError::Port(port.to_owned()))
        }
    }
}

/// Path and query as they are sent. A path with a character that may not stand there is decoded and encoded anew as a
/// whole, as Go does it; any other is left as it is written.
fn read_target(text: &str) -> Result<String, TargetUrlError> {
    let text = text.split('#').next().unwrap_or_default();
    let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let bytes = unescaped(path).ok_or_else(|| TargetUrlError::Escape("the path".to_owned()))?;
    let is_written_well = |byte: u8| is_path_byte(byte) || b"!'()*[]%".contains(&byte);
    let mut target =
        if path.bytes().all(is_written_well) { path.to_owned() } else { escaped(&bytes, is_path_byte) };
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    if let Some(query) = query {
        target.push('?');
        target
            .push_str(&escaped(query.as_bytes(), |byte| byte.is_ascii_graphic() && !b"\"<>".contains(&byte)));
    }
    Ok(target)
}

/// What Go leaves as it is when it encodes a path.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

fn escaped(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if stays(byte) {
            text.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            text.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    text
}

/// The bytes that a text with escapes stands for; `None`: a `%` that two hexadecimal digits do not follow.
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next().unwrap_or(b'x')).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    Some(plain)
}

/// A path without its segments of dots (RFC 3986, section 5.2.4); a query after it stays.
fn without_dots(text: &str) -> String {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_sent_as_go_sends_them() {
        let rows = [
            ("http://h", "http://h/"),
            ("HTTP://H:80?q", "http://H:80/?q"),
            ("https://h:/a#b", "https://h/a"),
            ("http://h/a%2Fb/!'()*", "http://h/a%2Fb/!'()*"),
            ("http://h/ä", "http://h/%C3%A4"),
            ("http://h/ä%2Fb(c)", "http://h/%C3%A4/b%28c%29"),
            ("http://h/a b?ä b=\"c\"", "http://h/a%20b?%C3%A4%20b=%22c%22"),
            ("http://u:p@h/\\x", "http://h/%5Cx"),
            ("http://[::1]:81/", "http://[::1]:81/"),
            ("http://[fe80::1%25eth0]/", "http://[fe80::1]/"),
        ];
        for (given, expected) in rows {
            assert_eq!(
                TargetUrl::parse(given).map(|url| url.request_uri()).as_deref(),
                Ok(expected),
                "{given}"
            );
        }
    }

    #[test]
    fn parts_are_told() {
        let url = TargetUrl::parse("https://u%40x:p%3a%40@[fe80::1%25eth0]:8443/").unwrap();
        assert_eq!(url.user, Some(("u@x".to_owned(), Some("p:@".to_owned()))));
        assert_eq!((url.host.as_str(), url.port(), url.is_tls), ("fe80::1%eth0", 8443, true));
        assert_eq!(TargetUrl::parse("http://u@h").unwrap().user, Some(("u".to_owned(), None)));
        assert_eq!(TargetUrl::parse("https://h").unwrap().port(), 443);
    }

    #[test]
    fn what_is_no_url_is_said_to_be_none() {
        use TargetUrlError::{Escape, Host, NoHost, Port, Scheme};
        let rows = [
            ("", Scheme(String::new())),
            ("web.example/up", Scheme(String::new())),
            ("//h/", Scheme(String::new())),
            ("localhost:80/", Scheme("localhost".to_owned())),
            ("file:///etc/passwd", Scheme("file".to_owned())),
            ("file:/etc/passwd", Scheme("file".to_owned())),
            ("GOPHER://h:70/_x", Scheme("gopher".to_owned())),
            ("http:///up", NoHost),
            ("http://:80/", NoHost),
            ("http://u@/", NoHost),
            ("http://h:99999/", Port("99999".to_owned())),
            ("http://h:65536", Port("65536".to_owned())),
            ("http://h:-1", Port("-1".to_owned())),
            ("http://h:+80", Port("+80".to_owned())),
            ("http://h:http/", Port("http".to_owned())),
            ("http://::1/", Host("::1".to_owned())),
            ("http://[::1/", Host("[::1".to_owned())),
            ("http://[web]/", Host("[web]".to_owned())),
            ("http://h h/", Host("h h".to_owned())),
            ("http://h\\@x/", Host("h".to_owned())),
            ("http://ä/", Host("ä".to_owned())),
            ("http://h/%zz", Escape("the path".to_owned())),
            ("http://u:%4@h/", Escape("user or password".to_owned())),
        ];
        for (given, expected) in rows {
            match (given, TargetUrl::parse(given)) {
                // The user ends at the last @, so the backslash is the user's.
                ("http://h\\@x/", found) => assert_eq!(found.unwrap().host, "x"),
                (_, found) => assert_eq!(found, Err(expected), "{given}"),
            }
        }
        assert!(TargetUrl::parse("http://h:65535").is_ok());
    }

    #[test]
    fn redirects_lead_where_browsers_go() {
        let from = TargetUrl::parse("http://u:p@h:81/a/b/c?q=1").unwrap();
        let rows = [
            ("https://x/y", "https://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?z", "http://h:81/y?z"),
            ("y", "http://h:81/a/b/y"),
            ("../y", "http://h:81/a/y"),
            ("../../../y/.", "http://h:81/y/"),
            ("?z", "http://h:81/a/b/c?z"),
            ("#f", "http://h:81/a/b/c?q=1"),
            ("/./\\x", "http://h:81/%5Cx"),
            ("\\\\x", "http://h:81/a/b/%5C%5Cx"),
            ("/..//x/y", "http://h:81//x/y"),
            ("y/a:b", "http://h:81/a/b/y/a:b"),
        ];
        for (location, expected) in rows {
            assert_eq!(
                from.join(location).map(|url| url.request_uri()).as_deref(),
                Ok(expected),
                "{location}"
            );
        }
        assert!(from.join("/y").unwrap().user.is_some() && from.join("//h/y").unwrap().user.is_none());
        assert_eq!(from.join("gopher://x/"), Err(TargetUrlError::Scheme("gopher".to_owned())));
        assert!(from.is_of_one_origin_with(&from.join("http://H:81/").unwrap()));
        assert!(!from.is_of_one_origin_with(&from.join("http://h/").unwrap()));
    }
}
