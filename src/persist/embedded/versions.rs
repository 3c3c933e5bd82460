//! The lists of tables that the engine keeps, checked before it opens them.
//!
//! Of each tree a file says which list is in force and what its checksum is (`current`: the number, then XXH3 with 128
//! bits, both little-endian), and the engine does not look at the checksum. A damaged list makes it ask for as much
//! memory as a damaged number says, which ends the process without a word.

use std::fs;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_128;

/// The folder of the engine's trees, one a folder.
const TREES: &str = "keyspaces";

/// The file that says which list is in force.
const CURRENT: &str = "current";

/// Whether every list in the engine's files at `path` is as it was written. One that is not there is left for the
/// engine to miss.
///
/// # Errors
/// A sentence that names the file.
pub fn check(path: &Path) -> Result<(), String> {
    let trees = match fs::read_dir(path.join(TREES)) {
        Ok(trees) => trees,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", path.join(TREES).display())),
    };
    trees.filter_map(Result::ok).try_for_each(|tree| check_tree(&tree.path()))
}

fn check_tree(tree: &Path) -> Result<(), String> {
    let Ok(current) = fs::read(tree.join(CURRENT)) else { return Ok(()) };
    let (number, checksum) = read(&current)
        .ok_or_else(|| format!("{} has {} bytes", tree.join(CURRENT).display(), current.len()))?;
    let list = tree.join(format!("v{number}"));
    match fs::read(&list) {
        Ok(bytes) if xxh3_128(&bytes) != checksum => Err(format!(
            "{} or {} is not as it was written: their checksums differ",
            list.display(),
            tree.join(CURRENT).display()
        )),
        _ => Ok(()),
    }
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
}
