//! Whether a stream of which only the first bytes are here may be a snapshot: what is none need not be kept.

use crate::store::snapshot::decode::{CONSUL_OPENING, DecodeBounds, Decoder, GZIP_MAGIC};
use crate::store::snapshot::error::SnapshotError;
use crate::store::snapshot::format::OPENING;

/// Looks at the first bytes as they are. Cost: some twenty comparisons.
///
/// # Errors
/// [`SnapshotError::NotASnapshot`], [`SnapshotError::OfConsul`].
pub fn check_magic(first: &[u8]) -> Result<(), SnapshotError> {
    let may_become = |opening: &[u8]| {
        let length = first.len().min(opening.len());
        first[..length] == opening[..length]
    };
    if may_become(&GZIP_MAGIC) || may_become(OPENING.as_bytes()) {
        return Ok(());
    }
    Err(if may_become(CONSUL_OPENING) { SnapshotError::OfConsul } else { SnapshotError::NotASnapshot })
}

/// Looks at the first bytes, unpacked where they are packed, and at the first line if that is here.
///
/// # Errors
/// See [`SnapshotError`]; that it is cut off is none.
pub fn check_header(first: &[u8], bounds: DecodeBounds) -> Result<(), SnapshotError> {
    check_magic(first)?;
    match Decoder::open(first, bounds) {
        Ok(_) | Err(SnapshotError::Cut { .. }) => Ok(()),
        // One byte may become two.
        Err(_) if first.len() < GZIP_MAGIC.len() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const BOUNDS: DecodeBounds = DecodeBounds { line_bytes_max: 1 << 16, bytes_max: 1 << 20 };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_begins_as_none_does_is_refused_wherever_it_is_cut() {
        let header = b"{\"muster_snapshot\":1,\"muster_version\":\"0\",\"node\":\"n\",\"node_id\":\"\",\
                       \"datacenter\":\"dc1\",\"created_at\":\"\",\"index\":7,\"rows\":{}}\n{\"table\":";
        for good in [header.to_vec(), gzip(header)] {
            for length in 0..=good.len() {
                check_magic(&good[..length]).unwrap();
                check_header(&good[..length], BOUNDS).unwrap();
            }
        }
        let strangers: [(&str, Vec<u8>); 6] = [
            ("blanks", vec![b' '; 40]),
            ("another object", b"{\"muster\":1}".to_vec()),
            ("blanks behind the magic of gzip", [&GZIP_MAGIC[..], &[b' '; 40]].concat()),
            ("packed blanks", gzip(&[b' '; 1000])),
            ("packed twice", gzip(&gzip(header))),
            ("a format of the future", header.map(|byte| if byte == b'1' { b'9' } else { byte }).to_vec()),
        ];
        for (name, bytes) in strangers {
            assert!(check_header(&bytes, BOUNDS).is_err(), "{name}");
        }
        assert!(matches!(check_magic(b"meta.json\0"), Err(SnapshotError::OfConsul)));
        assert!(matches!(check_magic(b" "), Err(SnapshotError::NotASnapshot)));
    }
}
