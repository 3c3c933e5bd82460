//! The store under kill, damage and a full disk.
//!
//! Goal: whatever happens to the process or the files, a load gives back exactly what was acknowledged or refuses. The
//! method is to construct the harm (a killed child, a flipped bit, a shortened file) rather than to hope for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use parking_lot::RwLock;
use tempfile::TempDir;

use super::*;
use crate::store::change::{RowChange, Table};
use crate::store::{commit_marker, identity, startup_backup};

/// Small enough that a few dozen batches reach every kind of file the engine keeps.
const LIMITS: EngineLimits = EngineLimits { room_bytes_min: 0, memtable_bytes: 16 << 10 };

/// Taken by tests that start processes, for writing, and by all others for reading: between fork and exec a child holds
/// every open file of this process, and with them the locks.
static PROCESSES: RwLock<()> = RwLock::new(());

type Rows = BTreeMap<(Table, String), Vec<u8>>;

fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(path, jiff::Timestamp::UNIX_EPOCH, LIMITS)
}

fn load(store: &mut EmbeddedStore) -> Result<(Loaded, Rows), StoreError> {
    let mut rows = Rows::new();
    let loaded = store.load(&mut |table, key, value| {
        rows.insert((table, key.into()), value.to_vec());
        Ok(())
    })?;
    Ok((loaded, rows))
}

/// Batch number `index` of an endless, repeatable history: inserts, updates, deletions, and two changes of one row.
fn batch(index: u64) -> Batch {
    let value = |salt: u64| format!("{{\"index\":{index},\"filler\":\"{:0>200}\"}}", index * 31 + salt);
    let changes = vec![
        RowChange::put(Table::Services, format!("node/web-{}", index % 50), value(1)),
        RowChange::put(Table::Checks, format!("node/service:web-{}", index % 50), value(2)),
        RowChange::delete(Table::Nodes, format!("node-{}", index.wrapping_sub(3))),
        RowChange::put(Table::Nodes, format!("node-{index}"), "first"),
        RowChange::put(Table::Nodes, format!("node-{index}"), value(3)),
        RowChange::put(Table::Meta, "index", index.to_string()),
    ];
    Batch { index, changes }
}

/// The rows after batches 1 to `index`.
fn history(index: u64) -> Rows {
    let mut rows = Rows::new();
    for change in (1..=index).flat_map(|index| batch(index).changes) {
        match change.value {
            Some(value) => rows.insert((change.table, change.key), value),
            None => rows.remove(&(change.table, change.key)),
        };
    }
    rows
}

fn commit_all(store: &mut EmbeddedStore, indexes: std::ops::RangeInclusive<u64>) {
    indexes.for_each(|index| store.commit(&batch(index)).unwrap());
}

/// A directory where syncs cost nothing, if there is one: damage needs no disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A copy that shares nothing with the original.
fn duplicate(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            duplicate(&entry.path(), &target);
        } else {
            startup_backup::copy(&entry.path(), &target).unwrap();
        }
    }
}

/// Every file below `path`, with a hash of its bytes.
fn files(path: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            let hash = xxhash_rust::xxh3::xxh3_64(&fs::read(entry.path()).unwrap());
            found.insert(entry.path(), hash);
        }
    }
    found
}

#[test]
fn rows_survive_a_restart() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let path = scratch.path().join("data");
    let mut store = open(&path).unwrap();
    assert_eq!(load(&mut store).unwrap(), (Loaded::default(), Rows::new()));
    let node_id = store.identity().node_id;
    for last in [1, 30, 31, 200] {
        let first = load(&mut store).unwrap().0.index + 1;
        commit_all(&mut store, first..=last);
        drop(store);
        store = open(&path).unwrap();
        let (loaded, rows) = load(&mut store).unwrap();
        assert_eq!(rows, history(last));
        assert_eq!(loaded, Loaded { index: last, rows: rows.len() as u64 });
        assert_eq!(store.identity().node_id, node_id);
        assert!(!path.join(startup_backup::BEFORE).exists());
    }
    let description = store.describe();
    assert_eq!((description.kind, description.rows), ("embedded", history(200).len() as u64));
    assert!(description.disk_bytes > 0);
}

#[test]
fn a_commit_before_the_load_counts_too() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    commit_all(&mut open(scratch.path()).unwrap(), 1..=5);
    let mut store = open(scratch.path()).unwrap();
    store.commit(&batch(6)).unwrap();
    assert_eq!(load(&mut store).unwrap().1, history(6));
}

