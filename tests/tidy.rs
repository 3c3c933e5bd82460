//! Holds the house together: which layer may use which, and the habits that no compiler checks.
//!
//! A rule is a function from a file to complaints; `RULES` lists them, `the_tree_is_tidy` runs them over the repository,
//! and `every_rule_can_fail` feeds each one a file that breaks it. A new arrow between layers changes `LAYERS` in the
//! same commit and says why.

#[path = "tidy/deny.rs"]
mod deny;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rules::{LAYERS, RULES};
use source::{FLOORS, SourceFile};

/// Files larger than this are recordings or pictures, not prose or code; no rule reads them.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Every text file of the repository, apart from what `.gitignore` names.
fn repository_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ignored = fs::read_to_string(root.join(".gitignore")).expect(".gitignore is part of the repository");
    let mut skipped: BTreeSet<&str> = ignored.lines().map(|line| line.trim_matches('/')).collect();
    skipped.insert(".git");
    let mut folders = vec![root.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository can be listed") {
            let entry = entry.expect("an entry of the repository can be read");
            let (path, kind) = (entry.path(), entry.file_type().expect("an entry has a type"));
            if skipped.contains(entry.file_name().to_string_lossy().as_ref()) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && entry.metadata().is_ok_and(|it| it.len() <= FILE_BYTES_MAX) {
                let name = path.strip_prefix(root).expect("the walk stays below the root");
                if let Ok(text) = fs::read_to_string(&path) {
                    files.push(SourceFile::new(&name.to_string_lossy().replace('\\', "/"), &text));
                }
            }
        }
    }
    files
}

/// Every complaint about one file, as `path:line: sentence [rule]`.
fn complaints(file: &SourceFile) -> Vec<String> {
    let judged = RULES.iter().flat_map(|(name, rule)| rule(file).into_iter().map(move |it| (name, it)));
    judged.map(|(name, it)| format!("{}:{}: {} [{name}]", file.path, it.line, it.sentence)).collect()
}

#[test]
fn the_tree_is_tidy() {
    let files = repository_files();
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the walk found the sources");
    let all: Vec<String> = files.iter().flat_map(complaints).collect();
    assert!(all.is_empty(), "{} complaints:\n{}", all.len(), all.join("\n"));
}

#[test]
fn the_tree_as_a_whole_is_tidy() {
    let files = repository_files();
    let all: Vec<String> =
        [tree::shared_names(&files), tree::unused_arrows(&files), tree::circles(&files)].concat();
    let all = [all, tree::upward_arrows(&files, LAYERS)].concat();
    assert!(all.is_empty(), "{} complaints:\n{}", all.len(), all.join("\n"));
}

#[test]
fn arrows_point_up_the_table_so_there_is_no_cycle() {
    for (at, (layer, allowed)) in LAYERS.iter().enumerate() {
        for target in *allowed {
            let place = LAYERS.iter().position(|(name, _)| name == target);
            let place = place.unwrap_or_else(|| panic!("{layer} may use {target}, which is no layer"));
            assert!(place < at, "{layer} -> {target} points to a layer that stands below it in the table");
        }
    }
}

#[test]
fn the_table_names_every_module_of_the_crate() {
    let files = repository_files();
    let is_list = |file: &&SourceFile| {
        file.path == "src/lib.rs" || FLOORS.iter().any(|floor| file.path == format!("src/{floor}/mod.rs"))
    };
    let lines = files.iter().filter(is_list).flat_map(|file| file.code.lines());
    let modules: BTreeSet<&str> = lines
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| !FLOORS.contains(module))
        .collect();
    let layers: BTreeSet<&str> =
        LAYERS.iter().map(|(name, _)| *name).filter(|name| *name != "main").collect();
    assert_eq!(modules, layers, "the lists of modules and the table of layers differ");
}

