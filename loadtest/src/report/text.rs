//! A run in a few lines, for the terminal.

use std::fmt::Write as _;

use crate::figures::Figures;

/// The shares of all latencies that are shown, with their names.
pub const SHARES: &[(&str, f64)] =
    &[("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// The lines.
pub fn of(figures: &Figures) -> String {
    let mut out = String::new();
    let total = figures.total();
    let asked = figures.rate.map(|rate| format!(" of {rate:.0} asked for")).unwrap_or_default();
    let megabytes = total.bytes as f64 / 1e6 / figures.seconds;
    let _ = writeln!(
        out,
        "{:.0} right answers/s{asked}, {megabytes:.1} MB/s, {} errors",
        figures.per_second(),
        total.errors()
    );
    for (name, row) in &figures.rows {
        let _ = write!(out, "  {name:<12} {:>9}", row.latencies.count());
        for (share, at) in SHARES {
            let _ = write!(out, "  {share} {}", milliseconds(row.latencies.at(*at)));
        }
        let _ = writeln!(out, " ms");
        for (complaint, count) in &row.complaints {
            let _ = writeln!(out, "  {name:<12} {count:>9} times: {complaint}");
        }
    }
    if let (Some(server), Some(micros)) = (figures.server, figures.server_us_per_answer()) {
        let megabytes = server.rss_bytes as f64 / 1e6;
        let _ =
            writeln!(out, "server: {micros:.1} us of processor time an answer, {megabytes:.0} MB of memory");
    }
    if figures.silence_seconds() > 0.1 {
        let _ = writeln!(out, "nobody was answered for {:.1} s", figures.silence_seconds());
    }
    let own = figures.own_cpu_seconds / figures.seconds;
    let _ = write!(out, "generator: {own:.2} cores");
    out
}

/// Milliseconds of microseconds, with as many digits as say something.
pub fn milliseconds(microseconds: u64) -> String {
    match microseconds {
        0..10_000 => format!("{:.2}", microseconds as f64 / 1e3),
        10_000..100_000 => format!("{:.1}", microseconds as f64 / 1e3),
        _ => format!("{:.0}", microseconds as f64 / 1e3),
    }
}
