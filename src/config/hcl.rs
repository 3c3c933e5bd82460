//! Reads HCL 1, the language of Consul's configuration files, into the tree that JSON would give.
//!
//! The crates for HCL read its second version, which refuses what Consul takes: several settings in a line, quoted keys
//! (`"name" = "web"`), a `${` that means nothing. The first version is small: keys and values, blocks, lists, heredocs,
//! comments. A key that stands there several times becomes a list; a text that begins with `{` is JSON.

use serde_json::{Map, Number, Value};

use crate::base::stdx::go_literal;
use crate::config::json;
use crate::config::key_finder::KeyFinder;
use crate::config::problem::TextPosition;

/// Deepest nesting of blocks and lists. It is read by recursion; definitions are five deep.
const DEPTH_MAX: usize = 32;

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HclError {
    /// Where reading stopped.
    pub position: TextPosition,
    /// What is wrong.
    pub complaint: String,
}

/// Reads a file's text.
///
/// # Errors
/// The first thing that is no HCL.
pub fn read(text: &str) -> Result<Map<String, Value>, HclError> {
    let mut reader = Reader { text, at: 0, finder: KeyFinder::default() };
    reader.skip_blanks()?;
    if reader.peek() == Some('{') {
        return json::read(text).map_err(|(position, complaint)| HclError { position, complaint });
    }
    let object = reader.items(DEPTH_MAX)?;
    match reader.peek() {
        None => Ok(object),
        Some(other) => Err(reader.error(format!("`{other}` closes nothing"))),
    }
}

