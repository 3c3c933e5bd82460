//! Seals short secrets, so that whoever has but the disk that they are kept on cannot read them: the keys, where they
//! are read from, and the sealed form.
//!
//! The form is text: `1.KEY.DATA`, where KEY tells which key has sealed it (16 hexadecimal digits) and DATA is, in
//! base64, a random nonce of 12 bytes, the encrypted secret and a tag of 16 bytes (AES-256-GCM). The context that a
//! secret belongs to is not in it, and it opens in no other.

use std::fmt;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::OFlags;

use crate::base::sys::file::{self, Unreadable};

/// Keys at most: one that seals, and those that were used before it. With each, a rotation is never needed to be clean.
pub const KEYS_MAX: usize = 16;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes of a text with keys: it has room for a line of comment beside each.
const TEXT_BYTES_MAX: u64 = 16 << 10;

/// What the sealed form begins with; another form begins otherwise.
const VERSION: &str = "1";
const SEPARATOR: char = '.';
const NONCE_BYTES: usize = 12;

/// Bytes of the digest of a key by which it is told from others.
const ID_BYTES: usize = 8;

/// What is added to the name of a file while it is not finished.
const UNFINISHED: &str = ".unfinished";

/// The keys by which secrets are sealed and opened: the first seals, each of them opens. Never empty.
pub struct SealingKeys(Vec<Key>);

struct Key {
    id: String,
    // The library clears its own copy when it is dropped.
    cipher: RandomizedNonceKey,
}

/// Why keys cannot be used.
#[derive(Debug)]
pub enum UnfitKeys {
    /// The file cannot be read.
    Unreadable(PathBuf, Unreadable),
    /// Others than its owner may look into the file; so are its mode bits.
    Exposed(PathBuf, u32),
    /// The file is another user's.
    Foreign(PathBuf),
    /// So many lines hold keys: none, or more than [`KEYS_MAX`].
    Count(usize),
    /// The line, counted from one, is no key.
    Line(usize),
    /// The key of this line stands further up already.
    Twice(usize),
    /// The file cannot be written.
    Unwritable(PathBuf, io::Error),
}

impl fmt::Display for UnfitKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnfitKeys::Unreadable(path, error) => {
                write!(formatter, "cannot read {}: {error}", path.display())
            }
            UnfitKeys::Exposed(path, mode) => {
                let path = path.display();
                write!(
                    formatter,
                    "others may look into {path} (mode {mode:o}): `chmod 600 {path}`, and use new keys"
                )
            }
            UnfitKeys::Foreign(path) => {
                write!(
                    formatter,
                    "{} is another user's: its owner must be the one muster runs as, or root",
                    path.display()
                )
            }
            UnfitKeys::Count(0) => formatter.write_str("there is no key in it"),
            UnfitKeys::Count(count) => {
                write!(formatter, "there are {count} keys in it, of {KEYS_MAX} at most")
            }
            UnfitKeys::Line(line) => {
                write!(
                    formatter,
                    "line {line} is no key: {KEY_BYTES} bytes in base64, as of `openssl rand -base64 32`"
                )
            }
            UnfitKeys::Twice(line) => write!(formatter, "the key in line {line} stands there twice"),
            UnfitKeys::Unwritable(path, error) => {
                write!(formatter, "cannot write {}: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for UnfitKeys {}

/// Why a sealed text was not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// The key with this id has sealed it, and is not among these.
    KeyMissing(String),
    /// It has been altered, or belongs to another context.
    Altered,
    /// It is not as these keys seal.
    NotSealed,
}

impl fmt::Display for Unopened {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unopened::KeyMissing(id) => {
                write!(formatter, "it was sealed with the key {id}, which is not among the keys there are")
            }
            Unopened::Altered => formatter.write_str("it has been altered, or belongs to another"),
            Unopened::NotSealed => formatter.write_str("it is no sealed text"),
        }
    }
}

impl std::error::Error for Unopened {}

