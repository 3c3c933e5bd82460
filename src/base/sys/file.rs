//! Reads files by a path from outside: of an operator, a package, a mounted volume.
//!
//! What stands there may be no file at all. A pipe without a writer, a terminal or `/dev/zero` would block their reader
//! for ever, so only ordinary files are opened, without waiting, and never more of one is read than its reader has
//! said. Links are followed: volumes of Kubernetes are made of them. Where they must not be, files are opened by
//! `store::private`.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustls_native_certs::{CertificateResult, Error as AuthorityError, ErrorKind as AuthorityErrorKind};

/// Bytes of a file with certificates or with names of hosts. The largest bundles and lists have a few megabytes.
pub const LIST_BYTES_MAX: u64 = 16 << 20;

/// Where a bundle of certificate authorities may be named in the place of the machine's.
const AUTHORITIES_VARIABLE: &str = "SSL_CERT_FILE";

/// Why a file was not read.
#[derive(Debug)]
pub enum Unreadable {
    /// The system refuses.
    System(io::Error),
    /// It is something else than an ordinary file: this.
    Other(&'static str),
    /// It is longer than so many bytes.
    Long(u64),
    /// It is to be a text and is not UTF-8.
    NoText,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::System(error) => error.fmt(formatter),
            Unreadable::Other(kind) => write!(formatter, "it is {kind} and no ordinary file"),
            Unreadable::Long(bytes) if bytes.is_multiple_of(1 << 20) => {
                write!(formatter, "it is longer than {} MiB", bytes >> 20)
            }
            Unreadable::Long(bytes) => write!(formatter, "it is longer than {bytes} bytes"),
            Unreadable::NoText => formatter.write_str("it is not UTF-8"),
        }
    }
}

impl std::error::Error for Unreadable {}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Unreadable::System(error)
    }
}

impl From<Unreadable> for io::Error {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::System(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidInput, other.to_string()),
        }
    }
}

/// Opens an ordinary file for reading, without waiting.
///
/// # Errors
/// The system's, and when it is no ordinary file.
pub fn open(path: &Path) -> Result<File, Unreadable> {
    // Looked at before it is opened, for opening a device may do something already; and after, for it may have changed.
    ordinary(fs::metadata(path)?.file_type())?;
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    ordinary(file.metadata()?.file_type())?;
    Ok(file)
}

/// All bytes of an ordinary file of at most `bytes_max`.
///
/// # Errors
/// As [`open`], and when it is longer.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Unreadable> {
    let file = open(path)?;
    // What the system says of its length may be wrong, but not by being too long.
    if file.metadata()?.len() > bytes_max {
        return Err(Unreadable::Long(bytes_max));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Unreadable::Long(bytes_max));
    }
    Ok(bytes)
}

/// As [`read`], as text.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, Unreadable> {
    String::from_utf8(read(path, bytes_max)?).map_err(|_| Unreadable::NoText)
}

/// The certificate authorities that this machine trusts, or those that its environment names. Reads hundreds of files.
pub fn authorities() -> CertificateResult {
    match std::env::var_os(AUTHORITIES_VARIABLE).and_then(unfit_bundle) {
        None => rustls_native_certs::load_native_certs(),
        Some(error) => {
            let mut none = CertificateResult::default();
            none.errors.push(error);
            none
        }
    }
}

/// What is wrong with the file that is to hold the authorities, for who reads it does not look.
fn unfit_bundle(path: OsString) -> Option<AuthorityError> {
    let path = PathBuf::from(path);
    let inner = read(&path, LIST_BYTES_MAX).err()?.into();
    Some(AuthorityError { context: "opening the bundle", kind: AuthorityErrorKind::Io { inner, path } })
}

fn ordinary(kind: FileType) -> Result<(), Unreadable> {
    let other = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(Unreadable::Other(other))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_ordinary_files_are_read_and_nobody_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        fs::write(at("file"), "text").unwrap();
        for (link, target) in
            [("to-pipe", "pipe"), ("to-zero", "/dev/zero"), ("to-file", "file"), ("loop", "loop")]
        {
            symlink(target, at(link)).unwrap();
        }
        let rows = [
            ("pipe", "a named pipe"),
            ("to-pipe", "a named pipe"),
            ("socket", "a socket"),
            ("to-zero", "a device"),
            (".", "a directory"),
            ("loop", "symbolic links"),
            ("absent", "No such file"),
        ];
        for (name, said) in rows {
            let told = read_text(&at(name), 9).unwrap_err().to_string();
            assert!(told.contains(said), "{name}: {told}");
        }
        for name in ["file", "to-file"] {
            assert_eq!(read_text(&at(name), 4).unwrap(), "text");
            assert_eq!(read(&at(name), 3).unwrap_err().to_string(), "it is longer than 3 bytes");
        }
        fs::write(at("latin"), [0xe9]).unwrap();
        assert!(matches!(read_text(&at("latin"), 9), Err(Unreadable::NoText)));
    }

    #[test]
    fn what_does_not_say_how_long_it_is_is_bounded_too() {
        let told = fs::metadata("/proc/self/mountinfo").unwrap().len();
        assert_eq!(told, 0, "the kernel's files are longer than they say");
        assert!(matches!(read(Path::new("/proc/self/mountinfo"), 3), Err(Unreadable::Long(3))));
    }

    #[test]
    fn a_bundle_that_is_none_is_told() {
        assert!(unfit_bundle("/dev/zero".into()).unwrap().to_string().contains("a device"));
        assert!(unfit_bundle("Cargo.toml".into()).is_none());
    }
}
