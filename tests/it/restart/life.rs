//! What goes on during one life of the server, each on a thread of its own: readers that take its very first answers,
//! writers with their ledgers, an observer of indexes, and followers by blocking query. All of them end when the server
//! dies, and hand back what they saw.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::ledger::Ledger;
use super::views::{Rows, View, compare};
use crate::support::client::{Answer, Client, Request};

/// Longest wait for the first answer after a start; far above any honest start on a loaded machine.
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// Pause between two attempts to reach a server that does not listen yet.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(1);

/// How long a follower's blocking query waits at most; a life is shorter, so it ends by a change or with the life.
const FOLLOW_WAIT: &str = "30s";

/// How long a blocking query with an index from before the kill may wait.
const OLD_INDEX_WAIT: &str = "100ms";

/// When a blocking query counts as hung: two orders of magnitude above its wait.
const HUNG_AFTER: Duration = Duration::from_secs(15);

/// Threads that read the first answers side by side.
const READERS: usize = 4;

/// The highest index seen of each view.
pub type Indexes = BTreeMap<View, u64>;

/// One answer, and what was asked.
pub struct Seen {
    pub view: View,
    pub answer: Answer,
}

/// The first `count` answers of a server that is only starting.
///
/// # Errors
/// When it does not answer in time, or with anything but 200 once it listens.
pub fn first_answers(address: SocketAddr, views: &[View], count: usize) -> Result<Vec<Seen>, String> {
    thread::scope(|scope| {
        let read =
            |at: usize| move || read_first(address, views, at * views.len() / READERS, count / READERS);
        let readers: Vec<_> = (0..READERS).map(|at| scope.spawn(read(at))).collect();
        let mut seen = Vec::new();
        for reader in readers {
            seen.extend(reader.join().map_err(|_| "a reader panicked")??);
        }
        Ok(seen)
    })
}

/// One reader's share, beginning with the view at `first`.
fn read_first(address: SocketAddr, views: &[View], first: usize, count: usize) -> Result<Vec<Seen>, String> {
    let mut client = Client::new(address);
    let mut seen = Vec::new();
    for view in views.iter().cycle().skip(first).take(count) {
        let answer = reach(&mut client, &Request::new("GET", &view.target()))?;
        seen.push(Seen { view: *view, answer });
    }
    Ok(seen)
}

/// Asks until there is an answer: a connection that is refused or cut says nothing, a status other than 200 does.
fn reach(client: &mut Client, request: &Request) -> Result<Answer, String> {
    let deadline = Instant::now() + START_WAIT_MAX;
    loop {
        match client.request(request) {
            Ok(answer) if answer.status == 200 => return Ok(answer),
            Ok(answer) => return Err(format!("{}: {} {}", request.target, answer.status, answer.text())),
            Err(error) if Instant::now() > deadline => {
                return Err(format!("{}: no answer after {START_WAIT_MAX:?}: {error}", request.target));
            }
            Err(_) => thread::sleep(ATTEMPT_PAUSE),
        }
    }
}

/// Every indexed view asked again with the index it had before the kill: each answers at once or after its wait.
///
/// # Errors
/// A sentence when one hangs, is refused, goes back, or shows something else than `expected` says.
pub fn ask_with_old_indexes(
    address: SocketAddr,
    indexes: &Indexes,
    expected: &(impl Fn(View) -> Rows + Sync),
) -> Result<(), String> {
    thread::scope(|scope| {
        let asks: Vec<_> = indexes
            .iter()
            .map(|(&view, &index)| {
                scope.spawn(move || ask_with_old_index(address, view, index, &expected(view)))
            })
            .collect();
        asks.into_iter().try_for_each(|ask| ask.join().map_err(|_| "a blocking query panicked")?)
    })
}

