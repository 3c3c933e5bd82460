//! Many clients that watch one service, or the keys below one prefix, while it changes: how soon they know, and whether all of them know all of it.
//!
//! Changes are made in step: the next one waits until everybody has seen the one before. So everybody has to see each
//! change, and one that is not seen is missed, whatever may be lost or joined on the way.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use serde::Deserialize;

use crate::client::Client;
use crate::clock::Clock;
use crate::connection::{Buffers, Connection};
use crate::figures::{Figures, Row, Usage};
use crate::load::Target;
use crate::poller::Poller;
use crate::process::Process;
use crate::progress::Progress as Bar;
use crate::seed;
use crate::watcher::{How, Progress, Watcher};

/// How long everybody may take to see a change, or to ask for the first time.
const SEEN_WAIT_MAX_NS: u64 = 30_000_000_000;

/// The longest sleep of a thread, so that the end is noticed.
const SLEEP_MAX_NS: u64 = 20_000_000;

/// How often the one who makes the changes looks whether they are seen.
const LOOK_EVERY: Duration = Duration::from_micros(20);

/// Who watches, and what changes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The service, one of those that are registered before. Its first instance is what changes. For those who watch a
    /// prefix, that prefix, of which one key changes.
    pub service: String,
    /// Checks of that instance.
    #[serde(default)]
    pub checks: usize,
    /// How many watch.
    pub watchers: usize,
    /// In which way.
    pub how: How,
    /// How often it changes.
    pub changes: u64,
    /// Milliseconds between everybody having seen a change and the next.
    #[serde(default)]
    pub pause_ms: u64,
}

impl Watch {
    /// The call that makes a change, and its body.
    fn change(&self, number: u64) -> (String, String) {
        match self.how {
            How::Prefix => {
                (format!("/v1/kv/{}/changed?flags={number}", self.service), "What a setting is.".to_owned())
            }
            _ => {
                let body = seed::registration(&self.service, 0, self.checks, &number.to_string());
                ("/v1/agent/service/register".to_owned(), body)
            }
        }
    }
}

/// What the threads tell each other.
struct Shared {
    clock: Clock,
    /// When each change was sent, by its number.
    sent: Vec<AtomicU64>,
    /// How many sights there were of any change.
    sights: AtomicU64,
    /// When the latest sight was.
    latest: AtomicU64,
    /// Watchers that have asked for what comes next.
    parked: AtomicU64,
    /// Watchers that are lost.
    lost: AtomicU64,
    done: AtomicBool,
}

/// Lets watchers watch while the service changes.
///
/// The rows are `seen` (from the moment a change was sent until one watcher had it whole), `seen by all`, and `change`
/// (until the change itself was answered).
///
/// # Errors
/// The server does not accept so many, or does not take the changes.
pub fn run(watch: &Watch, target: Target, show: &Bar) -> Result<Figures, String> {
    let shared = Shared {
        clock: Clock::start(),
        sent: (0..=watch.changes).map(|_| AtomicU64::new(0)).collect(),
        sights: AtomicU64::new(0),
        latest: AtomicU64::new(0),
        parked: AtomicU64::new(0),
        lost: AtomicU64::new(0),
        done: AtomicBool::new(false),
    };
    let threads = target.threads.clamp(1, watch.watchers);
    std::thread::scope(|scope| {
        let shared = &shared;
        let share = |thread: usize| (watch.watchers + thread) / threads;
        let running: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || watch_share(watch, target.address, share(thread), shared)))
            .collect();
        let outcome = change(watch, target, shared, show);
        shared.done.store(true, SeqCst);
        let mut seen = Row::default();
        for thread in running {
            let row = thread.join().expect("watching does not panic");
            seen.add(&row.map_err(|error| format!("{} cannot be watched: {error}", target.address))?);
        }
        let mut figures = outcome?;
        figures.rows.insert(0, ("seen".into(), seen));
        Ok(figures)
    })
}

