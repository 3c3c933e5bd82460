//! What the disk takes to keep a block: what durable answers are held against.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use crate::compare::median;

/// Blocks written to learn it.
pub const SYNCS: usize = 100;

const BLOCK_BYTES: usize = 4096;

/// Microseconds the disk below `directory` takes to keep one block, as the median of [`SYNCS`].
///
/// # Errors
/// The disk does not take them.
pub fn sync_us(directory: &Path) -> Result<f64, String> {
    let path = directory.join("sync");
    let measure = || -> io::Result<f64> {
        let file = File::create(&path)?;
        file.write_all_at(&vec![0; SYNCS * BLOCK_BYTES], 0)?;
        file.sync_all()?;
        let times = (0..SYNCS).map(|at| {
            let started = Instant::now();
            file.write_all_at(&[1; BLOCK_BYTES], (at * BLOCK_BYTES) as u64)?;
            file.sync_data()?;
            Ok(started.elapsed().as_secs_f64() * 1e6)
        });
        let times = times.collect::<io::Result<Vec<f64>>>()?;
        std::fs::remove_file(&path)?;
        Ok(median(times.into_iter()))
    };
    measure().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_takes_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert!(sync_us(directory.path()).expect("it takes blocks") > 0.0);
    }
}