fn ask_with_old_index(address: SocketAddr, view: View, index: u64, expected: &Rows) -> Result<(), String> {
    let target = view.blocking_target(index, OLD_INDEX_WAIT);
    let failed = |error: std::io::Error| format!("{target}: {error}");
    let mut client = Client::new(address);
    client.send(&Request::new("GET", &target)).map_err(failed)?;
    if !client.answered_within(HUNG_AFTER).map_err(failed)? {
        return Err(format!("{target}: no answer within {HUNG_AFTER:?}"));
    }
    let answer = client.receive().map_err(failed)?;
    let (tally, sentences) = compare(expected, &view.rows(&answer.json()));
    if answer.status != 200 || !tally.is_clean() || answer.index().is_none_or(|now| now < index) {
        return Err(format!("{target}: {} with index {:?}: {sentences:?}", answer.status, answer.index()));
    }
    Ok(())
}

/// Writes until the server dies; the last operation stays doubtful then.
///
/// # Errors
/// When an operation is answered by anything but 200.
pub fn write(address: SocketAddr, ledger: &mut Ledger, mut chance: Chance) -> Result<(), String> {
    let mut client = Client::new(address);
    loop {
        let request = ledger.next(&mut chance);
        // Sent once: a request repeated on a new connection could be carried out twice.
        let Ok(answer) = client.send(&request).and_then(|()| client.receive()) else { return Ok(()) };
        if answer.status != 200 {
            return Err(format!("{}: {} {}", request.target, answer.status, answer.text()));
        }
        ledger.acknowledge();
    }
}

/// Asks for every view in turn until the server dies, and gives the highest index of each.
///
/// # Errors
/// When an index goes back.
pub fn observe(address: SocketAddr, views: &[View], mut indexes: Indexes) -> Result<Indexes, String> {
    let mut client = Client::new(address);
    for view in views.iter().filter(|view| view.is_indexed()).cycle() {
        let Ok(answer) = client.get(&view.target()) else { break };
        note_index(&mut indexes, *view, &answer)?;
    }
    Ok(indexes)
}

/// Notes the index of an answer.
///
/// # Errors
/// When there is none, or it is lower than one seen before.
pub fn note_index(indexes: &mut Indexes, view: View, answer: &Answer) -> Result<(), String> {
    if !view.is_indexed() {
        return Ok(());
    }
    let before = indexes.get(&view).copied().unwrap_or(0);
    match answer.index() {
        Some(now) if now >= before.max(1) => {
            indexes.insert(view, now);
            Ok(())
        }
        now => Err(format!("{}: the index was {before} and is {now:?}", view.target())),
    }
}

/// Follows a view by blocking queries from `index` on until the server dies, and gives how often it was answered. The
/// server may be only starting. With `always`, every answer must show exactly that.
///
/// # Errors
/// When an answer shows something else, or its index goes back.
pub fn follow(address: SocketAddr, view: View, index: u64, always: Option<&Rows>) -> Result<u64, String> {
    let mut client = Client::new(address);
    let mut indexes = Indexes::from([(view, index)]);
    let mut target = view.blocking_target(index, FOLLOW_WAIT);
    send_once_it_listens(&mut client, &Request::new("GET", &target))?;
    let mut received = client.receive();
    let mut answers = 0;
    // An error means that the server died.
    while let Ok(answer) = received {
        if answer.status != 200 {
            return Err(format!("{target}: {} {}", answer.status, answer.text()));
        }
        note_index(&mut indexes, view, &answer)?;
        if let Some(expected) = always {
            let (tally, sentences) = compare(expected, &view.rows(&answer.json()));
            if !tally.is_clean() {
                return Err(format!("{target}: {sentences:?}"));
            }
        }
        answers += 1;
        target = view.blocking_target(indexes[&view], FOLLOW_WAIT);
        received = client.get(&target);
    }
    Ok(answers)
}

/// Sends a request to a server that is only starting.
fn send_once_it_listens(client: &mut Client, request: &Request) -> Result<(), String> {
    let deadline = Instant::now() + START_WAIT_MAX;
    while let Err(error) = client.send(request) {
        if Instant::now() > deadline {
            return Err(format!("{}: nobody listens after {START_WAIT_MAX:?}: {error}", request.target));
        }
        thread::sleep(ATTEMPT_PAUSE);
    }
    Ok(())
}
