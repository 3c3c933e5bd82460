//! `muster store`: look into the data directory of an agent that is stopped, and make a sound one of what can be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::base::stdx::counted::counted;
use crate::cli::command::{CommandOutput, Exit};
use crate::config::validated::{Config, StoreKind};
use crate::node::registry::snapshot::mend::{mend, own_node_id};
use crate::node::registry::snapshot::offline;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::store::directory;
use crate::store::embedded::recovery::{self, Completeness, Recovery};
use crate::store::error::StoreError;
use crate::store::identity::{self, Identity};

/// Rows left out that are named one by one.
const NAMED_MAX: usize = 20;

/// What to do.
#[derive(Subcommand, Debug)]
pub enum StoreCommand {
    /// Say what a data directory holds and whether that is all: exit 0 if it is, 1 if not. Changes nothing
    Inspect {
        /// The data directory of an agent that is stopped
        directory: PathBuf,
    },
    /// Make a data directory of a snapshot, for an agent to be started on
    Restore {
        /// The snapshot, plain or compressed with gzip
        file: PathBuf,
        /// A directory that is not there yet, or empty
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// Say what would be lost; with --into, make a sound directory of the rest: exit 0 if nothing is lost, 1 if
    /// anything is or may be. The damaged one stays as it is
    Repair {
        /// The data directory of an agent that is stopped
        directory: PathBuf,
        /// A directory that is not there yet, or empty
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(command: StoreCommand) -> CommandOutput {
    match command {
        StoreCommand::Inspect { directory } => inspect(&directory),
        StoreCommand::Restore { file, into } => restore(&file, &into),
        StoreCommand::Repair { directory, into } => repair(&directory, into.as_deref()),
    }
}

fn restore(file: &Path, into: &Path) -> CommandOutput {
    let made = offline::make(file, into, &RowRules::default(), jiff::Timestamp::now());
    let contents = made.map_err(|sentence| (Exit::Failure, sentence))?;
    Ok(format!(
        "made {} of {}, of node {:?} at index {}; start muster with --data-dir {0}",
        into.display(),
        file.display(),
        contents.header.node,
        contents.header.index
    ))
}

/// Makes the data directory that an agent is about to start on of the snapshot `file`, unless it has one already.
/// Nothing is served before, so no client sees less than all of it.
pub fn begin_with(file: Option<PathBuf>, mut config: Config) -> Result<Config, String> {
    let Some(file) = file else { return Ok(config) };
    if config.store == StoreKind::Memory {
        return Err("--restore needs a data directory: leave out --dev and --store memory".to_owned());
    }
    if config.data_dir.join(identity::FILE_NAME).exists() {
        let sentence =
            format!("{} is there already, so {} is not restored", config.data_dir.display(), file.display());
        config.warnings.push(sentence);
        return Ok(config);
    }
    // As a start without a snapshot does.
    let made = directory::make_ancestors(&config.data_dir);
    made.map_err(|error| offline::not_made(&config.data_dir, &error))?;
    let contents = offline::make(&file, &config.data_dir, &RowRules::of(&config), jiff::Timestamp::now())?;
    let (file, data_dir, index) = (file.display(), config.data_dir.display(), contents.header.index);
    config.notes.push(format!("restored {file} of index {index} into {data_dir}"));
    Ok(config)
}

fn refused(error: &StoreError) -> (Exit, String) {
    (Exit::Failure, error.offline())
}

fn inspect(directory: &Path) -> CommandOutput {
    let recovery = recovery::read(directory).map_err(|error| refused(&error))?;
    let text = summary(directory, &recovery);
    match recovery.problems.is_empty() {
        true => Ok(format!("{text}it is whole")),
        false => Err((
            Exit::Failure,
            format!(
                "{text}it is damaged: {}\nrestore a snapshot, or see what `muster store repair {}` can save",
                recovery.problems.join("; "),
                directory.display()
            ),
        )),
    }
}

fn summary(directory: &Path, recovery: &Recovery) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    recovery.rows.iter().for_each(|row| *counts.entry(row.table.name()).or_default() += 1);
    let mut text = format!("{}\n", directory.display());
    if let Some(Identity { node_id, created_at, format, .. }) = &recovery.identity {
        text += &format!("  of node     {node_id}\n  since       {created_at}\n  format      {format}\n");
    }
    text += &format!("  index       {}\n", recovery.index);
    counts.iter().for_each(|(table, count)| text += &format!("  {table:<11} {}\n", counted(*count, "row")));
    text
}

fn repair(directory: &Path, into: Option<&Path>) -> CommandOutput {
    let Recovery { identity, rows, index, rows_acknowledged, problems, completeness } =
        recovery::read(directory).map_err(|error| refused(&error))?;
    let readable = rows.len() as u64;
    let (kept, left_out) = mend(rows);
    let count = kept.len();
    let is_whole = completeness == Completeness::Whole && left_out.is_empty();
    let mut text = match problems.is_empty() {
        true => format!("{} is whole\n", directory.display()),
        false => format!("{} is damaged: {}\n", directory.display(), problems.join("; ")),
    };
    text += &match rows_acknowledged {
        Some(acknowledged) => format!(
            "{count} of {} can be kept: {} cannot be read, {} make no sense without those\n",
            counted(acknowledged, "acknowledged row"),
            acknowledged.saturating_sub(readable),
            left_out.len()
        ),
        None => format!(
            "{} can be kept, {} make no sense; {}\n",
            counted(count, "row"),
            left_out.len(),
            match completeness {
                Completeness::Unproved =>
                    "they add up, and whether anything was written later cannot be told",
                _ => "how many there were cannot be told",
            }
        ),
    };
    left_out.iter().take(NAMED_MAX).for_each(|row| text += &format!("  left out: {row}\n"));
    if left_out.len() > NAMED_MAX {
        text += &format!("  left out: {} more\n", left_out.len() - NAMED_MAX);
    }
    if completeness != Completeness::Whole {
        text += "what was registered or changed last may be there as it was before, or not at all\n";
    }
    if kept.is_empty() {
        text += "nothing was written, for nothing can be kept: begin with a snapshot (muster agent --restore FILE), or \
                 with an empty directory";
        return Err((Exit::Failure, text));
    }
    let identity = identity.unwrap_or_else(|| {
        let new = Identity::generate(jiff::Timestamp::now());
        let found = own_node_id(&kept);
        let whence =
            if found.is_some() { "as its rows say" } else { "a new one, for no row says which it was" };
        let node_id = found.unwrap_or(new.node_id);
        text += &format!("the node's id is {node_id}, {whence}\n");
        Identity { node_id, ..new }
    });
    let Some(into) = into else {
        text += "nothing was written; to make a sound directory of it, add --into DIR";
        return if is_whole { Ok(text) } else { Err((Exit::Failure, text)) };
    };
    let made = offline::whole(into, |unfinished| {
        recovery::write(unfinished, &identity, index, kept).map_err(|error| offline::not_made(into, &error))
    });
    made.map_err(|sentence| (Exit::Failure, sentence))?;
    text += &format!("made {} with {}", into.display(), counted(count, "row"));
    if is_whole {
        return Ok(format!("{text}; start muster with --data-dir {}", into.display()));
    }
    let is_partial = completeness == Completeness::Partial || !left_out.is_empty();
    text += &format!(
        ", which {} all there was: a snapshot may hold more (muster help backup). To go on without, start muster with \
         --data-dir {}",
        if is_partial { "is not" } else { "may not be" },
        into.display()
    );
    Err((Exit::Failure, text))
}
