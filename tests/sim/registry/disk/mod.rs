//! A disk that keeps its word as disks do: what is synced stays, what is not may be lost, torn or there out of order
//! after a power cut, and every call can fail or be the last one of its process.
//!
//! Owns files as bytes; knows nothing of engines and stores.

pub mod engine;
pub mod ground;

use std::collections::BTreeMap;
use std::io;

use crate::chance::Chance;
use crate::registry::tally::Kind;

/// Bytes that a disk writes whole or not at all where there was something before.
const SECTOR_BYTES: usize = 512;

/// A fault that waits for its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process ends within a call.
    Kill,
    /// The power fails within a call.
    PowerCut,
    /// A write has no room for all of it.
    NoRoomHalfWay,
    /// A sync says that there is no room, and has synced.
    NoRoomAfterwards,
    /// A write fails half-way.
    WriteFails,
    /// A sync fails.
    SyncFails,
    /// A read fails.
    ReadFails,
    /// A sync takes seconds.
    Slow,
    /// The engine stops before a batch is written.
    EngineStops,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Sync,
    /// Of names: a rename, a removal.
    Names,
    /// The engine begins a batch.
    Batch,
}

impl Fault {
    fn strikes(self, call: Call) -> bool {
        match self {
            Fault::Kill | Fault::PowerCut => !matches!(call, Call::Read | Call::Batch),
            Fault::NoRoomHalfWay | Fault::WriteFails => call == Call::Write,
            Fault::NoRoomAfterwards | Fault::SyncFails | Fault::Slow => call == Call::Sync,
            Fault::ReadFails => call == Call::Read,
            Fault::EngineStops => call == Call::Batch,
        }
    }
}

/// Something that was done to a file and not synced.
#[derive(Clone, Debug)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A file: what is safe, what a reader sees, and what lies between.
#[derive(Clone, Debug, Default)]
struct File {
    safe: Vec<u8>,
    seen: Vec<u8>,
    pending: Vec<Pending>,
}

/// All files, and what is going to happen to them.
#[derive(Debug)]
pub struct Disk {
    chance: Chance,
    files: BTreeMap<u64, File>,
    next_file: u64,
    names: BTreeMap<String, u64>,
    /// Names that survive a power cut.
    safe_names: BTreeMap<String, u64>,
    /// The fault that waits, and for how many calls of its kind it lets pass.
    armed: Option<(Fault, usize)>,
    /// The process has ended within a call; every later one is nobody's.
    pub is_dead: bool,
    /// It was the power that failed.
    pub is_cut: bool,
    /// A sync has failed: what readers see is not what is on the disk, until the machine is started anew.
    is_doubtful: bool,
    /// No room, as the store sees when it asks.
    pub is_full: bool,
    /// Syncs do nothing: the lie of a mutant.
    pub lies: bool,
    /// Milliseconds that calls have taken beyond what is usual.
    pub delay_ms: u64,
    /// Calls that changed something or tried to, so far.
    pub changing_calls: u64,
}

impl Disk {
    /// An empty disk.
    pub fn new(seed: u64) -> Disk {
        Disk {
            chance: Chance::new(seed),
            files: BTreeMap::new(),
            next_file: 0,
            names: BTreeMap::new(),
            safe_names: BTreeMap::new(),
            armed: None,
            is_dead: false,
            is_cut: false,
            is_doubtful: false,
            is_full: false,
            lies: false,
            delay_ms: 0,
            changing_calls: 0,
        }
    }

    /// Has `fault` strike after so many calls of its kind.
    pub fn arm(&mut self, fault: Fault, calls: usize) {
        self.armed = Some((fault, calls));
    }

    /// Nothing waits any more.
    pub fn disarm(&mut self) {
        self.armed = None;
    }

    /// The fault that waits.
    pub fn armed(&self) -> Option<Fault> {
        self.armed.map(|(fault, _)| fault)
    }

    /// Whether a fault waits.
    pub fn is_armed(&self) -> bool {
        self.armed.is_some()
    }

    /// Everything in a file; `None` when there is no such file.
    pub fn read(&mut self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match self.enter(Call::Read)? {
            Some(Fault::ReadFails) => {
                Kind::ReadFails.count();
                Err(broken())
            }
            _ => Ok(self.names.get(name).map(|file| self.files[file].seen.clone())),
        }
    }

