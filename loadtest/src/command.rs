//! The command line, shared by `loadtest` and `muster bench`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::compare::{self, Plan};
use crate::load::{self, Target};
use crate::process::Process;
use crate::progress::Progress;
use crate::report;
use crate::scenario::{SHIPPED, Scenario};
use crate::seed;
use crate::servers::{Kind, Programs};

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List the scenarios
    List,
    /// Put one scenario on one server
    Run(RunArguments),
    /// Start muster and others, and let them take turns at one scenario
    Compare(CompareArguments),
}

/// What is asked of a scenario's own figures.
#[derive(Args, Debug)]
pub struct Changes {
    /// Connections, in place of the scenario's
    #[arg(long)]
    connections: Option<usize>,
    /// Seconds that count, in place of the scenario's
    #[arg(long)]
    seconds: Option<f64>,
    /// Requests a second, whatever the server does [default: as fast as it answers]
    #[arg(long)]
    rate: Option<f64>,
    /// Threads of the generator [default: the cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What `run` takes.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// One of `list`, or a file
    scenario: String,
    /// The server's address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8500")]
    http_addr: String,
    /// The server's process, if it runs here: its use of processor and memory is shown
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Do not register what the scenario needs
    #[arg(long)]
    no_seed: bool,
    #[command(flatten)]
    changes: Changes,
}

/// What `compare` takes.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// One of `list`, or a file
    scenario: String,
    /// The binary of muster
    #[arg(long, value_name = "FILE")]
    muster: PathBuf,
    /// The binary of Consul
    #[arg(long, value_name = "FILE")]
    consul: Option<PathBuf>,
    /// The binary of the may_minihttp program
    #[arg(long, value_name = "FILE")]
    minihttp: Option<PathBuf>,
    /// The binary of nginx
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// How often each server gets its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where servers keep their data while they run: on the disk that is meant
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    directory: PathBuf,
    #[command(flatten)]
    changes: Changes,
}

/// Does it, and gives what to print.
///
/// # Errors
/// What went wrong, for a reader.
pub fn run(command: Command) -> Result<String, String> {
    match command {
        Command::List => {
            let line =
                |(name, text): &(&str, &str)| Ok(format!("{name:<16} {}", Scenario::parse(text)?.about));
            Ok(SHIPPED.iter().map(line).collect::<Result<Vec<_>, String>>()?.join("\n"))
        }
        Command::Run(arguments) => run_one(&arguments),
        Command::Compare(arguments) => compare(arguments),
    }
}

impl Changes {
    fn apply(&self, scenario: &mut Scenario) {
        scenario.connections = self.connections.unwrap_or(scenario.connections);
        scenario.seconds = self.seconds.unwrap_or(scenario.seconds);
        if self.rate.is_some() {
            (scenario.rate, scenario.share_of_peak) = (self.rate, None);
        }
    }

    fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn keep(&self, figures: &serde_json::Value) -> Result<(), String> {
        let Some(path) = &self.json else { return Ok(()) };
        std::fs::write(path, format!("{figures:#}\n")).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn run_one(arguments: &RunArguments) -> Result<String, String> {
    let mut scenario = Scenario::find(&arguments.scenario)?;
    arguments.changes.apply(&mut scenario);
    let address = resolve(&arguments.http_addr)?;
    if !arguments.no_seed {
        seed::fill(address, &scenario.services)?;
    }
    let process = arguments.server_pid.map(Process);
    let target = Target { address, process, threads: arguments.changes.threads() };
    let figures = load::run(&scenario, target, &Progress::new(&arguments.scenario))?;
    arguments.changes.keep(&report::json::of(&figures))?;
    Ok(report::text::of(&figures))
}

fn compare(arguments: CompareArguments) -> Result<String, String> {
    let mut scenario = Scenario::find(&arguments.scenario)?;
    arguments.changes.apply(&mut scenario);
    let threads = arguments.changes.threads();
    let CompareArguments { muster, consul, minihttp, nginx, rounds, directory, changes, .. } = arguments;
    let programs = Programs { muster: Some(muster), consul, minihttp, nginx, muster_arguments: Vec::new() };
    let kinds = [Kind::Muster, Kind::Minihttp, Kind::Nginx, Kind::Consul];
    let kinds: Vec<Kind> = kinds.into_iter().filter(|it| programs.path(*it).is_ok()).collect();
    let plan = Plan { scenario, kinds, rounds, threads };
    let directory = fresh_directory(&directory)?;
    let all = compare::run(&plan, &programs, &directory);
    let _ = std::fs::remove_dir_all(&directory);
    let all = all?;
    let rounds = |it: &compare::Rounds| serde_json::json!({"server": it.kind.name(), "rounds": it.figures.iter().map(report::json::of).collect::<Vec<_>>()});
    changes.keep(&all.iter().map(rounds).collect())?;
    Ok(report::table::of(&all))
}

/// A directory below `parent` that nobody else uses, by its whole path: programs change theirs.
fn fresh_directory(parent: &Path) -> Result<PathBuf, String> {
    let directory = parent.join(crate::process::unique_name());
    let made = std::fs::create_dir_all(&directory).and_then(|()| directory.canonicalize());
    made.map_err(|error| format!("{}: {error}", directory.display()))
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    let mut found = address.to_socket_addrs().map_err(|error| format!("{address} is no address: {error}"))?;
    found.next().ok_or_else(|| format!("{address} has no address"))
}
