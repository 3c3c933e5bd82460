//! A response's body as it is sent: compressed, where that is worth it and the client wants it.

use std::sync::Arc;

use crate::net::http::compress::{Compressor, gzip};
use crate::net::http::config::ServerConfig;
use crate::net::http::header_block::HeaderBlock;
use crate::net::http::response::Body;
use crate::net::http::shared_body::{SharedBody, Unsent};

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
    /// Compresses `body`, or leaves it when it is small, of a type that does not shrink, encoded already, or when
    /// the compressing threads are busy. The client has been found to accept gzip.
    pub(crate) fn gzip(
        body: Body,
        headers: &HeaderBlock,
        compressor: &Compressor,
        config: &ServerConfig,
    ) -> Payload {
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
            Body::Shared(shared) => {
                compressor.gzip_shared(&shared, is_inline(shared.plain().len()));
                match shared.gzip() {
                    Some(_) => Payload::SharedGzip(shared),
                    None => Payload::Plain(Body::Shared(shared)),
                }
            }
            Body::Static(bytes) if is_inline(bytes.len()) => or_plain(gzip(bytes), Body::Static(bytes)),
            Body::Static(bytes) => {
                or_plain(compressor.run(bytes.len(), move || gzip(bytes)).flatten(), Body::Static(bytes))
            }
            Body::Owned(bytes) if is_inline(bytes.len()) => or_plain(gzip(&bytes), Body::Owned(bytes)),
            Body::Owned(bytes) => {
                let bytes = Arc::new(bytes);
                let lent = bytes.clone();
                let compressed = compressor.run(bytes.len(), move || gzip(&lent)).flatten();
                or_plain(compressed, Body::Owned(Arc::unwrap_or_clone(bytes)))
            }
            Body::Empty | Body::Stream(_) => Payload::Plain(body),
        }
    }

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

fn or_plain(compressed: Option<Vec<u8>>, plain: Body) -> Payload {
    compressed.map_or(Payload::Plain(plain), Payload::Gzip)
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
    fn bodies_are_compressed_from_their_bound_on_in_every_shape() {
        let (config, compressor) = setup();
        static BYTES: [u8; 300] = [b'x'; 300];
        for length in [99, 100, 200, 201, 300] {
            let plain = &BYTES[..length];
            let shapes =
                [Body::Static(plain), Body::Owned(plain.to_vec()), Body::Shared(SharedBody::new(plain))];
            for body in shapes {
                let payload = Payload::gzip(body, &HeaderBlock::default(), &compressor, &config);
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
            let payload = Payload::gzip(Body::Owned(vec![b'x'; 150]), &headers, &compressor, &config);
            assert_eq!(payload.is_gzip(), expected, "{content_type:?} {encoding:?}");
        }
    }

    #[test]
    fn a_shared_body_is_compressed_once_and_plain_while_that_is_under_way() {
        let (config, compressor) = setup();
        let shared = SharedBody::new(vec![b'x'; 150]);
        assert!(shared.claim_gzip());
        let headers = HeaderBlock::default();
        assert!(!Payload::gzip(Body::Shared(shared.clone()), &headers, &compressor, &config).is_gzip());
        shared.finish_gzip(None);
        assert!(Payload::gzip(Body::Shared(shared.clone()), &headers, &compressor, &config).is_gzip());
        assert!(shared.memory_bytes() > 150 && !shared.claim_gzip());
    }
}
