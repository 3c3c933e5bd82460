//! Redacts texts that may hold a key: what is left is everything but the key.
//!
//! Of a URL the user, the password, what is in its query and behind `#`, and parameters in its path are
//! secret; where it leads is not. Of a query and of parameters only the plain name of a value is shown, never
//! a name without a value: that may be the key itself. What marks all of these counts in whatever depth of
//! percent-encoding it is written. A key that is a segment of the path by itself cannot be told from any other segment,
//! and is shown. Cost: linear in the text, whoever wrote it.

use crate::base::stdx::target_url::unescaped;

/// Stands for what is not shown.
pub const REDACTED: &str = "(redacted)";

/// Bytes of the longest name of a value that is shown.
const NAME_BYTES_MAX: usize = 32;

/// How often a text is percent-decoded: proxies encode what is encoded, one after the other, but rarely three.
const DECODINGS_MAX: usize = 4;

/// What stands between scheme and place in texts, as it is, as JSON may write it, and percent-encoded.
const SCHEME_MARKS: [&str; 4] = ["://", ":\\/\\/", "%3a%2f%2f", "%253a%252f%252f"];

/// Parts of names whose values are keys.
const SECRET_NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "signature",
    "session",
    "encrypt",
];

/// Names that are all of that.
const SECRET_WORDS: [&str; 6] = ["auth", "code", "key", "pass", "sig", "bearer"];

/// A URL, or what was meant to be one: with or without a scheme, `host:port` too.
pub fn url(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => format!("{scheme}://{}", after_scheme(rest)),
        _ => match text.strip_prefix("//") {
            Some(rest) => format!("//{}", after_scheme(rest)),
            None => after_scheme(text),
        },
    }
}

/// A text in which URLs may stand, whole or from their path on.
pub fn in_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_end = |it: char| it.is_whitespace() || matches!(it, '"' | '\'' | '<' | '>' | '`');
        let (word, further) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        shown.push_str(&in_word(word));
        let end = further.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&further[..end]);
        rest = &further[end..];
    }
    shown
}

/// What a text says when it is percent-decoded once, twice, … as far as it can be.
pub fn decodings(text: &str) -> Vec<String> {
    let decode = |text: &str| unescaped(text).and_then(|bytes| String::from_utf8(bytes).ok());
    let next = |text: &String| decode(text).filter(|plain| plain != text);
    std::iter::successors(next(&text.to_owned()), next).take(DECODINGS_MAX).collect()
}

/// A piece of a text without blanks.
fn in_word(word: &str) -> String {
    let scheme = first_of(word, &SCHEME_MARKS);
    let query = word.find('?').filter(|at| scheme.is_none_or(|(scheme, _)| *at < scheme));
    match (query, scheme) {
        // A question may be followed by anything; a name with its value is a query's.
        (Some(at), _) if first_delimiter(&word[at..], "=").is_some() => {
            format!("{}{}", &word[..at], after_scheme(&word[at..]))
        }
        (_, Some((at, length))) => {
            let (before, url) = word.split_at(at + length);
            let url = match &word[at..at + length] {
                "://" => after_scheme(url),
                ":\\/\\/" => after_scheme(&url.replace("\\/", "/")),
                _ => encoded(url),
            };
            format!("{before}{url}")
        }
        _ => word.to_owned(),
    }
}

/// What stands behind the scheme of an URL that is encoded as a whole: decoded, where something of it is hidden.
fn encoded(text: &str) -> String {
    let Some(plain) = decodings(text).pop() else { return text.to_owned() };
    let shown = after_scheme(&plain);
    if shown == plain { text.to_owned() } else { shown }
}

/// The path of a request for a line of the log: without the query and what stands before the path in a whole URL.
pub fn request_path(target: &str) -> String {
    let rest = match target.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            &rest[rest.find(['/', '?', '#']).unwrap_or(rest.len())..]
        }
        _ => target,
    };
    path(rest.split(['?', '#']).next().unwrap_or_default())
}

