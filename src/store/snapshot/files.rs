//! The files of scheduled snapshots: how one comes to be whole or not at all, and which are kept.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::store::private;

/// How the names of snapshots begin; a time and an index follow, so that they sort by age.
const PREFIX: &str = "muster-";

/// How they end.
const SUFFIX: &str = ".snapshot";

/// What is added to the name until the file is whole.
const UNFINISHED: &str = ".unfinished";

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 * 1024;

/// The name of a snapshot of `index` at `now`.
pub fn name(now: jiff::Timestamp, index: u64) -> String {
    format!("{PREFIX}{}-{index:012}{SUFFIX}", now.strftime("%Y%m%dT%H%M%SZ"))
}

/// Makes `path` a file that holds what `fill` writes and that `check` finds good. Whatever happens, there is never half
/// of it under that name, and what stood there before stays until then.
///
/// # Errors
/// Those of `fill` and `check`, and the system's; nothing is left behind then.
pub fn write<T>(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    check: impl FnOnce(File) -> io::Result<T>,
) -> io::Result<T> {
    // A device or a directory would be replaced by a file, or refuse it once all was fetched.
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there and no file: name a file"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if !directory_of(path).is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "its directory is not there: make it first"));
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = PathBuf::from(unfinished);
    let attempt = || -> io::Result<T> {
        // For its owner alone, as a snapshot holds what services say about themselves.
        let file = private::replace(&unfinished)?;
        let mut writer = BufWriter::with_capacity(BUFFER_BYTES, file);
        fill(&mut writer)?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        let checked = check(File::open(&unfinished)?)?;
        fs::rename(&unfinished, path)?;
        File::open(directory_of(path))?.sync_all()?;
        Ok(checked)
    };
    // What cannot be removed either is overwritten by the next attempt or removed with the next one that succeeds.
    attempt().inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

/// The directory that `path` is in.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the directory if need be, for its owner alone.
///
/// # Errors
/// The system's.
pub fn prepare(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The snapshots in `directory`, the newest first. Other files are not looked at.
///
/// # Errors
/// The system's.
pub fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = named(directory, |name| name.ends_with(SUFFIX))?;
    found.sort_unstable_by(|one, other| other.cmp(one));
    Ok(found)
}

/// Removes all but the newest `keep` snapshots, and what an interrupted attempt has left. Gives what is gone.
///
/// # Errors
/// The system's.
pub fn retain(directory: &Path, keep: usize) -> io::Result<Vec<PathBuf>> {
    let mut gone = named(directory, |name| name.ends_with(UNFINISHED))?;
    gone.extend(list(directory)?.into_iter().skip(keep));
    gone.iter().try_for_each(fs::remove_file)?;
    Ok(gone)
}

fn named(directory: &Path, is_meant: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX) && is_meant(name)) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn names_sort_by_age() {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        assert_eq!(name(at(0), 7), "muster-19700101T000000Z-000000000007.snapshot");
        assert!(name(at(9), 7) < name(at(10), 1) && name(at(10), 9) < name(at(10), 10));
    }

    #[test]
    fn a_file_is_there_whole_or_as_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("muster-a.snapshot");
        write(&path, |out| out.write_all(b"first"), |_| Ok(())).unwrap();
        let broken = || io::Error::other("no");
        write(&path, |out| out.write_all(b"second").and(Err(broken())), |_| Ok(())).unwrap_err();
        write(&path, |out| out.write_all(b"third"), |_| Err::<(), _>(broken())).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(directory.path()), ["muster-a.snapshot"]);
    }

    #[test]
    fn the_newest_are_kept_and_strangers_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let files =
            ["muster-1.snapshot", "muster-2.snapshot", "muster-3.snapshot", "muster-9.snapshot.unfinished"];
        for file in files.iter().chain(&["other-0.snapshot", "muster-0.txt"]) {
            fs::write(directory.path().join(file), "").unwrap();
        }
        let newest = list(directory.path()).unwrap();
        assert!(newest[0].ends_with("muster-3.snapshot") && newest.len() == 3);
        assert_eq!(retain(directory.path(), 2).unwrap().len(), 2);
        let left = ["muster-0.txt", "muster-2.snapshot", "muster-3.snapshot", "other-0.snapshot"];
        assert_eq!(names(directory.path()), left);
    }
}
