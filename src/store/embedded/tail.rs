//! The end of the engine's journal: takes the last batch off it when that batch was never acknowledged.
//!
//! Two things leave such a batch behind. A power cut may tear it, and where its end reached the disk but its middle
//! did not the engine calls the whole journal damaged instead of dropping the tail. And a batch refused for want of
//! room may get to the disk after all. That what then is left is what was acknowledged is proved afterwards, as ever.
//!
//! All that is known of the journal's form: the newest has the highest number, room to grow is zeros, and a batch
//! whose last byte is missing counts as unfinished, so the engine drops all of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Ending of the name of a journal; the rest is its number.
const ENDING: &str = ".jnl";

/// Zeros are skipped in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// What a piece is compared with: whole, which is many times quicker than byte by byte.
static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// Takes the last byte off the newest journal in `rows`, and with it the batch that ends there. False when there is
/// nothing to take.
///
/// # Errors
/// The operating system's.
pub(super) fn drop_last_batch(rows: &Path) -> io::Result<bool> {
    let Some(path) = newest(rows)? else { return Ok(false) };
    let file = File::options().read(true).write(true).open(path)?;
    let Some(last) = last_used_byte(&file)? else { return Ok(false) };
    file.set_len(last)?;
    file.sync_all()?;
    Ok(true)
}

/// The journals in `rows` with the bytes that are used of each, the oldest first.
///
/// # Errors
/// The operating system's.
pub(super) fn journals(rows: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut journals = Vec::new();
    for (_, path) in numbered(rows)? {
        let last = last_used_byte(&File::open(&path)?)?;
        journals.push((path, last.map_or(0, |last| last + 1)));
    }
    Ok(journals)
}

fn newest(rows: &Path) -> io::Result<Option<PathBuf>> {
    Ok(numbered(rows)?.pop_last().map(|(_, path)| path))
}

fn numbered(rows: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut journals = BTreeMap::new();
    for entry in fs::read_dir(rows)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ENDING)).and_then(|it| it.parse().ok());
        journals.extend(number.map(|number| (number, entry.path())));
    }
    Ok(journals)
}

/// Where the last byte stands that is not zero.
fn last_used_byte(file: &File) -> io::Result<Option<u64>> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(PIECE_BYTES as u64);
        let piece = &mut piece[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if *piece != ZEROS[..piece.len()]
            && let Some(at) = piece.iter().rposition(|byte| *byte != 0)
        {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, bytes in use and length of each file.
    type Files = &'static [(&'static str, usize, usize)];

    #[test]
    fn the_last_byte_of_the_newest_journal_goes() {
        const FAR: usize = PIECE_BYTES + 5;
        let rows: [(Files, Option<(&str, usize)>); 6] = [
            (&[], None),
            (&[("version", 3, 3)], None),
            (&[("0.jnl", 0, 10)], None),
            (&[("0.jnl", 7, 7)], Some(("0.jnl", 6))),
            (&[("0.jnl", 7, 3 * PIECE_BYTES)], Some(("0.jnl", 6))),
            (&[("9.jnl", 7, 7), ("10.jnl", FAR, 2 * FAR), ("11.txt", 1, 1)], Some(("10.jnl", FAR - 1))),
        ];
        for (files, expected) in rows {
            let directory = tempfile::tempdir().unwrap();
            for (name, used, length) in files {
                let mut bytes = vec![1; *used];
                bytes.resize(*length, 0);
                fs::write(directory.path().join(name), bytes).unwrap();
            }
            assert_eq!(drop_last_batch(directory.path()).unwrap(), expected.is_some());
            for (name, _, length) in files {
                let now = fs::metadata(directory.path().join(name)).unwrap().len() as usize;
                let cut = expected.filter(|(cut, _)| cut == name).map(|(_, length)| length);
                assert_eq!(now, cut.unwrap_or(*length), "{name}");
            }
        }
    }
}
