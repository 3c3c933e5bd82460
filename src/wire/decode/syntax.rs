//! What is wrong with the syntax of a JSON text, in the words of Go's scanner.
//!
//! Runs only when a body could not be read, to find out why. It goes over the first value once, with a stack of
//! open brackets on the heap, so that neither length nor depth of a body can hurt it.

use crate::base::stdx::go_literal::quote;

/// The first syntax error in the first value of `bytes`; `None` when the value is well-formed.
pub fn first_error(bytes: &[u8]) -> Option<String> {
    let mut scanner = Scanner { bytes, at: 0, open: Vec::new() };
    match scanner.value() {
        Ok(()) => None,
        Err(End::Unexpected(byte, context)) => Some(format!("invalid character {} {context}", quoted(byte))),
        Err(End::OfText) if bytes.iter().all(|byte| is_blank(*byte)) => Some("EOF".into()),
        Err(End::OfText) => Some("unexpected EOF".into()),
    }
}

/// What is wrong with a body that has more to it than its first value.
pub fn after_first_value(bytes: &[u8]) -> String {
    let mut scanner = Scanner { bytes, at: 0, open: Vec::new() };
    match scanner.value().and_then(|()| scanner.skip_blanks()) {
        Ok(byte) => format!("invalid character {} after top-level value", quoted(byte)),
        Err(_) => "more than one value".to_owned(),
    }
}

/// Why the scanner stopped before the end of the value.
enum End {
    /// The text ends.
    OfText,
    /// This byte cannot stand here, as the context says.
    Unexpected(u8, String),
}

/// The bracket that a list or an object was opened with.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    List,
    Object,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
}

