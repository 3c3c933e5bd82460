//! `muster help`: the commands, and the pages of the documentation, which are part of the program, so that an error can
//! point to one wherever muster runs.

use clap::Command;

use crate::base::stdx::nearest::nearest;
use crate::cli::command::{CommandOutput, Exit};

/// Every page of `docs`, by its name.
const PAGES: &[(&str, &str)] = &[
    ("acl", include_str!("../../docs/acl.md")),
    ("backup", include_str!("../../docs/backup.md")),
    ("browsers", include_str!("../../docs/browsers.md")),
    ("caching", include_str!("../../docs/caching.md")),
    ("checks", include_str!("../../docs/checks.md")),
    ("compatibility", include_str!("../../docs/compatibility.md")),
    ("configuration", include_str!("../../docs/configuration.md")),
    ("death-detection", include_str!("../../docs/death-detection.md")),
    ("death-figures", include_str!("../../docs/death-figures.md")),
    ("drain", include_str!("../../docs/drain.md")),
    ("drills", include_str!("../../docs/drills.md")),
    ("durability", include_str!("../../docs/durability.md")),
    ("explain", include_str!("../../docs/explain.md")),
    ("http-api", include_str!("../../docs/http-api.md")),
    ("kv", include_str!("../../docs/kv.md")),
    ("load-testing", include_str!("../../docs/load-testing.md")),
    ("metrics", include_str!("../../docs/metrics.md")),
    ("overload", include_str!("../../docs/overload.md")),
    ("panic", include_str!("../../docs/panic.md")),
    ("performance", include_str!("../../docs/performance.md")),
    ("redis", include_str!("../../docs/redis.md")),
    ("restart", include_str!("../../docs/restart.md")),
    ("tls", include_str!("../../docs/tls.md")),
    ("watching", include_str!("../../docs/watching.md")),
    ("webhooks", include_str!("../../docs/webhooks.md")),
];

/// Help on what `words` name: a command of `grammar`, or else a page; without any, on everything.
pub fn on(words: &[String], mut grammar: Command) -> CommandOutput {
    // Once built, the commands below know the one they are below of.
    grammar.build();
    let Some(first) = words.first() else {
        return Ok(grammar.render_help().to_string());
    };
    let mut command = Some(&mut grammar);
    for word in words {
        command = command.and_then(|it| it.find_subcommand_mut(word.to_lowercase()));
    }
    if let Some(command) = command {
        return Ok(command.render_long_help().to_string());
    }
    let wanted = page_named(&words.join(" "));
    if let Some((_, page)) = PAGES.iter().find(|(name, _)| *name == wanted) {
        return Ok(without_comments(page));
    }
    if words.len() > 1 && grammar.find_subcommand(first.to_lowercase()).is_some() {
        let (first, words) = (first.to_lowercase(), words.join(" "));
        return Err((
            Exit::Usage,
            format!("there is no command `{words}`: `muster help {first}` tells of `muster {first}`"),
        ));
    }
    let near = nearest(&wanted, PAGES.iter().map(|(name, _)| *name));
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    Err((
        Exit::Usage,
        format!("there is no command and no page `{}`: {near}The pages are {}", words.join(" "), names()),
    ))
}

/// The page that is meant by its file or its title: `docs/redis.md`, `Redis`, `death detection`.
fn page_named(words: &str) -> String {
    let name = words.to_lowercase().replace([' ', '_'], "-");
    let name = name.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(".md").unwrap_or(name).to_owned()
}

/// A page as it is read at a terminal: comments are for the suite that runs its examples.
fn without_comments(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!--") {
        text.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after.strip_prefix('\n').unwrap_or(after));
    }
    text + rest
}

/// Which pages there are, and how to have one.
pub fn pages() -> String {
    format!("Pages, each by `muster help PAGE`:\n  {}", names())
}

fn names() -> String {
    PAGES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn files(directory: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).expect("it is part of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files(&path, extension, found);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }

    #[test]
    fn pages_are_found_by_their_files_and_without_comments() {
        for (_, page) in PAGES {
            assert!(!without_comments(page).contains("<!--"));
        }
        assert_eq!(without_comments("a\n<!-- b\nc -->\nd <!-- e --> f\n"), "a\nd  f\n");
        let grammar = || Command::new("muster").subcommand(Command::new("agent"));
        for name in
            ["redis", "Redis", "REDIS", "redis.md", "docs/redis.md", "./docs/Redis.MD", "Death detection"]
        {
            let said = on(&[name.to_owned()], grammar()).expect(name);
            assert!(said.starts_with("# "), "{name}: {said:.80}");
        }
        assert!(
            on(&["redsi.md".to_owned()], grammar()).expect_err("none").1.contains("did you mean `redis`?")
        );
    }

    #[test]
    fn every_page_is_here() {
        let pages = fs::read_dir("docs").expect("it is part of the repository");
        let pages =
            pages.filter_map(|it| it.ok()?.file_name().to_str()?.strip_suffix(".md").map(str::to_owned));
        let mut pages: Vec<String> = pages.collect();
        pages.sort();
        assert_eq!(pages, PAGES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn every_page_that_an_error_points_to_is_here() {
        let mut sources = Vec::new();
        files(Path::new("src"), "rs", &mut sources);
        let (mut pointers, is_word) = (0, |it: char| it.is_ascii_lowercase() || it == '-');
        for path in sources {
            let text = fs::read_to_string(&path).expect("a source file");
            for after in text.split("`muster help ").skip(1) {
                let word = after.split(|it| !is_word(it)).next().unwrap_or_default();
                assert!(word.is_empty() || PAGES.iter().any(|(name, _)| *name == word), "{path:?}: {word}");
                pointers += 1;
            }
        }
        assert!(pointers > 5, "{pointers}");
    }
}
