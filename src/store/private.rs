//! Opening files in a directory of muster's own without being led elsewhere.
//!
//! A user who can write to that directory, or could once, may have put a symbolic or hard link in the place of a file
//! that muster is going to write to. Owns how such files are opened and what they must be; knows nothing of what is in
//! them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Only the owner may look in.
const MODE: u32 = 0o600;

/// Options that follow no symbolic link at the end of a path, and do not wait at a pipe.
fn options() -> OpenOptions {
    let mut options = File::options();
    options.custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32).mode(MODE);
    options
}

/// Opens a file for reading.
///
/// # Errors
/// The system's, and when it is a link, no ordinary file, or another user's.
pub fn read(path: &Path) -> io::Result<File> {
    checked(options().read(true).open(path)?)
}

/// Opens a file for reading and writing.
///
/// # Errors
/// As [`read`].
pub fn write(path: &Path) -> io::Result<File> {
    checked(options().read(true).write(true).open(path)?)
}

/// As [`write()`], and makes the file if it is not there.
///
/// # Errors
/// As [`read`].
pub fn write_or_make(path: &Path) -> io::Result<File> {
    checked(options().read(true).write(true).create(true).truncate(false).open(path)?)
}

/// Makes a new file in the place of whatever stood there, which itself is not touched.
///
/// # Errors
/// The system's.
pub fn replace(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    options().read(true).write(true).create_new(true).open(path)
}

/// Syncs the directory that `path` is in, so that its name is as durable as what it names.
///
/// # Errors
/// The system's.
pub fn sync_directory_of(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

fn checked(file: File) -> io::Result<File> {
    let facts = file.metadata()?;
    let own = rustix::process::geteuid();
    let fault = if !facts.is_file() {
        "it is no ordinary file"
    } else if facts.nlink() > 1 {
        "it has another name as well, and may be somebody else's"
    } else if !own.is_root() && facts.uid() != own.as_raw() {
        "it is another user's"
    } else {
        return Ok(file);
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("{fault}; move it away if it is not needed")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("theirs"), "precious").unwrap();
        std::os::unix::fs::symlink(at("theirs"), at("soft")).unwrap();
        for open in [read, write, write_or_make] {
            assert!(open(&at("soft")).is_err());
            assert!(open(directory.path()).is_err());
        }
        fs::hard_link(at("theirs"), at("hard")).unwrap();
        for open in [read, write, write_or_make] {
            assert!(open(&at("hard")).unwrap_err().to_string().contains("another name"));
        }
        for name in ["soft", "hard", "new"] {
            replace(&at(name)).unwrap();
            write(&at(name)).unwrap();
        }
        assert_eq!(fs::read(at("theirs")).unwrap(), b"precious");
        assert!(
            write(&at("none")).is_err() && write_or_make(&at("none")).is_ok() && read(&at("none")).is_ok()
        );
    }
}
