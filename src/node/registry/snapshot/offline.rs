//! A snapshot as a data directory, for an agent that is going to start on it and so shows nothing before it has all.

use std::fs;
use std::io::{ErrorKind, Seek};
use std::path::{Path, PathBuf};

use crate::base::sys::file::open as opened;
use crate::core::catalog::change::CatalogChange;
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::rows;
use crate::node::registry::snapshot::decoded::{self, Item, ReadStop};
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::store::directory;
use crate::store::embedded::recovery::RecoveryBuild;
use crate::store::error::StoreError;
use crate::store::identity::Identity;
use crate::store::private;
use crate::store::restoring::InPlaceRestore;
use crate::store::snapshot::decode::Contents;
use crate::store::snapshot::format::SnapshotHeader;

/// Makes `into`, which must not be there or be empty, a data directory with everything that the snapshot `file` holds.
/// It belongs to the node that the snapshot is of, whatever the agent will be called that starts on it. There is all of
/// it or nothing under that name, whenever the process ends.
///
/// No row is held: they are judged one by one, and then written a few at a time. Some thirty bytes are remembered of
/// each, to know what refers to what.
///
/// Checks that run a program are taken as they are: no start runs one that its definition files do not hold.
///
/// # Errors
/// A sentence with the remedy.
pub fn make(file: &Path, into: &Path, rules: &RowRules, now: jiff::Timestamp) -> Result<Contents, String> {
    let unreadable = |error: &dyn std::fmt::Display| format!("{} is not restored: {error}", file.display());
    let opened = opened(file);
    let mut input =
        opened.map_err(|error| unreadable(&format!("{error}; look at its path and permissions")))?;
    refuse_taken(into)?;
    let mut has_own = false;
    let mut look = |header: &SnapshotHeader, item: Item, _: usize| {
        has_own |= is_own(header, &item);
        Ok(())
    };
    let contents = decoded::walk(&input, rules, |_| (), &mut look);
    let header = contents.map_err(|error| unreadable(&error))?.header;
    let node_id: uuid::Uuid = header.node_id.parse().map_err(|error| unreadable(&error))?;
    if !has_own {
        return Err(unreadable(
            &"it does not hold the node of the agent that it says it is of; use another one",
        ));
    }
    let identity = Identity { node_id, ..Identity::generate(now) };
    input.rewind().map_err(|error| unreadable(&error))?;
    let mut made = None;
    whole(into, |unfinished| {
        let failed = |error: StoreError| not_made(into, &error);
        let (mut making, mut fault) =
            (RecoveryBuild::begin(unfinished, &identity, header.index).map_err(failed)?, None);
        let mut put = |_: &SnapshotHeader, item: Item, _: usize| {
            let row = match item {
                Item::Record(record) => rows::row(&record),
                Item::Pair(pair) => rows::pair_row(&pair),
                Item::Acl(record) => rows::acl_row(&record, &*rules.seal),
                Item::Transition(entry) => rows::transition_row(&HistoryEntry { is_restored: true, ..entry }),
            };
            making.put(row).map_err(|error| {
                fault = Some(failed(error));
                ReadStop::Ruled(String::new())
            })
        };
        let contents = decoded::walk(&input, rules, |_| (), &mut put);
        made = Some(contents.map_err(|error| fault.unwrap_or_else(|| unreadable(&error)))?);
        making.end().map_err(failed)
    })?;
    made.ok_or_else(|| unreadable(&"it is not read"))
}

/// Why a store that is being made is not.
pub fn not_made(into: &Path, error: &StoreError) -> String {
    format!("{} is not made: {}", into.display(), error.offline())
}

/// Whether that is the node of the agent which the snapshot is of. By its id the agent knows its node again, and with
/// that what it keeps.
fn is_own(header: &SnapshotHeader, item: &Item) -> bool {
    let Item::Record(CatalogChange::Node { after: Some(node), .. }) = item else { return false };
    let ids = [node.id.parse::<uuid::Uuid>(), header.node_id.parse()];
    matches!(ids, [Ok(its), Ok(own)] if its == own)
}

/// Makes a directory by `write`, which gets another name for it until it is whole. What is not whole is removed; what a
/// process that was killed has left is removed by the next one. One that is there and empty is filled in place.
///
/// # Errors
/// That of `write`, and a sentence also when there is something in it already.
pub fn whole(into: &Path, write: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    refuse_taken(into)?;
    if into.exists() {
        return fill(into, write);
    }
    let unfinished = beside(into);
    let failed = |error: &dyn std::fmt::Display| format!("{} is not made: {error}", into.display());
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|error| failed(&error))?;
    }
    let made = write(&unfinished).and_then(|()| {
        fs::rename(&unfinished, into).map_err(|error| failed(&error))?;
        private::sync_directory_of(into).map_err(|error| failed(&error))
    });
    made.map_err(|sentence| match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            format!("{sentence}. {} is left of it, and may be removed", unfinished.display())
        }
        _ => sentence,
    })
}

/// As [`whole`], of a directory that is there and must stay the same one.
fn fill(into: &Path, write: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    let failed = |error: StoreError| not_made(into, &error);
    let filling = InPlaceRestore::begin(into).map_err(failed)?;
    if let Err(sentence) = write(&filling.parts_directory()) {
        return Err(match filling.abandon() {
            Ok(()) => sentence,
            Err(error) => format!("{sentence}. What is left of it may be removed: {}", error.offline()),
        });
    }
    filling.finish().map_err(failed)
}

fn refuse_taken(into: &Path) -> Result<(), String> {
    let place = into.display();
    match directory::taken_by(into) {
        _ if fs::symlink_metadata(into).is_err_and(|error| error.kind() == ErrorKind::NotFound) => Ok(()),
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(format!(
            "{place} is there already, and {name:?} in it: give a directory that is not there, or an empty one"
        )),
        Err(_) if into.is_file() => {
            Err(format!("{place} is there already, and is a file: give another place"))
        }
        Err(error) => Err(not_made(into, &error)),
    }
}

/// The name under which the directory is made.
fn beside(into: &Path) -> PathBuf {
    let mut name = into.as_os_str().to_owned();
    name.push(".restoring");
    name.into()
}
