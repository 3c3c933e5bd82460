//! The command line.

use std::io::{Write, stderr};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::compare::{self, Plan, Rounds};
use crate::figures::Figures;
use crate::load::{self, Target};
use crate::memory;
use crate::process::{self, Process};
use crate::progress::Progress;
use crate::report;
use crate::scenario::{SHIPPED, Scenario};
use crate::seed;
use crate::servers::{Kind, Programs};
use crate::suite;
use crate::watcher::How;

/// How long a server may take to accept a connection before it counts as not there.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Load for anything that speaks Consul's HTTP API.
#[derive(Parser, Debug)]
#[command(name = "loadtest", version)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(Subcommand, Debug)]
enum Command {
    /// List the scenarios
    List,
    /// Put one scenario on one server
    Run(RunArguments),
    /// Start servers, and let them take turns at one scenario
    Compare(CompareArguments),
    /// Start servers for one scenario after the other, and write the page of figures
    Suite(SuiteArguments),
    /// Measure what instances, connections and watchers take in muster's memory
    Memory(MemoryArguments),
    /// Let instances come and go, and fail if muster's memory grows
    Growth(GrowthArguments),
}

/// What is asked in place of a scenario's own figures, and where to keep what comes of it.
#[derive(Args, Debug)]
struct Changes {
    /// Connections, in place of the scenario's
    #[arg(long)]
    connections: Option<usize>,
    /// Seconds that count, in place of the scenario's
    #[arg(long, value_parser = number)]
    seconds: Option<f64>,
    /// Requests a second, whatever the server does
    #[arg(long, value_parser = number)]
    rate: Option<f64>,
    /// Watchers, in place of the scenario's
    #[arg(long)]
    watchers: Option<usize>,
    /// Changes before watchers, in place of the scenario's
    #[arg(long)]
    changes: Option<u64>,
    /// Idle connections, in place of the scenario's
    #[arg(long)]
    idle_connections: Option<usize>,
    /// Threads of the generator [default: the cores]
    #[arg(long)]
    threads: Option<usize>,
    /// Write all figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with pictures to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What `run` takes.
#[derive(Args, Debug)]
struct RunArguments {
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

/// Which servers there are, and where they may keep data.
#[derive(Args, Debug)]
struct ProgramArguments {
    /// The binary of muster
    #[arg(long, value_name = "FILE")]
    muster: PathBuf,
    /// The binary of Consul
    #[arg(long, value_name = "FILE")]
    consul: Option<PathBuf>,
    /// The binary of the may_minihttp program
    #[arg(long, value_name = "FILE")]
    minihttp: Option<PathBuf>,
    /// The binary of the bare loop that tells watchers
    #[arg(long, value_name = "FILE")]
    bare: Option<PathBuf>,
    /// The binary of nginx
    #[arg(long, value_name = "FILE")]
    nginx: Option<PathBuf>,
    /// A further argument of `muster agent`; may be given again
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    muster_argument: Vec<String>,
    /// Where servers keep their data while they run: on the disk that is meant
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    directory: PathBuf,
}

/// What `compare` takes.
#[derive(Args, Debug)]
struct CompareArguments {
    /// One of `list`, or a file
    scenario: String,
    /// How often each server gets its turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[command(flatten)]
    programs: ProgramArguments,
    #[command(flatten)]
    changes: Changes,
}

/// What `suite` takes.
#[derive(Args, Debug)]
struct SuiteArguments {
    /// Only the scenarios whose name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Put the page between the marks of this document
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Words that head the page: the commit, the machine, the command
    #[arg(long, value_name = "TEXT", default_value = "")]
    circumstances: String,
    /// Threads of the generator [default: the cores]
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    programs: ProgramArguments,
}

/// What `memory` takes.
#[derive(Args, Debug)]
struct MemoryArguments {
    /// How many of each
    #[arg(long, default_value_t = 10_000)]
    count: usize,
    #[command(flatten)]
    programs: ProgramArguments,
}

/// What `growth` takes.
#[derive(Args, Debug)]
struct GrowthArguments {
    /// Rounds, between which the memory is looked at
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Seconds of a round
    #[arg(long, default_value_t = 5.0, value_parser = number)]
    seconds: f64,
    #[command(flatten)]
    programs: ProgramArguments,
}

impl CommandLine {
    /// Does it, and gives what to print.
    ///
    /// # Errors
    /// What went wrong, for a reader.
    pub fn run(self) -> Result<String, String> {
        match self.command {
            Command::List => {
                let line =
                    |(name, text): &(&str, &str)| Ok(format!("{name:<18} {}", Scenario::parse(text)?.about));
                Ok(SHIPPED.iter().map(line).collect::<Result<Vec<_>, String>>()?.join("\n"))
            }
            Command::Run(arguments) => run_one(&arguments),
            Command::Compare(arguments) => compare(&arguments),
            Command::Suite(arguments) => suite_of(&arguments),
            Command::Memory(MemoryArguments { count, programs }) => {
                programs.with_directory(|programs, directory| {
                    Ok(memory::shown(&memory::table(programs, directory, count)?))
                })
            }
            Command::Growth(GrowthArguments { rounds, seconds, programs }) => {
                programs.with_directory(|programs, directory| {
                    rounds_wanted(rounds)?;
                    let sizes = memory::growth(programs, directory, rounds, seconds)?;
                    let sizes: Vec<String> =
                        sizes.iter().map(|it| format!("{:.1}", *it as f64 / 1e6)).collect();
                    Ok(format!("RSS after each of {rounds} rounds of {seconds} s: {} MB", sizes.join(", ")))
                })
            }
        }
    }
}

impl Changes {
    /// Changes a scenario, and looks whether it can be run and what comes of it be kept: before anything is measured.
    fn apply(&self, scenario: &mut Scenario) -> Result<(), String> {
        scenario.connections = self.connections.unwrap_or(scenario.connections);
        scenario.seconds = self.seconds.unwrap_or(scenario.seconds);
        scenario.idle_connections = self.idle_connections.unwrap_or(scenario.idle_connections);
        if self.rate.is_some() {
            (scenario.rate, scenario.share_of_peak) = (self.rate, None);
        }
        if let Some(watch) = &mut scenario.watch {
            watch.watchers = self.watchers.unwrap_or(watch.watchers);
            watch.changes = self.changes.unwrap_or(watch.changes);
        }
        scenario.validate()?;
        if self.threads == Some(0) {
            return Err("--threads is 1 at least".to_owned());
        }
        [&self.json, &self.html].into_iter().flatten().try_for_each(|path| {
            let parent =
                path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match (parent.is_dir(), path.is_dir()) {
                (false, _) => Err(format!("{} cannot be written: make its directory first", path.display())),
                (true, true) => Err(format!("{} is a directory: name a file in it", path.display())),
                (true, false) => Ok(()),
            }
        })
    }

