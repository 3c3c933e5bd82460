//! `muster acl`: what concerns access control and no running agent.

use std::path::PathBuf;

use clap::Subcommand;

use crate::base::sys::sealing::SealingKeys;
use crate::cli::command::{CommandOutput, failed};

/// What to do.
#[derive(Subcommand, Debug)]
pub enum AclCommand {
    /// Put a new key in front of those in a file, or make the file: it seals from the next start on
    RotateKey {
        /// The file that acl_key_file names
        file: PathBuf,
    },
}

/// Does it.
pub fn run(command: AclCommand) -> CommandOutput {
    let AclCommand::RotateKey { file } = command;
    let made = SealingKeys::read_or_make(&file).and_then(|(keys, is_new)| match is_new {
        true => Ok(keys),
        false => SealingKeys::rotate(&file),
    });
    let keys = made.map_err(|error| failed(error.to_string()))?;
    let (path, id, count) = (file.display(), keys.key_id(), keys.count());
    Ok(format!("{path}: the key {id} seals from the next start on; keys in the file: {count}"))
}
