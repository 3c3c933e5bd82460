//! What the engine takes from its files without checking it first, checked before it opens them. A damaged number there
//! makes it ask for as much memory as the number says, which ends the process without a word.
//!
//! - Of each tree a file says which list of tables is in force and what its checksum is (`current`: the number, then
//!   XXH3 with 128 bits, both little-endian). The engine does not look at the checksum.
//! - A table ends in its table of contents and a trailer: `SFA!`, version and kind of checksum (a byte each), the XXH3
//!   of the contents (16 bytes), their position (8), their length (8). The engine reads all of the contents and looks
//!   at the checksum then.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

use crate::base::sys::file::{self, LIST_BYTES_MAX};

/// The folder of the engine's trees, one a folder.
const TREES: &str = "keyspaces";

/// The file that says which list is in force.
const CURRENT: &str = "current";

/// The folder of a tree's tables.
const TABLES: &str = "tables";

/// How a table's trailer begins: its name, the version and the kind of checksum that are known here.
const TRAILER_BEGIN: [u8; 6] = *b"SFA!\x01\x00";

/// Bytes of a trailer.
const TRAILER_BYTES: usize = TRAILER_BEGIN.len() + 16 + 8 + 8;

/// Whether the lists and the tables of contents in the engine's files at `path` are as they were written. A file that
/// is not there, or is no table at all, is left for the engine to miss.
///
/// # Errors
/// A sentence that names the file.
pub fn check(path: &Path) -> Result<(), String> {
    let trees = match fs::read_dir(path.join(TREES)) {
        Ok(trees) => trees,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", path.join(TREES).display())),
    };
    trees.filter_map(Result::ok).try_for_each(|tree| {
        check_list(&tree.path())?;
        let tables = fs::read_dir(tree.path().join(TABLES)).into_iter().flatten();
        tables.filter_map(Result::ok).try_for_each(|table| check_contents(&table.path()))
    })
}

fn check_list(tree: &Path) -> Result<(), String> {
    let Ok(current) = file::read(&tree.join(CURRENT), LIST_BYTES_MAX) else { return Ok(()) };
    let (number, checksum) = read(&current)
        .ok_or_else(|| format!("{} has {} bytes", tree.join(CURRENT).display(), current.len()))?;
    let list = tree.join(format!("v{number}"));
    match file::read(&list, LIST_BYTES_MAX) {
        Ok(bytes) if xxh3_128(&bytes) != checksum => Err(format!(
            "{} or {} is not as it was written: their checksums differ",
            list.display(),
            tree.join(CURRENT).display()
        )),
        _ => Ok(()),
    }
}

fn check_contents(table: &Path) -> Result<(), String> {
    match contents(table) {
        Ok(Some((contents, checksum))) if xxh3_128(&contents) != checksum => {
            Err(format!("the table of contents of {} is not as it was written", table.display()))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {error}", table.display())),
    }
}

/// A table's table of contents and its checksum.
fn contents(table: &Path) -> io::Result<Option<(Vec<u8>, u128)>> {
    let file = file::open(table)?;
    let Some(end) = file.metadata()?.len().checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, end)?;
    let Some((checksum, rest)) = trailer.strip_prefix(&TRAILER_BEGIN).and_then(<[u8]>::split_first_chunk)
    else {
        return Ok(None);
    };
    let Some(length) = rest.first_chunk().and_then(|at| end.checked_sub(u64::from_le_bytes(*at))) else {
        return Ok(None);
    };
    let mut contents = vec![0; length as usize];
    file.read_exact_at(&mut contents, end - length)?;
    Ok(Some((contents, u128::from_le_bytes(*checksum))))
}

/// The number of the list in force and its checksum.
fn read(current: &[u8]) -> Option<(u64, u128)> {
    let (number, rest) = current.split_first_chunk()?;
    let (checksum, _) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), u128::from_le_bytes(*checksum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_list_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(check(directory.path()), Ok(()), "there is no engine");
        let tree = directory.path().join(TREES).join("1");
        fs::create_dir_all(&tree).unwrap();
        let list = b"a list of tables".to_vec();
        let current = [7u64.to_le_bytes().as_slice(), &xxh3_128(&list).to_le_bytes(), &[0]].concat();
        fs::write(tree.join(CURRENT), &current).unwrap();
        assert_eq!(check(directory.path()), Ok(()), "the list is missing, as the engine will say");
        fs::write(tree.join("v7"), &list).unwrap();
        assert_eq!(check(directory.path()), Ok(()));
        for bit in 0..list.len() * 8 {
            let mut damaged = list.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(tree.join("v7"), damaged).unwrap();
            assert!(check(directory.path()).is_err_and(|said| said.contains("v7")), "bit {bit}");
        }
        fs::write(tree.join(CURRENT), &current[..20]).unwrap();
        assert!(check(directory.path()).is_err_and(|said| said.contains("20 bytes")));
    }

    #[test]
    fn every_flipped_bit_of_a_table_of_contents_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let tables = directory.path().join(TREES).join("1").join(TABLES);
        fs::create_dir_all(&tables).unwrap();
        let (rows, contents) = (b"rows".as_slice(), b"TOC!\x04\0\0\0 and entries".as_slice());
        let checksum = xxh3_128(contents).to_le_bytes();
        let numbers = [rows.len() as u64, contents.len() as u64].map(u64::to_le_bytes).concat();
        let table = [rows, contents, &TRAILER_BEGIN, &checksum, &numbers].concat();
        let path = tables.join("3");
        fs::write(&path, &table).unwrap();
        assert_eq!(check(directory.path()), Ok(()));
        for bit in rows.len() * 8..(rows.len() + contents.len()) * 8 {
            let mut damaged = table.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            assert!(check(directory.path()).is_err_and(|said| said.contains("tables/3")), "bit {bit}");
        }
        for length in 0..table.len() {
            fs::write(&path, &table[..length]).unwrap();
            assert_eq!(
                check(directory.path()),
                Ok(()),
                "{length} bytes are no table, as the engine will say"
            );
        }
    }
}
