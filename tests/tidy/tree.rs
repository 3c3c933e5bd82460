//! What only the tree as a whole shows: names that two types share, arrows that nobody goes or that lead to a higher floor,
//! files that need each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::rules::LAYERS;
use crate::source::SourceFile;

/// Names that several public types may have, since whoever reads one knows from its module whose it is.
const SHARED_NAMES: &[&str] = &[];

/// Files that name each other, all of a circle in one row, and not only as parent and child of one folder. The list may
/// only shrink.
const CIRCLES: &[&[&str]] = &[];

/// Types that other modules see, by name, with the files that define them.
fn public_types(files: &[SourceFile]) -> BTreeMap<String, BTreeSet<&str>> {
    static TYPE: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?m)^(?:    )*pub(?:\([^)]*\))? (?:struct|enum|trait|union|type) ([A-Z]\w*)";
        Regex::new(pattern).expect("the pattern is valid")
    });
    let mut types: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_product()) {
        for found in TYPE.captures_iter(&file.shipped) {
            types.entry(found[1].to_owned()).or_default().insert(&file.path);
        }
    }
    types
}

/// Complaints about names of public types that are in use twice.
pub fn shared_names(files: &[SourceFile]) -> Vec<String> {
    let shared = public_types(files).into_iter().filter(|(_, paths)| paths.len() > 1);
    let told = |(name, paths): (String, BTreeSet<&str>)| format!("`{name}` is a public type of {paths:?}");
    shared.filter(|(name, _)| !SHARED_NAMES.contains(&name.as_str())).map(told).collect()
}

/// Complaints about arrows of the table of layers that no file goes.
pub fn unused_arrows(files: &[SourceFile]) -> Vec<String> {
    let mut unused = Vec::new();
    for (layer, allowed) in LAYERS {
        let own: Vec<&SourceFile> =
            files.iter().filter(|file| file.is_product() && file.layer() == Some(layer)).collect();
        for target in *allowed {
            let named = Regex::new(&format!(r"\b(?:crate|muster)\s*::\s*(?:\w+\s*::\s*)?{target}\b"))
                .expect("a name is valid");
            if !own.iter().any(|file| named.is_match(&file.shipped)) {
                unused.push(format!("`{layer}` may use `{target}` and does not: take it out of the table"));
            }
        }
    }
    unused
}

/// Complaints about arrows of a table of layers that lead to a higher floor. The floors are the folders of `src`, in the
/// order in which `src/lib.rs` lists them.
pub fn upward_arrows(files: &[SourceFile], layers: &[(&str, &[&str])]) -> Vec<String> {
    let root = files.iter().find(|file| file.path == "src/lib.rs");
    let lines = root.into_iter().flat_map(|file| file.code.lines());
    let floors: Vec<&str> =
        lines.filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let mut floor_of: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_product()) {
        let folder = file.path.split('/').nth(1).unwrap_or_default().trim_end_matches(".rs");
        // What stands beside the floors is the program, above all of them.
        let floor = floors.iter().position(|floor| *floor == folder).unwrap_or(floors.len());
        floor_of.extend(file.layer().map(|layer| (layer, floor)));
    }
    let arrows = layers.iter().flat_map(|(layer, allowed)| allowed.iter().map(move |target| (layer, target)));
    let upward = arrows.filter(|(layer, target)| floor_of.get(*target) > floor_of.get(*layer));
    upward.map(|(layer, target)| format!("`{layer}` may use `{target}`, which is a floor above it")).collect()
}

/// Complaints about circles that are not known, and about known ones that are gone.
pub fn circles(files: &[SourceFile]) -> Vec<String> {
    let found: BTreeSet<Vec<String>> = circles_of(&uses(files)).into_iter().collect();
    let known: BTreeSet<Vec<String>> =
        CIRCLES.iter().map(|circle| circle.iter().map(|path| (*path).to_owned()).collect()).collect();
    let new = found.difference(&known).map(|it| format!("these files need each other: {it:?}"));
    let gone = known
        .difference(&found)
        .map(|it| format!("this circle is no more, so take it out of the list: {it:?}"));
    new.chain(gone).collect()
}