/// Looks in a text that has been read already for the keys that are to be found.
pub fn look_into(text: &str, mut finder: KeyFinder) -> KeyFinder {
    if text.trim_start().starts_with('{') {
        finder.look_into_json(text);
        return finder;
    }
    let mut reader = Reader { text, at: 0, finder };
    // As far as it can be read.
    let _ = reader.items(DEPTH_MAX);
    reader.finder
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    finder: KeyFinder,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|it| !is_part(it)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn error(&self, complaint: impl Into<String>) -> HclError {
        HclError { position: TextPosition::of(self.text, self.at), complaint: complaint.into() }
    }

    /// Goes past blanks and comments.
    fn skip_blanks(&mut self) -> Result<(), HclError> {
        loop {
            self.take_while(|it| it.is_whitespace() || it == '\u{feff}');
            if self.rest().starts_with('#') || self.rest().starts_with("//") {
                self.take_while(|it| it != '\n');
            } else if self.rest().starts_with("/*") {
                let end = self.rest().find("*/").ok_or_else(|| self.error("this comment has no end"))?;
                self.at += end + "*/".len();
            } else {
                return Ok(());
            }
        }
    }

    /// Settings and blocks, until the end or a closing brace.
    fn items(&mut self, depth_left: usize) -> Result<Map<String, Value>, HclError> {
        let mut object = Map::new();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                None | Some('}') => return Ok(object),
                Some(',') => drop(self.take()),
                Some(_) => self.item(&mut object, depth_left)?,
            }
        }
    }

    fn item(&mut self, object: &mut Map<String, Value>, depth_left: usize) -> Result<(), HclError> {
        let at = self.at;
        let key = self.key()?;
        let before = match object.get(&key) {
            None => 0,
            Some(Value::Array(list)) => list.len(),
            Some(_) => 1,
        };
        self.finder.enter(&key, before, at);
        let mut labels = Vec::new();
        let mut value = loop {
            self.skip_blanks()?;
            match self.peek() {
                Some('=') if labels.is_empty() => {
                    self.take();
                    self.skip_blanks()?;
                    break self.value(depth_left)?;
                }
                Some('{') => break self.block(depth_left - labels.len())?,
                // A block with labels is one inside another.
                Some(it) if it == '"' || is_word(it) => {
                    if labels.len() == depth_left {
                        return Err(self.too_deep());
                    }
                    let at = self.at;
                    labels.push(self.key()?);
                    self.finder.enter(&labels[labels.len() - 1], 0, at);
                }
                _ => return Err(self.error(format!("after `{key}` there is neither `=` nor a block"))),
            }
        };
        self.finder.leave();
        for label in labels.into_iter().rev() {
            self.finder.leave();
            value = Value::Object(Map::from_iter([(label, value)]));
        }
        match (object.get_mut(&key), value) {
            (None, value) => drop(object.insert(key, value)),
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(Value::Array(list)), value) => list.push(value),
            (Some(first), value) => *first = Value::Array(vec![first.take(), value]),
        }
        Ok(())
    }

    fn key(&mut self) -> Result<String, HclError> {
        match self.peek() {
            Some('"') => self.quoted(),
            Some(it) if is_word(it) => Ok(self.take_while(is_word).to_owned()),
            Some(it) => Err(self.error(format!("`{it}` cannot begin a key"))),
            None => Err(self.error("a key is missing")),
        }
    }

    fn value(&mut self, depth_left: usize) -> Result<Value, HclError> {
        match self.peek() {
            Some('"') => self.quoted().map(Value::String),
            Some('[') => self.list(depth_left),
            Some('{') => self.block(depth_left),
            Some('<') if self.rest().starts_with("<<") => self.heredoc().map(Value::String),
            Some(it) if is_word(it) || matches!(it, '-' | '+') => self.word(),
            Some(it) => Err(self.error(format!("`{it}` cannot begin a value"))),
            None => Err(self.error("a value is missing")),
        }
    }

    fn word(&mut self) -> Result<Value, HclError> {
        let begin = self.at;
        let word = self.take_while(|it| is_word(it) || matches!(it, '-' | '+'));
        let mut refused = |complaint: String| {
            self.at = begin;
            self.error(complaint)
        };
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ if word.starts_with(|it: char| it.is_ascii_digit() || it == '-') => {
                number(word).ok_or_else(|| refused(format!("`{word}` is no number")))
            }
            _ => Err(refused(format!("`{word}` is neither a number nor true or false: quote a text"))),
        }
    }

    fn list(&mut self, depth_left: usize) -> Result<Value, HclError> {
        let depth_left = self.deeper(depth_left)?;
        let mut elements = Vec::new();
        let before = self.finder.index();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                Some(']') => {
                    self.take();
                    return Ok(Value::Array(elements));
                }
                Some(',') if !elements.is_empty() => drop(self.take()),
                Some(_) => {
                    self.finder.element(before + elements.len(), self.at);
                    elements.push(self.value(depth_left)?);
                }
                None => return Err(self.error("a list has no `]`")),
            }
        }
    }

    fn block(&mut self, depth_left: usize) -> Result<Value, HclError> {
        let depth_left = self.deeper(depth_left)?;
        let object = self.items(depth_left)?;
        match self.take() {
            Some('}') => Ok(Value::Object(object)),
            _ => Err(self.error("a block has no `}`")),
        }
    }

    /// Past the bracket that opens something, one level down.
    fn deeper(&mut self, depth_left: usize) -> Result<usize, HclError> {
        self.take();
        depth_left.checked_sub(1).ok_or_else(|| self.too_deep())
    }

    fn too_deep(&self) -> HclError {
        self.error(format!("nested deeper than {DEPTH_MAX} levels"))
    }

    fn quoted(&mut self) -> Result<String, HclError> {
        self.take();
        // Escapes stand for bytes: a character may be of several.
        let mut said = Vec::new();
        // Within `${…}` a quote ends nothing.
        let mut braces = 0_usize;
        loop {
            let is_opening = self.rest().starts_with("${");
            match self.take() {
                None => return Err(self.error("a text has no closing quote")),
                Some('"') if braces == 0 => {
                    return String::from_utf8(said)
                        .map_err(|_| self.error("the escapes of a text make no characters"));
                }
                Some('\n') if braces == 0 => {
                    return Err(self.error("a text ends with its line: close the quote"));
                }
                Some('\\') if braces == 0 => {
                    let rest = self.rest();
                    let after = go_literal::unescape(rest, &mut said)
                        .ok_or_else(|| self.error("there is no such escape"))?;
                    self.at += rest.len() - after.len();
                }
                Some(it) => {
                    said.extend_from_slice(it.encode_utf8(&mut [0; 4]).as_bytes());
                    match it {
                        '$' if is_opening => {
                            self.take();
                            braces += 1;
                            said.push(b'{');
                        }
                        '{' if braces > 0 => braces += 1,
                        '}' if braces > 0 => braces -= 1,
                        _ => {}
                    }
                }
            }
        }
    }

    /// `<<END` to a line of `END`; with `<<-` the blanks before `END` go from every line, if every line has them.
    fn heredoc(&mut self) -> Result<String, HclError> {
        self.at += "<<".len();
        let is_indented = self.rest().starts_with('-');
        self.at += usize::from(is_indented);
        let name = self.take_while(|it| it.is_alphanumeric() || it == '_');
        let line = self.take_while(|it| it != '\n');
        if name.is_empty() || !line.trim().is_empty() {
            return Err(self.error("`<<` is followed by a word and the end of the line"));
        }
        self.take();
        let mut lines = Vec::new();
        loop {
            let line = self.take_while(|it| it != '\n').trim_end_matches('\r');
            if line.trim() == name {
                let blanks = &line[..line.len() - line.trim_start().len()];
                let strips =
                    is_indented && lines.iter().all(|it: &&str| it.is_empty() || it.starts_with(blanks));
                let shown = |it: &&str| match strips {
                    true => format!("{}\n", it.strip_prefix(blanks).unwrap_or(it)),
                    false => format!("{it}\n"),
                };
                return Ok(lines.iter().map(shown).collect());
            }
            lines.push(line);
            if self.take().is_none() {
                return Err(self.error(format!("there is no line `{name}` that ends the text")));
            }
        }
    }
}