/// Whether the value that has such a name is a key to something.
pub fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|it| it.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    let mut words = name.split(|it: char| !it.is_ascii_alphanumeric());
    SECRET_NAMES.iter().any(|part| plain.contains(part))
        || words.any(|word| SECRET_WORDS.iter().any(|it| it.eq_ignore_ascii_case(word)))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The same from the authority on.
fn after_scheme(text: &str) -> String {
    let authority = &text[..text.find(['/', '?', '#', '\\', ';']).unwrap_or(text.len())];
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_address = authority.ends_with(']') || port.bytes().all(|byte| byte.is_ascii_digit());
    if !is_address
        && last_delimiter(authority, "@").is_none()
        && let Some(at) = last_delimiter(text, "@")
    {
        // A password with a character that ends the authority too early.
        return after_scheme(&text[at..]);
    }
    let (authority, rest) = text.split_at(text.find(['/', '\\', ';', '?', '#']).unwrap_or(text.len()));
    match last_delimiter(authority, "@") {
        Some(at) => format!("{REDACTED}{}{}", &authority[at..], path(rest)),
        None if first_delimiter(authority, "=;?#").is_some() => format!("{}{}", path(authority), path(rest)),
        None => format!("{authority}{}", path(rest)),
    }
}

/// A path with what follows it.
fn path(text: &str) -> String {
    let end = first_delimiter(text, "?#");
    let segments: Vec<String> =
        text[..end.map_or(text.len(), |delimiter| delimiter.at)].split('/').map(segment).collect();
    let mut shown = segments.join("/");
    let Some(delimiter) = end else { return shown };
    let (query, fragment) = match delimiter.is {
        '?' => text[delimiter.end..]
            .split_once('#')
            .map_or((&text[delimiter.end..], None), |(it, of)| (it, Some(of))),
        _ => ("", None),
    };
    shown.push_str(&text[delimiter.at..delimiter.end]);
    if delimiter.is == '#' && delimiter.end < text.len() {
        shown.push_str(REDACTED);
    }
    if !query.is_empty() {
        let pairs: Vec<String> = query.split('&').map(pair).collect();
        shown.push_str(&pairs.join("&"));
    }
    if let Some(fragment) = fragment {
        shown.push('#');
        shown.push_str(if fragment.is_empty() { "" } else { REDACTED });
    }
    shown
}

/// A name with its value, of which the name is shown if it is one. A name alone may be all there is to know.
fn pair(text: &str) -> String {
    match first_delimiter(text, "=") {
        _ if text.is_empty() => String::new(),
        Some(delimiter) if is_plain_name(&text[..delimiter.at]) && !is_padding(&text[delimiter.end..]) => {
            format!("{}{REDACTED}", &text[..delimiter.end])
        }
        _ => REDACTED.to_owned(),
    }
}

/// Letters, dots, hyphens, underscores and brackets: what is no word holds digits soon, and may be a key.
fn is_plain_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphabetic() || b"_-.[]".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_part)
}

/// Whether it is no value, but the end of what is written in base64.
fn is_padding(text: &str) -> bool {
    let mut rest = text;
    while let Some(delimiter) = first_delimiter(rest, "=").filter(|delimiter| delimiter.at == 0) {
        rest = &rest[delimiter.end..];
    }
    rest.is_empty()
}

/// A segment of a path with its parameters: `name;parameter=value;parameter`.
fn segment(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut rest, mut is_first) = (text, true);
    loop {
        let next = first_delimiter(rest, ";");
        let piece = next.as_ref().map_or(rest, |delimiter| &rest[..delimiter.at]);
        shown.push_str(&if is_first { name(piece) } else { pair(piece) });
        let Some(delimiter) = next else { return shown };
        shown.push_str(&rest[delimiter.at..delimiter.end]);
        (rest, is_first) = (&rest[delimiter.end..], false);
    }
}

/// The name of a segment, which may be a parameter, or the user of a URL within a path.
fn name(text: &str) -> String {
    if first_delimiter(text, "=").is_some() {
        return pair(text);
    }
    match (first_delimiter(text, ":"), last_delimiter(text, "@")) {
        (Some(colon), Some(at)) if colon.at < at => format!("{REDACTED}{}", &text[at..]),
        (Some(colon), None) if is_secret_name(&text[..colon.at]) && colon.end < text.len() => {
            format!("{}{REDACTED}", &text[..colon.end])
        }
        _ => text.to_owned(),
    }
}

