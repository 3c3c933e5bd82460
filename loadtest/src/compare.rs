//! Several servers in turn within one run: what disturbs one disturbs its neighbour, so the ratios hold.

use std::path::Path;

use crate::client::Client;
use crate::disk;
use crate::figures::Figures;
use crate::load::{self, Question, Target};
use crate::progress::Progress;
use crate::scenario::Scenario;
use crate::seed;
use crate::servers::{Body, Kind, Programs, Server};

/// How the servers take turns.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is asked of them.
    pub scenario: Scenario,
    /// Who takes part; the first is the one the others are compared with.
    pub kinds: Vec<Kind>,
    /// How often each gets its turn.
    pub rounds: usize,
    /// Threads of the generator.
    pub threads: usize,
}

/// The rounds of one server.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// Which program.
    pub kind: Kind,
    /// What came of each of its turns, in order.
    pub figures: Vec<Figures>,
    /// Microseconds the disk took to keep one block, just before each turn.
    pub sync_us: Vec<f64>,
}

/// Starts the servers, fills the registries, lets all take their turns, and ends them. Whose turn it is not stands still.
///
/// # Errors
/// A server does not start, or a catalog cannot be filled.
pub fn run(plan: &Plan, programs: &Programs, directory: &Path) -> Result<Vec<Rounds>, String> {
    let mut servers: Vec<Server> = Vec::new();
    let mut registries: Vec<Kind> = plan.kinds.iter().copied().filter(|it| it.is_registry()).collect();
    registries.sort();
    for kind in registries {
        let server = Server::registry(kind, programs, directory)?;
        seed::fill_for(server.address, &plan.scenario)
            .map_err(|error| format!("{}: {error}", kind.name()))?;
        servers.push(server);
    }
    for kind in plan.kinds.iter().copied().filter(|it| !it.is_registry()) {
        let source = servers.first().ok_or("a server of one body needs a registry to copy it from")?;
        let body = body_of(&plan.scenario, source)?;
        servers.push(Server::of_body(kind, programs, directory, &body)?);
    }
    servers.sort_by_key(|server| plan.kinds.iter().position(|it| *it == server.kind));
    let mut all: Vec<Rounds> = plan
        .kinds
        .iter()
        .map(|kind| Rounds { kind: *kind, figures: Vec::new(), sync_us: Vec::new() })
        .collect();
    servers.iter().for_each(Server::pause);
    for round in 1..=plan.rounds {
        let mut scenario = plan.scenario.clone();
        if let Some(share) = scenario.share_of_peak.take() {
            // One rate for all: a quicker server is not to be later because it is asked more.
            let mut peak = f64::INFINITY;
            for server in &mut servers {
                let name = format!("round {round} of {}, the peak: {}", plan.rounds, server.kind.name());
                peak = peak.min(turn(server, &scenario, plan.threads, &name)?.per_second());
            }
            scenario.rate = Some(peak * share);
        }
        for (server, rounds) in servers.iter_mut().zip(&mut all) {
            let name = format!("round {round} of {}: {}", plan.rounds, server.kind.name());
            rounds.sync_us.push(disk::sync_us(directory)?);
            rounds.figures.push(turn(server, &scenario, plan.threads, &name)?);
        }
    }
    Ok(all)
}

/// One server's turn, which stands still before and after.
fn turn(server: &mut Server, scenario: &Scenario, threads: usize, name: &str) -> Result<Figures, String> {
    let target = Target { address: server.address, process: Some(server.process()), threads };
    let scenario = if server.kind.is_registry() { scenario.clone() } else { without_index(scenario) };
    let show = Progress::new(name);
    server.resume();
    let event: Option<load::Event<'_>> =
        scenario.restart.then(|| Box::new(|| server.restart()) as load::Event<'_>);
    let figures = load::run_beside(&scenario, target, &show, event)?;
    server.pause();
    Ok(figures)
}

/// The answer to the first request of a scenario, or what its watchers see first.
fn body_of(scenario: &Scenario, server: &Server) -> Result<Body, String> {
    let mut client = Client::new(server.address);
    let fetched = if let Some(watch) = &scenario.watch {
        client.get(&format!("/v1/health/service/{}", watch.service), "")
    } else {
        let mut bytes = Vec::new();
        Question::compile(&scenario.requests[0], server.address, "body")?.write(0, 0, &mut bytes);
        client.ask(&bytes)
    };
    let fetched = fetched.map_err(|error| error.to_string())?;
    Ok(Body { gzip: fetched.body.starts_with(&[0x1f, 0x8b]), bytes: fetched.body })
}

/// A server of one file knows no index.
fn without_index(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.requests.iter_mut().for_each(|it| it.expect.index = false);
    scenario
}

/// The middle of some values; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[length / 2],
        length => f64::midpoint(values[length / 2 - 1], values[length / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let rows: [(&[f64], f64); 4] =
            [(&[], 0.0), (&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 9.0], 3.0)];
        for (values, middle) in rows {
            assert_eq!(median(values.iter().copied()), middle);
        }
    }
}