/// A number as HCL writes it: decimal, octal after a leading zero, hexadecimal after `0x`, or with a fraction or an
/// exponent. A whole one has 64 bits.
fn number(word: &str) -> Option<Value> {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let hexadecimal = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
    let digits = hexadecimal.unwrap_or(unsigned);
    if !digits.is_empty() && digits.chars().all(|it| it.is_digit(if hexadecimal.is_some() { 16 } else { 10 }))
    {
        return go_literal::parse_integer(word).ok().map(Value::from);
    }
    let is_part = |it: char| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '-' | '+');
    let float: f64 = word.parse().ok().filter(|_| word.chars().all(is_part))?;
    // A whole number is one however it is written.
    match float.fract() == 0.0 && float.abs() < 1e15 {
        true => Some(Value::from(float as i64)),
        false => Number::from_f64(float).map(Value::Number),
    }
}

/// Whether a key may hold it without quotes.
fn is_word(it: char) -> bool {
    it.is_alphanumeric() || matches!(it, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_consul_takes_is_read() {
        let rows = [
            ("", json!({})),
            ("# nothing\n// at\n/* all\n*/", json!({})),
            ("a = 1 b = \"2\"\nc = true,d=false", json!({"a": 1, "b": "2", "c": true, "d": false})),
            ("service { name = \"web\" port = 80 }", json!({"service": {"name": "web", "port": 80}})),
            (
                "\"service\" = { \"name\" = \"web\", port=80 }",
                json!({"service": {"name": "web", "port": 80}}),
            ),
            ("service \"web\" { port = 80 }", json!({"service": {"web": {"port": 80}}})),
            (
                "services {a=1}\nservices {a=2}\nservices = [{a=3}]",
                json!({"services": [{"a": 1}, {"a": 2}, {"a": 3}]}),
            ),
            ("checks = [{a=1},\n # one\n {a=2},]", json!({"checks": [{"a": 1}, {"a": 2}]})),
            (
                "args = [\"sh\", \"-c\", <<EOF\necho \"hi\"\n  x\nEOF\n]",
                json!({"args": ["sh", "-c", "echo \"hi\"\n  x\n"]}),
            ),
            ("a = <<-EOF\n   hi\n     there\n\n   EOF\nb = 1", json!({"a": "hi\n  there\n\n", "b": 1})),
            ("a = <<-EOF\n hi\n   EOF\n", json!({"a": " hi\n"})),
            ("n = [0x50, -0X50, -3, 1.5, 8e1, 1E-1]", json!({"n": [80, -80, -3, 1.5, 80, 0.1]})),
            ("n = [0, 007, 010, -010]", json!({"n": [0, 7, 8, -8]})),
            (r#"t = "\xc3\xa9\303\251""#, json!({"t": "éé"})),
            (
                r#"t = "q\"\\\n\t\u00e9\x41\101 ${x("y")} $z""#,
                json!({"t": "q\"\\\n\té\u{41}\u{41} ${x(\"y\")} $z"}),
            ),
            ("a-b.c_d = 1", json!({"a-b.c_d": 1})),
            ("{\"service\": {\"name\": \"web\"}}", json!({"service": {"name": "web"}})),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text).map(Value::Object), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_hcl_is_told_with_its_line() {
        let deep = format!("a = {}", "[".repeat(DEPTH_MAX + 1));
        let labels = format!("a {} {{}}", "b ".repeat(DEPTH_MAX));
        let both = format!("a {}", "b c d { e ".repeat(DEPTH_MAX / 4 + 1));
        let rows = [
            ("a", 1, "neither `=` nor"),
            ("\na = web", 2, "quote a text"),
            ("a = \"x\nb", 2, "close the quote"),
            ("a = 0x-50", 1, "no number"),
            ("a = 0x+50", 1, "no number"),
            ("a = 0x", 1, "no number"),
            ("a = -", 1, "no number"),
            ("a = 08", 1, "no number"),
            ("a = 1_0", 1, "no number"),
            ("a = 0b11", 1, "no number"),
            ("a = +1", 1, "neither a number"),
            ("a = 9223372036854775808", 1, "no number"),
            ("a = 1e999", 1, "no number"),
            ("a = \"\\x+1\"", 1, "no such escape"),
            ("a = \"\\u+123\"", 1, "no such escape"),
            ("a = \"\\+12\"", 1, "no such escape"),
            ("a = \"\\xff\"", 1, "no characters"),
            ("{\"a\": 1,\n\"a\": 2}", 2, "stands twice"),
            (labels.as_str(), 1, "deeper than 32"),
            (both.as_str(), 1, "deeper than 32"),
            ("a {\nb = 1\n", 3, "no `}`"),
            ("a = [1, 2", 1, "no `]`"),
            ("}", 1, "closes nothing"),
            ("a = 1x", 1, "no number"),
            ("\"a\": 1", 1, "neither `=` nor"),
            ("/* a", 1, "no end"),
            ("a = <<EOF\nx", 2, "no line `EOF`"),
            ("= 1", 1, "cannot begin a key"),
            ("a = \"\\q\"", 1, "no such escape"),
            ("{\"a\": ", 1, "EOF"),
            (deep.as_str(), 1, "deeper than 32"),
        ];
        for (text, line, said) in rows {
            let error = read(text).expect_err(text);
            assert!(error.position.line == line && error.complaint.contains(said), "{text}: {error:?}");
        }
        let deepest = format!("a = {}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(read(&deepest).is_ok());
        let deepest = format!("a {} {{}}", "b ".repeat(DEPTH_MAX - 1));
        assert!(read(&deepest).is_ok());
        assert_eq!(
            read("a = 1\n  b = é web").expect_err("a word").position,
            TextPosition { line: 2, column: 7 }
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z\"{}=<>\\[\\]\\\\$#/* \n-]{0,60}") {
            let _ = read(&text);
        }
    }
}