    fn keep(&self, title: &str, json: &serde_json::Value, runs: &[(String, Figures)]) -> Result<(), String> {
        if let Some(path) = &self.json {
            write(path, &format!("{json:#}\n"))?;
        }
        self.html.as_ref().map_or(Ok(()), |path| write(path, &report::page::of(title, runs)))
    }
}

impl ProgramArguments {
    fn programs(&self) -> Programs {
        Programs {
            muster: Some(self.muster.clone()),
            consul: self.consul.clone(),
            minihttp: self.minihttp.clone(),
            bare: self.bare.clone(),
            nginx: self.nginx.clone(),
            muster_arguments: self.muster_argument.clone(),
        }
    }

    /// Does something with the programs and a directory that nobody else uses, which is removed afterwards.
    fn with_directory<T>(
        &self,
        work: impl FnOnce(&Programs, &Path) -> Result<T, String>,
    ) -> Result<T, String> {
        let directory = self.directory.join(process::unique_name());
        let made = std::fs::create_dir_all(&directory).and_then(|()| directory.canonicalize());
        // By its whole path: programs change theirs.
        let directory = made.map_err(|error| {
            format!("{} cannot be made ({error}): name another place with --directory", directory.display())
        })?;
        let outcome = work(&self.programs(), &directory);
        let _ = std::fs::remove_dir_all(&directory);
        outcome
    }
}

fn run_one(arguments: &RunArguments) -> Result<String, String> {
    let mut scenario = Scenario::find(&arguments.scenario)?;
    arguments.changes.apply(&mut scenario)?;
    let address = resolve(&arguments.http_addr)?;
    if let Err(error) = TcpStream::connect_timeout(&address, CONNECT_MAX) {
        return Err(format!(
            "{address} does not answer ({error}): start a server there, or name one with --http-addr"
        ));
    }
    if let Some(pid) = arguments.server_pid.filter(|pid| Process(*pid).rss_bytes() == 0) {
        return Err(format!("there is no process {pid} here: leave out --server-pid, or give the server's"));
    }
    if !arguments.no_seed {
        seed::fill_for(address, &scenario)?;
    }
    let process = arguments.server_pid.map(Process);
    let target = Target { address, process, threads: threads(arguments.changes.threads) };
    let figures = load::run(&scenario, target, &Progress::new(&arguments.scenario))?;
    let (json, text) = (report::json::of(&figures), report::text::of(&figures));
    arguments.changes.keep(&arguments.scenario, &json, &[(arguments.http_addr.clone(), figures)])?;
    Ok(text)
}

fn compare(arguments: &CompareArguments) -> Result<String, String> {
    let CompareArguments { scenario: name, rounds, programs, changes } = arguments;
    let mut scenario = Scenario::find(name)?;
    changes.apply(&mut scenario)?;
    rounds_wanted(*rounds)?;
    let given = programs.programs();
    let able: &[Kind] = match scenario.watch.as_ref().map(|it| it.how) {
        None => &[Kind::Muster, Kind::Minihttp, Kind::Nginx, Kind::Consul],
        Some(How::Blocking) => &[Kind::Muster, Kind::Bare, Kind::Consul],
        Some(How::Prefix) => &[Kind::Muster, Kind::Consul],
        Some(How::Stream) => &[Kind::Muster, Kind::Bare],
        Some(How::Delta) => &[Kind::Muster],
    };
    let kinds: Vec<Kind> = able.iter().copied().filter(|it| given.path(*it).is_ok()).collect();
    let plan = Plan { scenario, kinds, rounds: *rounds, threads: threads(changes.threads) };
    let all = programs.with_directory(|programs, directory| compare::run(&plan, programs, directory))?;
    let last = |it: &Rounds| Some((it.kind.name().to_owned(), it.figures.last()?.clone()));
    let runs: Vec<(String, Figures)> = all.iter().filter_map(last).collect();
    changes.keep(name, &all.iter().map(rounds_json).collect(), &runs)?;
    Ok(report::table::of(&all))
}

fn rounds_wanted(rounds: usize) -> Result<(), String> {
    if rounds == 0 { Err("--rounds is 1 at least".to_owned()) } else { Ok(()) }
}

fn rounds_json(rounds: &Rounds) -> serde_json::Value {
    let figures: Vec<serde_json::Value> = rounds.figures.iter().map(report::json::of).collect();
    serde_json::json!({"server": rounds.kind.name(), "rounds": figures})
}

fn suite_of(arguments: &SuiteArguments) -> Result<String, String> {
    let entries: Vec<suite::Entry> =
        suite::SHORT.iter().copied().filter(|it| it.scenario.contains(&arguments.only)).collect();
    if entries.is_empty() {
        let names: Vec<&str> = suite::SHORT.iter().map(|it| it.scenario).collect();
        return Err(format!("--only {:?} is in none of the names: {}", arguments.only, names.join(", ")));
    }
    if let Some(document) = arguments.write.as_ref().filter(|it| !it.is_file()) {
        return Err(format!("{} is no file: name a document that has the marks", document.display()));
    }
    let threads = threads(arguments.threads);
    arguments.programs.with_directory(|programs, directory| {
        let outcomes = suite::run(&entries, programs, directory, threads, |(entry, outcome)| {
            let said = outcome
                .as_ref()
                .map_or_else(|error| format!("failed: {error}"), |all| report::table::of(all));
            let _ = writeln!(stderr(), "\n{}\n{said}", entry.scenario);
        })?;
        let page = suite::page(&outcomes, &arguments.circumstances);
        if let Some(document) = &arguments.write {
            suite::write_between_marks(document, &page)?;
        }
        Ok(page)
    })
}

fn threads(given: Option<usize>) -> usize {
    given.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

/// A number, in words of people where it is none. Which ones will do is judged with all the rest.
fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "it is no number: write one such as 2000 or 0.5".to_owned())
}

fn resolve(address: &str) -> Result<SocketAddr, String> {
    // As clients of Consul's are given it.
    let bare = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    if bare.starts_with("unix://") {
        return Err(format!(
            "{address} is no address here, for load is put on TCP: write HOST:PORT or http://HOST:PORT"
        ));
    }
    let refused = |error: &dyn std::fmt::Display| {
        format!("{address} is no address ({error}): write HOST:PORT or http://HOST:PORT")
    };
    let mut found = bare.to_socket_addrs().map_err(|error| refused(&error))?;
    found.next().ok_or_else(|| refused(&"the name has none"))
}