#[test]
fn a_key_too_long_is_refused_and_changes_nothing() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let mut store = open(scratch.path()).unwrap();
    let long = "k".repeat(crate::store::change::KEY_BYTES_MAX + 1);
    let changes = vec![RowChange::put(Table::Nodes, "a", "1"), RowChange::put(Table::Nodes, long, "2")];
    assert!(matches!(store.commit(&Batch { index: 1, changes }), Err(StoreError::Oversize { .. })));
    commit_all(&mut store, 1..=2);
    assert_eq!(load(&mut store).unwrap().1, history(2));
}

#[test]
fn a_row_the_receiver_refuses_is_damage() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let path = scratch.path().join("data");
    let keys: Vec<String> = (0..20_000).map(|it| format!("node-{it:05}")).collect();
    let changes = keys.iter().map(|key| RowChange::put(Table::Nodes, key.as_str(), [b'x'; 200])).collect();
    open(&path).unwrap().commit(&Batch { index: 1, changes }).unwrap();
    let found: Vec<u64> = files(&path.join(ROWS)).into_values().collect();
    // Rows come in pieces of some thousands: the first, one amid others, the last.
    for bad in [0, 10_000, 19_999] {
        let mut store = open(&path).unwrap();
        let mut taken = Vec::new();
        let refusal = store.load(&mut |_, key, _| match key == keys[bad] {
            true => Err(format!("row {key:?} is none")),
            false => {
                taken.push(key.to_owned());
                Ok(())
            }
        });
        let named = format!("row {:?} is none", keys[bad]);
        assert!(matches!(refusal, Err(StoreError::Damaged { detail, .. }) if detail == named), "{bad}");
        assert_eq!(taken, keys[..bad]);
        assert!(matches!(store.commit(&batch(3)), Err(StoreError::Failed { .. })));
        let left: Vec<u64> = files(&path.join(ROWS)).into_values().collect();
        assert_eq!(left, found, "as it was");
    }
    let loaded = load(&mut open(&path).unwrap()).unwrap().0;
    assert_eq!(loaded, Loaded { index: 1, rows: 20_000 });
}

#[test]
fn an_interrupted_first_start_begins_anew() {
    let _guard = PROCESSES.read();
    for leftover in ["nothing", "rows", "witness", "both"] {
        let scratch = scratch();
        Identity::generate(jiff::Timestamp::UNIX_EPOCH).write(scratch.path()).unwrap();
        if leftover == "rows" || leftover == "both" {
            fs::create_dir_all(scratch.path().join(ROWS).join("keyspaces")).unwrap();
        }
        if leftover == "witness" || leftover == "both" {
            fs::write(scratch.path().join(commit_marker::FILE_NAME), "half").unwrap();
        }
        let mut store = open(scratch.path()).unwrap();
        commit_all(&mut store, 1..=1);
        assert!(store.identity().complete, "{leftover}");
    }
}

/// Opens a harmed copy. True when everything came back; false when it was refused and left as found.
fn comes_back(path: &Path, expected: &Rows, harm: &str) -> bool {
    let found = files(&path.join(ROWS));
    match open(path).and_then(|mut store| load(&mut store)) {
        Ok((_, rows)) => {
            assert!(rows == *expected, "{harm}: rows were lost or altered without a word");
            true
        }
        Err(StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Foreign { .. }) => {
            assert_eq!(files(&path.join(ROWS)), found, "{harm}: the damaged files were touched");
            false
        }
        Err(other) => panic!("{harm}: {other}"),
    }
}

/// Two stores with the same rows: one closed in good order and reopened, one as a killed process leaves it.
fn stores(scratch: &Path) -> [(PathBuf, Rows); 2] {
    let closed = scratch.join("closed");
    commit_all(&mut open(&closed).unwrap(), 1..=120);
    let mut store = open(&closed).unwrap();
    commit_all(&mut store, 121..=140);
    drop(store);
    let alive = scratch.join("alive");
    let mut store = open(&alive).unwrap();
    commit_all(&mut store, 1..=140);
    // Opening again replays the journal, and the engine then writes it out: a copy needs files at rest.
    drop(store);
    let mut store = open(&alive).unwrap();
    load(&mut store).unwrap();
    commit_all(&mut store, 141..=141);
    let killed = scratch.join("killed");
    duplicate(&alive, &killed);
    drop(store);
    [(closed, history(140)), (killed, history(141))]
}