impl Scanner<'_> {
    /// Goes over one value with everything in it.
    fn value(&mut self) -> Result<(), End> {
        loop {
            let is_complete = self.begin_value()?;
            if is_complete && self.after_values()? {
                return Ok(());
            }
        }
    }

    /// Goes over a scalar or an empty container, or opens a container and stops where its first value is due.
    fn begin_value(&mut self) -> Result<bool, End> {
        match self.skip_blanks()? {
            b'{' => {
                self.at += 1;
                if self.skip_blanks()? == b'}' {
                    self.at += 1;
                    return Ok(true);
                }
                self.open.push(Open::Object);
                self.key().map(|()| false)
            }
            b'[' => {
                self.at += 1;
                if self.skip_blanks()? == b']' {
                    self.at += 1;
                    return Ok(true);
                }
                self.open.push(Open::List);
                Ok(false)
            }
            b'"' => self.string().map(|()| true),
            b'-' | b'0'..=b'9' => self.number().map(|()| true),
            b't' => self.literal("true").map(|()| true),
            b'f' => self.literal("false").map(|()| true),
            b'n' => self.literal("null").map(|()| true),
            _ => self.unexpected("looking for beginning of value"),
        }
    }

    /// Goes over what may follow a value, closing what closes; whether the outermost value is complete.
    fn after_values(&mut self) -> Result<bool, End> {
        while let Some(open) = self.open.last().copied() {
            match (self.skip_blanks()?, open) {
                (b',', Open::Object) => {
                    self.at += 1;
                    self.skip_blanks()?;
                    return self.key().map(|()| false);
                }
                (b',', Open::List) => {
                    self.at += 1;
                    return Ok(false);
                }
                (b'}', Open::Object) | (b']', Open::List) => {
                    self.at += 1;
                    self.open.pop();
                }
                (_, Open::Object) => return self.unexpected("after object key:value pair"),
                (_, Open::List) => return self.unexpected("after array element"),
            }
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<(), End> {
        if self.peek()? != b'"' {
            return self.unexpected("looking for beginning of object key string");
        }
        self.string()?;
        if self.skip_blanks()? != b':' {
            return self.unexpected("after object key");
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), End> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.escape()?,
                0..0x20 => return self.unexpected("in string literal"),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), End> {
        self.at += 1;
        match self.peek()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek()?.is_ascii_hexdigit() {
                        return self.unexpected("in \\u hexadecimal character escape");
                    }
                    self.at += 1;
                }
            }
            _ => return self.unexpected("in string escape code"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), End> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self, context: &str) -> Result<(), End> {
        if !self.peek()?.is_ascii_digit() {
            return self.unexpected(context);
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), End> {
        for expected in word.bytes() {
            if self.peek()? != expected {
                return self.unexpected(&format!("in literal {word} (expecting {})", quoted(expected)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn skip_blanks(&mut self) -> Result<u8, End> {
        while is_blank(self.peek()?) {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Result<u8, End> {
        self.bytes.get(self.at).copied().ok_or(End::OfText)
    }

    fn unexpected<T>(&self, context: &str) -> Result<T, End> {
        let byte = self.peek()?;
        Err(End::Unexpected(byte, context.to_owned()))
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The byte as Go's scanner quotes it: as a character of its own, in single quotes.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => "'\"'".into(),
        _ => {
            let quoted = quote(char::from(byte).encode_utf8(&mut [0; 4]));
            format!("'{}'", &quoted[1..quoted.len() - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bodies and what Consul 1.8.7 answers to them, after `Request decode failed: `.
    const MEASURED: &[(&str, &str)] = &[
        ("", "EOF"),
        (" \n ", "EOF"),
        ("nul", "unexpected EOF"),
        ("{", "unexpected EOF"),
        (r#"{"Name""#, "unexpected EOF"),
        (r#"{"Name":"#, "unexpected EOF"),
        (r#"{"Name":"x"#, "unexpected EOF"),
        (r#"{"Name":"x","#, "unexpected EOF"),
        ("{bogus", "invalid character 'b' looking for beginning of object key string"),
        (r#"{"Name":bogus}"#, "invalid character 'b' looking for beginning of value"),
        (r#"{"Name":"x" "ID":"y"}"#, r#"invalid character '"' after object key:value pair"#),
        (r#"{"Name" "x"}"#, r#"invalid character '"' after object key"#),
        ("{5:1}", "invalid character '5' looking for beginning of object key string"),
        (r#"{"Name":"x",}"#, "invalid character '}' looking for beginning of object key string"),
        (r#"["a",]"#, "invalid character ']' looking for beginning of value"),
        (r#"{"Name":"a\qb"}"#, "invalid character 'q' in string escape code"),
        ("{\"Name\":\"a\nb\"}", r"invalid character '\n' in string literal"),
        (r#"{"Name":01}"#, "invalid character '1' after object key:value pair"),
        (r#"{"Name":-}"#, "invalid character '}' in numeric literal"),
        (r#"{"Name":1.}"#, "invalid character '}' after decimal point in numeric literal"),
        (r#"{"Name":tru}"#, "invalid character '}' in literal true (expecting 'e')"),
        (r#"{"Name":truex}"#, "invalid character 'x' after object key:value pair"),
        (r#"{"Tags":["a" "b"]}"#, r#"invalid character '"' after array element"#),
        ("}", "invalid character '}' looking for beginning of value"),
        ("xyz", "invalid character 'x' looking for beginning of value"),
    ];

    #[test]
    fn errors_read_as_consul_answers_them() {
        for (body, text) in MEASURED {
            assert_eq!(first_error(body.as_bytes()).as_deref(), Some(*text), "{body}");
        }
    }

    #[test]
    fn further_errors_read_as_go_words_them() {
        for (body, text) in [
            (r#"{"a":"\u12g4"}"#, r"invalid character 'g' in \u hexadecimal character escape"),
            (r#"{"a":1e}"#, "invalid character '}' in exponent of numeric literal"),
            ("'", r"invalid character '\'' looking for beginning of value"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
            ("[1}", "invalid character '}' after array element"),
        ] {
            assert_eq!(first_error(body.as_bytes()).as_deref(), Some(text), "{body}");
        }
    }

    #[test]
    fn well_formed_values_have_no_error() {
        for body in ["{}", "[]", " null", "-0.5e+10", r#"{"a":[1,{"b":[]},"\u00ff\\"],"c":false} rest"#, "5x"]
        {
            assert_eq!(first_error(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn the_scanner_agrees_with_the_reader() {
        for (body, _) in MEASURED {
            assert!(serde_json::from_str::<serde_json::Value>(body).is_err(), "{body}");
        }
    }
}
