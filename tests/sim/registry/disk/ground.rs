//! The ground that the embedded store stands on in the simulation: the model's disk and engine, and a witness file of
//! the very bytes that are written in earnest.

use std::collections::BTreeMap;
use std::path::Path;

use muster::store::checksums::RowChecksum;
use muster::store::commit_marker::{self, SLOT_BYTES};
use muster::store::embedded::backend::StorageBackend;
use muster::store::embedded::{self, engine};
use muster::store::error::StoreError;
use muster::store::identity::{FORMAT, Identity};

use crate::registry::disk::Disk;
use crate::registry::disk::engine::{JOURNAL, ModelEngine, SharedDisk, Slip, TABLE, hold};
use crate::registry::mutants::Mutant;
use crate::registry::tally::Kind;

/// The witness's file.
pub const WITNESS: &str = "witness";

/// The file that says whose rows these are.
const IDENTITY: &str = "identity";
const IDENTITY_UNFINISHED: &str = "identity.new";

/// Where the store is, in words.
const PATH: &str = "data";

/// The disk as the store's ground.
pub struct ModelGround {
    disk: SharedDisk,
    identity: Identity,
    slip: Option<Slip>,
    mutant: Option<Mutant>,
}

/// The engine's files as they were.
pub struct Picture(BTreeMap<&'static str, Vec<u8>>);

impl ModelGround {
    /// Lays out an empty store on an empty disk, as the directory of that number.
    pub fn lay_out(disk: &SharedDisk, number: u64) {
        let engine = ModelEngine::open(disk, None).expect("an empty disk opens");
        embedded::begin(&engine).expect("nothing is armed yet");
        let (_, slot) = commit_marker::record(RowChecksum::default());
        let mut disk = hold(disk);
        disk.write(WITNESS, 0, &[slot, slot].concat()).expect("nothing is armed yet");
        disk.sync(WITNESS).expect("nothing is armed yet");
        let identity = Identity {
            format: FORMAT,
            node_id: uuid::Uuid::from_u128(number.into()),
            created_at: ModelGround::owner(number),
            complete: true,
        };
        disk.write(IDENTITY, 0, &encode(&identity)).expect("nothing is armed yet");
        disk.sync(IDENTITY).expect("nothing is armed yet");
        disk.sync_names().expect("nothing is armed yet");
    }

    /// What names the directory of that number.
    pub fn owner(number: u64) -> String {
        format!("directory {number}")
    }

    /// The ground as a start finds it, with the last seal that its witness remembers.
    ///
    /// # Errors
    /// What is wrong with the witness.
    pub fn find(
        disk: &SharedDisk,
        slip: Option<Slip>,
        mutant: Option<Mutant>,
    ) -> Result<(ModelGround, RowChecksum), StoreError> {
        let damaged = |detail: &str| StoreError::Damaged { path: WITNESS.into(), detail: detail.into() };
        let bytes = hold(disk).read(WITNESS).map_err(|error| failed(&error))?;
        let bytes = bytes.ok_or_else(|| damaged("it is missing"))?;
        if bytes.len() != 2 * SLOT_BYTES {
            return Err(damaged("it has another length"));
        }
        let seen =
            commit_marker::newest(&bytes).ok_or_else(|| damaged("neither of its two records reads"))?;
        let seen = if mutant == Some(Mutant::HeedsNoWitness) { RowChecksum::default() } else { seen };
        let identity = hold(disk).look(IDENTITY).map(serde_json::from_slice);
        let identity = identity.expect("no life harms it").expect("it is replaced in one step");
        Ok((ModelGround { disk: disk.clone(), identity, slip, mutant }, seen))
    }
}

impl StorageBackend for ModelGround {
    type Engine = ModelEngine;
    type Backup = Picture;

    fn path(&self) -> &Path {
        PATH.as_ref()
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn adopt_node(&mut self, node_id: uuid::Uuid) -> Result<(), StoreError> {
        self.identity.node_id = node_id;
        let text = encode(&self.identity);
        let replace = |disk: &mut Disk| {
            disk.set_length(IDENTITY_UNFINISHED, 0)?;
            disk.write(IDENTITY_UNFINISHED, 0, &text)?;
            disk.sync(IDENTITY_UNFINISHED)?;
            disk.rename(IDENTITY_UNFINISHED, IDENTITY)?;
            disk.sync_names()
        };
        replace(&mut hold(&self.disk)).map_err(|error| failed(&error))
    }

    fn open_engine(&mut self) -> Result<(ModelEngine, Picture), StoreError> {
        let look = |name: &'static str| Some((name, hold(&self.disk).look(name)?.to_vec()));
        let picture = Picture([JOURNAL, TABLE].into_iter().filter_map(look).collect());
        if picture.0.is_empty() {
            return Err(StoreError::Damaged { path: PATH.into(), detail: "the rows are missing".into() });
        }
        match ModelEngine::open(&self.disk, self.slip) {
            Ok(engine) => Ok((engine, picture)),
            Err(fault) => {
                self.restore(picture);
                Err(match fault {
                    engine::EngineFault::Full(detail) => StoreError::Full { path: PATH.into(), detail },
                    engine::EngineFault::Content(detail) => StoreError::Damaged { path: PATH.into(), detail },
                    engine::EngineFault::Disk(detail) => StoreError::Failed { path: PATH.into(), detail },
                    engine::EngineFault::Stopped => unreachable!("it is not open yet"),
                })
            }
        }
    }

    fn release(&mut self, _: Picture) -> Result<(), StoreError> {
        Ok(())
    }

    fn restore(&mut self, picture: Picture) {
        if self.mutant == Some(Mutant::PutsNothingBack) {
            return;
        }
        // Whoever dies here is found out at the next start; what went wrong before is told already.
        hold(&self.disk).swap_in(&picture.0).ok();
    }

    fn drop_last_batch(&mut self) -> Result<(), StoreError> {
        let mut disk = hold(&self.disk);
        let length = disk.look(JOURNAL).map_or(0, <[u8]>::len);
        let cut = disk.set_length(JOURNAL, length.saturating_sub(1)).and_then(|()| disk.sync(JOURNAL));
        cut.map_err(|error| failed(&error))
    }

    fn require_room(&self, _: u64) -> Result<(), StoreError> {
        let disk = hold(&self.disk);
        if disk.is_full && !disk.is_dead {
            Kind::NoRoom.count();
            return Err(StoreError::Full { path: PATH.into(), detail: "nothing is free".into() });
        }
        Ok(())
    }

    fn try_out_room(&self) -> Result<(), StoreError> {
        self.require_room(0)
    }

    fn remember(&mut self, seal: RowChecksum) -> Result<(), StoreError> {
        let (at, slot) = commit_marker::record(seal);
        hold(&self.disk).write(WITNESS, at as usize, &slot).map_err(|error| failed(&error))
    }

    fn allocated_bytes(&self) -> u64 {
        hold(&self.disk).picture().values().map(|bytes| bytes.len() as u64).sum()
    }
}

fn encode(identity: &Identity) -> Vec<u8> {
    serde_json::to_vec(identity).expect("a struct of texts and numbers always encodes")
}

fn failed(error: &std::io::Error) -> StoreError {
    StoreError::Failed { path: WITNESS.into(), detail: error.to_string() }
}
