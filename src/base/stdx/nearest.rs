//! The word that another was probably meant to be: for "did you mean".

/// The one of `known` that `word` was probably meant to be, if any is near: at most a third of it differs, or it is the
/// only one that `word` is short for (`fmt` for `format`).
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (mut best, mut short_for) = (None, Vec::new());
    for candidate in known {
        let measured = (edits(word, candidate), candidate.len().abs_diff(word.len()));
        if best.is_none_or(|(least, _)| measured < least) {
            best = Some((measured, candidate));
        }
        if is_short_for(word, candidate) && !short_for.contains(&candidate) {
            short_for.push(candidate);
        }
    }
    let ((distance, _), candidate) = best?;
    match short_for[..] {
        _ if distance <= 1 + word.len() / 4 => Some(candidate),
        [only] => Some(only),
        _ => None,
    }
}

/// Whether `word` has three letters at least, and all of them stand in `candidate` in their order, the first one first.
fn is_short_for(word: &str, candidate: &str) -> bool {
    let mut letters = candidate.bytes();
    let has = |letter: u8| letters.any(|it| it.eq_ignore_ascii_case(&letter));
    word.len() >= 3
        && word.as_bytes()[..1].eq_ignore_ascii_case(&candidate.as_bytes()[..1.min(candidate.len())])
        && word.bytes().all(has)
}

/// Letters to insert, delete, replace or exchange with their neighbour to make one word of the other, whatever their
/// case (Damerau and Levenshtein). Cost: the product of the lengths, so only the first 64 bytes count.
fn edits(one: &str, other: &str) -> usize {
    let (one, other) = (&one.as_bytes()[..one.len().min(64)], &other.as_bytes()[..other.len().min(64)]);
    let same = |left: u8, right: u8| left.eq_ignore_ascii_case(&right);
    let (mut earlier, mut before) = (Vec::new(), (0..=other.len()).collect::<Vec<usize>>());
    for (at, byte) in one.iter().enumerate() {
        let mut row = vec![at + 1];
        for column in 0..other.len() {
            let replaced = before[column] + usize::from(!same(*byte, other[column]));
            let mut least = replaced.min(before[column + 1] + 1).min(row[column] + 1);
            if at > 0 && column > 0 && same(*byte, other[column - 1]) && same(one[at - 1], other[column]) {
                least = least.min(earlier[column - 1] + 1);
            }
            row.push(least);
        }
        earlier = std::mem::replace(&mut before, row);
    }
    before[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_and_no_far_one() {
        let keys = ["http_addr", "limits.body_bytes_max", "datacenter", "check", "checks", "node"];
        let rows = [
            ("htp_addr", Some("http_addr")),
            ("http_address", Some("http_addr")),
            ("limits.body_byte_max", Some("limits.body_bytes_max")),
            ("datacentre", Some("datacenter")),
            ("chekc", Some("check")),
            ("Checsk", Some("checks")),
            ("chks", Some("checks")),
            ("dtctr", Some("datacenter")),
            ("hpa", Some("http_addr")),
            ("zzzzzzzz", None),
            ("", None),
        ];
        for (word, expected) in rows {
            assert_eq!(nearest(word, keys.into_iter()), expected, "{word}");
        }
    }
}