impl SealingKeys {
    /// One new key, that is kept nowhere else.
    pub fn generate() -> SealingKeys {
        let mut bytes = random();
        let key = Key::new(&bytes);
        clear(&mut bytes);
        SealingKeys(vec![key])
    }

    /// Those of a text: each a line in base64, where lines that begin with `#` are comments. Commas end lines too, for
    /// where a text has but one.
    ///
    /// # Errors
    /// A line is no key or one that was there already, or there are none or too many.
    pub fn parse(text: &str) -> Result<SealingKeys, UnfitKeys> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
        let parts = lines.flat_map(|(at, line)| line.split(',').map(move |part| (at + 1, part.trim())));
        for (line, part) in parts.filter(|(_, part)| !part.is_empty()) {
            let mut bytes = STANDARD.decode(part).unwrap_or_default();
            let key = <&[u8; KEY_BYTES]>::try_from(&bytes[..]).map(Key::new);
            clear(&mut bytes);
            let key = key.map_err(|_| UnfitKeys::Line(line))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(UnfitKeys::Twice(line));
            }
            keys.push(key);
        }
        match keys.len() {
            1..=KEYS_MAX => Ok(SealingKeys(keys)),
            count => Err(UnfitKeys::Count(count)),
        }
    }

    /// Those of a file, as [`SealingKeys::parse`] has it. Links are followed: volumes with secrets are made of them.
    ///
    /// # Errors
    /// As there; when the file cannot be read, is another user's than this one's or root's, or when others than its
    /// owner, and for a file of root's its group, may look into it.
    pub fn read(path: &Path) -> Result<SealingKeys, UnfitKeys> {
        let mut text = read_private(path)?;
        let keys = SealingKeys::parse(&text);
        clear_text(&mut text);
        keys
    }

    /// Those of a file, which is made with a new key if it is not there; tells whether it was made. It survives a crash
    /// once this has returned.
    ///
    /// # Errors
    /// As [`SealingKeys::read`], and when the file cannot be written.
    pub fn read_or_make(path: &Path) -> Result<(SealingKeys, bool), UnfitKeys> {
        // A link that leads nowhere is there: it is not for muster to say where a key goes.
        if fs::symlink_metadata(path).is_ok() {
            return SealingKeys::read(path).map(|keys| (keys, false));
        }
        write_new_first(path, "")?;
        SealingKeys::read(path).map(|keys| (keys, true))
    }

    /// Puts a new key first in a file, and leaves those that stand there for opening. After a crash at any point the
    /// file is the old one or the new one.
    ///
    /// # Errors
    /// As [`SealingKeys::read`], when there are as many keys as there may be, and when the file cannot be written.
    pub fn rotate(path: &Path) -> Result<SealingKeys, UnfitKeys> {
        // A link stays one.
        let path =
            &fs::canonicalize(path).map_err(|error| UnfitKeys::Unreadable(path.to_owned(), error.into()))?;
        let mut text = read_private(path)?;
        let rotated = match SealingKeys::parse(&text) {
            Ok(SealingKeys(keys)) if keys.len() == KEYS_MAX => Err(UnfitKeys::Count(KEYS_MAX + 1)),
            Ok(_) => write_new_first(path, &text),
            Err(error) => Err(error),
        };
        clear_text(&mut text);
        rotated.and_then(|()| SealingKeys::read(path))
    }

    /// The id of the key that seals.
    pub fn key_id(&self) -> &str {
        &self.0[0].id
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a sealed text was sealed by the key that seals now.
    pub fn is_current(&self, sealed: &str) -> bool {
        parts(sealed).is_some_and(|(id, _)| id == self.key_id())
    }

    /// The sealed form of a secret that belongs to `context`.
    ///
    /// # Panics
    /// The system has no random numbers.
    pub fn seal(&self, context: &str, secret: &str) -> String {
        let Key { id, cipher } = &self.0[0];
        let mut sealed = secret.as_bytes().to_vec();
        let nonce = cipher.seal_in_place_append_tag(Aad::from(context), &mut sealed);
        let nonce = nonce.expect("the secret is short, and the system has random numbers");
        let data = STANDARD.encode([nonce.as_ref(), &sealed[..]].concat());
        format!("{VERSION}{SEPARATOR}{id}{SEPARATOR}{data}")
    }

    /// The secret that was sealed.
    ///
    /// # Errors
    /// What is wrong with the sealed text; among others, that it belongs to another context.
    pub fn open(&self, context: &str, sealed: &str) -> Result<String, Unopened> {
        let (id, data) = parts(sealed).ok_or(Unopened::NotSealed)?;
        let key = self.0.iter().find(|key| key.id == id);
        let key = key.ok_or_else(|| Unopened::KeyMissing(id.to_owned()))?;
        let mut data = STANDARD.decode(data).map_err(|_| Unopened::Altered)?;
        let (nonce, sealed) = data.split_at_mut_checked(NONCE_BYTES).ok_or(Unopened::Altered)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened::Altered)?;
        let opened = key.cipher.open_in_place(nonce, Aad::from(context), sealed).map(|it| it.to_vec());
        String::from_utf8(opened.map_err(|_| Unopened::Altered)?).map_err(|_| Unopened::Altered)
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl Key {
    fn new(bytes: &[u8; KEY_BYTES]) -> Key {
        let digest = digest::digest(&digest::SHA256, bytes);
        let id = digest.as_ref()[..ID_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("a key of its length is one");
        Key { id, cipher }
    }
}

/// The id of the key that has sealed a text, and what it has made.
fn parts(sealed: &str) -> Option<(&str, &str)> {
    let (id, data) = sealed.strip_prefix(VERSION)?.strip_prefix(SEPARATOR)?.split_once(SEPARATOR)?;
    let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some((id, data))
}

fn random() -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    rand::fill(&mut bytes).expect("the system has random numbers");
    bytes
}

/// Overwrites what nobody reads any more.
fn clear(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes);
}

