//! Text with holes: what differs from one request of a row to the next.
//!
//! `{{number}}` counts the requests of a run, `{{run}}` names the run, and every other name is one of the row's picks: a
//! number drawn anew for each request, the same wherever it stands in that request.

use std::collections::BTreeMap;

/// A text and its holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number,
    Run,
    Pick { at: usize, below: u64 },
}

/// What the holes of one request are filled with.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// Counts the requests of this run, from 0.
    pub number: u64,
    /// Names this run, so that what one registers differs from what the one before did.
    pub run: &'a str,
    /// The randomness from which picks are made.
    pub seed: u64,
}

impl Template {
    /// # Errors
    /// A hole has no end, or a name that is no pick.
    pub fn parse(text: &str, picks: &BTreeMap<String, u64>) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) =
                after.split_once("}}").ok_or_else(|| format!("`{{{{` has no end in {text}"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(match name {
                "number" => Piece::Number,
                "run" => Piece::Run,
                _ => {
                    let at = picks.keys().position(|it| it == name);
                    let at = at.ok_or_else(|| format!("{{{{{name}}}}} is not among the picks in {text}"))?;
                    Piece::Pick { at, below: picks[name].max(1) }
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// Whether every filling gives the same text.
    pub fn is_constant(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// Appends the text with its holes filled.
    pub fn fill(&self, filling: Filling<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Run => out.extend_from_slice(filling.run.as_bytes()),
                Piece::Number => push_number(filling.number, out),
                Piece::Pick { at, below } => push_number(mix(filling.seed, *at as u64) % below, out),
            }
        }
    }
}

/// Spreads a seed over its bits (the finaliser of splitmix64), differently for each `at`.
pub fn mix(seed: u64, at: u64) -> u64 {
    let mut bits = seed.wrapping_add((at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, number: u64, seed: u64) -> String {
        let picks = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1000)]);
        let mut out = Vec::new();
        Template::parse(text, &picks)
            .expect("it is sound")
            .fill(Filling { number, run: "r", seed }, &mut out);
        String::from_utf8(out).expect("text in, text out")
    }

    #[test]
    fn holes_are_filled_and_a_pick_is_one_number_a_request() {
        assert_eq!(filled("plain", 0, 0), "plain");
        assert_eq!(
            filled(r#"{"x":{"y":"{{number}}-{{run}}-{{a}}"}}"#, 12345, 9),
            r#"{"x":{"y":"12345-r-0"}}"#
        );
        let (left, right) = (0..100).map(|seed| filled("{{b}} {{b}}", 0, seed)).fold(
            (Vec::new(), Vec::new()),
            |(mut left, mut right), text| {
                let (first, second) = text.split_once(' ').expect("two numbers");
                left.push(first.to_owned());
                right.push(second.to_owned());
                (left, right)
            },
        );
        assert_eq!(left, right);
        assert!(left.iter().collect::<std::collections::BTreeSet<_>>().len() > 80, "draws differ");
    }

    #[test]
    fn what_cannot_be_filled_is_said() {
        for text in ["{{a", "{{c}}", "{{}}"] {
            assert!(Template::parse(text, &BTreeMap::from([("a".to_owned(), 1)])).is_err(), "{text}");
        }
    }
}
