//! A count with its noun, as a sentence has it.

/// `1 service`, `2 services`, `0 batches`: the noun is given in the singular.
pub fn counted<N: TryInto<u64>>(count: N, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {}", plural(noun)),
    }
}

fn plural(noun: &str) -> String {
    let is_vowel = |letter: char| matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u');
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(is_vowel) => format!("{stem}ies"),
        _ if ["s", "x", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_go_with_their_counts() {
        let rows = [
            (0, "row", "0 rows"),
            (1, "row", "1 row"),
            (2, "batch", "2 batches"),
            (1, "batch", "1 batch"),
            (3, "entry", "3 entries"),
            (3, "day", "3 days"),
            (4, "address", "4 addresses"),
        ];
        for (count, noun, expected) in rows {
            assert_eq!(counted(count as u64, noun), expected);
        }
    }
}
