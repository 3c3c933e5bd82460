//! What a text of the repository points to is there: files, folders, headings, and paths that are only named.
//!
//! It reads Markdown just far enough: code is no link, and a heading's anchor is what the usual hosts make of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::source::SourceFile;

/// A repository as far as links go into it.
struct Repository<'a> {
    /// Whether there is a file or a folder at this path.
    exists: &'a dyn Fn(&str) -> bool,
    /// The texts of its Markdown files, by path.
    texts: BTreeMap<&'a str, &'a str>,
}

/// Every link of a Markdown file that leads nowhere, as `path:line: sentence`.
fn broken_links(repository: &Repository<'_>, path: &str, text: &str) -> Vec<String> {
    static LINKS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"\]\(<?([^()\s>]+)>?(?:\s+"[^"]*")?\)|^\s*\[[^\]]+\]:\s*<?([^\s>]+)"#)
            .expect("the pattern is valid")
    });
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (line, number) in prose(text).lines().zip(1..) {
        for capture in LINKS.captures_iter(line) {
            let target = capture.get(1).or_else(|| capture.get(2)).map_or("", |it| it.as_str());
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if let Some(wrong) = wrong_with(repository, path, folder, target) {
                found.push(format!("{path}:{number}: {target}: {wrong}"));
            }
        }
    }
    found
}

fn wrong_with(repository: &Repository<'_>, path: &str, folder: &str, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let Some(file) = (if file.is_empty() { Some(path.to_owned()) } else { joined(folder, file) }) else {
        return Some("it leads out of the repository".to_owned());
    };
    if !(repository.exists)(&file) {
        return Some(format!("there is no {file}"));
    }
    let anchor = anchor?;
    match repository.texts.get(file.as_str()) {
        Some(text) if anchors(text).iter().any(|it| it == anchor) => None,
        Some(_) => Some(format!("{file} has no such heading")),
        None => Some(format!("{file} has no headings")),
    }
}

/// `file` as seen from `folder`; `None` when it is above the root.
fn joined(folder: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// A Markdown text with its code, blocks and spans alike, blanked. Lines stay.
fn prose(text: &str) -> String {
    static SPANS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`[^`\n]*`").expect("the pattern is valid"));
    let mut is_code = false;
    let kept = text.lines().map(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        if is_code || is_fence { String::new() } else { SPANS.replace_all(line, "`x`").into_owned() }
    });
    kept.collect::<Vec<_>>().join("\n")
}

/// The anchors of a Markdown text's headings: in lower case, without punctuation, blanks as hyphens; a repeated one
/// numbered.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut is_code = false;
    let mut anchors = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        let depth = line.len() - heading.len();
        if is_code || !(1..=6).contains(&depth) || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase();
        let count = seen.entry(anchor.clone()).or_default();
        anchors.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

/// Every path of a source or text of the repository that is named in back quotes and is not there, as
/// `path:line: sentence`. It may be meant from the root, from `src`, or from the folder of whoever names it or the one
/// above.
fn lost_paths(exists: &dyn Fn(&str) -> bool, path: &str, prose: &str) -> Vec<String> {
    static PATHS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"`((?:[A-Za-z0-9_.-]+/)+[A-Za-z0-9_-]+\.(?:rs|md|py|js|go|http|c))`")
            .expect("the pattern is valid")
    });
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let mut found = Vec::new();
    for (line, number) in prose.lines().zip(1..) {
        for capture in PATHS.captures_iter(line) {
            let bases = ["", "src", folder, above];
            let is_there = |base: &str| joined(base, &capture[1]).is_some_and(|it| exists(&it));
            if !bases.into_iter().any(is_there) {
                found.push(format!("{path}:{number}: there is no {}", &capture[1]));
            }
        }
    }
    found
}

/// The documentation and comments of a Rust file; lines stay.
fn comments(text: &str) -> String {
    let kept =
        text.lines().map(|line| line.trim_start()).map(|line| if line.starts_with("//") { line } else { "" });
    kept.collect::<Vec<_>>().join("\n")
}

fn is_markdown(file: &&SourceFile) -> bool {
    file.path.ends_with(".md")
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let (own, other) = ("# Own words\n## It's *here*!\n# Own words\n", "# Other\n```\n# code\n```\n");
    let exists = |path: &str| matches!(path, "docs" | "docs/own.md" | "docs/other.md" | "src/a.rs");
    let texts = BTreeMap::from([("docs/own.md", own), ("docs/other.md", other)]);
    let repository = Repository { exists: &exists, texts };
    let wrong = |link: &str| broken_links(&repository, "docs/own.md", &format!("{own}see {link} for more"));
    for good in [
        "[a](other.md)",
        "[a](./other.md#other)",
        "[a](../src/a.rs)",
        "[a](../docs/)",
        "[a](#own-words-1)",
        "[a](#its-here)",
        "[a](https://else/gone)",
        "`[a](gone.md)`",
        "\n```\n[a](gone.md)\n```\n",
        "[x]: other.md",
        "[a](other.md \"title\")",
        "![a](other.md)",
    ] {
        assert_eq!(wrong(good), [""; 0], "{good}");
    }
    for (bad, said) in [
        ("[a](gone.md)", "docs/own.md:4: gone.md: there is no docs/gone.md"),
        ("[a](../../x.md)", "docs/own.md:4: ../../x.md: it leads out of the repository"),
        ("[a](other.md#own-words)", "docs/own.md:4: other.md#own-words: docs/other.md has no such heading"),
        ("[a](other.md#code)", "docs/own.md:4: other.md#code: docs/other.md has no such heading"),
        ("[a](#own-words-2)", "docs/own.md:4: #own-words-2: docs/own.md has no such heading"),
        ("[a](../src/a.rs#L1)", "docs/own.md:4: ../src/a.rs#L1: src/a.rs has no headings"),
        ("\n[x]: gone.md", "docs/own.md:5: gone.md: there is no docs/gone.md"),
        ("![a](gone.png)", "docs/own.md:4: gone.png: there is no docs/gone.png"),
    ] {
        assert_eq!(wrong(bad), [said], "{bad}");
    }
}

#[test]
fn a_path_that_is_not_there_is_found() {
    let exists = |path: &str| matches!(path, "src/a/b.rs" | "tests/it/x.rs");
    for good in ["`src/a/b.rs`", "`a/b.rs`", "`it/x.rs`", "`b.rs`", "`https://h/a.rs`", "a/gone.rs"] {
        assert_eq!(lost_paths(&exists, "tests/it/main.rs", good), [""; 0], "{good}");
    }
    let found = lost_paths(&exists, "src/a/mod.rs", "x\nsee `a/gone.rs`");
    assert_eq!(found, ["src/a/mod.rs:2: there is no a/gone.rs"]);
}

#[test]
fn every_link_and_every_path_leads_somewhere() {
    let files = crate::repository_files();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let exists = |path: &str| root.join(path).exists();
    let texts = files.iter().filter(is_markdown).map(|file| (&*file.path, &*file.text)).collect();
    let repository = Repository { exists: &exists, texts };
    let mut found = Vec::new();
    for file in &files {
        if is_markdown(&file) {
            found.extend(broken_links(&repository, &file.path, &file.text));
            found.extend(lost_paths(&exists, &file.path, &file.text));
        } else if file.path.ends_with(".rs") && !file.path.starts_with("tests/tidy") {
            found.extend(lost_paths(&exists, &file.path, &comments(&file.text)));
        }
    }
    assert!(found.is_empty(), "{} lead nowhere:\n{}", found.len(), found.join("\n"));
}
