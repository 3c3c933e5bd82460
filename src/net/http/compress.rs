//! Compressing bytes, on threads of their own where it takes long.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::base::sys::offload::Offload;
use crate::net::http::config::ServerConfig;
use crate::net::http::shared_body::SharedBody;

/// Where bodies are compressed: small ones at once, middling ones on a thread that does nothing else, and long ones on
/// another, so that no short one waits behind a long one.
pub(crate) struct Compressor {
    middling: Offload,
    long: Offload,
    /// Bytes of long bodies that wait or are being compressed.
    long_bytes: Arc<AtomicUsize>,
}

/// Bodies that may wait for a compressing thread; one more is sent as it is.
const QUEUE_MAX: usize = 64;

/// The longest body that is middling: some 5 ms.
const MIDDLING_BYTES_MAX: usize = 512 * 1024;

/// Bytes of long bodies that may wait; a body that would wait behind more is sent as it is. A quarter of a second.
const LONG_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Compressor {
    /// # Errors
    /// The system's, when it gives no thread.
    pub(crate) fn new(config: &ServerConfig) -> io::Result<Compressor> {
        Ok(Compressor {
            middling: Offload::new("gzip", config.gzip_threads, QUEUE_MAX)?,
            long: Offload::humble("gzip-long", 1, QUEUE_MAX)?,
            long_bytes: Arc::default(),
        })
    }

    /// Makes the compressed twin of `shared`, at once if `is_inline`; leaves it when another thread makes it or the
    /// threads are busy.
    pub(crate) fn gzip_shared(&self, shared: &Arc<SharedBody>, is_inline: bool) {
        if shared.gzip().is_some() || !shared.claim_gzip() {
            return;
        }
        if is_inline {
            shared.finish_gzip(gzip(shared.plain()));
            return;
        }
        let lent = shared.clone();
        if self.run(shared.plain().len(), move || lent.finish_gzip(gzip(lent.plain()))).is_none() {
            shared.finish_gzip(None);
        }
    }

    /// Runs `work` on a body of so many bytes on the thread for such bodies; `None` when it is busy.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        length: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if length <= MIDDLING_BYTES_MAX {
            return self.middling.run(work).ok();
        }
        let before = self.long_bytes.fetch_add(length, Ordering::AcqRel);
        let is_free = before == 0 || before + length <= LONG_BYTES_MAX;
        let done = is_free.then(|| self.long.run(work).ok()).flatten();
        self.long_bytes.fetch_sub(length, Ordering::AcqRel);
        done
    }
}

/// The gzip form of `plain`, if it is shorter. The fastest level: JSON shrinks to a tenth at either end of
/// the scale.
pub(crate) fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4 + 64), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().filter(|compressed| compressed.len() < plain.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_does_not_wait_behind_another() {
        let compressor = Compressor::new(&ServerConfig::default()).unwrap();
        let long = SharedBody::new(vec![b'x'; MIDDLING_BYTES_MAX + 1]);
        let compress = |body: &Arc<SharedBody>| {
            compressor.gzip_shared(body, false);
            body.gzip().is_some()
        };
        compressor.long_bytes.fetch_add(LONG_BYTES_MAX - MIDDLING_BYTES_MAX, Ordering::AcqRel);
        assert!(!compress(&long), "one byte too many is before it");
        assert!(
            compress(&SharedBody::new(vec![b'x'; MIDDLING_BYTES_MAX])),
            "a middling one has its own thread"
        );
        compressor.long_bytes.fetch_sub(1, Ordering::AcqRel);
        assert!(compress(&long) && long.gzip().is_some(), "and what was made is kept");
        assert_eq!(compressor.long_bytes.load(Ordering::Acquire), LONG_BYTES_MAX - MIDDLING_BYTES_MAX - 1);
    }
}
