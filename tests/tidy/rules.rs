//! The rules themselves, and the tables they go by: layers, exceptions, words.

use std::sync::LazyLock;

use regex::Regex;

use crate::source::{FLOORS, SourceFile};

/// Each layer with the layers it may use, itself apart. A layer may only name layers that stand above it here.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("stdx", &[]),
    ("sys", &["stdx"]),
    ("telemetry", &["stdx", "sys"]),
    ("model", &["stdx"]),
    ("filter", &["stdx"]),
    // A rule names what has a name, so its segment may be as long as a key.
    ("acl", &["stdx", "model"]),
    ("wire", &["stdx", "model", "filter"]),
    ("tls", &["sys", "telemetry"]),
    // A webhook's filter is checked against what an instance shows, with everything else that may be wrong.
    // The default of a bound on memory follows from what the machine has. What counts where no rule speaks is a setting.
    // What is set of TLS is kept in the words of `tls`, which goes by it as it is.
    ("config", &["stdx", "sys", "model", "filter", "acl", "wire", "tls"]),
    ("catalog", &["stdx", "model"]),
    ("kv", &["stdx", "model"]),
    // The state of the registry as a whole, put together from those of its kinds.
    ("kernel", &["stdx", "model", "acl", "catalog", "kv"]),
    // What an answer shows of an instance is `wire`'s and stands above: whoever asks brings it along.
    ("discovery", &["stdx", "model", "filter", "catalog"]),
    ("health", &["stdx", "model"]),
    // Over connections that are encrypted or not.
    ("http", &["stdx", "sys", "telemetry", "tls"]),
    ("store", &["stdx", "sys", "telemetry", "model"]),
    ("probe", &["stdx", "sys", "model", "http"]),
    (
        "registry",
        &[
            "stdx",
            "sys",
            "telemetry",
            "model",
            "acl",
            "config",
            "catalog",
            "kv",
            "kernel",
            "discovery",
            "health",
            "store",
            "probe",
        ],
    ),
    // Follows the registry and tells others through the prober's lines, so it stands above both; keeps its queues in a
    // store of its own. The registry does not know that anybody is told.
    (
        "notify",
        &[
            "stdx",
            "sys",
            "telemetry",
            "model",
            "filter",
            "wire",
            "config",
            "catalog",
            "store",
            "probe",
            "registry",
        ],
    ),
    // Names and answers are of `stdx`'s text and `catalog`'s joined records; host facts and offloading are `sys`'s. What
    // is explained of a check is what `health` knows of it. What a route asks of its callers is in the words of `acl`.
    (
        "surface",
        &[
            "stdx",
            "sys",
            "telemetry",
            "model",
            "filter",
            "acl",
            "wire",
            "catalog",
            "kernel",
            "discovery",
            "health",
            "http",
            "registry",
            "notify",
        ],
    ),
    // A snapshot's file and the directory of an agent that is stopped are read by the very code that a restoration and a
    // start go by (`registry`, `store`); following a source takes threads (`sys`). A misspelt page is told its nearest
    // (`stdx`).
    ("cli", &["stdx", "sys", "model", "config", "store", "registry"]),
    (
        "server",
        &[
            "stdx",
            "sys",
            "telemetry",
            "model",
            "config",
            "discovery",
            "health",
            "tls",
            "http",
            "store",
            "probe",
            "registry",
            "notify",
            "surface",
        ],
    ),
    // What a command says goes out through the one door there is (`sys`).
    ("main", &["cli", "server", "sys"]),
];

/// Layers that do no I/O, read no clock and take no lock.
const PURE_LAYERS: &[&str] =
    &["model", "filter", "acl", "wire", "catalog", "kv", "kernel", "discovery", "health"];

/// Files of pure layers that name the traits of `std::io`, because a library's trait is made of them. They write to
/// memory.
const MEMORY_WRITERS: &[&str] = &["src/wire/json.rs", "src/core/catalog/weight.rs"];

/// Layers that may name the coroutine runtime.
const RUNTIME_LAYERS: &[&str] = &["sys", "http", "probe"];

/// A file may have so many lines, tests included: what no longer fits in one head is two files.
const FILE_LINES_MAX: usize = 500;

