//! The text format of `tests/differential/*.http`, read into steps. Knows nothing of servers.
//!
//! ```text
//! # Comments stand between sequences and between steps.
//! == title of a sequence; it starts on an empty registry
//!
//! PUT /v1/agent/service/register
//! > Content-Type: application/json        request headers
//! {"Name": "web", "Port": 80}             the body: all lines up to the blank one
//!
//! GET /v1/catalog/service/web?index=$index => 200
//! # index: rises                          directives: see [`Step`]
//! ```
//!
//! What follows `=>` is the status Consul must answer, 200 when left out: a sequence that does not provoke what it claims
//! fails before anything is compared. Beside requests there are four steps that no server sees as such:
//! `AWAIT name => early|timeout` joins a background request, `LISTEN /path => 200,500` scripts what the checked listener
//! answers at a path (the last status repeats), `HITS /path => 3` waits until that path was asked so often, and
//! `HANGUP name` closes a background request.
//!
//! Where access control is on, a step that names no token is sent with the one that may do everything; `none` as the
//! value of `X-Consul-Token` is no such header. There `=>` may also be followed by one of [`Claim`]'s words.

use std::fmt;

use super::rows::Differs;

/// Steps on an empty registry, in order.
#[derive(Clone)]
pub struct Sequence {
    /// Stem of the file's name.
    pub chapter: String,
    pub title: String,
    pub steps: Vec<Step>,
}

impl fmt::Display for Sequence {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.chapter, self.title)
    }
}

/// What a step of the matrix says of Consul's answer in the place of a status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim {
    /// `=> by token`: sent with each token in turn, of which one may at least, and one may not.
    ByToken,
    /// `=> by any token`: sent with each token in turn, and the answer is the same for all that are known.
    ByAnyToken,
    /// `=> by each token`: sent with each token in turn, of which each has an answer of its own.
    ByEachToken,
    /// `=> undone`: puts things back; the answer is not looked at.
    Undone,
}

/// One line of action with what is said about it.
#[derive(Clone, Default)]
pub struct Step {
    /// Line in the file, from 1.
    pub line: usize,
    /// Method, or `AWAIT`, `LISTEN`, `HITS`, `HANGUP`.
    pub method: String,
    /// Request target, or what the pseudo methods act on. May contain `$names`.
    pub target: String,
    /// What follows `=>`.
    pub expected: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    /// `# says: text`: the body Consul must answer.
    pub says: Option<String>,
    /// `# index: rises|stays|falls`: how `X-Consul-Index` stands to the last answer for the same target.
    pub index: Option<String>,
    /// `# background: name`: send, see that no answer comes yet, go on; `AWAIT name` reads it.
    pub background: Option<String>,
    /// `# until: path = json`: repeat until the answer shows this (`absent` for nothing at the path).
    pub until: Option<(String, String)>,
    /// `# keep: name = path`: makes a part of the answer available as `$name`.
    pub keep: Vec<(String, String)>,
    /// `# differs: D01 path consul -> muster`: a stated difference.
    pub differs: Vec<Differs>,
}

impl Step {
    /// What it says in the place of a status, if it does.
    pub fn claim(&self) -> Option<Claim> {
        match &*self.expected {
            "by token" => Some(Claim::ByToken),
            "by any token" => Some(Claim::ByAnyToken),
            "by each token" => Some(Claim::ByEachToken),
            "undone" => Some(Claim::Undone),
            _ => None,
        }
    }

    /// Whether it says itself whose it is.
    pub fn names_token(&self) -> bool {
        let is_token = |name: &str| ["X-Consul-Token", "Authorization"].contains(&name);
        self.headers.iter().any(|(name, _)| is_token(name)) || self.target.contains("token=")
    }
}