/// Makes the changes, each when everybody has seen the one before.
fn change(watch: &Watch, target: Target, shared: &Shared, show: &Bar) -> Result<Figures, String> {
    let everybody = watch.watchers as u64;
    wait(shared, || shared.parked.load(SeqCst) >= everybody)
        .map_err(|()| "not everybody could ask".to_owned())?;
    std::thread::sleep(Duration::from_millis(watch.pause_ms));
    let (mut written, mut by_all) = (Row::default(), Row::default());
    let mut client = Client::new(target.address);
    let (from, own_before) = (shared.clock.now(), Process::own().cpu_seconds());
    let server_before = target.process.map(|it| it.cpu_seconds());
    for number in 1..=watch.changes {
        show.at(number, watch.changes);
        let (path, body) = watch.change(number);
        let sent = shared.clock.now();
        shared.sent[number as usize].store(sent, SeqCst);
        let answer = client.put(&path, &body).map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("a change is answered {}", answer.status));
        }
        written.right(shared.clock.now() - sent, answer.bytes);
        if wait(shared, || shared.sights.load(SeqCst) >= number * everybody).is_err() {
            let missing = number * everybody - shared.sights.load(SeqCst);
            (0..missing).for_each(|_| by_all.wrong("a watcher that did not see a change in time".into()));
            break;
        }
        by_all.right(shared.latest.load(SeqCst) - sent, 0);
        if wait(shared, || shared.parked.load(SeqCst) >= (number + 1) * everybody).is_err() {
            by_all.wrong("not everybody could ask again".into());
            break;
        }
        std::thread::sleep(Duration::from_millis(watch.pause_ms));
    }
    let seconds = (shared.clock.now() - from) as f64 / 1e9;
    let own_cpu_seconds = Process::own().cpu_seconds() - own_before;
    let server = target.process.zip(server_before).map(|(process, before)| Usage {
        cpu_seconds: process.cpu_seconds() - before,
        rss_bytes: process.rss_bytes(),
    });
    let rows = vec![("seen by all".into(), by_all), ("change".into(), written)];
    Ok(Figures { seconds, rows, own_cpu_seconds, server, ..Figures::default() })
}

/// Waits until something is so, or somebody is lost, or it takes too long.
fn wait(shared: &Shared, is_so: impl Fn() -> bool) -> Result<(), ()> {
    let deadline = shared.clock.now() + SEEN_WAIT_MAX_NS;
    while !is_so() {
        if shared.clock.now() > deadline || shared.lost.load(SeqCst) > 0 {
            return Err(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// One thread's share of the watchers, until the end.
fn watch_share(watch: &Watch, address: SocketAddr, count: usize, shared: &Shared) -> io::Result<Row> {
    let mut poller = Poller::new()?;
    let mut watchers = Vec::with_capacity(count);
    for number in 0..count {
        let connection = Connection::open(address)?;
        poller.add(connection.socket(), number)?;
        let mut watcher = Watcher::new(connection, watch.how);
        watcher.ask(address, &watch.service)?;
        watchers.push(watcher);
    }
    let (mut row, mut buffers) = (Row::default(), Buffers::default());
    // Those who have read and not asked again: reading goes first, because it is what is measured.
    let (mut ready, mut to_ask) = (Vec::new(), Vec::new());
    while !shared.done.load(SeqCst) {
        let patience = if to_ask.is_empty() { SLEEP_MAX_NS } else { 0 };
        ready.extend(poller.wait(patience)?);
        if ready.is_empty() {
            for number in to_ask.drain(..) {
                let watcher: &mut Watcher = &mut watchers[number];
                if let Err(error) = watcher.ask(address, &watch.service) {
                    lose(&mut row, shared, format!("asking failed: {}", error.kind()));
                }
                shared.parked.fetch_add(1, SeqCst);
            }
        }
        for number in ready.drain(..) {
            let watcher = &mut watchers[number];
            match watcher.read(&mut buffers) {
                Ok(Progress::Nothing) => {}
                Ok(Progress::State { change, bytes }) => {
                    see(watcher, change, bytes, &mut row, shared);
                    to_ask.push(number);
                }
                Err(complaint) => {
                    lose(&mut row, shared, complaint);
                    return Ok(row);
                }
            }
        }
    }
    Ok(row)
}

/// Counts what a watcher has learnt: every change between what it knew and what it knows.
fn see(watcher: &mut Watcher, change: u64, bytes: usize, row: &mut Row, shared: &Shared) {
    let now = shared.clock.now();
    if change < watcher.seen {
        row.wrong("a state older than the one before".into());
    }
    for number in watcher.seen + 1..=change {
        let sent = shared.sent[number as usize].load(SeqCst);
        row.right(now.saturating_sub(sent), bytes);
        shared.latest.fetch_max(now, SeqCst);
        shared.sights.fetch_add(1, SeqCst);
    }
    watcher.seen = watcher.seen.max(change);
}

fn lose(row: &mut Row, shared: &Shared, complaint: String) {
    row.wrong(complaint);
    shared.lost.fetch_add(1, SeqCst);
}
