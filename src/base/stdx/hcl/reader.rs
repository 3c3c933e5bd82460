//! Goes over a text of HCL or JSON from its beginning to its end.

use serde_json::Number;

use crate::base::stdx::go_literal;
use crate::base::stdx::hcl::{DEPTH_MAX, HclContent, HclError, HclItem, HclKey, HclValue};
use crate::base::stdx::text_position::TextPosition;

pub fn read(text: &str, is_json: bool) -> Result<Vec<HclItem>, HclError> {
    let mut reader = Reader { text, at: 0, is_json };
    reader.skip_blanks()?;
    let items = match is_json {
        // The brace around all of it is no level.
        true => reader.block(DEPTH_MAX + 1)?,
        false => reader.items(DEPTH_MAX)?,
    };
    reader.skip_blanks()?;
    match reader.peek() {
        None => Ok(items),
        Some('}') => Err(reader.error("`}` closes nothing")),
        Some(other) => Err(reader.error(format!("`{other}` stands after the end"))),
    }
}

/// What may stand between any two words.
pub fn is_blank(it: char) -> bool {
    it.is_whitespace() || it == '\u{feff}'
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    is_json: bool,
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
            self.take_while(is_blank);
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
    fn items(&mut self, depth_left: usize) -> Result<Vec<HclItem>, HclError> {
        let mut items = Vec::new();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                None | Some('}') => return Ok(items),
                Some(',') => drop(self.take()),
                Some(_) => items.push(self.item(depth_left)?),
            }
        }
    }

    fn item(&mut self, depth_left: usize) -> Result<HclItem, HclError> {
        let key = self.key()?;
        let mut labels = Vec::new();
        let value = loop {
            self.skip_blanks()?;
            match self.peek() {
                Some('=') if labels.is_empty() => {
                    self.take();
                    self.skip_blanks()?;
                    break self.value(depth_left)?;
                }
                Some('{') => break self.value(depth_left - labels.len())?,
                // A block with labels is one inside another.
                Some(it) if it == '"' || is_word(it) => {
                    if labels.len() == depth_left {
                        return Err(self.too_deep());
                    }
                    labels.push(self.key()?);
                }
                _ => return Err(self.error(format!("after `{}` there is neither `=` nor a block", key.text))),
            }
        };
        Ok(HclItem { key, labels, value })
    }

    /// The pairs of a JSON object, until what is no comma. One whose value is cut off is none.
    fn pairs(&mut self, depth_left: usize) -> Result<Vec<HclItem>, HclError> {
        let mut pairs = Vec::new();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                None | Some('}') => return Ok(pairs),
                Some('"') => {}
                Some(other) => return Err(self.error(format!("`{other}` cannot begin a key"))),
            }
            let key = self.key()?;
            self.skip_blanks()?;
            match self.take() {
                None => return Ok(pairs),
                Some(':') => self.skip_blanks()?,
                Some(_) => return Err(self.error(format!("after `{}` there is no `:`", key.text))),
            }
            if self.peek().is_none() {
                return Ok(pairs);
            }
            pairs.push(HclItem { key, labels: Vec::new(), value: self.value(depth_left)? });
            self.skip_blanks()?;
            if self.peek() != Some(',') {
                return Ok(pairs);
            }
            self.take();
        }
    }

    fn key(&mut self) -> Result<HclKey, HclError> {
        let at = self.at;
        let text = match self.peek() {
            Some('"') => self.quoted()?,
            Some(it) if is_word(it) => self.take_while(is_word).to_owned(),
            Some(it) => return Err(self.error(format!("`{it}` cannot begin a key"))),
            None => return Err(self.error("a key is missing")),
        };
        Ok(HclKey { text, at })
    }

    fn value(&mut self, depth_left: usize) -> Result<HclValue, HclError> {
        let at = self.at;
        let content = match self.peek() {
            Some('"') => HclContent::Text(self.quoted()?),
            Some('[') => HclContent::List(self.list(depth_left)?),
            Some('{') => HclContent::Block(self.block(depth_left)?),
            Some('<') if self.rest().starts_with("<<") => HclContent::Text(self.heredoc()?),
            Some(it) if is_word(it) || matches!(it, '-' | '+') => self.word()?,
            Some(it) => return Err(self.error(format!("`{it}` cannot begin a value"))),
            None => return Err(self.error("a value is missing")),
        };
        Ok(HclValue { content, at })
    }

    fn word(&mut self) -> Result<HclContent, HclError> {
        let begin = self.at;
        let word = self.take_while(|it| is_word(it) || matches!(it, '-' | '+'));
        let refused = |complaint| HclError { position: TextPosition::of(self.text, begin), complaint };
        match word {
            "true" => Ok(HclContent::Bool(true)),
            "false" => Ok(HclContent::Bool(false)),
            "null" if self.is_json => Ok(HclContent::Null),
            _ if word.starts_with(|it: char| it.is_ascii_digit() || it == '-') => {
                let of_json = if self.is_json { word.parse().ok() } else { None };
                let number = of_json.or_else(|| number(word));
                number.map(HclContent::Number).ok_or_else(|| refused(format!("`{word}` is no number")))
            }
            _ => Err(refused(format!("`{word}` is neither a number nor true or false: quote a text"))),
        }
    }

    fn list(&mut self, depth_left: usize) -> Result<Vec<HclValue>, HclError> {
        let depth_left = self.deeper(depth_left)?;
        let mut elements = Vec::new();
        loop {
            self.skip_blanks()?;
            match self.peek() {
                Some(']') => {
                    self.take();
                    return Ok(elements);
                }
                Some(',') if !elements.is_empty() => drop(self.take()),
                Some(_) => elements.push(self.value(depth_left)?),
                None => return Err(self.error("a list has no `]`")),
            }
        }
    }

    fn block(&mut self, depth_left: usize) -> Result<Vec<HclItem>, HclError> {
        let depth_left = self.deeper(depth_left)?;
        let items = if self.is_json { self.pairs(depth_left)? } else { self.items(depth_left)? };
        match self.peek() {
            Some('}') => drop(self.take()),
            None if self.is_json => {}
            _ => return Err(self.error("a block has no `}`")),
        }
        Ok(items)
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
        if self.is_json {
            return self.quoted_json();
        }
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

    /// With the escapes of JSON or those of Go, which HCL 1 has there.
    fn quoted_json(&mut self) -> Result<String, HclError> {
        let rest = self.rest();
        let mut is_escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let quoted = &rest[..end.ok_or_else(|| self.error("a text has no closing quote"))? + 2];
        let said = serde_json::from_str(quoted).ok().or_else(|| go_literal::unquote(quoted));
        let said = said.ok_or_else(|| self.error("there is no such escape, or a line ends in a text"))?;
        self.at += quoted.len();
        Ok(said)
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
fn number(word: &str) -> Option<Number> {
    let unsigned = word.strip_prefix('-').unwrap_or(word);
    let hexadecimal = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
    let digits = hexadecimal.unwrap_or(unsigned);
    if !digits.is_empty() && digits.chars().all(|it| it.is_digit(if hexadecimal.is_some() { 16 } else { 10 }))
    {
        return go_literal::parse_integer(word).ok().map(Number::from);
    }
    let is_part = |it: char| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '-' | '+');
    let float: f64 = word.parse().ok().filter(|_| word.chars().all(is_part))?;
    // A whole number is one however it is written.
    match float.fract() == 0.0 && float.abs() < 1e15 {
        true => Some(Number::from(float as i64)),
        false => Number::from_f64(float),
    }
}

/// Whether a key may hold it without quotes.
fn is_word(it: char) -> bool {
    it.is_alphanumeric() || matches!(it, '_' | '-' | '.')
}
