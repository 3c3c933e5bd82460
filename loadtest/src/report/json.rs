//! A run for programs.

use serde_json::{Value, json};

use crate::figures::{Figures, Row};
use crate::report::text::SHARES;

/// Every figure of a run.
pub fn of(figures: &Figures) -> Value {
    let rows: Vec<Value> =
        figures.rows.iter().map(|(name, row)| of_row(name, row, figures.seconds)).collect();
    let slots: Vec<Value> =
        figures.slots.iter().map(|it| json!([it.answers, it.errors, it.slowest_us])).collect();
    let server = figures.server.map(|it| {
        json!({
            "cpu_seconds": it.cpu_seconds, "rss_bytes": it.rss_bytes,
            "cpu_us_per_answer": figures.server_us_per_answer(),
        })
    });
    json!({
        "seconds": figures.seconds, "rate_asked_for": figures.rate, "answers_per_second": figures.per_second(),
        "errors": figures.total().errors(), "total": of_row("total", &figures.total(), figures.seconds),
        "requests": rows, "server": server, "generator_cpu_seconds": figures.own_cpu_seconds,
        "course": {"slot_seconds": 0.1, "columns": ["answers", "errors", "slowest_us"], "slots": slots},
    })
}

fn of_row(name: &str, row: &Row, seconds: f64) -> Value {
    let latencies: serde_json::Map<String, Value> =
        SHARES.iter().map(|(share, at)| ((*share).to_owned(), row.latencies.at(*at).into())).collect();
    json!({
        "name": name, "answers": row.latencies.count(), "bytes": row.bytes, "complaints": row.complaints,
        "answers_per_second": row.latencies.count() as f64 / seconds,
        "latency_us": latencies, "latency_us_mean": row.latencies.mean(),
    })
}