    /// Writes, making the file if need be.
    pub fn write(&mut self, name: &str, at: usize, bytes: &[u8]) -> io::Result<()> {
        let struck = self.enter(Call::Write)?;
        let written = match struck {
            None => bytes.len(),
            // All, nothing or a part of it.
            Some(_) => self.chance.pick(&[0, bytes.len() / 3, bytes.len(), 1.min(bytes.len())]),
        };
        let file = self.file(name);
        file.apply(Pending::Write { at, bytes: bytes[..written].to_vec() });
        match struck {
            Some(Fault::NoRoomHalfWay) => {
                Kind::NoRoomHalfWay.count();
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Some(Fault::WriteFails) => {
                Kind::WriteFails.count();
                Err(broken())
            }
            Some(_) => Err(self.die(struck)),
            None => Ok(()),
        }
    }

    /// Cuts a file, or lengthens it with zeros.
    pub fn set_length(&mut self, name: &str, length: usize) -> io::Result<()> {
        let struck = self.enter(Call::Names)?;
        if struck.is_none() || self.chance.one_in(2) {
            self.file(name).apply(Pending::Length(length));
        }
        if struck.is_some() { Err(self.die(struck)) } else { Ok(()) }
    }

    /// Makes everything in a file safe, and the name of a new one with it, as the file systems of Linux do.
    pub fn sync(&mut self, name: &str) -> io::Result<()> {
        let struck = self.enter(Call::Sync)?;
        let (is_lie, is_done) = (self.lies, self.chance.one_in(2));
        let file = self.file(name);
        match struck {
            Some(Fault::SyncFails) => {
                Kind::SyncFails.count();
                // A reader still sees what was written, and the next sync has nothing to do. What is on the disk is
                // as it was. No program can mend that; so whoever is told of it starts the machine anew.
                file.pending.clear();
                self.is_doubtful = true;
                return Err(broken());
            }
            Some(Fault::Kill | Fault::PowerCut) if !is_done => return Err(self.die(struck)),
            _ if is_lie => {}
            _ => {
                file.make_safe();
                if let Some(number) = self.names.get(name) {
                    self.safe_names.entry(name.to_owned()).or_insert(*number);
                }
            }
        }
        match struck {
            Some(Fault::NoRoomAfterwards) => {
                Kind::NoRoomAfterwards.count();
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            Some(Fault::Slow) => {
                Kind::Slow.count();
                self.delay_ms += 1_000 * (1 + self.chance.below(30)) as u64;
                Ok(())
            }
            Some(_) => Err(self.die(struck)),
            None => Ok(()),
        }
    }

    /// Gives a file another name, in the place of whatever had it.
    pub fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let struck = self.enter(Call::Names)?;
        if (struck.is_none() || self.chance.one_in(2))
            && let Some(file) = self.names.remove(from)
        {
            self.names.insert(to.to_owned(), file);
        }
        if struck.is_some() { Err(self.die(struck)) } else { Ok(()) }
    }

    /// Puts these files in the place of those of their names in one step, as a renamed folder does.
    pub fn swap_in(&mut self, files: &BTreeMap<&'static str, Vec<u8>>) -> io::Result<()> {
        let struck = self.enter(Call::Names)?;
        if struck.is_none() || self.chance.one_in(2) {
            for (name, bytes) in files {
                let file = self.file(name);
                (file.safe, file.seen, file.pending) = (bytes.clone(), bytes.clone(), Vec::new());
            }
        }
        if struck.is_some() { Err(self.die(struck)) } else { Ok(()) }
    }

    /// Makes the names safe.
    pub fn sync_names(&mut self) -> io::Result<()> {
        let struck = self.enter(Call::Sync)?;
        if !self.lies {
            self.safe_names = self.names.clone();
        }
        match struck {
            Some(Fault::Kill | Fault::PowerCut) => Err(self.die(struck)),
            Some(Fault::SyncFails) => {
                Kind::SyncFails.count();
                Err(broken())
            }
            _ => Ok(()),
        }
    }

    /// Whether the engine stops now.
    fn begins_batch(&mut self) -> io::Result<bool> {
        let stops = self.enter(Call::Batch)?.is_some();
        if stops {
            Kind::EngineStops.count();
        }
        Ok(stops)
    }

    /// Takes a call: fails it when the process is dead, and gives the fault that strikes it.
    fn enter(&mut self, call: Call) -> io::Result<Option<Fault>> {
        if self.is_dead {
            return Err(broken());
        }
        if matches!(call, Call::Write | Call::Sync | Call::Names) {
            self.changing_calls += 1;
        }
        match &mut self.armed {
            Some((fault, calls)) if fault.strikes(call) => {
                if *calls > 0 {
                    *calls -= 1;
                    return Ok(None);
                }
                Ok(self.armed.take().map(|(fault, _)| fault))
            }
            _ => Ok(None),
        }
    }

    fn die(&mut self, fault: Option<Fault>) -> io::Error {
        Kind::KilledWithin.count();
        self.is_dead = true;
        self.is_cut = fault == Some(Fault::PowerCut);
        broken()
    }

    fn file(&mut self, name: &str) -> &mut File {
        let number = *self.names.entry(name.to_owned()).or_insert_with(|| {
            self.next_file += 1;
            self.next_file
        });
        self.files.entry(number).or_default()
    }

    /// The process has ended; whoever opens the disk next finds what is left.
    pub fn restart(&mut self) {
        if self.loses_unsynced() {
            self.cut();
        }
        (self.is_dead, self.is_cut, self.is_doubtful) = (false, false, false);
        let used: Vec<u64> = self.names.values().chain(self.safe_names.values()).copied().collect();
        self.files.retain(|number, _| used.contains(number));
    }

    /// Whether the next process finds only what was synced, and the rest by chance.
    pub fn loses_unsynced(&self) -> bool {
        self.is_cut || self.is_doubtful
    }

    /// The power was off: what was not safe is decided by chance.
    fn cut(&mut self) {
        if self.chance.one_in(2) {
            self.names = self.safe_names.clone();
        }
        self.safe_names = self.names.clone();
        for file in self.files.values_mut() {
            file.cut(&mut self.chance);
        }
    }

    /// What a reader sees in a file, past every fault.
    pub fn look(&self, name: &str) -> Option<&[u8]> {
        self.names.get(name).map(|file| self.files[file].seen.as_slice())
    }

    /// All files as a reader sees them.
    pub fn picture(&self) -> BTreeMap<String, Vec<u8>> {
        self.names.iter().map(|(name, file)| (name.clone(), self.files[file].seen.clone())).collect()
    }

    /// Puts files in the place of all that are there: what an operator does with a copy.
    pub fn put_back(&mut self, picture: &BTreeMap<String, Vec<u8>>) {
        (self.files, self.names) = Default::default();
        for (name, bytes) in picture {
            let file = self.file(name);
            file.apply(Pending::Write { at: 0, bytes: bytes.clone() });
            file.make_safe();
        }
        self.safe_names = self.names.clone();
    }

    /// Spoils a file behind everybody's back.
    pub fn harm(&mut self, name: &str, harm: impl FnOnce(&mut Vec<u8>)) {
        if let Some(number) = self.names.get(name)
            && let Some(file) = self.files.get_mut(number)
        {
            harm(&mut file.seen);
            (file.safe, file.pending) = (file.seen.clone(), Vec::new());
        }
    }

    /// Loses a file.
    pub fn lose(&mut self, name: &str) {
        self.names.remove(name);
        self.safe_names.remove(name);
    }
}

impl File {
    fn apply(&mut self, change: Pending) {
        change.apply_to(&mut self.seen);
        self.pending.push(change);
    }

