//! Reads configuration files: the one place of this layer that touches the disk.
//!
//! It blocks, so it is called before the runtime starts, or on a reload from a thread of its own.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::problem::{Origin, Problem, Problems};

/// Bytes in one configuration file. A definition file with ten thousand services has about 4 MB; a path that
/// turns out to be a device or a database is refused before it fills the memory.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads one file as text.
///
/// # Errors
/// A problem that names the file, when it cannot be read, is longer than [`FILE_BYTES_MAX`] or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Problems> {
    let mut bytes = Vec::new();
    let opened = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    opened.map_err(|error| problem(path, &error.to_string(), "check its path and permissions"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(problem(path, "it is longer than 16 MiB", "split it"));
    }
    String::from_utf8(bytes).map_err(|_| problem(path, "it is not UTF-8", "save it as UTF-8"))
}

/// The `.toml` and `.json` files right in a directory, in the order of their names.
///
/// # Errors
/// A problem that names the directory, when it cannot be listed.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>, Problems> {
    let listed = fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries =
        listed.map_err(|error| problem(directory, &error.to_string(), "check its path and permissions"))?;
    let known = |path: &PathBuf| path.extension().is_some_and(|it| it == "toml" || it == "json");
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).filter(known).collect();
    paths.sort();
    Ok(paths)
}

fn problem(path: &Path, complaint: &str, remedy: &str) -> Problems {
    Problems(vec![Problem {
        key: "file".to_owned(),
        value: String::new(),
        origin: Origin::File(path.to_path_buf()),
        complaint: complaint.to_owned(),
        allowed: "a readable UTF-8 file up to 16 MiB".to_owned(),
        remedy: remedy.to_owned(),
    }])
}

/// The name of the host, which is the default name of the node.
pub fn host_name() -> Option<String> {
    let kernel =
        fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = kernel.ok().or_else(|| std::env::var("HOSTNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_listed_in_order_and_without_strangers() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["b.json", "a.toml", "c.json.bak", "README"] {
            fs::write(directory.path().join(name), "x").expect("a small file can be written");
        }
        let listed = list(directory.path()).expect("it exists");
        let names: Vec<_> = listed.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["a.toml", "b.json"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let latin = directory.path().join("latin.toml");
        fs::write(&latin, [0xe9]).expect("a small file can be written");
        let long = directory.path().join("long.toml");
        let file = File::create(&long).expect("a file can be made");
        file.set_len(FILE_BYTES_MAX + 1).expect("a sparse file can be made");
        let absent = directory.path().join("absent.toml");
        for (path, said) in [(&latin, "not UTF-8"), (&long, "longer"), (&absent, "No such file")] {
            let problems = read(path).expect_err("it cannot be read");
            assert!(problems.0[0].complaint.contains(said), "{problems}");
            assert_eq!(problems.0[0].origin, Origin::File(path.clone()));
        }
        file.set_len(FILE_BYTES_MAX).expect("a sparse file can be made");
        assert!(read(&long).is_ok(), "the longest file is accepted");
        assert!(list(&absent).is_err());
    }
}
