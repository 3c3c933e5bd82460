//! A disk with a cache, as a model: what is on it for certain, what is only on its way, and what a power cut may leave of
//! that. Strict where file systems differ: a name is durable only when its directory was synced, the bytes of a file only
//! when the file was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::chance::Chance;
use crate::record::Call;

/// The unit that reaches a disk whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// What a power cut leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Everything, as after SIGKILL.
    Keeps,
    /// Nothing.
    Drops,
    /// All names and lengths, no bytes: lengthened files read as zeros.
    KeepsNames,
    /// All bytes of files, no names.
    KeepsBytes,
    /// The first so many of the changed names, and of each file any sectors, torn anywhere.
    Tears,
}

pub const CUTS: [Cut; 5] = [Cut::Keeps, Cut::Drops, Cut::KeepsNames, Cut::KeepsBytes, Cut::Tears];

/// A file's length and its sectors that are not zeros.
#[derive(Clone, Default)]
struct Content {
    length: u64,
    sectors: BTreeMap<u64, [u8; SECTOR_BYTES as usize]>,
}

impl Content {
    fn write(&mut self, offset: u64, data: &[u8]) {
        let (mut at, end) = (offset, offset + data.len() as u64);
        while at < end {
            let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
            let sector = self.sectors.entry(at / SECTOR_BYTES).or_insert([0; SECTOR_BYTES as usize]);
            let within = (at % SECTOR_BYTES) as usize;
            let piece = &data[(at - offset) as usize..(next - offset) as usize];
            sector[within..within + piece.len()].copy_from_slice(piece);
            at = next;
        }
        self.length = self.length.max(end);
    }

    fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.sectors.retain(|sector, _| sector * SECTOR_BYTES < length);
            if let Some(last) = self.sectors.get_mut(&(length / SECTOR_BYTES)) {
                last[(length % SECTOR_BYTES) as usize..].fill(0);
            }
        }
        self.length = length;
    }

    fn put(&self, path: &Path) {
        let file = File::create(path).expect("a file can be made");
        file.set_len(self.length).expect("a file can be lengthened");
        for (sector, bytes) in &self.sectors {
            let at = sector * SECTOR_BYTES;
            let count = SECTOR_BYTES.min(self.length.saturating_sub(at)) as usize;
            file.write_all_at(&bytes[..count], at).expect("a file can be written");
        }
    }
}

/// A change of a file that is on its way.
#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Clone, Default)]
struct Inode {
    durable: Content,
    /// In their order.
    pending: Vec<Change>,
}

impl Inode {
    fn after(&self, cut: Cut, chance: &mut Chance) -> Content {
        let mut content = self.durable.clone();
        for change in &self.pending {
            match (change, cut) {
                (_, Cut::Drops) => {}
                (Change::Length(length), _) => content.set_length(*length),
                (Change::Write(offset, data), Cut::Keeps | Cut::KeepsBytes) => content.write(*offset, data),
                (Change::Write(offset, data), Cut::KeepsNames) => {
                    content.length = content.length.max(offset + data.len() as u64);
                }
                (Change::Write(offset, data), Cut::Tears) => tear(&mut content, *offset, data, chance),
            }
        }
        content
    }
}

