//! What this project holds itself to, and whether a run shows it.

use crate::compare::{Rounds, median};
use crate::figures::Figures;
use crate::report::table::{ratio, thousands};
use crate::report::text::milliseconds;
use crate::servers::Kind;

/// One figure that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// The scenario that shows it.
    pub scenario: &'static str,
    /// What is shown, in words.
    pub what: &'static str,
    /// What is asked for.
    pub bound: Bound,
}

/// What is asked of the rounds of a scenario.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// So many times the other's answers a second; 0 if the ratio is only told.
    Times(Kind, f64),
    /// So many answers a second.
    PerSecond(f64),
    /// A share of the latencies of a row stays below so many milliseconds.
    Below(&'static str, f64, f64),
    /// At most so many times the other's latency of a row up to a share; 0 if it is only told.
    AsLate(Kind, &'static str, f64, f64),
    /// The median latency of a row is at most so many times what the disk takes to keep one block just before.
    Syncs(&'static str, f64),
    /// An answer of a row weighs less than so many bytes on the wire.
    Bytes(&'static str, f64),
    /// Every answer is right and none is missing.
    NoErrors,
}

/// The goals, in the order they are told.
pub const GOALS: &[Goal] = &[
    goal(
        "discovery",
        "cached discovery beside may_minihttp with the same bytes",
        Bound::Times(Kind::Minihttp, 0.95),
    ),
    goal("discovery", "the same beside nginx with the same bytes", Bound::Times(Kind::Nginx, 0.0)),
    goal("discovery", "the same beside Consul", Bound::Times(Kind::Consul, 10.0)),
    goal("discovery-gzip", "cached discovery with gzip beside Consul", Bound::Times(Kind::Consul, 35.0)),
    goal("half-256", "half of the peak, 256 connections: p99", Bound::Below("discover", 0.99, 2.0)),
    goal(
        "half-256",
        "the same rate, beside may_minihttp with the same bytes: p99",
        Bound::AsLate(Kind::Minihttp, "discover", 0.99, 1.2),
    ),
    goal("half-256", "half of the peak, 256 connections: p99.9", Bound::Below("discover", 0.999, 10.0)),
    goal("half-10000", "half of the peak, 10,000 connections: p99", Bound::Below("discover", 0.99, 20.0)),
    goal("large", "a service of 2,800 instances beside Consul", Bound::Times(Kind::Consul, 25.0)),
    goal("large-delta", "one change of 2,800 instances as a delta", Bound::Bytes("seen", 2048.0)),
    goal(
        "registration",
        "durable registrations, 64 connections, beside Consul",
        Bound::Times(Kind::Consul, 50.0),
    ),
    goal("registration", "durable registrations, 64 connections", Bound::PerSecond(25_000.0)),
    goal("registration-alone", "one registration on an idle server: p50", Bound::Syncs("register", 3.0)),
    goal(
        "mixed",
        "80 % reads, 15 % heartbeats, 5 % registrations, beside Consul",
        Bound::Times(Kind::Consul, 20.0),
    ),
    goal("mixed", "the same: every answer right", Bound::NoErrors),
    goal("fan-out", "one change to 10,000 blocking queries: p99", Bound::Below("seen", 0.99, 100.0)),
    goal(
        "fan-out",
        "the same beside a bare loop with prepared bytes",
        Bound::AsLate(Kind::Bare, "seen", 0.99, 0.0),
    ),
    goal("fan-out", "the same: everybody answered", Bound::NoErrors),
    goal("fan-out-stream", "one change to 10,000 streams: p99", Bound::Below("seen", 0.99, 100.0)),
    goal(
        "fan-out-stream",
        "the same beside a bare loop with prepared bytes",
        Bound::AsLate(Kind::Bare, "seen", 0.99, 0.0),
    ),
    goal("fan-out-stream", "the same: everybody told", Bound::NoErrors),
    goal("churn", "10,000 changes before blocking queries: none missed", Bound::NoErrors),
    goal("churn-stream", "10,000 changes before streams: none missed", Bound::NoErrors),
    goal("kv-get", "reads of 1,000 keys beside Consul", Bound::Times(Kind::Consul, 10.0)),
    goal(
        "kv-put",
        "durable writes of 1,000 keys, 64 connections, beside Consul",
        Bound::Times(Kind::Consul, 20.0),
    ),
    goal("kv-watch", "one change to 1,000 who watch its prefix: p99", Bound::Below("seen", 0.99, 100.0)),
    goal("kv-watch", "the same beside Consul", Bound::AsLate(Kind::Consul, "seen", 0.99, 0.0)),
    goal("kv-watch", "the same: everybody answered", Bound::NoErrors),
    goal("idle", "500 busy connections beside 10,000 idle ones: all served", Bound::NoErrors),
];

const fn goal(scenario: &'static str, what: &'static str, bound: Bound) -> Goal {
    Goal { scenario, what, bound }
}

/// What the rounds of a scenario say about a goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What is asked for, in words.
    pub asked: String,
    /// What was found, in words.
    pub found: String,
    /// Whether that is enough; nothing if nothing is asked for.
    pub met: Option<bool>,
}

/// Judges the rounds of a scenario, muster's first.
pub fn judge(bound: Bound, all: &[Rounds]) -> Finding {
    let Some(own) = all.first() else {
        return Finding { asked: String::new(), found: "not run".into(), met: Some(false) };
    };
    let middle = |figure: &dyn Fn(&Figures) -> f64| median(own.figures.iter().map(figure));
    let latency = |row: &str, share: f64| latency_of(own, row, share);
    let (asked, found, met) = match bound {
        Bound::Times(kind, times) => match all.iter().find(|it| it.kind == kind) {
            None => (format!(">= {times} x"), format!("{} did not run", kind.name()), Some(false)),
            Some(other) => {
                let found = ratio(own, other);
                let asked = if times > 0.0 { format!(">= {times} x") } else { String::new() };
                (asked, format!("{found:.2} x"), (times > 0.0).then_some(found >= times))
            }
        },
        Bound::AsLate(kind, row, share, most) => {
            let asked = if most > 0.0 { format!("<= {most} x its time") } else { String::new() };
            match all.iter().find(|it| it.kind == kind) {
                None => (asked, format!("{} did not run", kind.name()), Some(false)),
                Some(other) => {
                    let times = latency(row, share) / latency_of(other, row, share);
                    (asked, format!("{times:.2} x its time"), (most > 0.0).then_some(times <= most))
                }
            }
        }
        Bound::PerSecond(least) => {
            let found = middle(&Figures::per_second);
            (format!(">= {}/s", thousands(least)), format!("{}/s", thousands(found)), Some(found >= least))
        }
        Bound::Below(row, share, most) => {
            let found = latency(row, share);
            // A histogram without a single latency shows 0, which is no merit.
            let any = own.figures.iter().all(|it| it.row(row).latencies.count() > 0);
            (
                format!("< {most} ms"),
                format!("{} ms", milliseconds(found as u64)),
                Some(any && found / 1e3 < most),
            )
        }
        Bound::Syncs(row, most) => {
            let ratios = own.figures.iter().zip(&own.sync_us);
            let found = median(ratios.map(|(it, sync)| it.row(row).latencies.at(0.5) as f64 / sync));
            (format!("<= {most} fdatasyncs"), format!("{found:.1} fdatasyncs"), Some(found <= most))
        }
        Bound::Bytes(row, most) => {
            let found = middle(&|it| {
                let row = it.row(row);
                row.bytes as f64 / row.latencies.count().max(1) as f64
            });
            (format!("< {most} bytes"), format!("{found:.0} bytes"), Some(found > 0.0 && found < most))
        }
        Bound::NoErrors => {
            let total = |of: &dyn Fn(&Figures) -> u64| own.figures.iter().map(of).sum::<u64>();
            let (errors, answers) =
                (total(&|it| it.total().errors()), total(&|it| it.total().latencies.count()));
            let found = format!("{errors} errors in {} answers", thousands(answers as f64));
            ("0 errors".into(), found, Some(errors == 0 && answers > 0))
        }
    };
    Finding { asked, found, met }
}

/// The middle of the rounds' latencies of a row, up to a share.
fn latency_of(rounds: &Rounds, row: &str, share: f64) -> f64 {
    median(rounds.figures.iter().map(|it| it.row(row).latencies.at(share) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Row;
    use crate::scenario::SHIPPED;

    fn rounds(kind: Kind, answers: u64, micros: u64, complaint: Option<&str>) -> Rounds {
        let mut row = Row::default();
        (0..answers).for_each(|_| row.right(micros * 1000, 100));
        complaint.into_iter().for_each(|it| row.wrong(it.to_owned()));
        let figures = Figures { seconds: 1.0, rows: vec![("a".into(), row)], ..Figures::default() };
        Rounds { kind, figures: vec![figures], sync_us: vec![300.0] }
    }

    #[test]
    fn goals_name_scenarios_that_exist() {
        for goal in GOALS {
            assert!(SHIPPED.iter().any(|(name, _)| *name == goal.scenario), "{}", goal.scenario);
        }
    }

    #[test]
    fn a_goal_is_met_at_its_bound_and_missed_beyond() {
        let pair = [rounds(Kind::Muster, 100, 900, None), rounds(Kind::Consul, 10, 1, None)];
        let wrong = [rounds(Kind::Muster, 100, 900, Some("status 500"))];
        let nothing = [rounds(Kind::Muster, 0, 0, None)];
        let rows: [(Bound, &[Rounds], &str, Option<bool>); 16] = [
            (Bound::Times(Kind::Consul, 10.0), &pair, "10.00 x", Some(true)),
            (Bound::Times(Kind::Consul, 10.1), &pair, "10.00 x", Some(false)),
            (Bound::Times(Kind::Consul, 0.0), &pair, "10.00 x", None),
            (Bound::Times(Kind::Nginx, 1.0), &pair, "nginx did not run", Some(false)),
            (Bound::AsLate(Kind::Consul, "a", 0.99, 0.0), &pair, "900.00 x its time", None),
            (Bound::AsLate(Kind::Consul, "a", 0.99, 900.0), &pair, "900.00 x its time", Some(true)),
            (Bound::AsLate(Kind::Consul, "a", 0.99, 899.0), &pair, "900.00 x its time", Some(false)),
            (Bound::AsLate(Kind::Bare, "a", 0.99, 0.0), &pair, "a bare loop did not run", Some(false)),
            (Bound::PerSecond(100.0), &pair, "100/s", Some(true)),
            (Bound::PerSecond(101.0), &pair, "100/s", Some(false)),
            (Bound::Below("a", 0.99, 0.9), &pair, "0.90 ms", Some(false)),
            (Bound::Below("a", 0.99, 0.91), &pair, "0.90 ms", Some(true)),
            (Bound::Below("a", 0.99, 0.91), &nothing, "0.00 ms", Some(false)),
            (Bound::Syncs("a", 3.0), &pair, "3.0 fdatasyncs", Some(true)),
            (Bound::Bytes("a", 100.0), &pair, "100 bytes", Some(false)),
            (Bound::NoErrors, &wrong, "1 errors in 100 answers", Some(false)),
        ];
        for (bound, all, found, met) in rows {
            let finding = judge(bound, all);
            assert_eq!((finding.found.as_str(), finding.met), (found, met), "{bound:?}");
        }
        assert_eq!(judge(Bound::NoErrors, &[]).met, Some(false));
    }
}