/// The files that each file names by their modules.
fn uses(files: &[SourceFile]) -> BTreeMap<&str, BTreeSet<&str>> {
    static PATH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\bcrate((?:::[a-z_][a-z0-9_]*)+)").expect("the pattern is valid"));
    let by_module: BTreeMap<String, &str> = files
        .iter()
        .filter(|file| file.is_product())
        .map(|file| (module_of(&file.path), &*file.path))
        .collect();
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_product()) {
        for path in PATH.captures_iter(&file.shipped) {
            let mut module = &path[1];
            let target = loop {
                match by_module.get(module) {
                    Some(target) => break Some(*target),
                    None => match module.rsplit_once("::") {
                        Some((parent, _)) if !parent.is_empty() => module = parent,
                        _ => break None,
                    },
                }
            };
            let is_family = |target: &str| are_parent_and_child(&file.path, target);
            let target = target.filter(|target| *target != file.path && !is_family(target));
            uses.entry(&file.path).or_default().extend(target);
        }
    }
    uses
}

/// `::a::b` of `src/a/b.rs` and `src/a/b/mod.rs`.
fn module_of(path: &str) -> String {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    format!("::{}", stem.replace('/', "::"))
}

fn are_parent_and_child(one: &str, other: &str) -> bool {
    let (one, other) = (module_of(one), module_of(other));
    let is_child =
        |child: &str, parent: &str| child.rsplit_once("::").is_some_and(|(above, _)| above == parent);
    is_child(&one, &other) || is_child(&other, &one)
}

/// The sets of files from each of which each other one is reached, larger than one; each in order.
fn circles_of(uses: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Vec<String>> {
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(path) = open.pop() {
            for next in uses.get(path.as_str()).into_iter().flatten() {
                if seen.insert((*next).to_owned()) {
                    open.push((*next).to_owned());
                }
            }
        }
        seen
    };
    let all: BTreeMap<String, BTreeSet<String>> =
        uses.keys().map(|path| ((*path).to_owned(), reached(path))).collect();
    let together = |path: &String| {
        let with = all[path].iter().filter(|other| all.get(*other).is_some_and(|back| back.contains(path)));
        with.cloned().collect::<Vec<_>>()
    };
    let sets: BTreeSet<Vec<String>> = all.keys().map(together).filter(|set| set.len() > 1).collect();
    sets.into_iter().collect()
}

#[test]
fn each_of_these_can_fail() {
    let of = |rows: &[(&str, &str)]| -> Vec<SourceFile> {
        rows.iter().map(|(path, text)| SourceFile::new(path, text)).collect()
    };
    let twice = of(&[
        ("src/core/model/a.rs", "//! x\npub struct Twice;\npub struct Once;\n"),
        (
            "src/core/kv/b.rs",
            "//! x\npub(super) enum Twice {}\nstruct Once;\n#[cfg(test)]\nmod t { pub struct Once; }\n",
        ),
    ]);
    let found = shared_names(&twice);
    assert!(found.len() == 1 && found[0].contains("`Twice`"), "{found:?}");
    let circle = of(&[
        ("src/core/kv/a.rs", "//! x\nuse crate::core::kv::b::B;\n"),
        ("src/core/kv/b.rs", "//! x\nfn f() { crate::core::kv::c::g() }\n"),
        ("src/core/kv/c/mod.rs", "//! x\nuse crate::core::kv::a::{A, Z};\nuse crate::core::kv::c::d;\n"),
        ("src/core/kv/c/d.rs", "//! x\nuse crate::core::kv::c::C;\n"),
    ]);
    let found = circles(&circle);
    let ring = r#"["src/core/kv/a.rs", "src/core/kv/b.rs", "src/core/kv/c/mod.rs"]"#;
    assert!(found.iter().any(|it| it.contains(ring)), "{found:?}");
    assert!(!found.iter().any(|it| it.contains("c/d.rs")), "parent and child are no circle: {found:?}");
    let house = of(&[
        ("src/lib.rs", "//! x\npub mod core;\n\npub mod config;\npub mod wire;\n"),
        ("src/core/discovery/a.rs", "//! x\n"),
        ("src/config/a.rs", "//! x\n"),
        ("src/wire/a.rs", "//! x\n"),
        ("src/main.rs", "//! x\n"),
    ]);
    let table: [(&str, &[&str]); 4] =
        [("wire", &["config"]), ("discovery", &["wire"]), ("config", &["main"]), ("main", &["wire"])];
    let found = upward_arrows(&house, &table);
    assert!(found.len() == 2 && found[0].contains("`discovery` may use `wire`"), "{found:?}");
    assert!(found[1].contains("`config` may use `main`"), "{found:?}");
    let alone = of(&[("src/core/kv/a.rs", "//! x\nuse crate::base::stdx::text;\n")]);
    assert!(unused_arrows(&alone).iter().any(|it| it.contains("`kv` may use `model`")));
    assert!(!unused_arrows(&alone).iter().any(|it| it.contains("`kv` may use `stdx`")));
}
