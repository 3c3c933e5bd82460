//! Where the keys come from that seal the secrets of tokens.
//!
//! A file, the environment, a credential of systemd, or a file in the data directory that is made when it is needed.

use std::env;
use std::path::{Path, PathBuf};

use crate::base::sys::sealing::{SealingKeys, UnfitKeys};
use crate::config::validated::{Config, StoreKind};
use crate::node::registry::sealed::left_sealed;
use crate::node::registry::sealing::{SharedSeal, with_keys};

/// The variable that may hold the keys.
const VARIABLE: &str = "MUSTER_ACL_KEYS";

/// The credential of systemd that may hold them (`LoadCredentialEncrypted=muster-acl-keys:…`).
const CREDENTIAL: &str = "muster-acl-keys";

/// The file in the data directory.
const FILE_NAME: &str = "acl.key";

/// The seal of an agent with this configuration. Without access control what is sealed stays so, and no key is needed.
/// The data directory must be there and be the agent's own.
///
/// # Errors
/// A sentence: the keys cannot be read, or not be made.
pub(super) fn open(config: &Config) -> Result<SharedSeal, String> {
    if !config.acl.enabled {
        return Ok(left_sealed());
    }
    let credentials =
        env::var_os("CREDENTIALS_DIRECTORY").map(|directory| PathBuf::from(directory).join(CREDENTIAL));
    if let Some(path) = &config.acl.key_file {
        return of_file(path, SealingKeys::read(path));
    }
    if let Ok(text) = env::var(VARIABLE) {
        let place = format!("the variable {VARIABLE}");
        let keys = SealingKeys::parse(&text).map_err(|fault| format!("{place}: {fault}"))?;
        return Ok(with_keys(keys, place));
    }
    if let Some(path) = credentials.filter(|path| path.exists()) {
        return of_file(&path, SealingKeys::read(&path));
    }
    if config.store == StoreKind::Memory {
        return Ok(with_keys(SealingKeys::generate(), "the memory of this process".to_owned()));
    }
    let own = config.data_dir.join(FILE_NAME);
    let made = SealingKeys::read_or_make(&own);
    if let Ok((_, true)) = made {
        log::warn!(
            "the secrets of tokens are sealed with a new key, {}, which lies beside them: whoever has the whole \
             directory reads them; move it elsewhere and name the place in acl_key_file",
            own.display()
        );
    }
    of_file(&own, made.map(|(keys, _)| keys))
}

fn of_file(path: &Path, keys: Result<SealingKeys, UnfitKeys>) -> Result<SharedSeal, String> {
    let place = path.display().to_string();
    match keys {
        Ok(keys) => Ok(with_keys(keys, place)),
        Err(fault) => Err(format!("{place}: {fault}; `muster help acl` tells of it")),
    }
}