fn clear_text(text: &mut String) {
    clear(&mut std::mem::take(text).into_bytes());
}

/// The text of a file that nobody else may look into.
fn read_private(path: &Path) -> Result<String, UnfitKeys> {
    let unreadable = |error| UnfitKeys::Unreadable(path.to_owned(), error);
    let file = file::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(|error| unreadable(error.into()))?;
    let own = rustix::process::geteuid();
    if !own.is_root() && facts.uid() != own.as_raw() && facts.uid() != 0 {
        return Err(UnfitKeys::Foreign(path.to_owned()));
    }
    // systemd and Kubernetes give files of root's by the group, or by an access list that shows there.
    let private = if facts.uid() == 0 { 0o750 } else { 0o700 };
    let mode = facts.mode() & 0o777;
    if mode & !private != 0 {
        return Err(UnfitKeys::Exposed(path.to_owned(), mode));
    }
    // Of its full length from the start, so that no shorter copy is left in memory.
    let mut text = String::with_capacity(TEXT_BYTES_MAX as usize + 1);
    file.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => unreadable(Unreadable::NoText),
        _ => unreadable(error.into()),
    })?;
    match text.len() as u64 {
        0..=TEXT_BYTES_MAX => Ok(text),
        _ => Err(unreadable(Unreadable::Long(TEXT_BYTES_MAX))),
    }
}

/// Puts a file with a new key and then `rest` in the place of what is at `path`, durably.
fn write_new_first(path: &Path, rest: &str) -> Result<(), UnfitKeys> {
    let mut bytes = random();
    let mut text = STANDARD.encode(bytes) + "\n" + rest;
    clear(&mut bytes);
    let written = replace(path, text.as_bytes());
    clear_text(&mut text);
    written.map_err(|error| UnfitKeys::Unwritable(path.to_owned(), error))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    let unfinished = Path::new(&unfinished);
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    let mut file = options.open(unfinished)?;
    if let Ok(facts) = fs::metadata(path) {
        // Who could read the old keys is to read the new ones.
        std::os::unix::fs::fchown(&file, Some(facts.uid()), Some(facts.gid()))?;
        file.set_permissions(facts.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests;