/// The store's files below `path`, largest journal included, with their lengths.
fn targets(path: &Path) -> Vec<(PathBuf, u64)> {
    let all = files(path).into_keys().filter(|file| !file.ends_with("LOCK") && !file.ends_with("lock"));
    let sized =
        all.map(|file| (file.strip_prefix(path).unwrap().to_path_buf(), file.metadata().unwrap().len()));
    // The engine makes some files before it has anything to put in them; there is nothing to harm there yet.
    sized.filter(|(_, length)| *length > 0).collect()
}

#[test]
fn a_shortened_or_missing_file_loses_nothing_in_silence() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let copy = scratch.path().join("copy");
    let (mut kept, mut refused) = (0, 0);
    for (original, expected) in stores(scratch.path()) {
        for (file, length) in targets(&original) {
            let mut lengths =
                vec![None, Some(0), Some(1), Some(length / 4), Some(length / 2), Some(length - 1)];
            lengths.extend((1..=6).map(|step| Some(length - length.min(step * 1_009))));
            for shortened in lengths {
                duplicate(&original, &copy);
                match shortened {
                    None => fs::remove_file(copy.join(&file)).unwrap(),
                    Some(length) => {
                        File::options().write(true).open(copy.join(&file)).unwrap().set_len(length).unwrap();
                    }
                }
                match comes_back(&copy, &expected, &format!("{file:?} shortened to {shortened:?}")) {
                    true => kept += 1,
                    false => refused += 1,
                }
                fs::remove_dir_all(&copy).unwrap();
            }
        }
    }
    println!("{kept} came back whole, {refused} were refused");
    assert!(refused > kept);
}

#[test]
fn a_flipped_bit_loses_nothing_in_silence() {
    let _guard = PROCESSES.read();
    const FLIPS_PER_FILE: u64 = 24;
    let scratch = scratch();
    let copy = scratch.path().join("copy");
    let (mut kept, mut refused) = (0, 0);
    for (original, expected) in stores(scratch.path()) {
        for (file, length) in targets(&original) {
            // Journals end in room to grow, which is all zeros and means nothing.
            let bytes = fs::read(original.join(&file)).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(length, |last| last as u64 + 1);
            for flip in 0..FLIPS_PER_FILE {
                let at = flip * used / FLIPS_PER_FILE;
                duplicate(&original, &copy);
                let handle = File::options().write(true).open(copy.join(&file)).unwrap();
                handle.write_all_at(&[bytes[at as usize] ^ (1 << (flip % 8))], at).unwrap();
                match comes_back(&copy, &expected, &format!("{file:?} bit {} of byte {at}", flip % 8)) {
                    true => kept += 1,
                    false => refused += 1,
                }
                fs::remove_dir_all(&copy).unwrap();
            }
        }
    }
    println!("{kept} came back whole, {refused} were refused");
    assert!(refused > kept);
}

#[test]
fn a_lost_part_of_the_directory_is_damage() {
    let _guard = PROCESSES.read();
    for part in [ROWS, commit_marker::FILE_NAME, identity::FILE_NAME] {
        let scratch = scratch();
        commit_all(&mut open(scratch.path()).unwrap(), 1..=3);
        let path = scratch.path().join(part);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let refusal = open(scratch.path()).map(|_| ()).unwrap_err();
        assert!(matches!(&refusal, StoreError::Damaged { path: named, .. } if *named == path), "{refusal}");
        assert!(!path.exists(), "{part} was made anew");
    }
}

#[test]
fn an_older_copy_of_the_rows_is_noticed() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let (data, older) = (scratch.path().join("data"), scratch.path().join("older"));
    commit_all(&mut open(&data).unwrap(), 1..=10);
    duplicate(&data.join(ROWS), &older);
    commit_all(&mut open(&data).unwrap(), 11..=12);
    fs::remove_dir_all(data.join(ROWS)).unwrap();
    fs::rename(&older, data.join(ROWS)).unwrap();
    let refusal = open(&data).and_then(|mut store| load(&mut store)).unwrap_err();
    assert!(refusal.to_string().contains("2 batches are missing"), "{refusal}");
}

const CHILD_DIRECTORY: &str = "MUSTER_TEST_STORE_CHILD";

