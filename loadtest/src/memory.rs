//! What things take in a server's memory: the difference of its resident size without and with ten thousand of them.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::connection::{Buffers, Connection};
use crate::crowd::Crowd;
use crate::load::{self, Question, Target};
use crate::poller::Poller;
use crate::process::Process;
use crate::progress::Progress as Bar;
use crate::scenario::{Request, Scenario, Services};
use crate::seed;
use crate::servers::{Kind, Programs, Server};
use crate::watcher::{How, Progress, Watcher};

/// How long a server's memory must have stood still to be taken for settled, and how long to wait for that.
const SETTLED_AFTER: Duration = Duration::from_millis(500);
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Instances of a service: like a service of a company, so that a name is shared by as many.
const INSTANCES: usize = 20;

/// How much of its memory a server may gain from the first round of comings and goings that is looked at to the last.
const GROWTH_MAX: f64 = 0.10;

/// Answers before the first look: they fill what is kept of the past up to a bound. The largest of these is a history of
/// 100,000 changes of a check's status; eight of ten answers are one.
const REMEMBERED_MAX: u64 = 150_000;

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Line {
    /// What there are so many of.
    pub what: &'static str,
    /// The resident size without and with them, in bytes.
    pub bytes: (u64, u64),
    /// Most bytes one may take, if that is held to.
    pub most: Option<u64>,
    /// How many.
    pub count: usize,
    /// Why it could not be measured.
    pub failure: Option<String>,
}

impl Line {
    /// Bytes of one.
    pub fn each(&self) -> f64 {
        self.bytes.1.saturating_sub(self.bytes.0) as f64 / self.count as f64
    }
}

