//! `muster snapshot`: fetch a snapshot from an agent, have one restored, look into one, or prove one whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::base::stdx::counted::counted;
use crate::base::sys::file;
use crate::cli::client::{ClientArguments, Environment};
use crate::cli::command::{CommandOutput, Exit, failed};
use crate::cli::progress::{Progress, ProgressReader};
use crate::cli::remote::{Remote, RemoteError};
use crate::node::registry::snapshot::decoded;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::store::snapshot::decode::{self, Contents, Decoder};
use crate::store::snapshot::files;
use crate::store::snapshot::format::LINE_BYTES_MAX;

/// What to do.
#[derive(Subcommand, Debug)]
pub enum SnapshotCommand {
    /// Fetch everything an agent holds into a file, and read it back before it counts
    Save {
        /// Where to put it; what stands there is replaced only by a whole one
        file: PathBuf,
        /// Leave out the secrets of checks: to be looked at, not to be restored where a secret is missing
        #[arg(long)]
        redacted: bool,
        /// Where the agent is
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Have an agent hold what is in a file, and nothing else; all of it or, on any error, nothing
    Restore {
        /// The snapshot, plain or compressed with gzip
        file: PathBuf,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
        /// Where the agent is
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Show what is in a file, once all of it was read and found whole
    Inspect {
        /// The snapshot
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Read all of a file and every record in it: exit 0 if it could be restored, 1 if not
    Verify {
        /// The snapshot
        file: PathBuf,
    },
}

/// Does it.
pub fn run(command: SnapshotCommand, environment: Environment<'_>) -> CommandOutput {
    let remote = |client: ClientArguments| -> Result<Remote, (Exit, String)> {
        let (address, terms) = client.settle(environment).map_err(failed)?;
        Ok(Remote::new(&address, &terms)?)
    };
    match command {
        SnapshotCommand::Save { file, redacted, client } => save(&file, &remote(client)?, redacted),
        SnapshotCommand::Restore { file, dry_run, client } => restore(&file, &remote(client)?, dry_run),
        SnapshotCommand::Inspect { file, json } => inspect(&file, json),
        SnapshotCommand::Verify { file } => {
            let contents = verified(&file)?;
            Ok(format!("{} is whole: {}", file.display(), summary(&contents)))
        }
    }
}

fn save(path: &Path, remote: &Remote, is_redacted: bool) -> CommandOutput {
    let started = Instant::now();
    let mut answer = remote.get(if is_redacted { "/v1/snapshot" } else { "/v1/snapshot?secrets" })?;
    let mut incoming = ProgressReader::new(answer.body_mut().as_reader(), "receiving bytes", 0);
    let saved = files::write(
        path,
        |out| io::copy(&mut incoming, out).map(drop),
        |file| match is_redacted {
            // It is no backup, and not judged as one.
            true => whole(file).map_err(io::Error::other),
            false => read_back(file).map_err(io::Error::other),
        },
    );
    let contents =
        saved.map_err(|error| (Exit::Failure, format!("{} was not saved: {error}", path.display())))?;
    let took = started.elapsed().as_secs_f64();
    Ok(format!("saved {} in {took:.1} s and read it back: {}", path.display(), summary(&contents)))
}

fn restore(path: &Path, remote: &Remote, is_dry_run: bool) -> CommandOutput {
    // Refused here, a damaged file does not cross the network first.
    let contents = verified(path)?;
    let unreadable =
        |error: io::Error| (Exit::Failure, format!("{} cannot be read: {error}", path.display()));
    let file = file::open(path).map_err(|error| unreadable(error.into()))?;
    let length = file.metadata().map_err(unreadable)?.len();
    let target = if is_dry_run { "/v1/snapshot?dry-run" } else { "/v1/snapshot" };
    let started = Instant::now();
    let mut answer = remote.put(target, ProgressReader::new(file, "sending bytes", length), length)?;
    let mut json = String::new();
    let read = answer.body_mut().as_reader().read_to_string(&mut json);
    let changed: Value = read.ok().and_then(|_| serde_json::from_str(&json).ok()).unwrap_or_default();
    let mut text = match is_dry_run {
        true => format!("restoring {} would change:", path.display()),
        false => format!(
            "restored {} of index {} in {:.1} s; the registry is at index {}, and this changed:",
            path.display(),
            contents.header.index,
            started.elapsed().as_secs_f64(),
            changed["Index"]
        ),
    };
    for kind in ["Nodes", "Services", "Checks", "Keys"] {
        for word in ["Added", "Changed", "Removed"] {
            text += &line_of(kind, word, &changed["Changes"][kind][word]);
        }
    }
    if !text.contains('\n') {
        text += " nothing";
    }
    Ok(text)
}

/// One line about changes of a kind; nothing if there are none.
fn line_of(kind: &str, word: &str, changed: &Value) -> String {
    let count = changed["Count"].as_u64().unwrap_or(0);
    if count == 0 {
        return String::new();
    }
    let first: Vec<&str> =
        changed["First"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let more = if count > first.len() as u64 { ", …" } else { "" };
    let (what, word) = (of_table(count, &kind.to_lowercase()), word.to_lowercase());
    format!("\n  {what} {word}: {}{more}", first.join(", "))
}

fn inspect(path: &Path, as_json: bool) -> CommandOutput {
    let contents = verified_as_written(path)?;
    let Contents { header, bytes, sha256 } = &contents;
    if as_json {
        let mut object = json!(header);
        object["bytes"] = json!(bytes);
        object["sha256"] = json!(sha256);
        return Ok(object.to_string());
    }
    let state = match header.redacted {
        true => "whole, without its secrets: to be looked at, not to be restored where one is missing",
        false => "whole and restorable",
    };
    let mut text = format!("{}: a snapshot, {state}\n", path.display());
    let facts = [
        ("format", header.muster_snapshot.to_string()),
        ("written by", format!("muster {}", header.muster_version)),
        ("at", header.created_at.clone()),
        ("of node", format!("{} ({})", header.node, header.node_id)),
        ("datacenter", header.datacenter.clone()),
        ("index", header.index.to_string()),
        ("bytes", bytes.to_string()),
        ("sha256", sha256.clone()),
    ];
    facts.iter().for_each(|(name, value)| text += &format!("  {name:<11} {value}\n"));
    header
        .rows
        .iter()
        .for_each(|(table, count)| text += &format!("  {table:<11} {}\n", counted(*count, "row")));
    Ok(text.trim_end().to_owned())
}

/// Reads all of a file; what it is of.
fn verified(path: &Path) -> Result<Contents, (Exit, String)> {
    let failed = |error: &dyn std::fmt::Display| (Exit::Failure, format!("{}: {error}", path.display()));
    let file = file::open(path)
        .map_err(|error| failed(&format!("it cannot be read: {error}; look at its path and permissions")))?;
    read_back(file).map_err(|error| failed(&error))
}

/// As [`verified`]; of one without secrets, that it is as it was written.
fn verified_as_written(path: &Path) -> Result<Contents, (Exit, String)> {
    match file::open(path).map(whole) {
        Ok(Ok(contents)) if contents.header.redacted => Ok(contents),
        _ => verified(path),
    }
}

fn read_back(file: File) -> Result<Contents, crate::store::snapshot::error::SnapshotError> {
    let mut progress = Progress::new("checking rows", 0);
    decoded::verify(file, &RowRules::default(), |rows| progress.at(rows))
}

/// Reads all of it, whatever its rows hold.
fn whole(file: File) -> Result<Contents, crate::store::snapshot::error::SnapshotError> {
    let bounds = decode::DecodeBounds { line_bytes_max: LINE_BYTES_MAX, bytes_max: u64::MAX };
    Decoder::open(file, bounds)?.rows(&mut |_, _, _| Ok(()))
}

fn summary(contents: &Contents) -> String {
    let rows: Vec<String> =
        contents.header.rows.iter().map(|(table, count)| of_table(*count, table)).collect();
    let Contents { header, bytes, sha256 } = contents;
    format!("index {}, {}, {}, sha256 {sha256}", header.index, rows.join(", "), counted(*bytes, "byte"))
}

/// `1 service`, `2 services`: the tables are named after what is in them.
fn of_table(count: u64, table: &str) -> String {
    match table.strip_suffix('s') {
        Some(noun) => counted(count, noun),
        None if table == "history" => counted(count, "transition"),
        None if table == "kv" => counted(count, "key"),
        None if table == "acl" => counted(count, "ACL record"),
        None => format!("{count} of {table}"),
    }
}

impl From<RemoteError> for (Exit, String) {
    fn from(error: RemoteError) -> (Exit, String) {
        let exit = match error {
            RemoteError::Address(_) => Exit::Usage,
            RemoteError::Unreachable(..) => Exit::NotReachable,
            RemoteError::Refused { .. } | RemoteError::Strange(_) => Exit::Failure,
        };
        (exit, error.to_string())
    }
}
