//! A directory as it is, byte for byte, and copies of it. Knows nothing of what the files mean.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file in a data directory that says who uses it: the one file that a refused start may write.
const LOCK: &str = "LOCK";

/// Everything below a directory: rights of each entry, bytes of each file. The lock file is left out.
pub fn tree(directory: &Path) -> BTreeMap<PathBuf, (u32, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![directory.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be listed") {
            let path = entry.expect("an entry can be read").path();
            let metadata = fs::symlink_metadata(&path).expect("an entry can be examined");
            if path.file_name().is_some_and(|name| name == LOCK) {
                continue;
            }
            let bytes = metadata.is_file().then(|| fs::read(&path).expect("a file can be read"));
            if metadata.is_dir() {
                folders.push(path.clone());
            }
            let name = path.strip_prefix(directory).expect("the walk stays below").to_path_buf();
            found.insert(name, (metadata.permissions().mode(), bytes));
        }
    }
    found
}

/// The files below a directory, by their path relative to it; the lock file is left out.
pub fn names(directory: &Path) -> Vec<PathBuf> {
    tree(directory).into_iter().filter(|(_, (_, bytes))| bytes.is_some()).map(|(name, _)| name).collect()
}

/// Copies a directory with rights and holes: a journal is mostly room to grow.
pub fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cp -a works");
}

/// The rights of an entry.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it can be examined").permissions().mode() & 0o777
}
