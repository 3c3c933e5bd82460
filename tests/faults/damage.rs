//! Damage everywhere: every file of a small store cut to every length, and with every single bit flipped, in a copy each.
//! A start gives back everything that was acknowledged, or it refuses with the file and the remedy and leaves the files as
//! it found them. Where a file is mostly room to grow, which is zeros, that room is sampled.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use muster::store::rows::Store;

use crate::chance::{Chance, seed};
use crate::script::{batch, history, start};
use crate::trial::{scratch, side_by_side};

/// Batches in the store.
const BATCHES: u64 = 3;

/// Damages tried in a short run.
const TRIALS: u64 = 3_000;

/// Bytes after the last used one that are damaged like used ones, and places drawn in the room beyond.
const ROOM: (u64, u64) = (64, 64);

/// A start on a damaged store that takes longer hangs: three orders above what one takes.
const HUNG_AFTER: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Damage {
    CutTo(u64),
    Flipped { byte: u64, bit: u32 },
}

/// A file: its length, and its bytes up to the last that is not zero.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    length: u64,
    used: Vec<u8>,
}

type Tree = BTreeMap<PathBuf, Kept>;

#[test]
fn no_damage_passes_unnoticed() {
    quieten_workers();
    let scratch = scratch();
    let mut chance = Chance::new(seed());
    let (mut whole, mut refused, mut wrong) = (0, 0, Vec::new());
    for (name, original) in stores(scratch.path()) {
        let mut damages = damages(&original, &mut chance);
        let (files, count) = (original.len(), damages.len());
        if !crate::all() {
            let trials = (TRIALS / 2).min(damages.len() as u64);
            damages = (0..trials).map(|_| damages[chance.below(count as u64) as usize].clone()).collect();
        }
        let found = side_by_side(&damages, |(path, damage)| {
            judge(&original, path, *damage)
                .map_err(|said| format!("{name}: {}: {damage:?}: {said}", path.display()))
        });
        whole += found.iter().filter(|it| **it == Ok(true)).count();
        refused += found.iter().filter(|it| **it == Ok(false)).count();
        wrong.extend(found.into_iter().filter_map(Result::err));
        println!("{name}: {files} files, {count} damages, {} tried", damages.len());
    }
    println!("{whole} came back whole, {refused} were refused, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong[..wrong.len().min(40)].join("\n"));
    assert!(whole > 0 && refused > 0, "both ways were seen");
}

/// The engine panics on some damaged bytes, which is caught; a hundred thousand backtraces would hide the rest. It does so on
/// threads of its own, on that which reads its rows, and on the workers of this test, which have no names.
fn quieten_workers() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if thread::current().name().is_some_and(|name| !name.contains("fjall") && name != "rows") {
            tell(info);
        }
    }));
}