/// `(path, lines, reason)`: the files that may be longer than `FILE_LINES_MAX`.
const LONG_FILES: &[(&str, usize, &str)] = &[];

/// Characters in a line of `src`. `rustfmt.toml` keeps code to 110; prose is wrapped at 120, and rustfmt leaves it and
/// long strings alone, so this does not.
const LINE_WIDTH_MAX: usize = 120;

/// The files that may say `unsafe`, each with SAFETY comments and a test that runs it.
const UNSAFE_FILES: &[&str] = &["src/base/sys/memory.rs", "src/base/sys/runtime.rs"];

/// The file through which everything is printed.
const OUTPUT_FILE: &str = "src/base/sys/output.rs";

/// The files of `surface` that look at the registry's tables themselves: the one through which all others do, the keys,
/// which are paid for one by one, and what finds out whose a record is, which looks at one.
const METERED_FILES: &[&str] = &[
    "src/surface/context/metered_views.rs",
    "src/surface/context/call.rs",
    "src/surface/context/write_permission.rs",
    "src/surface/dispatch/request_permission.rs",
    "src/surface/kv/mod.rs",
];

/// What a rule found: where, and what to do about it.
pub struct Complaint {
    pub line: usize,
    pub sentence: String,
}

type Rule = fn(&SourceFile) -> Vec<Complaint>;

/// Every rule under the name complaints are signed with.
pub const RULES: &[(&str, Rule)] = &[
    ("arrows", arrows),
    ("opening", opening),
    ("names by module", names_by_module),
    ("file length", file_length),
    ("line width", line_width),
    ("unfinished", unfinished),
    ("unwrap", unwrap),
    ("unsafe", unsafe_code),
    ("raw calls", raw_calls),
    ("raw output", raw_output),
    ("metered views", metered_views),
    ("pure layers", pure_layers),
    ("foreign words", foreign_words),
];

/// A layer uses only the layers its row allows. `crate::x` counts wherever it stands, `muster::x` where a
/// path begins with it, as in the program.
fn arrows(file: &SourceFile) -> Vec<Complaint> {
    static PATHS: LazyLock<Regex> = LazyLock::new(|| {
        let root = r"(?:\bcrate|(?:^|[^:\w])muster)\s*::\s*";
        let pattern = format!(r"{root}(?:(?:{})\s*::\s*)?(\{{|[a-z_][a-z0-9_]*)", FLOORS.join("|"));
        Regex::new(&pattern).expect("the pattern is valid")
    });
    let Some(layer) = file.layer().filter(|_| file.is_product() && file.path != "src/lib.rs") else {
        return Vec::new();
    };
    let row = LAYERS.iter().find(|(name, _)| *name == layer);
    let Some((_, allowed)) = row else {
        return vec![Complaint { line: 1, sentence: format!("`{layer}` has no row in the table of layers") }];
    };
    let mut found = Vec::new();
    for capture in PATHS.captures_iter(&file.code) {
        let target = capture.get(1).expect("the group is not optional");
        let targets = match target.as_str() {
            "{" => first_words_of_group(&file.code[target.end()..]),
            word => vec![word.to_owned()],
        };
        for target_layer in targets.into_iter().filter(|it| it != layer && !allowed.contains(&it.as_str())) {
            let sentence = format!("`{layer}` may not use `{target_layer}`: allowed are {allowed:?}");
            found.push(Complaint { line: line_of(&file.code, target.start()), sentence });
        }
    }
    found
}

/// The first word of each entry of a `use crate::{...}` group whose opening brace is already read.
fn first_words_of_group(after_brace: &str) -> Vec<String> {
    let mut depth = 1_usize;
    let mut entries = vec![String::new()];
    for character in after_brace.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => entries.push(String::new()),
            _ if depth == 1 => entries.last_mut().expect("there is always one entry").push(character),
            _ => {}
        }
    }
    let first = |entry: &String| entry.trim().split("::").next().unwrap_or_default().trim().to_owned();
    entries.iter().map(first).filter(|word| !word.is_empty()).collect()
}

