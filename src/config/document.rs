//! Holds `docs/configuration.md` to the table of settings: the same rows in the same words, no more and no
//! fewer.

use crate::config::settings::{Effect, Fallback, SETTINGS, Setting};

/// The document, whose rows are compared.
const DOCUMENT: &str = include_str!("../../docs/configuration.md");

fn row(setting: &Setting) -> String {
    let fallback = match setting.fallback {
        Fallback::Text(text) => format!("`{text}`"),
        Fallback::Derived(words) => words.to_owned(),
    };
    let effect = match setting.effect {
        Effect::Reload => "reload",
        Effect::Restart => "restart",
    };
    format!(
        "| `{}` | `--{}` | `{}` | {fallback} | {} | {effect} | {} |",
        setting.key,
        setting.flag(),
        setting.variable(),
        setting.kind.allowed(),
        setting.help
    )
}

#[test]
fn the_document_lists_exactly_the_table() {
    let rows: Vec<String> = SETTINGS.iter().map(row).collect();
    let listed: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(listed, rows, "the rows should read:\n{}\n", rows.join("\n"));
}
