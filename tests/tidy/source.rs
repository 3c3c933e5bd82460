//! Reading Rust text just far enough to judge it: what is code, what is comment or literal, what is only test.
//!
//! It knows tokens, not grammar. Blanked text keeps its length in lines, so a complaint can name the right one.

/// Folders of `src` that only hold layers.
pub const FLOORS: &[&str] = &["base", "core", "net", "node"];

/// One file as the rules see it.
pub struct SourceFile {
    /// Path from the root of the repository, with `/` on every system.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// `text` with comments and the insides of strings and characters blanked.
    pub code: String,
    /// `code` with every item under `#[cfg(test)]` blanked: what ends up in the binary. Empty for a file of tests, which
    /// is `tests.rs` or stands in a folder `tests`.
    pub shipped: String,
}

impl SourceFile {
    /// Reads `text` once into its three shapes.
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let shipped = if is_test { String::new() } else { blank_test_items(&code) };
        SourceFile { path: path.to_owned(), text: text.to_owned(), code, shipped }
    }

    /// The layer a file below `src/` belongs to: its folder there or on one of the floors, or its stem for a file right
    /// below `src/`. A floor's own file only lists its layers.
    pub fn layer(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let inside = match inside.split_once('/') {
            Some((floor, "mod.rs")) if FLOORS.contains(&floor) => return None,
            Some((floor, below)) if FLOORS.contains(&floor) => below,
            _ => inside,
        };
        Some(inside.split_once('/').map_or(inside.trim_end_matches(".rs"), |(folder, _)| folder))
    }

    /// Whether it is Rust below `src/`, where the strict rules hold.
    pub fn is_product(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with(".rs")
    }
}

/// What the blanking automaton is inside of.
enum Inside {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text { hashes: Option<usize> },
}

/// Replaces comments and the insides of literals by blanks. Line ends stay.
pub fn blank_comments_and_literals(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let starts =
        |at: usize, word: &str| word.chars().enumerate().all(|(i, c)| characters.get(at + i) == Some(&c));
    let mut out = String::with_capacity(text.len());
    let mut inside = Inside::Code;
    let mut at = 0;
    while at < characters.len() {
        let here = characters[at];
        let (step, shown) = match &mut inside {
            Inside::Code if starts(at, "//") => {
                inside = Inside::LineComment;
                (2, false)
            }
            Inside::Code if starts(at, "/*") => {
                inside = Inside::BlockComment { depth: 1 };
                (2, false)
            }
            Inside::Code => match literal_at(&characters, at) {
                Some(Literal::Text { opening, hashes }) => {
                    inside = Inside::Text { hashes };
                    (opening, false)
                }
                Some(Literal::Character { length }) => (length, false),
                None => (1, true),
            },
            Inside::LineComment => {
                if here == '\n' {
                    inside = Inside::Code;
                }
                (1, false)
            }
            Inside::BlockComment { depth } => {
                let step = if starts(at, "/*") || starts(at, "*/") { 2 } else { 1 };
                *depth = if starts(at, "/*") { *depth + 1 } else { *depth - usize::from(starts(at, "*/")) };
                if *depth == 0 {
                    inside = Inside::Code;
                }
                (step, false)
            }
            Inside::Text { hashes: None } => {
                if here == '"' {
                    inside = Inside::Code;
                }
                (if here == '\\' { 2 } else { 1 }, false)
            }
            Inside::Text { hashes: Some(count) } => {
                let closing = format!("\"{}", "#".repeat(*count));
                let closes = starts(at, &closing);
                let step = if closes { closing.len() } else { 1 };
                if closes {
                    inside = Inside::Code;
                }
                (step, false)
            }
        };
        for &character in characters.iter().skip(at).take(step) {
            out.push(if shown || character == '\n' { character } else { ' ' });
        }
        at += step;
    }
    out
}

enum Literal {
    /// A string; `hashes` is `None` when escapes count, else the number of `#` of a raw string.
    Text {
        opening: usize,
        hashes: Option<usize>,
    },
    Character {
        length: usize,
    },
}

/// The literal that begins at `at`, if one does.
fn literal_at(characters: &[char], at: usize) -> Option<Literal> {
    let get = |offset: usize| characters.get(at + offset).copied();
    let in_word = at > 0 && (characters[at - 1].is_alphanumeric() || characters[at - 1] == '_');
    match characters[at] {
        '"' => Some(Literal::Text { opening: 1, hashes: None }),
        'r' if !in_word || (at > 0 && matches!(characters[at - 1], 'b' | 'c')) => {
            let hashes = characters[at + 1..].iter().take_while(|c| **c == '#').count();
            (get(1 + hashes) == Some('"'))
                .then_some(Literal::Text { opening: 2 + hashes, hashes: Some(hashes) })
        }
        // 'a' and '\n' are characters; 'a without a closing quote is a lifetime.
        '\'' if get(1) == Some('\\') => {
            let length = characters[at + 3..].iter().position(|c| *c == '\'')? + 4;
            Some(Literal::Character { length })
        }
        '\'' if get(2) == Some('\'') => Some(Literal::Character { length: 3 }),
        _ => None,
    }
}

/// Blanks every item that follows `#[cfg(test)]`, up to its closing brace or semicolon.
fn blank_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.to_owned();
    let mut from = 0;
    while let Some(found) = out[from..].find(MARK) {
        let start = from + found;
        let end = end_of_item(&out, start + MARK.len());
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
        from = start + blank.len();
    }
    out
}

/// One past the last byte of the item that begins at `from`.
fn end_of_item(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, character) in code[from..].char_indices() {
        match character {
            ';' if depth == 0 => return from + offset + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return from + offset + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}
