//! The table of a comparison, in Markdown.

use std::fmt::Write as _;

use crate::compare::{Rounds, median};
use crate::figures::Figures;
use crate::report::text::milliseconds;

/// A line for each server: medians of its rounds, and the medians of the rounds' own ratios.
pub fn of(all: &[Rounds]) -> String {
    let mut out =
        String::from("| server | answers/s | errors | CPU us/answer | p50 ms | p99 ms | p99.9 ms |");
    let others: Vec<&Rounds> = all.iter().skip(1).collect();
    others.iter().for_each(|it| {
        let _ = write!(out, " x {} |", it.kind.name());
    });
    out += "\n|---|---|---|---|---|---|---|";
    others.iter().for_each(|_| out += "---|");
    for rounds in all {
        let of = |figure: &dyn Fn(&Figures) -> f64| median(rounds.figures.iter().map(figure));
        let at = |share: f64| milliseconds(of(&|it| it.total().latencies.at(share) as f64) as u64);
        let errors: u64 = rounds.figures.iter().map(|it| it.total().errors()).sum();
        let rate = of(&Figures::per_second);
        let cpu = of(&|it| it.server_us_per_answer().unwrap_or_default());
        let _ = write!(
            out,
            "\n| {} | {} | {errors} | {cpu:.1} | {} | {} | {} |",
            rounds.kind.name(),
            thousands(rate),
            at(0.5),
            at(0.99),
            at(0.999)
        );
        others.iter().for_each(|it| {
            let _ = write!(out, " {:.2} |", ratio(rounds, it));
        });
    }
    out
}

/// How many times as many answers a second, as the median of the rounds: neighbours in time are compared.
pub fn ratio(one: &Rounds, other: &Rounds) -> f64 {
    median(one.figures.iter().zip(&other.figures).map(|(one, other)| one.per_second() / other.per_second()))
}

/// A whole number with commas.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
