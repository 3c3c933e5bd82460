//! The fixed script: batches with inserts, updates and deletions, restarts in between, and small memory tables, so that
//! journals rotate and tables are written and merged within it. Run in a process of its own, which faults may kill.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use muster::store::change::{Batch, RowChange, Table};
use muster::store::embedded::{EmbeddedStore, EngineLimits};
use muster::store::error::StoreError;
use muster::store::rows::Store;

use crate::shim;

/// Small enough that the script fills several of them. Room is the matter of other tests.
pub const LIMITS: EngineLimits = EngineLimits { room_bytes_min: 0, memtable_bytes: 4 << 10 };

/// The script opens the store before each of these batches; the first start lays it out.
pub const STARTS: [u64; 3] = [1, 9, 17];

/// The last batch.
pub const LAST: u64 = 24;

/// Times a batch that finds no room is tried again: the fault may be over.
const TRIES_MAX: usize = 3;

const DIRECTORY: &str = "MUSTER_SCRIPT_DIRECTORY";

pub type Rows = BTreeMap<(Table, String), Vec<u8>>;

/// Batch number `index`: inserts, updates, deletions, and two changes of one row.
pub fn batch(index: u64) -> Batch {
    let value = |salt: u64| format!("{{\"index\":{index},\"filler\":\"{:0>160}\"}}", index * 31 + salt);
    let changes = vec![
        RowChange::put(Table::Services, format!("node/web-{}", index % 7), value(1)),
        RowChange::put(Table::Checks, format!("node/service:web-{}", index % 7), value(2)),
        RowChange::delete(Table::Nodes, format!("node-{}", index.wrapping_sub(3))),
        RowChange::put(Table::Nodes, format!("node-{index}"), "first"),
        RowChange::put(Table::Nodes, format!("node-{index}"), value(3)),
        RowChange::put(Table::Meta, "index", index.to_string()),
    ];
    Batch { index, changes }
}

/// The rows after batches 1 to `index`.
pub fn history(index: u64) -> Rows {
    let mut rows = Rows::new();
    for change in (1..=index).flat_map(|index| batch(index).changes) {
        match change.value {
            Some(value) => rows.insert((change.table, change.key), value),
            None => rows.remove(&(change.table, change.key)),
        };
    }
    rows
}

/// The data directory within the script's directory.
pub fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

/// The index of the last batch that the script was told is durable; in the file `acks`, a line each.
pub fn acknowledged(directory: &Path) -> u64 {
    let text = fs::read_to_string(directory.join("acks")).unwrap_or_default();
    last_line(&text)
}

/// The number in the last finished line.
fn last_line(text: &str) -> u64 {
    let finished = text.rsplit_once('\n').map_or("", |(finished, _)| finished);
    finished.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0)
}

/// Opens and loads: the store, the index and the rows.
pub fn start(path: &Path) -> Result<(EmbeddedStore, u64, Rows), StoreError> {
    let mut store = open(path)?;
    let mut rows = Rows::new();
    let loaded = store.load(&mut |table, key, value| {
        rows.insert((table, key.into()), value.to_vec());
        Ok(())
    })?;
    Ok((store, loaded.index, rows))
}

fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
    loop {
        match EmbeddedStore::open(path, jiff::Timestamp::UNIX_EPOCH, LIMITS) {
            // Another test starts a process at this moment, which between fork and exec has this one's locks as well.
            Err(StoreError::Locked { holder: Some(holder), .. }) if holder == std::process::id() => {
                std::thread::yield_now();
            }
            outcome => return outcome,
        }
    }
}

/// Starts on what a fault left and holds it against what was acknowledged. Gives the index found.
///
/// # Errors
/// A sentence when something is lost, altered or never was, and when the start is refused.
pub fn judge(path: &Path, acknowledged: u64) -> Result<u64, String> {
    let (mut store, index, rows) = start(path).map_err(|error| format!("refused: {error}"))?;
    if index < acknowledged || index > acknowledged + 1 {
        return Err(format!(
            "it is at {index}, {acknowledged} was acknowledged and nothing beyond the next sent"
        ));
    }
    if rows != history(index) {
        return Err(format!("rows were lost or altered without a word at {index}"));
    }
    // What came back must be good to go on from, not only to read.
    store.commit(&batch(index + 1)).map_err(|error| format!("it takes no more: {error}"))?;
    drop(store);
    let (_, index_after, rows) =
        start(path).map_err(|error| format!("the next start is refused: {error}"))?;
    if index_after != index + 1 || rows != history(index + 1) {
        return Err(format!("the batch after {index} did not stay"));
    }
    Ok(index)
}

/// Runs what is left of the script in `directory` under a fault in its data directory, to its end or the fault's.
pub fn run(directory: &Path, variables: &[(&str, &str)]) -> ExitStatus {
    run_watching(directory, &data(directory), variables)
}

/// As [`run`], with the calls below `watched` counted, struck and recorded.
pub fn run_watching(directory: &Path, watched: &Path, variables: &[(&str, &str)]) -> ExitStatus {
    let output = File::options().create(true).append(true).open(directory.with_extension("output"));
    let output = output.expect("a file for what the script says");
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(["--exact", "--nocapture", "script::child_that_runs_the_script"]);
    command.env(DIRECTORY, directory).envs(shim::environment(watched, variables));
    command.stdin(Stdio::null()).stdout(output.try_clone().expect("a second handle")).stderr(output);
    command.status().expect("the script can be run")
}

/// What it says of a batch of which nobody can tell whether it is on the disk.
pub const IN_DOUBT: &str = "Whether this write is on the disk is not known";

/// What the store said when it refused to go on with the script.
pub fn refusal(directory: &Path) -> Option<String> {
    fs::read_to_string(directory.join("refused")).ok()
}

/// What the runs in `directory` have said.
pub fn output(directory: &Path) -> String {
    fs::read_to_string(directory.with_extension("output")).unwrap_or_default()
}

/// Not a test by itself: the process that runs the script.
#[test]
fn child_that_runs_the_script() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    if let Err(error) = perform(directory.as_ref()) {
        fs::write(Path::new(&directory).join("refused"), error.to_string())
            .expect("the refusal can be written");
    }
}

fn perform(directory: &Path) -> Result<(), StoreError> {
    let append = |path| File::options().create(true).append(true).open(path);
    let mut acks = append(directory.join("acks")).expect("the file of acknowledgements can be opened");
    let (mut store, mut index, _) = start(&data(directory))?;
    while index < LAST {
        commit(&mut store, index + 1)?;
        index += 1;
        acks.write_all(format!("{index}\n").as_bytes()).expect("the acknowledgement can be written");
        if STARTS.contains(&(index + 1)) {
            drop(store);
            (store, index, _) = start(&data(directory))?;
        }
    }
    Ok(())
}

fn commit(store: &mut EmbeddedStore, index: u64) -> Result<(), StoreError> {
    let mut doubt = None;
    for tries in 1.. {
        let error = match store.commit(&batch(index)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_full = matches!(error, StoreError::Full { .. } | StoreError::InDoubt { is_full: true, .. });
        // A try that was certainly not begun says nothing of an earlier one of the same batch.
        let error = match error {
            StoreError::InDoubt { .. } => error,
            error => doubt.take().unwrap_or(error),
        };
        if !is_full || tries == TRIES_MAX {
            return Err(error);
        }
        doubt = matches!(error, StoreError::InDoubt { .. }).then_some(error);
    }
    unreachable!("the last try returns")
}