/// One store as a killed process leaves it, with its rows in the journal, and one whose rows went to tables.
fn stores(scratch: &Path) -> [(&'static str, Tree); 2] {
    let alive = scratch.join("alive");
    let (mut store, ..) = start(&alive).expect("a new store");
    (1..=BATCHES).for_each(|index| store.commit(&batch(index)).expect("a commit"));
    let killed = take(&alive);
    drop(store);
    let tables = scratch.join("tables");
    let (mut store, ..) = start(&tables).expect("a new store");
    let mut index = 0;
    while index < BATCHES || !has_tables(&tables) {
        index = index % BATCHES + 1;
        store.commit(&batch(index)).expect("a commit");
    }
    while index < BATCHES {
        index += 1;
        store.commit(&batch(index)).expect("a commit");
    }
    drop(store);
    [("killed", killed), ("with tables", take(&tables))]
}

fn has_tables(path: &Path) -> bool {
    let tables = fs::read_dir(path.join("rows/keyspaces/1/tables"));
    tables.is_ok_and(|mut entries| entries.next().is_some())
}

/// Everything to be tried on these files; the lock file means nothing.
fn damages(tree: &Tree, chance: &mut Chance) -> Vec<(PathBuf, Damage)> {
    let mut all = Vec::new();
    for (path, Kept { length, used }) in tree.iter().filter(|(path, _)| !path.ends_with("LOCK")) {
        let near = (used.len() as u64 + ROOM.0).min(*length);
        let far: Vec<u64> = match length - near {
            0 => Vec::new(),
            room => (0..ROOM.1).map(|_| near + chance.below(room)).collect(),
        };
        let bytes = || (0..near).chain(far.iter().copied());
        all.extend(bytes().map(|length| (path.clone(), Damage::CutTo(length))));
        all.extend(
            bytes().flat_map(|byte| (0..8).map(move |bit| (path.clone(), Damage::Flipped { byte, bit }))),
        );
    }
    all
}

/// Whether a start on a copy with this damage gives everything back; `false` when it is refused as it should be.
fn judge(original: &Tree, path: &Path, damage: Damage) -> Result<bool, String> {
    let scratch = scratch();
    let copy = scratch.path().join("data");
    put(original, &copy);
    let file = File::options().read(true).write(true).open(copy.join(path)).expect("a file can be opened");
    match damage {
        Damage::CutTo(length) => file.set_len(length).expect("a file can be cut"),
        Damage::Flipped { byte, bit } => {
            let mut old = [0];
            file.read_exact_at(&mut old, byte).expect("a byte can be read");
            file.write_all_at(&[old[0] ^ (1 << bit)], byte).expect("a byte can be written");
        }
    }
    let damaged = take(&copy);
    let begun = Instant::now();
    let started = start(&copy);
    if begun.elapsed() > HUNG_AFTER {
        return Err(format!("it took {:?}", begun.elapsed()));
    }
    match started {
        Ok((_, _, rows)) if rows == history(BATCHES) => Ok(true),
        Ok((_, index, _)) => Err(format!("rows were lost or altered without a word at {index}")),
        Err(error) => {
            let said = error.to_string();
            let is_named = said.contains(&copy.display().to_string());
            let remedies = ["restore the data directory from a backup", "Run the version that wrote it"];
            if !is_named || !remedies.iter().any(|remedy| said.contains(remedy)) {
                return Err(format!("neither file nor remedy: {said}"));
            }
            let now = take(&copy);
            match damaged.iter().find(|(path, kept)| !path.ends_with("LOCK") && now.get(*path) != Some(*kept))
            {
                Some((touched, _)) => Err(format!("the refused start touched {}", touched.display())),
                None => Ok(false),
            }
        }
    }
}

/// Every file below `path`.
fn take(path: &Path) -> Tree {
    let (mut tree, mut folders) = (Tree::new(), vec![path.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder can be listed") {
            let entry = entry.expect("an entry can be read").path();
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let kept = keep(&entry);
                tree.insert(entry.strip_prefix(path).expect("it is below").to_path_buf(), kept);
            }
        }
    }
    tree
}

/// Reads a file up to its room to grow: that of a journal is megabytes of holes.
fn keep(path: &Path) -> Kept {
    const PIECE: usize = 16 * 1024;
    let file = File::open(path).expect("a file can be opened");
    let length = file.metadata().expect("a file can be examined").len();
    // Small stores have all that is used in their first pieces; one flipped bit in the room beyond is looked for at its
    // place by the file system's own account of holes.
    let mut used = Vec::new();
    let mut at = 0;
    while at < length {
        at = match rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(_) => break,
        };
        let mut piece = vec![0; PIECE.min((length - at) as usize)];
        file.read_exact_at(&mut piece, at).expect("a piece can be read");
        used.resize(at as usize, 0);
        used.extend(&piece);
        at += piece.len() as u64;
    }
    let end = used.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    used.truncate(end);
    Kept { length, used }
}

fn put(tree: &Tree, to: &Path) {
    fs::create_dir(to).expect("a folder can be made");
    for (path, Kept { length, used }) in tree {
        let path = to.join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        let file = File::create(&path).expect("a file can be made");
        file.write_all_at(used, 0).expect("a file can be written");
        file.set_len(*length).expect("a file can be lengthened");
    }
}