/// `(rule, path, text)`: this text at this path is what the rule is there to find.
fn bad_files() -> Vec<(&'static str, &'static str, String)> {
    let long_line = format!("//! x\nconst X: &str = \"{}\";\n", "a".repeat(120));
    let long_file = format!("//! x\n{}", "\n".repeat(500));
    let home_path = format!("see /wo{}/main for more\n", "rk");
    vec![
        ("arrows", "src/core/model/node.rs", "//! x\nuse crate::base::sys::clock;\n".into()),
        (
            "arrows",
            "src/core/model/node.rs",
            "//! x\nuse crate::{\n    stdx::text,\n    http::{Method, Query},\n};\n".into(),
        ),
        ("arrows", "src/cli/agent.rs", "//! x\nfn f() { crate::surface::open() }\n".into()),
        ("arrows", "src/cli/agent.rs", "//! x\npub(in crate::server) fn f() {}\n".into()),
        (
            "arrows",
            "src/surface/kv.rs",
            "//! x\n#[cfg(test)]\nmod tests { use crate::server::run; }\n".into(),
        ),
        ("arrows", "src/base/sys/clock.rs", "//! x\nuse crate::clock_helpers;\n".into()),
        ("opening", "src/core/model/node.rs", "use std::fmt;\n".into()),
        ("names by module", "src/core/model/node.rs", "//! x\nuse super::super::http;\n".into()),
        ("names by module", "src/lib.rs", "//! x\npub use model::Node;\n".into()),
        ("file length", "src/core/model/node.rs", long_file),
        ("line width", "src/core/model/node.rs", long_line),
        ("unfinished", "src/core/model/node.rs", "//! x\nfn f() { todo!() }\n".into()),
        ("unfinished", "src/core/model/node.rs", "//! x\nfn f() { unimplemented!(\"x\") }\n".into()),
        ("unfinished", "tests/it/main.rs", "fn f() { dbg!(1); }\n".into()),
        ("unfinished", "src/core/model/mod.rs", "//! (to come)\n".into()),
        ("unwrap", "src/core/model/node.rs", "//! x\nfn f() { Some(1).unwrap(); }\n".into()),
        (
            "unwrap",
            "src/core/model/node.rs",
            "//! x\n#[cfg(test)]\nmod t {}\nfn f() { g()\n.unwrap() ; }\n".into(),
        ),
        ("unsafe", "src/core/model/node.rs", "//! x\nfn f() { unsafe { g() } }\n".into()),
        ("raw calls", "src/node/registry/mod.rs", "//! x\nfn f() { std::thread::spawn(g); }\n".into()),
        ("raw calls", "src/node/registry/mod.rs", "//! x\nuse std::thread::{self, sleep};\n".into()),
        ("raw calls", "src/node/registry/mod.rs", "//! x\nfn f() { thread::sleep(SECOND) }\n".into()),
        ("raw calls", "src/node/registry/mod.rs", "//! x\nuse may::sync::mpsc;\n".into()),
        ("raw output", "src/cli/health.rs", "//! x\nfn f() { println!(\"{}\", 1); }\n".into()),
        ("raw output", "src/main.rs", "//! x\nfn f() { eprint ! (\"x\"); }\n".into()),
        ("raw output", "src/cli/health.rs", "//! x\nfn f() { write!(std::io::stdout(), \"x\"); }\n".into()),
        ("raw output", "loadtest/src/main.rs", "fn f() { println!(\"x\"); }\n".into()),
        ("metered views", "src/surface/x.rs", "//! x\nfn f() { call.api.registry.views().nodes() }\n".into()),
        ("metered views", "src/surface/x.rs", "//! x\nfn f() { registry()\n.views().nodes() }\n".into()),
        ("pure layers", "src/core/catalog/apply.rs", "//! x\nfn f() { let now = Instant::now(); }\n".into()),
        ("pure layers", "src/wire/node.rs", "//! x\nuse std::fs;\n".into()),
        ("pure layers", "src/core/health/action.rs", "//! x\nuse parking_lot::Mutex;\n".into()),
        ("foreign words", "docs/guide.md", home_path),
    ]
}

#[test]
fn every_rule_can_fail() {
    for (rule, path, text) in bad_files() {
        let found = complaints(&SourceFile::new(path, &text));
        let named = format!("[{rule}]");
        assert!(
            found.iter().any(|it| it.ends_with(&named)),
            "{rule} overlooks {path}:\n{text}\nfound: {found:?}"
        );
        assert!(found.iter().all(|it| it.ends_with(&named)), "{path} breaks {rule} only, but: {found:?}");
    }
    let shown: BTreeSet<&str> = bad_files().iter().map(|(rule, _, _)| *rule).collect();
    let listed: BTreeSet<&str> = RULES.iter().map(|(name, _)| *name).collect();
    assert_eq!(shown, listed, "a rule without a file that breaks it proves nothing");
}

#[test]
fn innocent_text_passes() {
    let rows = [
        ("src/core/model/node.rs", "//! x\n// use crate::base::sys; unsafe { x.unwrap() }\n"),
        ("src/core/model/node.rs", "//! x\nconst X: &str = \"crate::base::sys \\\" unsafe .unwrap()\";\n"),
        ("src/core/model/node.rs", "//! x\nconst X: &str = r#\"crate::base::sys \" todo!()\"#;\n"),
        (
            "src/core/model/node.rs",
            "//! x\n/* outer /* unsafe */ crate::base::sys */\nuse crate::base::stdx::text;\n",
        ),
        (
            "src/core/model/node.rs",
            "//! x\nconst Q: char = '\"';\nconst E: char = '\\'';\nfn f<'a>(x: &'a str) {}\n",
        ),
        ("src/core/model/node.rs", "//! x\n#[cfg(test)]\nmod tests {\n    fn f() { g().unwrap(); }\n}\n"),
        (
            "src/core/model/node.rs",
            "//! x\nuse crate::core::model::check::Status;\nfn f() { g().unwrap_or(1); }\n",
        ),
        ("src/core/health/tests.rs", "//! x\nfn f() { Some(Instant::now()).unwrap(); }\n"),
        (
            "src/base/sys/runtime.rs",
            "//! x\nuse may::coroutine;\nfn f() { unsafe { coroutine::spawn(g) }; }\n",
        ),
        ("src/main.rs", "//! x\nuse muster::cli;\nuse muster::server;\n"),
        ("src/surface/x.rs", "//! x\nfn f() { call\n.views().nodes() }\n"),
        ("src/base/sys/output.rs", "//! x\nfn f() { write!(std::io::stdout(), \"x\"); }\n"),
        ("src/cli/x.rs", "//! x\n#[cfg(test)]\nmod tests { fn f() { println!(\"x\"); } }\n"),
    ];
    for (path, text) in rows {
        let found = complaints(&SourceFile::new(path, text));
        assert!(found.is_empty(), "{path} is innocent:\n{text}\nfound: {found:?}");
    }
}
