//! A store that somebody damaged: every file of it cut, flipped and removed, in a copy each. The start is refused with the
//! file and the remedy and leaves everything as it found it, or it serves all that was acknowledged. There is no third way.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::{Value, json};

use super::chance::{Chance, seed};
use super::directory::assert_refusal;
use super::files::{copy, names, tree};
use crate::support::process::Process;

/// Instances in the store. With [`META_PAIRS`] they are more than the engine keeps in its memory, so that its tables are
/// there to be damaged as well as its journal.
const INSTANCES: usize = 640;

/// Pairs of 500 bytes that each instance carries.
const META_PAIRS: usize = 60;

/// Flips tried in each file, at places drawn by chance, besides the first byte and the last.
const FLIPS: u64 = 3;

/// Trials side by side: each mostly waits for its server to start.
const TRIALS_AT_A_TIME: usize = 4;

/// What every refusal of a damaged store advises.
const REMEDY: &str = "restore the data directory from a backup";

#[derive(Clone, Copy, Debug)]
enum Damage {
    Removed,
    CutTo(u64),
    /// One bit, at this byte.
    Flipped(u64),
}

impl Damage {
    fn inflict(self, path: &Path) {
        let open = || fs::File::options().read(true).write(true).open(path).expect("a file can be opened");
        match self {
            Damage::Removed => fs::remove_file(path).expect("a file can be removed"),
            Damage::CutTo(length) => open().set_len(length).expect("a file can be cut"),
            Damage::Flipped(at) => {
                let (file, mut byte) = (open(), [0]);
                file.read_exact_at(&mut byte, at).expect("a byte can be read");
                file.write_all_at(&[byte[0] ^ 1], at).expect("a byte can be written");
            }
        }
    }
}

#[test]
fn a_damaged_store_is_refused_untouched_or_complete() {
    let mut chance = Chance::new(seed());
    let base = tempfile::tempdir().expect("a temporary directory");
    let original = base.path().join("original");
    let acknowledged = fill(&original);
    let mut trials: Vec<(PathBuf, Damage)> = Vec::new();
    for name in names(&original) {
        let damages = damages(&original.join(&name), &mut chance);
        trials.extend(damages.into_iter().map(|damage| (name.clone(), damage)));
    }
    let share = trials.len().div_ceil(TRIALS_AT_A_TIME);
    let judge = |trials: &[(PathBuf, Damage)]| {
        let refusals =
            trials.iter().filter(|(name, damage)| is_refused(&original, name, *damage, &acknowledged));
        refusals.count()
    };
    let refused: usize = thread::scope(|scope| {
        let shares: Vec<_> = trials.chunks(share).map(|share| scope.spawn(|| judge(share))).collect();
        shares.into_iter().map(|share| share.join().expect("no trial of this share failed")).sum()
    });
    let complete = trials.len() - refused;
    println!("{refused} damages refused, {complete} without consequence");
    assert!(refused > 0 && complete > 0, "both ways were seen: {refused} refused, {complete} complete");
}

/// Whether a start on a copy with this damage is refused; it serves everything otherwise.
fn is_refused(original: &Path, name: &Path, damage: Damage, acknowledged: &Value) -> bool {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let copied = directory.path().join("copy");
    copy(original, &copied);
    damage.inflict(&copied.join(name));
    let before = tree(&copied);
    let what = format!("{} {damage:?}", name.display());
    let started = Process::muster_on(&copied, &[]);
    match &started {
        Ok(process) => assert!(shown(process) == *acknowledged, "{what}: it serves something else"),
        Err(said) => {
            let place = copied.to_str().expect("a path in UTF-8");
            assert_refusal(said, &[place, REMEDY], &what);
            assert!(names_a_part(said, place), "{what}: it names the file or folder: {said}");
            assert!(tree(&copied) == before, "{what}: the files are as they were");
        }
    }
    started.is_err()
}

/// Fills a store, kills its server, and gives what it showed.
fn fill(data_dir: &Path) -> Value {
    let mut process = Process::muster_on(data_dir, &[]).expect("muster starts");
    let mut client = process.client();
    let meta: serde_json::Map<String, Value> =
        (0..META_PAIRS).map(|at| (format!("key-{at}"), json!("x".repeat(500)))).collect();
    for at in 0..INSTANCES {
        let body = json!({"ID": format!("id-{at}"), "Name": "web", "Port": 1 + at, "Meta": meta});
        let answer = client.put("/v1/agent/service/register", &body.to_string()).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    for at in (0..INSTANCES).step_by(3) {
        let answer = client.put(&format!("/v1/agent/service/deregister/id-{at}"), "").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let acknowledged = shown(&process);
    process.kill();
    acknowledged
}

fn shown(process: &Process) -> Value {
    process.client().get("/v1/agent/services").expect("an answer").json()
}

/// What is done to one file: removed, cut to nothing, in half and by a byte, flipped at both ends and between. A journal
/// ends in room to grow; the last byte that matters is the last that is not zero.
fn damages(path: &Path, chance: &mut Chance) -> Vec<Damage> {
    let bytes = fs::read(path).expect("a file can be read");
    let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else { return vec![Damage::Removed] };
    let written = last as u64 + 1;
    let mut damages =
        vec![Damage::Removed, Damage::CutTo(0), Damage::CutTo(written / 2), Damage::CutTo(written - 1)];
    damages.extend([Damage::Flipped(0), Damage::Flipped(last as u64)]);
    damages.extend((0..FLIPS).map(|_| Damage::Flipped(chance.below(written))));
    damages
}

/// Whether the sentence names something inside the directory, not only the directory.
fn names_a_part(said: &str, place: &str) -> bool {
    said.match_indices(place).any(|(at, _)| said[at + place.len()..].starts_with('/'))
}
