//! What is built keeps the rules of `deny.toml`, and each of them can fail: a graph that breaks it is refused.

use std::path::Path;
use std::process::Command;

/// What cargo would say of one crate that is built, with everything in order; a row alters one place.
const GRAPH: &str = r#"{"packages": [
  {"id": "a", "name": "own", "version": "1.0.0", "license": "MIT", "source": null,
   "dependencies": [{"name": "tokio", "req": "^1", "path": null}]},
  {"id": "b", "name": "tokio", "version": "2.0.0", "license": "ISC AND (Apache-2.0 OR GPL-2.0-only)",
   "source": "registry+https://github.com/rust-lang/crates-index", "dependencies": []}],
 "resolve": {"nodes": [{"id": "a", "features": [], "deps": [{"pkg": "b"}]},
                       {"id": "b", "features": ["io"], "deps": []}]}}"#;

const RULES: &str = r#"
licenses = { allow = ["MIT", "ISC", "Apache-2.0"] }
sources = { unknown-registry = "deny", unknown-git = "deny" }
advisories = { yanked = "deny" }
[bans]
multiple-versions = "deny"
wildcards = "deny"
deny = [{ crate = "tokio", wrappers = ["own"], reason = "one runtime" }]
features = [{ crate = "tokio", deny = ["rt"] }]
"#;

/// What a registry's index has of the crate `tokio`, as cargo copies it.
const INDEX: &[u8] = b"\x03\x02\x00\x00\x00etag\x001.9.0\x00{\"vers\": \"1.9.0\", \"yanked\": true}\x00\
    2.0.0\x00{\"vers\": \"2.0.0\", \"yanked\": false}\x00";

/// Runs the script; gives whether it is content, and what it says.
fn judged(rules: &str, graph: &str, advisory: Option<&str>) -> (bool, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let directory = directory.path();
    let put = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    };
    std::fs::create_dir_all(directory.join("to/ki")).expect("a directory of ours");
    std::fs::write(directory.join("to/ki/tokio"), INDEX).expect("a file can be written");
    if let Some(advisory) = advisory {
        std::fs::create_dir_all(directory.join("crates/tokio")).expect("a directory of ours");
        put("crates/tokio/RUSTSEC-2026-0001.md", advisory);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deny");
    let mut command = Command::new(script);
    command.arg("--rules").arg(put("rules.toml", rules)).arg("--metadata").arg(put("graph.json", graph));
    command.arg("--index").arg(directory).arg("--advisories");
    command.arg(if advisory.is_some() { directory.to_owned() } else { directory.join("none") });
    let output = command.output().expect("python3 runs the script");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

#[test]
fn what_is_built_keeps_the_rules() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/deny");
    let output = Command::new(script).output().expect("python3 runs the script");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_rule_of_deny_can_fail() {
    let (is_content, said) = judged(RULES, GRAPH, None);
    assert!(
        is_content && said.starts_with("2 crates keep the rules of rules.toml; looked into no"),
        "{said}"
    );
    let of_graph = [
        (r#""license": "MIT""#, r#""license": "GPL-3.0-only""#, "its licence GPL-3.0-only is not among"),
        ("ISC AND (Apache-2.0", "GPL-3.0-only AND (Apache-2.0", "is not among those allowed"),
        ("ISC AND (Apache-2.0", "ISC AND ((Apache-2.0", "cannot be read"),
        (r#""license": "MIT""#, r#""license": null"#, "cannot be read"),
        (r#""req": "^1""#, r#""req": "*""#, "its dependency tokio may have any version"),
        (r#""io""#, r#""rt""#, "its feature rt is denied"),
        (r#""name": "own""#, r#""name": "other""#, "depends on tokio, which is denied: one runtime"),
        ("registry+https://github.com/rust-lang/crates", "registry+https://else", "unknown registry"),
        ("registry+https://github.com/rust-lang/crates", "git+https://else", "a git repository"),
        (r#""version": "2.0.0""#, r#""version": "1.9.0""#, "tokio 1.9.0: its registry has withdrawn it"),
        (r#""name": "own""#, r#""name": "tokio""#, "tokio is built in several versions: 1.0.0, 2.0.0"),
    ];
    for (from, to, said) in of_graph {
        assert!(GRAPH.contains(from), "{from}");
        let (is_content, found) = judged(RULES, &GRAPH.replace(from, to), None);
        assert!(!is_content && found.contains(said), "{to}: {found}");
    }
    let of_rules = [
        ("multiple-versions", "skip-tree", "bans.skip-tree is no rule"),
        ("[bans]", "[bans]\nskip = [{ crate = \"tokio@2.0.0\" }]", "tokio@2.0.0 is no duplicate any more"),
    ];
    for (from, to, said) in of_rules {
        let (is_content, found) = judged(&RULES.replace(from, to), GRAPH, None);
        assert!(!is_content && found.contains(said), "{to}: {found}");
    }
}

/// `tokio` is built at 2.0.0: what an advisory says of its versions and of itself, and whether that is against it.
#[test]
fn a_planted_advisory_is_found() {
    let rows = [
        ("patched = []", true),
        ("patched = [\">= 2.0.1\"]", true),
        ("patched = [\">= 2.0.0\"]", false),
        ("patched = [\"^1.9\", \">= 1.8, < 2\"]", true),
        ("patched = [\"^1.9\", \">= 1.8, < 2.0.1\"]", false),
        ("patched = [\"^2\"]", false),
        ("patched = [\"~2.1\"]", true),
        ("patched = [\"~2.0\"]", false),
        ("patched = [\"^0.2.0\"]", true),
        ("patched = []\nunaffected = [\"<= 2.0.0\"]", false),
        ("patched = []\nunaffected = [\"< 2.0.0\"]", true),
        ("patched = []\nunaffected = [\"> 2.0.0-rc.1\"]", false),
        ("patched = []\nunaffected = [\"= 2\"]", false),
    ];
    let advisory = |head: &str, versions: &str| {
        format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\ndate = \"2026-01-02\"\n{head}\n[versions]\n{versions}\n\
             ```\n\n# It says more than it should\n"
        )
    };
    for (versions, is_against) in rows {
        let (is_content, said) = judged(RULES, GRAPH, Some(&advisory("", versions)));
        assert_eq!(is_content, !is_against, "{versions}: {said}");
        let expected = if is_against {
            "tokio 2.0.0: RUSTSEC-2026-0001: It says more"
        } else {
            "1 advisories, the newest"
        };
        assert!(said.contains(expected), "{versions}: {said}");
    }
    let withdrawn = advisory("withdrawn = \"2026-02-01\"", "patched = []");
    assert!(judged(RULES, GRAPH, Some(&withdrawn)).0);
    // What is left aside has to be there.
    let ignoring =
        RULES.replace("yanked =", "ignore = [{ id = \"RUSTSEC-2026-0001\", reason = \"x\" }], yanked =");
    assert!(judged(&ignoring, GRAPH, Some(&advisory("", "patched = []"))).0);
    let (is_content, said) = judged(&ignoring, GRAPH, Some(&withdrawn));
    assert!(
        !is_content && said.contains("advisories.ignore: RUSTSEC-2026-0001 is against nothing"),
        "{said}"
    );
}