/// Every file says first what it owns and what it refuses to know.
fn opening(file: &SourceFile) -> Vec<Complaint> {
    let missing = file.is_product() && !file.text.starts_with("//! ");
    let sentence =
        "the file does not open with `//! `: say what it owns and what it refuses to know".to_owned();
    missing.then_some(Complaint { line: 1, sentence }).into_iter().collect()
}

/// Things are named by the module that owns them.
fn names_by_module(file: &SourceFile) -> Vec<Complaint> {
    let mut found =
        matches(file, &file.code, r"\bsuper\s*::\s*super\b", "name it by its module, from `crate::`");
    if file.path == "src/lib.rs" {
        found.extend(matches(
            file,
            &file.code,
            r"\bpub use\b",
            "no re-exports at the root: name the owning module",
        ));
    }
    found
}

/// No file outgrows one head.
fn file_length(file: &SourceFile) -> Vec<Complaint> {
    let lines = file.text.lines().count();
    let exception = LONG_FILES.iter().find(|(path, ..)| *path == file.path);
    let allowed = exception.map_or(FILE_LINES_MAX, |(_, lines, _)| *lines);
    let is_rust = file.path.ends_with(".rs");
    let sentence = format!("{lines} lines, {allowed} are allowed: split it where the noun changes");
    (is_rust && lines > allowed).then_some(Complaint { line: allowed, sentence }).into_iter().collect()
}

/// No line is wider than the formatter's width, comments and strings included.
fn line_width(file: &SourceFile) -> Vec<Complaint> {
    // Expected bytes in a table of tests are one line, however long.
    if !file.is_product() || file.path.ends_with("tests.rs") {
        return Vec::new();
    }
    let wide = |line: &str| line.chars().count() > LINE_WIDTH_MAX && !line.contains("://");
    let sentence = || format!("the line is wider than {LINE_WIDTH_MAX} characters");
    let numbered = file.text.lines().zip(1..);
    numbered
        .filter(|(line, _)| wide(line))
        .map(|(_, line)| Complaint { line, sentence: sentence() })
        .collect()
}

/// What is in the tree is finished.
fn unfinished(file: &SourceFile) -> Vec<Complaint> {
    if !file.path.ends_with(".rs") {
        return Vec::new();
    }
    let mut found =
        matches(file, &file.code, r"\b(todo|unimplemented|dbg)!", "finish it before it is committed");
    if !file.path.starts_with("tests/tidy") {
        let placeholder = r"(?i:\(to come\)|\bcoming soon\b)|\b(TODO|FIXME|XXX)\b";
        found.extend(matches(file, &file.text, placeholder, "say what is, not what will be"));
    }
    found
}

/// The product unwraps nothing: an `expect` with a reason shows that the case was thought of.
fn unwrap(file: &SourceFile) -> Vec<Complaint> {
    let sentence = "handle it, or `expect` with the reason why it cannot happen";
    if file.is_product() {
        matches(file, &file.shipped, r"\.\s*unwrap\s*\(\s*\)", sentence)
    } else {
        Vec::new()
    }
}

/// `unsafe` stands in few, named files.
fn unsafe_code(file: &SourceFile) -> Vec<Complaint> {
    let listed = UNSAFE_FILES.contains(&file.path.as_str());
    let sentence = "only the files in UNSAFE_FILES may: do it through them";
    if file.is_product() && !listed { matches(file, &file.code, r"\bunsafe\b", sentence) } else { Vec::new() }
}

/// Threads, sleep and coroutines are had from `sys`, which bounds and names them.
fn raw_calls(file: &SourceFile) -> Vec<Complaint> {
    let Some(layer) = file.layer().filter(|_| file.is_product()) else { return Vec::new() };
    let mut found = Vec::new();
    if layer != "sys" {
        let threads =
            r"\bthread\s*::\s*(spawn|sleep|park|Builder)\b|\bthread\s*::\s*\{[^}]*\b(spawn|sleep)\b";
        found.extend(matches(file, &file.shipped, threads, "start threads and sleep through `sys`"));
    }
    if !RUNTIME_LAYERS.contains(&layer) {
        found.extend(matches(file, &file.code, r"\bmay\s*::", "the runtime is used through `sys`"));
    }
    found
}