    fn make_safe(&mut self) {
        // What a failed sync has dropped is seen and stays unwritten.
        for change in self.pending.drain(..) {
            change.apply_to(&mut self.safe);
        }
    }

    fn cut(&mut self, chance: &mut Chance) {
        let pending = std::mem::take(&mut self.pending);
        let count = pending.len();
        let (mut kept, mut was_gap, mut is_reordered) = (0, false, false);
        let in_order = chance.one_in(2);
        let prefix = chance.below(count + 1);
        for (number, change) in pending.into_iter().enumerate() {
            let is_kept = if in_order { number < prefix } else { chance.one_in(2) };
            is_reordered |= is_kept && was_gap;
            was_gap |= !is_kept;
            if is_kept {
                kept += 1;
                let change = if chance.one_in(3) { change.torn(&self.safe, chance) } else { change };
                change.apply_to(&mut self.safe);
            }
        }
        if count > kept {
            Kind::Forgotten.count();
        }
        if is_reordered {
            Kind::Reordered.count();
        }
        self.seen = self.safe.clone();
    }
}

impl Pending {
    fn apply_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Pending::Length(length) => bytes.resize(*length, 0),
            Pending::Write { at, bytes: written } => {
                let end = at + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(written);
            }
        }
    }

    /// The beginning of a write: to the byte where the file grew, to the sector where something was before.
    fn torn(self, before: &[u8], chance: &mut Chance) -> Pending {
        let Pending::Write { at, mut bytes } = self else { return self };
        if bytes.len() > 1 {
            Kind::Torn.count();
        }
        let mut length = chance.below(bytes.len().max(1));
        if at + length < before.len() {
            length = length.saturating_sub((at + length) % SECTOR_BYTES);
        }
        bytes.truncate(length);
        Pending::Write { at, bytes }
    }
}

fn broken() -> io::Error {
    io::Error::other("input/output error")
}
