//! What many deaths came to: quantiles and rows of a table.

use std::fmt;
use std::time::Duration;

/// The times after which the deaths of one scenario were noticed.
pub struct Figures {
    /// In ascending order.
    sorted: Vec<Duration>,
    /// What went wrong, one sentence a death that was not noticed or had no chance to be.
    pub failures: Vec<String>,
}

impl Figures {
    pub fn new(outcomes: Vec<Result<Duration, String>>) -> Figures {
        let mut figures = Figures { sorted: Vec::new(), failures: Vec::new() };
        for outcome in outcomes {
            match outcome {
                Ok(span) => figures.sorted.push(span),
                Err(sentence) => figures.failures.push(sentence),
            }
        }
        figures.sorted.sort();
        figures
    }

    /// The time that so many of a hundred do not exceed (nearest rank); zero of nothing.
    pub fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied().unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.sorted.len()
    }
}

/// `p50 | p99 | max`, in the unit that is easy to read.
impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| readable(self.quantile(percent)));
        write!(formatter, "{half} | {most} | {all}")?;
        match self.failures.len() {
            0 => Ok(()),
            count => write!(formatter, " ({count} failed)"),
        }
    }
}

/// Milliseconds below a second, with a decimal below ten; else seconds with two decimals.
pub fn readable(span: Duration) -> String {
    let ms = span.as_secs_f64() * 1_000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1_000.0),
    }
}

#[test]
fn quantiles_are_of_the_nearest_rank() {
    let ms = Duration::from_millis;
    let rows = [
        (1..=100, [ms(50), ms(99), ms(100)]),
        (1..=20, [ms(10), ms(20), ms(20)]),
        (7..=7, [ms(7), ms(7), ms(7)]),
    ];
    for (range, expected) in rows {
        let figures = Figures::new(range.rev().map(|it| Ok(ms(it))).collect());
        assert_eq!([50, 99, 100].map(|percent| figures.quantile(percent)), expected);
    }
    assert_eq!(Figures::new(Vec::new()).quantile(50), Duration::ZERO);
    assert_eq!(readable(Duration::from_micros(4_200)), "4.2 ms");
    assert_eq!(readable(Duration::from_millis(99)), "99 ms");
    assert_eq!(readable(Duration::from_millis(11_990)), "11.99 s");
}
