//! Compressing a response's body, where that is worth it and the client wants it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::http::config::ServerConfig;
use crate::http::header_block::HeaderBlock;
use crate::http::response::{Body, SharedBody};
use crate::http::transport::Unsent;
use crate::sys::offload::Offload;

/// A body as it will be sent.
pub(crate) enum Payload {
    /// As the handler made it.
    Plain(Body),
    /// Compressed for this response.
    Gzip(Vec<u8>),
    /// The compressed twin of a shared body.
    SharedGzip(Arc<SharedBody>),
}

impl Payload {
    /// The bytes, unless they are yet to be written.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Payload::Plain(body) => body.bytes(),
            Payload::Gzip(bytes) => Some(bytes),
            Payload::SharedGzip(shared) => shared.gzip(),
        }
    }

    /// The bytes, and whose they are; none of what is yet to be written.
    pub(crate) fn unsent(&self) -> Unsent<'_> {
        match self {
            Payload::Plain(Body::Shared(shared)) => Unsent::Shared(shared.plain(), shared),
            Payload::SharedGzip(shared) => Unsent::Shared(shared.gzip().unwrap_or_default(), shared),
            payload => Unsent::Own(payload.bytes().unwrap_or_default()),
        }
    }

    pub(crate) fn is_gzip(&self) -> bool {
        !matches!(self, Payload::Plain(_))
    }
}

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

    /// Compresses `body`, or leaves it when it is small, of a type that does not shrink, encoded already, or when
    /// the compressing threads are busy. The client has been found to accept gzip.
    pub(crate) fn compress(&self, body: Body, headers: &HeaderBlock, config: &ServerConfig) -> Payload {
        // A twin that is there was found worth making before.
        if let Body::Shared(shared) = &body
            && shared.gzip().is_some()
        {
            return Payload::SharedGzip(shared.clone());
        }
        let is_worth_it = body.bytes().is_some_and(|bytes| bytes.len() >= config.gzip_bytes_min);
        if !is_worth_it || headers.get("Content-Encoding").is_some() || !shrinks(headers.get("Content-Type"))
        {
            return Payload::Plain(body);
        }
        let is_inline = |length: usize| length <= config.gzip_inline_bytes_max;
        match body {
            Body::Shared(shared) => self.compress_shared(shared, is_inline),
            Body::Static(bytes) if is_inline(bytes.len()) => or_plain(gzip(bytes), Body::Static(bytes)),
            Body::Static(bytes) => {
                or_plain(self.run(bytes.len(), move || gzip(bytes)).flatten(), Body::Static(bytes))
            }
            Body::Owned(bytes) if is_inline(bytes.len()) => or_plain(gzip(&bytes), Body::Owned(bytes)),
            Body::Owned(bytes) => {
                let bytes = Arc::new(bytes);
                let lent = bytes.clone();
                let compressed = self.run(bytes.len(), move || gzip(&lent)).flatten();
                or_plain(compressed, Body::Owned(Arc::unwrap_or_clone(bytes)))
            }
            Body::Empty | Body::Stream(_) => Payload::Plain(body),
        }
    }

    fn compress_shared(&self, shared: Arc<SharedBody>, is_inline: impl Fn(usize) -> bool) -> Payload {
        if shared.gzip().is_none() && shared.claim_gzip() {
            let length = shared.plain().len();
            if is_inline(length) {
                shared.settle_gzip(gzip(shared.plain()));
            } else {
                let lent = shared.clone();
                if self.run(length, move || lent.settle_gzip(gzip(lent.plain()))).is_none() {
                    shared.settle_gzip(None);
                }
            }
        }
        match shared.gzip() {
            Some(_) => Payload::SharedGzip(shared),
            None => Payload::Plain(Body::Shared(shared)),
        }
    }

    /// Runs `work` on a body of so many bytes on the thread for such bodies; `None` when it is busy.
    fn run<T: Send + 'static>(&self, length: usize, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
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

fn or_plain(compressed: Option<Vec<u8>>, plain: Body) -> Payload {
    compressed.map_or(Payload::Plain(plain), Payload::Gzip)
}

