//! BLAKE2b with digests of 256 bits, without a key (RFC 7693): by it Consul tells whether a record says something else.
//!
//! For comparing only, so nothing here takes the same time for every message.

const BLOCK_BYTES: usize = 128;

const INITIAL: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// In which order the words of a block are mixed in, by the round.
const SCHEDULE: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The columns and diagonals of the work area.
const LANES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// The digest of a message.
pub fn digest(message: &[u8]) -> [u8; 32] {
    let mut state = INITIAL;
    // Bytes of the digest, none of a key, a tree of one leaf.
    state[0] ^= 0x0101_0000 ^ 32;
    let (mut rest, mut bytes) = (message, 0);
    loop {
        let (part, behind) = rest.split_at(rest.len().min(BLOCK_BYTES));
        bytes += part.len() as u64;
        compress(&mut state, part, bytes, behind.is_empty());
        if behind.is_empty() {
            break;
        }
        rest = behind;
    }
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(8).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

fn compress(state: &mut [u64; 8], part: &[u8], bytes: u64, is_last: bool) {
    let mut words = [0; 16];
    for (word, given) in words.iter_mut().zip(part.chunks(8)) {
        let mut padded = [0; 8];
        padded[..given.len()].copy_from_slice(given);
        *word = u64::from_le_bytes(padded);
    }
    let mut area = [0; 16];
    area[..8].copy_from_slice(state);
    area[8..].copy_from_slice(&INITIAL);
    area[12] ^= bytes;
    if is_last {
        area[14] = !area[14];
    }
    for order in SCHEDULE.iter().chain(&SCHEDULE[..2]) {
        for (lane, pair) in LANES.iter().zip(order.chunks_exact(2)) {
            mix(&mut area, lane, words[pair[0]], words[pair[1]]);
        }
    }
    for at in 0..8 {
        state[at] ^= area[at] ^ area[at + 8];
    }
}

fn mix(area: &mut [u64; 16], &[a, b, c, d]: &[usize; 4], first: u64, second: u64) {
    for (word, turns) in [(first, [32, 24]), (second, [16, 63])] {
        area[a] = area[a].wrapping_add(area[b]).wrapping_add(word);
        area[d] = (area[d] ^ area[a]).rotate_right(turns[0]);
        area[c] = area[c].wrapping_add(area[d]);
        area[b] = (area[b] ^ area[c]).rotate_right(turns[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's `hashlib.blake2b`: nothing, a part of a block, one block, one byte more, three blocks.
    #[test]
    fn digests_are_those_of_others() {
        let rows = [
            (String::new(), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
            ("abc".into(), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
            ("a".repeat(128), "ae2aa48507885c4c950fb809b2076f959cde9f8ea6da260d9a3587df33dac450"),
            ("a".repeat(129), "2f64744a6de0d2c0b56e64cf6e29a5aaa255010d415d51c75ccc82f73dccd865"),
            ("a".repeat(300), "3c1292de00a518e36823f9ff908ac2da46be38718c018713403461df077e15f6"),
        ];
        for (message, expected) in rows {
            let hex: String = digest(message.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{message}");
        }
    }
}