/// Measures `count` of everything, each on a server of its own.
///
/// # Errors
/// A server does not start, or does not take the instances. What else fails is told in its line.
pub fn table(programs: &Programs, directory: &Path, count: usize) -> Result<Vec<Line>, String> {
    let start = || Server::registry(Kind::Muster, programs, directory);
    let services = |checks| Services {
        name: "mem".into(),
        count: Some(count.div_ceil(INSTANCES)),
        instances: INSTANCES.min(count),
        checks,
    };
    let mut lines = Vec::new();
    let mut filled = Vec::new();
    for checks in [0, 1] {
        let server = start()?;
        let before = settled(server.process());
        seed::fill(server.address, &[services(checks)])?;
        filled.push((before, settled(server.process())));
        drop(server);
        let _ = std::fs::remove_dir_all(directory.join("muster"));
    }
    lines.push(Line { what: "instance", bytes: filled[0], most: None, count, failure: None });
    lines.push(Line {
        what: "check of an instance",
        bytes: (filled[0].1, filled[1].1),
        most: None,
        count,
        failure: None,
    });
    lines.push(Line { what: "instance with a check", bytes: filled[1], most: None, count, failure: None });
    lines.push(Line {
        what: "everything, with so many instances and checks",
        bytes: (0, filled[1].1),
        most: Some(60_000_000 / 10_000),
        count,
        failure: None,
    });

    type Hold<'a> = &'a dyn Fn(SocketAddr) -> Result<Box<dyn std::any::Any>, String>;
    let idle: Hold<'_> = &|address| Ok(Box::new(Crowd::gather(address, count, &question(address)?)?));
    let held = |how| move |address| Ok(Box::new(park(address, how, count)?) as Box<dyn std::any::Any>);
    let (blocking, stream) = (held(How::Blocking), held(How::Stream));
    let rows: [(&str, Hold<'_>, Option<u64>); 3] = [
        ("idle connection", idle, Some(12 * 1024)),
        ("parked blocking query", &blocking, Some(16 * 1024)),
        ("subscriber to a stream", &stream, None),
    ];
    for (what, hold, most) in rows {
        let server = start()?;
        seed::fill(server.address, &[Services { name: "mem".into(), count: None, instances: 1, checks: 1 }])?;
        let before = settled(server.process());
        let crowd = hold(server.address);
        let bytes = (before, settled(server.process()));
        lines.push(Line { what, bytes, most, count, failure: crowd.as_ref().err().cloned() });
        drop((crowd, server));
        let _ = std::fs::remove_dir_all(directory.join("muster"));
    }
    Ok(lines)
}

/// The table in Markdown.
pub fn shown(lines: &[Line]) -> String {
    let mut out = String::from(
        "| one of | count | RSS without | RSS with | each | asked for | met |\n|---|---|---|---|---|---|---|",
    );
    for line in lines {
        if let Some(failure) = &line.failure {
            let _ = write!(out, "\n| {} | {} | it failed: {failure} | | | | |", line.what, line.count);
            continue;
        }
        let (asked, met) = match line.most {
            None => (String::new(), ""),
            Some(most) => (format!("<= {most} B"), if line.each() <= most as f64 { "yes" } else { "**no**" }),
        };
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (without, with) = (megabytes(line.bytes.0), megabytes(line.bytes.1));
        let _ = write!(
            out,
            "\n| {} | {} | {without:.1} MB | {with:.1} MB | {:.0} B | {asked} | {met} |",
            line.what,
            line.count,
            line.each()
        );
    }
    out
}

/// Has instances come and go, first until whatever remembers the past is full, then for some rounds; gives the resident
/// size after each of these.
///
/// # Errors
/// The server does not start, an answer is wrong, or the memory grows from round to round.
pub fn growth(
    programs: &Programs,
    directory: &Path,
    rounds: usize,
    seconds: f64,
) -> Result<Vec<u64>, String> {
    let server = Server::registry(Kind::Muster, programs, directory)?;
    let mut scenario = Scenario::find("growth")?;
    (scenario.seconds, scenario.warm_up_seconds) = (seconds, 0.0);
    let target = Target { address: server.address, process: Some(server.process()), threads: 1 };
    let (mut sizes, mut before) = (Vec::new(), 0);
    while sizes.len() < rounds {
        let show = Bar::new(&format!("round {} of {rounds}, {before} before", sizes.len() + 1));
        let total = load::run(&scenario, target, &show)?.total();
        if total.errors() > 0 || total.latencies.count() == 0 {
            return Err(format!("round {}: {:?}", sizes.len() + 1, total.complaints));
        }
        if before >= REMEMBERED_MAX {
            sizes.push(settled(server.process()));
        }
        before += total.latencies.count();
    }
    match sizes.as_slice() {
        [first, .., last] if *last as f64 > *first as f64 * (1.0 + GROWTH_MAX) => {
            Err(format!("the memory grows: {sizes:?} bytes after each round"))
        }
        _ => Ok(sizes),
    }
}

/// The resident size, once it stands still.
fn settled(process: Process) -> u64 {
    let deadline = Instant::now() + SETTLE_WAIT_MAX;
    let (mut size, mut since) = (process.rss_bytes(), Instant::now());
    while since.elapsed() < SETTLED_AFTER && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
        let now = process.rss_bytes();
        if now.abs_diff(size) > size / 200 {
            (size, since) = (now, Instant::now());
        }
    }
    process.rss_bytes()
}

fn question(address: SocketAddr) -> Result<Question, String> {
    let request = Request {
        name: "idle".into(),
        weight: 1,
        method: "GET".into(),
        path: "/v1/health/service/mem".into(),
        headers: Default::default(),
        body: None,
        picks: Default::default(),
        expect: Default::default(),
    };
    Question::compile(&request, address, "memory")
}

/// So many watchers that have seen the present and wait for what comes.
fn park(address: SocketAddr, how: How, count: usize) -> Result<Vec<Watcher>, String> {
    let mut buffers = Buffers::default();
    let mut watchers = Vec::with_capacity(count);
    let mut poller = Poller::new().map_err(|error| error.to_string())?;
    for number in 0..count {
        let connection = Connection::open(address).map_err(|error| error.to_string())?;
        poller.add(connection.socket(), number).map_err(|error| error.to_string())?;
        let mut watcher = Watcher::new(connection, how);
        watcher.ask(address, "mem").map_err(|error| error.to_string())?;
        let deadline = Instant::now() + SETTLE_WAIT_MAX;
        while watcher.read(&mut buffers)? == Progress::Nothing {
            if Instant::now() > deadline {
                return Err(format!("the watcher {number} is not told of the present"));
            }
            poller.wait(1_000_000).map_err(|error| error.to_string())?.for_each(drop);
        }
        watcher.ask(address, "mem").map_err(|error| error.to_string())?;
        watchers.push(watcher);
    }
    Ok(watchers)
}
