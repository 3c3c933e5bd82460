//! Space on disks: how much is free, and files without a name, which are gone when they are closed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// What `statfs` says of file systems that live in memory: tmpfs and ramfs.
const MEMORY_MAGIC: [u32; 2] = [0x0102_1994, 0x8584_58f6];

/// How the names begin that nameless files have for a moment, where the file system cannot do without.
const PREFIX: &str = "restore.";

/// Bytes that are free for this user on the file system of `directory`.
///
/// # Errors
/// The system's.
pub fn free_bytes(directory: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(directory)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Whether files of `directory` take memory rather than disk. What cannot be examined is taken for a disk.
pub fn is_in_memory(directory: &Path) -> bool {
    rustix::fs::statfs(directory).is_ok_and(|it| MEMORY_MAGIC.contains(&(it.f_type as u32)))
}

/// Whether both are on the same file system, as far as that can be told.
pub fn is_shared(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| rustix::fs::stat(path).ok().map(|it| it.st_dev);
    device(one).is_some_and(|it| device(other) == Some(it))
}

/// A new file in `directory` that nobody else can open and that is gone with its last handle. `chance` tells it from
/// others where it must have a name for a moment.
///
/// # Errors
/// The system's.
pub fn nameless(directory: &Path, chance: u64) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        return Ok(file.into());
    }
    // Not every file system knows how.
    let path = directory.join(format!("{PREFIX}{}.{chance:016x}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Removes from `directory` what a crash has left in the middle of [`nameless`]. The caller must be its only user.
///
/// # Errors
/// The system's.
pub fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_left = entry.file_name().to_str().is_some_and(is_of_nameless);
        if is_left && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_of_nameless(name: &str) -> bool {
    let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(process, chance)| {
        let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
        is_number && chance.len() == 16 && chance.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    #[test]
    fn a_nameless_file_holds_what_is_written_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = nameless(directory.path(), 7).unwrap();
        file.write_all(b"held").unwrap();
        file.rewind().unwrap();
        let mut held = String::new();
        file.read_to_string(&mut held).unwrap();
        assert_eq!(held, "held");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(free_bytes(directory.path()).unwrap() > 0);
        assert!(is_shared(directory.path(), &directory.path().join(".")));
        assert!(!is_shared(directory.path(), &directory.path().join("nothing")));
    }

    #[test]
    fn only_what_a_crash_has_left_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        let names =
            ["restore.12.00000000000000ab", "restore.12.ab", "restore.x.00000000000000ab", "restore.snap"];
        for name in names {
            fs::write(directory.path().join(name), "").unwrap();
        }
        sweep(directory.path()).unwrap();
        let is_left = |name: &&str| directory.path().join(name).exists();
        assert_eq!(names.iter().filter(|name| is_left(name)).count(), 3);
        assert!(!is_left(&names[0]));
    }
}