/// What is printed goes through one file, where a closed pipe and a full disk are no panic.
fn raw_output(file: &SourceFile) -> Vec<Complaint> {
    let is_shipped = file.is_product() || file.path.starts_with("loadtest/src/");
    if !is_shipped || file.path == OUTPUT_FILE {
        return Vec::new();
    }
    let sentence = "it panics when nobody reads or the disk is full: print through `sys::output`";
    let mut found = matches(file, &file.shipped, r"\b(e?println|e?print)\s*!", sentence);
    if file.is_product() {
        let sentence = "print through `sys::output`";
        found.extend(matches(file, &file.shipped, r"\b(stdout|stderr)\s*\(\s*\)", sentence));
    }
    found
}

/// Handlers pay for what they look at, so that none holds a worker for as long as a table is large.
fn metered_views(file: &SourceFile) -> Vec<Complaint> {
    let is_handler = file.layer() == Some("surface") && !METERED_FILES.contains(&file.path.as_str());
    if !file.is_product() || !is_handler {
        return Vec::new();
    }
    let sentence = "look at the tables through `call.views()` or `MeteredViews`";
    let mut found = matches(file, &file.shipped, r"\b\w+(\s*\(\s*\))?\s*\.\s*views\s*\(\s*\)", sentence);
    found.retain(|it| !it.sentence.starts_with("`call"));
    found
}

/// The pure layers take `now`, seeds and records as arguments.
fn pure_layers(file: &SourceFile) -> Vec<Complaint> {
    if !file.is_product() || !file.layer().is_some_and(|layer| PURE_LAYERS.contains(&layer)) {
        return Vec::new();
    }
    let sentence = "this layer is pure: take it as an argument";
    let effects =
        r"\bstd\s*::\s*(fs|env|process|thread)\b|\bparking_lot\b|\b(Mutex|RwLock|Tcp\w+|UdpSocket)\b";
    let mut found = matches(file, &file.code, effects, sentence);
    if !MEMORY_WRITERS.contains(&file.path.as_str()) {
        found.extend(matches(file, &file.code, r"\bstd\s*::\s*io\b", sentence));
    }
    // A test needs some instant to count from, and there is no other way to one.
    found.extend(matches(file, &file.shipped, r"\b(Instant|SystemTime)\s*::\s*now\b", sentence));
    found
}

/// The repository speaks of itself alone: no path of the machine it was written on, no mirror it was fetched from.
fn foreign_words(file: &SourceFile) -> Vec<Complaint> {
    // Put together here so that this file does not find itself.
    static WORDS: LazyLock<Regex> = LazyLock::new(|| {
        let folders =
            ["wo+rk/", "ro+ot/", "tm+p/(wt|brief|target)/"].map(|it| format!("/{}", it.replace('+', "")));
        let hosts =
            ["regi+stry.npmjs", "files.python+hosted", "static.crates+.io"].map(|it| it.replace('+', ""));
        let folders = format!(r"(^|[^A-Za-z0-9_.~}}-])({})", folders.join("|"));
        let hosts = hosts.map(|it| it.replace('.', r"\."));
        Regex::new(&format!("(?m){folders}|{}", hosts.join("|"))).expect("the pattern is valid")
    });
    let place = |it: regex::Match<'_>| Complaint {
        line: line_of(&file.text, it.start()),
        sentence: format!("`{}` belongs to one machine, not to the project", it.as_str().trim()),
    };
    WORDS.find_iter(&file.text).map(place).collect()
}

/// One complaint for each place where `pattern` holds in `text`, one of the shapes of `file`.
fn matches(file: &SourceFile, text: &str, pattern: &str, sentence: &str) -> Vec<Complaint> {
    debug_assert!(
        text.lines().count() <= file.text.lines().count() + 1,
        "a shape keeps the lines of its file"
    );
    let pattern = Regex::new(pattern).expect("the patterns of the rules are valid");
    let place = |it: regex::Match<'_>| Complaint {
        line: line_of(text, it.start()),
        sentence: format!("`{}`: {sentence}", it.as_str().split_whitespace().collect::<Vec<_>>().join(" ")),
    };
    pattern.find_iter(text).map(place).collect()
}

/// The line, from 1, in which byte `at` of `text` stands.
fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
