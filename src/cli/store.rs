//! `muster store`: look into the data directory of an agent that is stopped, and make a sound one of what can be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::cli::command::{Exit, Said};
use crate::persist::embedded::salvage::{self, Salvage};
use crate::persist::error::StoreError;
use crate::registry::snapshot::mend::mend;

/// Rows left out that are named one by one.
const NAMED_MAX: usize = 20;

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Say what a data directory holds and whether that is all: exit 0 if it is, 1 if not. Changes nothing
    Inspect {
        /// The data directory of an agent that is stopped
        directory: PathBuf,
    },
    /// Say what would be lost; with --into, make a sound directory of the rest. The damaged one stays as it is
    Repair {
        /// The data directory of an agent that is stopped
        directory: PathBuf,
        /// A directory that is not there yet
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(command: Command) -> Said {
    match command {
        Command::Inspect { directory } => inspect(&directory),
        Command::Repair { directory, into } => repair(&directory, into.as_deref()),
    }
}

fn refused(error: &StoreError) -> (Exit, String) {
    (Exit::Failure, error.to_string())
}

fn inspect(directory: &Path) -> Said {
    let salvage = salvage::read(directory).map_err(|error| refused(&error))?;
    let said = shown(directory, &salvage);
    match salvage.problems.is_empty() {
        true => Ok(format!("{said}it is whole")),
        false => Err((
            Exit::Failure,
            format!(
                "{said}it is damaged: {}\nrestore a snapshot, or see what `muster store repair {}` can save",
                salvage.problems.join("; "),
                directory.display()
            ),
        )),
    }
}

fn shown(directory: &Path, salvage: &Salvage) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    salvage.rows.iter().for_each(|row| *counts.entry(row.table.name()).or_default() += 1);
    let identity = &salvage.identity;
    let mut said = format!("{}\n", directory.display());
    said += &format!("  of node     {}\n  since       {}\n", identity.node_id, identity.created_at);
    said += &format!("  format      {}\n  index       {}\n", identity.format, salvage.index);
    counts.iter().for_each(|(table, count)| said += &format!("  {table:<11} {count} rows\n"));
    said
}

fn repair(directory: &Path, into: Option<&Path>) -> Said {
    let Salvage { identity, rows, index, rows_acknowledged, problems } =
        salvage::read(directory).map_err(|error| refused(&error))?;
    let readable = rows.len() as u64;
    let (kept, left_out) = mend(rows);
    let mut said = match problems.is_empty() {
        true => format!("{} is whole\n", directory.display()),
        false => format!("{} is damaged: {}\n", directory.display(), problems.join("; ")),
    };
    said += &match rows_acknowledged {
        Some(acknowledged) => format!(
            "{} of {acknowledged} acknowledged rows can be kept: {} cannot be read, {} make no sense without those\n",
            kept.len(),
            acknowledged.saturating_sub(readable),
            left_out.len()
        ),
        None => format!(
            "{} rows can be kept, {} make no sense; how many there were cannot be told\n",
            kept.len(),
            left_out.len()
        ),
    };
    left_out.iter().take(NAMED_MAX).for_each(|row| said += &format!("  left out: {row}\n"));
    if left_out.len() > NAMED_MAX {
        said += &format!("  left out: {} more\n", left_out.len() - NAMED_MAX);
    }
    if !problems.is_empty() {
        said += "what was registered or changed last may be there as it was before, or not at all\n";
    }
    let Some(into) = into else {
        return Ok(format!("{said}nothing was written; to make a sound directory of it, add --into DIR"));
    };
    salvage::write(into, &identity, index, kept).map_err(|error| refused(&error))?;
    Ok(format!("{said}made {}; start muster with --data-dir {0}", into.display()))
}