/// Not a test by itself: the process that [`acknowledged_batches_survive_a_kill`] kills.
#[test]
fn child_that_commits_until_killed() {
    let Ok(path) = std::env::var(CHILD_DIRECTORY) else { return };
    let mut store = open(path.as_ref()).unwrap();
    let first = load(&mut store).unwrap().0.index + 1;
    for index in first.. {
        store.commit(&batch(index)).unwrap();
        println!("acknowledged {index}");
    }
}

#[test]
fn acknowledged_batches_survive_a_kill() {
    let _guard = PROCESSES.write();
    const KILLS: u64 = 30;
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let committing =
        format!("{}::child_that_commits_until_killed", module_path!().trim_start_matches("muster::"));
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", &committing])
            .env(CHILD_DIRECTORY, &data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = 0;
        let mut hear = |lines: &mut dyn Iterator<Item = io::Result<String>>| {
            for line in lines.map_while(Result::ok) {
                if let Some(index) =
                    line.rsplit_once("acknowledged ").and_then(|(_, index)| index.parse().ok())
                {
                    acknowledged = index;
                }
            }
        };
        hear(&mut lines.by_ref().take(3 + kill as usize * 7 % 60));
        child.kill().unwrap();
        hear(&mut lines);
        child.wait().unwrap();
        assert!(acknowledged > 0, "kill {kill}: nothing was committed");

        let mut store = open(&data).unwrap();
        let (loaded, rows) = load(&mut store).unwrap();
        assert!(loaded.index >= acknowledged, "kill {kill}: {acknowledged} was lost");
        assert_eq!(rows, history(loaded.index), "kill {kill}");
    }
}

#[test]
fn too_little_room_refuses_and_changes_nothing() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let mut store = open(scratch.path()).unwrap();
    commit_all(&mut store, 1..=1);
    store.room_bytes_min = u64::MAX;
    let refusal = store.commit(&batch(2)).unwrap_err();
    assert!(matches!(refusal, StoreError::Full { .. }) && refusal.is_retryable(), "{refusal}");
    assert_eq!(load(&mut store).unwrap().1, history(1), "reads go on");
    store.room_bytes_min = 0;
    commit_all(&mut store, 2..=3);
    drop(store);
    assert_eq!(load(&mut open(scratch.path()).unwrap()).unwrap().1, history(3));
}

/// A file system of its own with room for the engine and little else; unmounted at the end.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(mib: u64) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(directory.path());
        let mounted = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let _guard = PROCESSES.write();
    let Some(disk) = SmallDisk::mount(24) else {
        println!("skipped: only a user who may mount a tmpfs can fill one");
        return;
    };
    let data = disk.0.path().join("data");
    let ballast = disk.0.path().join("ballast");
    let mut store = open(&data).unwrap();
    let mut index = 0;
    for round in 0..5 {
        commit_all(&mut store, index + 1..=index + 20 + round);
        index += 20 + round;
        let zeros = io::copy(&mut io::repeat(1), &mut File::create(&ballast).unwrap());
        assert!(zeros.is_err(), "the disk is full");
        let mut refusals = 0;
        while refusals < 3 {
            match store.commit(&batch(index + 1)) {
                Ok(()) => index += 1,
                Err(StoreError::Full { .. } | StoreError::InDoubt { is_full: true, .. }) => refusals += 1,
                Err(other) => panic!("round {round}: {other}"),
            }
        }
        fs::remove_file(&ballast).unwrap();
    }
    commit_all(&mut store, index + 1..=index + 1);
    assert_eq!(load(&mut store).unwrap().1, history(index + 1));
    drop(store);
    assert_eq!(load(&mut open(&data).unwrap()).unwrap().1, history(index + 1));
}

#[test]
fn a_store_that_is_given_up_before_it_is_proved_leaves_every_file_as_it_was() {
    let _guard = PROCESSES.read();
    let scratch = scratch();
    let path = scratch.path().join("data");
    commit_all(&mut open(&path).unwrap(), 1..=9);
    // The newest batch is torn, which the engine mends in place when it opens.
    let is_journal = |path: &PathBuf| path.extension().is_some_and(|it| it == "jnl");
    let journal = files(&path.join(ROWS)).into_keys().rfind(is_journal).unwrap();
    let bytes = fs::read(&journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&journal, &bytes[..end - 8]).unwrap();
    let found = files(&path);
    let store = open(&path).unwrap();
    assert_ne!(files(&path.join(ROWS)).get(&journal), found.get(&journal), "the engine has changed it");
    drop(store);
    assert_eq!(files(&path), found);
}
