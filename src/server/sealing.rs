//! Where the keys come from that seal the secrets of tokens.
//!
//! A file, the environment, a credential of systemd, or a file in the data directory that is made when it is needed.

use std::env;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::base::sys::file;
use crate::base::sys::sealing::{self, SealingKeys};
use crate::config::validated::{Config, StoreKind};
use crate::node::registry::sealed::left_sealed;
use crate::node::registry::sealing::{SharedSeal, with_keys};
use crate::store::private;

/// The variable that may hold the keys.
const VARIABLE: &str = "MUSTER_ACL_KEYS";

/// The credential of systemd that may hold them (`LoadCredentialEncrypted=muster-acl-keys:…`).
const CREDENTIAL: &str = "muster-acl-keys";

/// The file in the data directory.
const FILE_NAME: &str = "acl.key";

/// Bytes of a file that are read: a few lines are in it.
const BYTES_MAX: u64 = 64 << 10;

/// The seal of an agent with this configuration. Without access control what is sealed stays so, and no key is needed.
///
/// # Errors
/// A sentence: the keys cannot be read, or not be made.
pub(super) fn open(config: &Config) -> Result<SharedSeal, String> {
    if !config.acl.enabled {
        return Ok(left_sealed());
    }
    let credential =
        env::var_os("CREDENTIALS_DIRECTORY").map(|directory| PathBuf::from(directory).join(CREDENTIAL));
    let own = config.data_dir.join(FILE_NAME);
    let (text, place) = if let Some(path) = &config.acl.key_file {
        (read(path)?, path.display().to_string())
    } else if let Ok(text) = env::var(VARIABLE) {
        (text, format!("the variable {VARIABLE}"))
    } else if let Some(path) = credential.filter(|path| path.exists()) {
        (read(&path)?, format!("the credential {CREDENTIAL}"))
    } else if config.store == StoreKind::Memory {
        return Ok(with_keys(SealingKeys::fresh(), "the memory of this process".to_owned()));
    } else {
        match private::read(&own) {
            Ok(_) => (read_own(&own)?, own.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&own).map_err(|error| format!("{}: the key cannot be made: {error}", own.display()))?;
                log::warn!(
                    "the secrets of tokens are sealed with a new key, {}, which lies beside them: whoever has the \
                     whole directory reads them; move it elsewhere and name the place in acl_key_file",
                    own.display()
                );
                (read_own(&own)?, own.display().to_string())
            }
            Err(error) => return Err(format!("{}: {error}", own.display())),
        }
    };
    let keys = SealingKeys::read(&text)
        .map_err(|fault| format!("{place}: {fault}; `muster help acl` tells of it"))?;
    Ok(with_keys(keys, place))
}

fn read(path: &Path) -> Result<String, String> {
    file::read_text(path, BYTES_MAX).map_err(|error| format!("{}: {error}", path.display()))
}

/// As [`read`], of a file that nobody else may have put there.
fn read_own(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = private::read(path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
    read.map(|_| text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes the file, durably: no secret may be sealed with a key that is gone after a crash.
fn make(path: &Path) -> io::Result<()> {
    let unfinished = path.with_extension("key.unfinished");
    let mut file = private::replace(&unfinished)?;
    writeln!(file, "# Seals the secrets of tokens: whoever has it reads them, and without it nobody does.")?;
    writeln!(file, "{}", sealing::new_key())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    private::sync_directory_of(path)
}
