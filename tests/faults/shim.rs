//! The library of `shim.c`, built once a test run, and the variables that tell it what to do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Environment of a process whose files below `directory` are watched, with further variables of `shim.c` by name.
pub fn environment(directory: &Path, variables: &[(&str, &str)]) -> Vec<(String, PathBuf)> {
    let ours = [("LD_PRELOAD", library().to_path_buf()), ("FAULT_DIR", directory.to_path_buf())];
    let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
    ours.chain(variables.iter().map(|(name, value)| ((*name).to_owned(), PathBuf::from(value)))).collect()
}

/// The built library. The C compiler is there wherever muster is built: its cryptography needs one.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (built, unfinished) =
            (target.join("shim.so"), target.join(format!("shim.{}", std::process::id())));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&unfinished);
        let done = compiler.arg(source).status();
        assert!(done.is_ok_and(|status| status.success()), "cc builds the fault library");
        // Test processes side by side each build it; whichever is last leaves a whole one.
        std::fs::rename(&unfinished, &built).expect("the fault library can be put in its place");
        built
    })
}