/// Each sector of a write gets to the disk or does not; the length does if the last one did, or by chance.
fn tear(content: &mut Content, offset: u64, data: &[u8], chance: &mut Chance) {
    let end = offset + data.len() as u64;
    let mut at = offset;
    while at < end {
        let next = ((at / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
        if chance.below(2) == 0 {
            content.write(at, &data[(at - offset) as usize..(next - offset) as usize]);
        }
        at = next;
    }
    if chance.below(2) == 0 {
        content.length = content.length.max(end);
    }
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Directory,
    File(usize),
}

/// A change of names that is on its way: set or removed.
type Naming = Vec<(String, Option<Entry>)>;

/// The disk.
#[derive(Clone, Default)]
pub struct Disk {
    inodes: Vec<Inode>,
    /// Names as the running system sees them.
    names: BTreeMap<String, Entry>,
    durable_names: BTreeMap<String, Entry>,
    /// In their order; one call each.
    pending_names: Vec<Naming>,
}

impl Disk {
    /// Takes a call that has succeeded.
    pub fn apply(&mut self, call: &Call) {
        match call {
            Call::Create(path) => {
                self.inodes.push(Inode::default());
                self.name(vec![(path.clone(), Some(Entry::File(self.inodes.len() - 1)))]);
            }
            Call::MakeDirectory(path) => self.name(vec![(path.clone(), Some(Entry::Directory))]),
            Call::Write { path, offset, data } => {
                self.change(path, Change::Write(*offset, data.clone()));
            }
            Call::Truncate { path, length } => self.change(path, Change::Length(*length)),
            Call::Sync(path) => self.sync(path),
            Call::Rename { from, to } => {
                let below = format!("{from}/");
                let moved: Vec<(String, Entry)> = self
                    .names
                    .iter()
                    .filter(|(name, _)| *name == from || name.starts_with(&below))
                    .map(|(name, entry)| (name.clone(), *entry))
                    .collect();
                let removed = moved.iter().map(|(name, _)| (name.clone(), None));
                let added =
                    moved.iter().map(|(name, entry)| (format!("{to}{}", &name[from.len()..]), Some(*entry)));
                self.name(removed.chain(added).collect());
            }
            Call::Link { from, to } => {
                let entry = self.names[from];
                self.name(vec![(to.clone(), Some(entry))]);
            }
            Call::Unlink(path) | Call::RemoveDirectory(path) => self.name(vec![(path.clone(), None)]),
        }
    }

    fn name(&mut self, naming: Naming) {
        apply_naming(&mut self.names, &naming);
        self.pending_names.push(naming);
    }

    /// A write to a file that has lost its name changes nothing that could be found again.
    fn change(&mut self, path: &str, change: Change) {
        if let Some(Entry::File(inode)) = self.names.get(path) {
            self.inodes[*inode].pending.push(change);
        }
    }

    /// Of a file its bytes; of a directory the names in it, with what those calls did elsewhere.
    fn sync(&mut self, path: &str) {
        if let Some(Entry::File(inode)) = self.names.get(path) {
            let inode = &mut self.inodes[*inode];
            inode.durable = inode.after(Cut::Keeps, &mut Chance::new(0));
            inode.pending.clear();
            return;
        }
        let is_in = |name: &str| match name.rsplit_once('/') {
            Some((parent, _)) => parent == path,
            None => path == ".",
        };
        let (synced, others): (Vec<Naming>, Vec<Naming>) = std::mem::take(&mut self.pending_names)
            .into_iter()
            .partition(|naming| naming.iter().any(|(name, _)| is_in(name)));
        synced.iter().for_each(|naming| apply_naming(&mut self.durable_names, naming));
        self.pending_names = others;
    }

    /// Builds at `to` what a power cut at this moment leaves.
    pub fn put(&self, cut: Cut, chance: &mut Chance, to: &Path) {
        let kept = match cut {
            Cut::Keeps | Cut::KeepsNames => self.pending_names.len(),
            Cut::Drops | Cut::KeepsBytes => 0,
            Cut::Tears => chance.below(self.pending_names.len() as u64 + 1) as usize,
        };
        let mut names = self.durable_names.clone();
        self.pending_names[..kept].iter().for_each(|naming| apply_naming(&mut names, naming));
        fs::create_dir_all(to).expect("a directory can be made");
        let mut made: BTreeMap<usize, PathBuf> = BTreeMap::new();
        // What is in a directory that is not there cannot be found.
        let mut directories = BTreeSet::from([String::new()]);
        for (name, entry) in &names {
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            if name == "." || !directories.contains(parent) {
                continue;
            }
            let path = to.join(name);
            match entry {
                Entry::Directory => {
                    fs::create_dir(&path).expect("a directory can be made");
                    directories.insert(name.clone());
                }
                Entry::File(inode) => match made.get(inode) {
                    Some(first) => fs::hard_link(first, &path).expect("a file can be linked"),
                    None => {
                        self.inodes[*inode].after(cut, chance).put(&path);
                        made.insert(*inode, path);
                    }
                },
            }
        }
    }
}

fn apply_naming(names: &mut BTreeMap<String, Entry>, naming: &Naming) {
    for (name, entry) in naming {
        match entry {
            Some(entry) => names.insert(name.clone(), *entry),
            None => names.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &str, offset: u64, data: &str) -> Call {
        Call::Write { path: path.into(), offset, data: data.into() }
    }

    #[test]
    fn what_was_not_synced_may_be_gone() {
        let calls = [
            Call::Create("a".into()),
            write("a", 0, "synced"),
            Call::Sync("a".into()),
            Call::Sync(".".into()),
            write("a", 6, " and not"),
            Call::Create("b".into()),
            write("b", 0, "named"),
            Call::Sync("b".into()),
        ];
        let mut disk = Disk::default();
        calls.iter().for_each(|call| disk.apply(call));
        let expected = [
            (Cut::Keeps, Some("synced and not"), Some("named")),
            (Cut::Drops, Some("synced"), None),
            (Cut::KeepsNames, Some("synced\0\0\0\0\0\0\0\0"), Some("named")),
            (Cut::KeepsBytes, Some("synced and not"), None),
        ];
        for (cut, a, b) in expected {
            let scratch = crate::trial::scratch();
            disk.put(cut, &mut Chance::new(1), &scratch.path().join("disk"));
            let read = |name: &str| fs::read_to_string(scratch.path().join("disk").join(name)).ok();
            assert_eq!((read("a").as_deref(), read("b").as_deref()), (a, b), "{cut:?}");
        }
    }
}