/// Reads one file. `chapter` names it in reports.
///
/// # Errors
/// A sentence with the line that does not fit the format.
pub fn parse(chapter: &str, text: &str) -> Result<Vec<Sequence>, String> {
    let mut sequences: Vec<Sequence> = Vec::new();
    // Whether the lines now read belong to the step begun last.
    let mut in_step = false;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let refuse = |why: &str| format!("{chapter}.http:{number}: {why}: {line}");
        if line.trim().is_empty() {
            in_step = false;
        } else if let Some(title) = line.strip_prefix("== ") {
            let (chapter, title) = (chapter.to_owned(), title.trim().to_owned());
            if sequences.iter().any(|sequence| sequence.title == title) {
                return Err(refuse("this title is taken"));
            }
            sequences.push(Sequence { chapter, title, steps: Vec::new() });
            in_step = false;
        } else if in_step {
            let step = sequences.last_mut().and_then(|sequence| sequence.steps.last_mut());
            attach(step.ok_or_else(|| refuse("no step to belong to"))?, line).map_err(|why| refuse(&why))?;
        } else if !line.starts_with('#') {
            let sequence = sequences.last_mut().ok_or_else(|| refuse("a step before the first title"))?;
            sequence.steps.push(action(number, line).ok_or_else(|| refuse("no step"))?);
            in_step = true;
        }
    }
    match sequences.iter().find(|sequence| sequence.steps.is_empty()) {
        Some(empty) => Err(format!("{empty}: no steps")),
        None => Ok(sequences),
    }
}

/// The first line of a step: `METHOD target [=> expected]`.
fn action(line: usize, text: &str) -> Option<Step> {
    let (request, expected) = text.split_once(" => ").unwrap_or((text, "200"));
    let (method, target) = request.trim().split_once(' ')?;
    let named = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !named || target.contains(' ') {
        return None;
    }
    let (method, target, expected) = (method.to_owned(), target.to_owned(), expected.trim().to_owned());
    Some(Step { line, method, target, expected, ..Step::default() })
}

/// A further line of a step: header, directive or body.
fn attach(step: &mut Step, line: &str) -> Result<(), String> {
    if let Some(header) = line.strip_prefix("> ") {
        let (name, value) = header.split_once(':').ok_or("no header")?;
        step.headers.push((name.to_owned(), value.trim().to_owned()));
    } else if let Some(directive) = line.strip_prefix("# ") {
        let (name, value) =
            directive.split_once(": ").ok_or("no directive; comments stand apart from steps")?;
        direct(step, name, value.trim())?;
    } else {
        match &mut step.body {
            Some(body) => *body += &format!("\n{line}"),
            None => step.body = Some(line.to_owned()),
        }
    }
    Ok(())
}

fn direct(step: &mut Step, name: &str, value: &str) -> Result<(), String> {
    let owned = || value.to_owned();
    let equation = || {
        let (left, right) = value.split_once(" = ").ok_or("`=` with blanks around it is missing")?;
        Ok::<_, String>((left.trim().to_owned(), right.trim().to_owned()))
    };
    match name {
        "says" => step.says = Some(owned()),
        "index" if matches!(value, "rises" | "stays" | "falls") => step.index = Some(owned()),
        "background" => step.background = Some(owned()),
        "until" => step.until = Some(equation()?),
        "keep" => step.keep.push(equation()?),
        "differs" => step.differs.push(Differs::parse(value)?),
        _ => return Err("no such directive".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_all_its_parts() {
        let text = "# intro\n== one\n\nPUT /a?b => 400\n> Accept: x\n# says: no\n# keep: i = body/ID\n{\n1}\n\n# c\nAWAIT w => early";
        let sequences = parse("chapter", text).unwrap();
        let [put, join] = sequences[0].steps.as_slice() else { panic!("two steps") };
        assert_eq!((&*put.method, &*put.target, &*put.expected, put.line), ("PUT", "/a?b", "400", 4));
        assert_eq!(put.headers, [("Accept".to_owned(), "x".to_owned())]);
        assert_eq!(put.body.as_deref(), Some("{\n1}"));
        assert_eq!(put.says.as_deref(), Some("no"));
        assert_eq!(put.keep, [("i".to_owned(), "body/ID".to_owned())]);
        assert_eq!((&*join.method, &*join.target, &*join.expected), ("AWAIT", "w", "early"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in [
            "GET /x",
            "== a\n\nget /x",
            "== a\n\nGET /x\n# a comment",
            "== a\n\nGET /x\n# index: jumps",
            "== a\n\nGET /x y",
            "== a\n\nGET /x\n\n== a\n\nGET /y",
            "== a\n",
        ] {
            assert!(parse("chapter", text).is_err(), "{text:?}");
        }
    }
}
