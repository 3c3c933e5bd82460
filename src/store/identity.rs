//! The identity file: whose directory this is, in which format. Owns `identity.json` and how a small file is replaced
//! without ever being half there. Knows nothing of rows.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::private;

/// Version of everything in the data directory. Raised whenever an older muster would misread it.
pub const FORMAT: u32 = 1;

/// Name of the identity file in the data directory.
pub const FILE_NAME: &str = "identity.json";

/// Name under which the file is written before it takes its place.
pub const FILE_NAME_UNFINISHED: &str = "identity.json.unfinished";

/// Bytes of the file that are read: a few hundred are in it.
const BYTES_MAX: u64 = 64 << 10;

/// What `identity.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Format version of the directory; see [`FORMAT`].
    pub format: u32,
    /// The node's id, generated once and kept for the life of the directory.
    pub node_id: uuid::Uuid,
    /// When the directory was made, RFC 3339.
    pub created_at: String,
    /// False until the store has been laid out completely. From then on a missing store file is damage; before, the
    /// first start was interrupted, nothing was ever acknowledged, and the layout is made anew.
    pub complete: bool,
}

/// The part of the file that every format, past and future, must be able to show.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// The file: an identity, and a digest by which a flipped bit shows. Without it a node would come back under another
/// id, which its own registry refuses.
#[derive(Serialize, Deserialize)]
struct Signed {
    #[serde(flatten)]
    identity: Identity,
    digest: String,
}

impl Identity {
    /// XXH3 over all that it says, in 16 hexadecimal digits.
    fn digest(&self) -> String {
        let Identity { format, node_id, created_at, complete } = self;
        let said = format!("{format} {node_id} {created_at} {complete}");
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(said.as_bytes()))
    }

    /// A new node's identity, with a random id.
    pub fn generate(created_at: jiff::Timestamp) -> Self {
        let node_id = uuid::Uuid::new_v4();
        Self { format: FORMAT, node_id, created_at: created_at.to_string(), complete: false }
    }

    /// The identity in `directory`, or `None` when there is no such file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Newer`] for a later format, [`StoreError::Damaged`] for a file that does not read.
    pub fn read(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE_NAME);
        let mut text = Vec::new();
        let read = private::read(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(&path, "read")(error)),
        }
        let damaged = |error: serde_json::Error| StoreError::damaged(&path, error.to_string());
        let FormatOnly { format: found } = serde_json::from_slice(&text).map_err(damaged)?;
        if found > FORMAT {
            return Err(StoreError::Newer { path, found, supported: FORMAT });
        }
        if found != FORMAT {
            return Err(StoreError::damaged(&path, format!("there is no format {found}")));
        }
        let Signed { identity, digest } = serde_json::from_slice(&text).map_err(damaged)?;
        if digest != identity.digest() {
            return Err(StoreError::damaged(&path, "its digest does not fit what it says".to_owned()));
        }
        Ok(Some(identity))
    }

    /// Puts this identity in `directory`: after a crash at any point the old file or the new one is there, whole.
    pub fn write(&self, directory: &Path) -> Result<(), StoreError> {
        let unfinished = directory.join(FILE_NAME_UNFINISHED);
        let path = directory.join(FILE_NAME);
        let signed = Signed { digest: self.digest(), identity: self.clone() };
        let text = serde_json::to_string_pretty(&signed)
            .map_err(|error| StoreError::failed(&path, error.to_string()))?;
        let write = || -> std::io::Result<()> {
            let mut file = private::replace(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(StoreError::io(&path, "write"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_as_written() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Identity::read(directory.path()).unwrap(), None);
        let identity = Identity::generate(jiff::Timestamp::UNIX_EPOCH);
        identity.write(directory.path()).unwrap();
        assert_eq!(Identity::read(directory.path()).unwrap(), Some(identity));
        assert!(!directory.path().join(FILE_NAME_UNFINISHED).exists());
    }

    #[test]
    fn what_does_not_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let identity = Identity::generate(jiff::Timestamp::UNIX_EPOCH);
        identity.write(directory.path()).unwrap();
        let whole = fs::read_to_string(directory.path().join(FILE_NAME)).unwrap();
        let other_id = whole.replace(&identity.node_id.to_string(), &uuid::Uuid::nil().to_string());
        let rows = [
            ("", "damaged"),
            ("{", "damaged"),
            ("{\"format\":1}", "damaged"),
            ("{\"format\":0}", "damaged"),
            ("{\"format\":2,\"anything\":[]}", "newer"),
            (&whole[..whole.len() - 2], "damaged"),
            (&other_id, "damaged"),
        ];
        for (text, expected) in rows {
            fs::write(directory.path().join(FILE_NAME), text).unwrap();
            let found = match Identity::read(directory.path()) {
                Err(StoreError::Damaged { .. }) => "damaged",
                Err(StoreError::Newer { found: 2, supported: FORMAT, .. }) => "newer",
                other => panic!("{text:?}: {other:?}"),
            };
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