/// The gzip form of `plain`, if it is shorter. The fastest level: JSON shrinks to a tenth at either end of
/// the scale.
fn gzip(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4 + 64), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().filter(|compressed| compressed.len() < plain.len())
}

/// Whether a type is text of some kind; images and archives are compressed by themselves.
fn shrinks(content_type: Option<&[u8]>) -> bool {
    let Some(content_type) = content_type else { return true };
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let is_text = essence.len() > 5 && essence[..5].eq_ignore_ascii_case(b"text/");
    let kinds: [&[u8]; 5] = [b"json", b"javascript", b"xml", b"wasm", b"x-ndjson"];
    is_text || kinds.iter().any(|kind| essence.to_ascii_lowercase().ends_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup() -> (ServerConfig, Compressor) {
        let config =
            ServerConfig { gzip_bytes_min: 100, gzip_inline_bytes_max: 200, ..ServerConfig::default() };
        let compressor = Compressor::new(&config).unwrap();
        (config, compressor)
    }

    #[test]
    fn a_long_body_does_not_wait_behind_another() {
        let (config, compressor) = setup();
        let long = SharedBody::new(vec![b'x'; MIDDLING_BYTES_MAX + 1]);
        let compress = |body: &Arc<SharedBody>| {
            compressor.compress(Body::Shared(body.clone()), &HeaderBlock::default(), &config).is_gzip()
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

    #[test]
    fn bodies_are_compressed_from_their_bound_on_in_every_shape() {
        let (config, compressor) = setup();
        static BYTES: [u8; 300] = [b'x'; 300];
        for length in [99, 100, 200, 201, 300] {
            let plain = &BYTES[..length];
            let shapes =
                [Body::Static(plain), Body::Owned(plain.to_vec()), Body::Shared(SharedBody::new(plain))];
            for body in shapes {
                let payload = compressor.compress(body, &HeaderBlock::default(), &config);
                assert_eq!(payload.is_gzip(), length >= 100, "{length}");
                let mut unzipped = Vec::new();
                let bytes = payload.bytes().unwrap();
                if payload.is_gzip() {
                    let mut decoder = flate2::read::GzDecoder::new(bytes);
                    std::io::Read::read_to_end(&mut decoder, &mut unzipped).unwrap();
                    assert_eq!(unzipped, plain);
                } else {
                    assert_eq!(bytes, plain);
                }
            }
        }
    }

    #[test]
    fn types_that_do_not_shrink_are_left() {
        let (config, compressor) = setup();
        let rows = [
            (None, None, true),
            (Some("application/json"), None, true),
            (Some("text/html; charset=utf-8"), None, true),
            (Some("image/svg+xml"), None, true),
            (Some("image/png"), None, false),
            (Some("application/x-gzip"), None, false),
            (Some("application/octet-stream"), None, false),
            (Some("text/plain"), Some("br"), false),
        ];
        for (content_type, encoding, expected) in rows {
            let mut headers = HeaderBlock::default();
            content_type.iter().for_each(|value| headers.add("Content-Type", value));
            encoding.iter().for_each(|value| headers.add("Content-Encoding", value));
            let payload = compressor.compress(Body::Owned(vec![b'x'; 150]), &headers, &config);
            assert_eq!(payload.is_gzip(), expected, "{content_type:?} {encoding:?}");
        }
    }

    #[test]
    fn a_shared_body_is_compressed_once_and_plain_while_that_is_under_way() {
        let (config, compressor) = setup();
        let shared = SharedBody::new(vec![b'x'; 150]);
        assert!(shared.claim_gzip());
        let headers = HeaderBlock::default();
        assert!(!compressor.compress(Body::Shared(shared.clone()), &headers, &config).is_gzip());
        shared.settle_gzip(None);
        assert!(compressor.compress(Body::Shared(shared.clone()), &headers, &config).is_gzip());
        assert!(shared.memory_bytes() > 150 && !shared.claim_gzip());
    }
}