/// A character that means something, plain or percent-encoded in any depth, and where it is written.
#[derive(Clone, Copy)]
struct Delimiter {
    at: usize,
    end: usize,
    is: char,
}

/// The first of these characters.
fn first_delimiter(text: &str, characters: &str) -> Option<Delimiter> {
    delimiters(text, characters).next()
}

fn last_delimiter(text: &str, characters: &str) -> Option<usize> {
    delimiters(text, characters).last().map(|delimiter| delimiter.at)
}

fn delimiters<'a>(text: &'a str, characters: &'a str) -> impl Iterator<Item = Delimiter> + 'a {
    let bytes = text.as_bytes();
    (0..bytes.len()).filter_map(move |at| {
        let (is, end) = match bytes[at] {
            b'%' => {
                // `%3D`, `%253D`, `%25253D`: each time the `%` itself was encoded.
                let mut digits = at + 1;
                while bytes[digits..].starts_with(b"25") {
                    digits += 2;
                }
                let code = bytes.get(digits..digits + 2).and_then(|it| str::from_utf8(it).ok())?;
                (char::from(u8::from_str_radix(code, 16).ok()?), digits + 2)
            }
            byte => (char::from(byte), at + 1),
        };
        characters.contains(is).then_some(Delimiter { at, end, is })
    })
}

/// Where the first of `marks` begins, whatever its case, and how long it is. Looks no further than that.
fn first_of(text: &str, marks: &[&str]) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let begins = |at: usize, delimiter: &str| {
        bytes[at..].get(..delimiter.len()).is_some_and(|it| it.eq_ignore_ascii_case(delimiter.as_bytes()))
    };
    (0..bytes.len()).find_map(|at| marks.iter().find(|mark| begins(at, mark)).map(|mark| (at, mark.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_their_place_and_lose_their_keys() {
        let rows = [
            ("", ""),
            ("nothing", "nothing"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("http://h:1/path", "http://h:1/path"),
            ("http://[fe80::1%25eth0]:1/a/", "http://[fe80::1%25eth0]:1/a/"),
            ("http://u:p@h/", "http://(redacted)@h/"),
            ("http://key@h", "http://(redacted)@h"),
            ("http://u:p%40@h:1/a?b=c&d=&e", "http://(redacted)@h:1/a?b=(redacted)&(redacted)&(redacted)"),
            ("http://u:p/w?x@h/y", "http://(redacted)@h/y"),
            ("http://u:p/w@h/y", "http://(redacted)@h/y"),
            ("http://h/a@b?x=1", "http://h/a@b?x=(redacted)"),
            ("http://h/a;token=k/b;k;c=", "http://h/a;token=(redacted)/b;(redacted);(redacted)"),
            ("http://h/a%3Btoken%3dk%3bl", "http://h/a%3Btoken%3d(redacted)%3b(redacted)"),
            ("http://h/token=k/b", "http://h/token=(redacted)/b"),
            ("http://h;token=k/b", "http://h;token=(redacted)/b"),
            ("http://h/a?b;token=k", "http://h/a?(redacted)"),
            ("http://h/?u=http://i/?k=v#x", "http://h/?u=(redacted)#(redacted)"),
            ("http://h/to/http://u:p@i/", "http://h/to/http://(redacted)@i/"),
            ("http://h/#k", "http://h/#(redacted)"),
            ("u:p@h:80", "(redacted)@h:80"),
            ("h:80/service;k=v", "h:80/service;k=(redacted)"),
            ("h:80?k=v", "h:80?k=(redacted)"),
            ("/login?k=v", "/login?k=(redacted)"),
            ("//u:p@h/", "//(redacted)@h/"),
            ("?k=v", "?k=(redacted)"),
            ("http://h/hook?token%3Dk", "http://h/hook?token%3D(redacted)"),
            ("http://h/?token%25253dk%26l=m", "http://h/?token%25253d(redacted)"),
            ("http://h/?k%26token=v", "http://h/?(redacted)"),
            ("http://h/?==k", "http://h/?(redacted)"),
            ("http://h/?k=&a=1", "http://h/?(redacted)&a=(redacted)"),
            ("http://h/?k==", "http://h/?(redacted)"),
            ("http://h/?k%3d%3D&", "http://h/?(redacted)&"),
            ("http://h/?k3y=v&a[b]=c", "http://h/?(redacted)&a[b]=(redacted)"),
            ("http://h/hook%3Ftoken=k&l", "http://h/hook%3Ftoken=(redacted)&(redacted)"),
            ("http://h/hook%253fk/l", "http://h/hook%253f(redacted)"),
            ("http://h/hook%23k", "http://h/hook%23(redacted)"),
            ("http://h/k==/a", "http://h/(redacted)/a"),
            ("http://h/token:k/a", "http://h/token:(redacted)/a"),
            ("http://h/items:list/2024-01-01T00:00", "http://h/items:list/2024-01-01T00:00"),
            ("http://u%3Ap%40h/", "http://(redacted)%40h/"),
            ("http://auth:8080/key/", "http://auth:8080/key/"),
            ("http://u:p/w%40h/y", "http://(redacted)%40h/y"),
            ("http://h%3Fk/", "http://h%3F(redacted)/"),
            ("http://h/#", "http://h/#"),
            ("http://h/?", "http://h/?"),
            ("http://h/?#k", "http://h/?#(redacted)"),
            ("http://h?token%3Dk", "http://h?token%3D(redacted)"),
        ];
        for (text, expected) in rows {
            assert_eq!(url(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_lose_the_keys_of_their_urls() {
        let rows = [
            ("nothing here", "nothing here"),
            ("k=v stays", "k=v stays"),
            (
                "Get \"http://h/?key=abc\": refused; then https://v@i?k=l too",
                "Get \"http://h/?key=(redacted)\": refused; then https://(redacted)@i?k=(redacted) too",
            ),
            ("see /hook?token%3Dk and a?b", "see /hook?token%3D(redacted) and a?b"),
            ("{\"u\":\"http:\\/\\/u:p@h\\/?k\"}", "{\"u\":\"http:\\/\\/(redacted)@h/?(redacted)\"}"),
            ("http%3A%2F%2Fh%2F%3Fk", "http%3A%2F%2Fh/?(redacted)"),
            ("http%3A%2F%2Fh%2Fa", "http%3A%2F%2Fh%2Fa"),
            ("http%253A%252F%252Fu%253Ap%2540h", "http%253A%252F%252F(redacted)@h"),
            ("to=http%3A%2F%2Fh%3Ftoken=k", "to=http%3A%2F%2Fh?token=(redacted)"),
            ("see redis://:p@h:1/0, or not", "see redis://(redacted)@h:1/0, or not"),
        ];
        for (text, expected) in rows {
            assert_eq!(in_text(text), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_take_no_longer_for_what_they_hold() {
        let begun = std::time::Instant::now();
        for part in
            ["a;b=c;", "a/", "://", "a=b&", "%3b%3d", "u:p@", "?", "#", "%25", "%2525", "=", ":", "%40"]
        {
            let text = part.repeat(300_000 / part.len());
            assert!(!url(&format!("http://h/{text}")).is_empty() && !in_text(&text).is_empty());
        }
        assert!(begun.elapsed().as_secs() < 60, "a square of it would be an hour");
    }

    #[test]
    fn of_what_is_asked_the_path_is_shown() {
        let rows = [
            ("/v1/catalog/nodes?token=k", "/v1/catalog/nodes"),
            ("http://u:p@h/v1/x?token=k", "/v1/x"),
            ("http://u:p@h?token=k", ""),
            ("/v1/x;token=k/y#z", "/v1/x;token=(redacted)/y"),
            ("*", "*"),
        ];
        for (target, expected) in rows {
            assert_eq!(request_path(target), expected, "{target}");
        }
    }

    #[test]
    fn names_tell_whether_their_values_are_keys() {
        for name in ["token", "X-Api-Key", "redis_password", "client_secret", "AUTH", "api_key", "sessionid"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["", "interval", "keyspace", "author", "monkey", "passing", "encoding"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
