//! Kills under load: clients register and deregister, each keeps a ledger, and the server dies by SIGKILL at moments drawn
//! by chance. After every restart its very first answers are held against the ledgers.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use super::chance::{Chance, seed};
use super::ledger::{Instance, Ledger, NAMES};
use super::life::{self, Indexes, Seen, note_index};
use super::views::{self, Rows, Tally, View, compare, row_with_check_of};
use crate::differential::listener::Listener;
use crate::support::client::{Request, ask_until};
use crate::support::process::Process;

/// Clients that write at the same time, by turns through the agent's and the catalog's API.
const CLIENTS: usize = 9;

/// Kills when `MUSTER_KILLS` does not say.
const KILLS: usize = 50;

/// Answers after each restart that must all be complete.
const FIRST_ANSWERS: usize = 200;

/// A life under load lasts so many milliseconds and as many more by chance.
const LIFE_MS: (u64, u64) = (30, 300);

/// Every so many lives one lasts long enough for each probe to have run, so that a flip would show.
const LONG_LIFE_EVERY: usize = 10;

/// Twice the interval of the fixed HTTP check, and a little.
const LONG_LIFE: Duration = Duration::from_millis(2_300);

/// Longest wait for the fixed HTTP check to pass for the first time.
const PASSING_WAIT_MAX: Duration = Duration::from_secs(30);

/// The rows that are there all the time, by view: muster's own, and checks in every status.
type Fixtures = Vec<(View, Rows)>;

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let kills = match std::env::var("MUSTER_KILLS") {
        Ok(text) => text.parse().expect("MUSTER_KILLS is a whole number"),
        Err(_) => KILLS,
    };
    let mut chance = Chance::new(seed());
    let listener = Listener::start().expect("a listener on the loopback address");
    let mut process = Process::muster(&[]).expect("muster starts");
    let mut ledgers: Vec<Ledger> = (0..CLIENTS).map(Ledger::new).collect();
    let fixtures = set_up(&process, &ledgers, listener.address);
    process.kill();
    let (mut tally, mut indexes, mut outcome) = (Tally::default(), Indexes::new(), Ok(0));
    let (mut done, mut woken) = (0, 0);
    while done < kills && outcome.is_ok() {
        let life = if done % LONG_LIFE_EVERY == 0 {
            LONG_LIFE
        } else {
            Duration::from_millis(LIFE_MS.0 + chance.below(LIFE_MS.1))
        };
        outcome =
            live_once(&mut process, &mut ledgers, &fixtures, &mut indexes, &mut tally, life, &mut chance);
        done += 1;
        woken += outcome.as_ref().unwrap_or(&0);
    }
    let last = outcome.and_then(|_| {
        process.launch_again()?;
        judge_first_answers(&process, &mut ledgers, &fixtures, &mut indexes, &mut tally)
    });
    let operations: u64 = ledgers.iter().map(|ledger| ledger.acknowledged).sum();
    let Tally { lost, resurrected, wrong } = tally;
    println!(
        "{done} kills, {operations} acknowledged operations, {lost} lost, {resurrected} resurrected, {wrong} wrong"
    );
    if let Err(sentence) = last {
        panic!("after {done} kills: {sentence}");
    }
    assert!(tally.is_clean());
    assert!(woken > done as u64, "blocking queries woke {woken} times in {done} lives under load");
}

/// Registers what stays, in every status, and takes the rows of all views.
fn set_up(process: &Process, ledgers: &[Ledger], target: SocketAddr) -> Fixtures {
    let mut client = process.client();
    let mut put = |target: &str, body: String| {
        let answer = client.put(target, &body).expect("an answer");
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    };
    for status in ["passing", "warning", "critical"] {
        let check = json!({"CheckID": status, "Name": "beat", "TTL": "24h"});
        let service = json!({"Name": format!("steady-{status}"), "Port": 1, "Check": check});
        put("/v1/agent/service/register", service.to_string());
        let report = json!({"Status": status, "Output": format!("I am {status}")});
        put(&format!("/v1/agent/check/update/{status}"), report.to_string());
    }
    let check =
        json!({"CheckID": "probed", "Name": "probe", "Interval": "1s", "HTTP": format!("http://{target}/")});
    put("/v1/agent/service/register", json!({"Name": "steady-probed", "Check": check}).to_string());
    for ledger in ledgers {
        if let Some(request) = ledger.node_request() {
            let answer = process.client().request(&request).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let probed = Request::new("GET", "/v1/health/service/steady-probed?passing");
    let deadline = Instant::now() + PASSING_WAIT_MAX;
    let answer = ask_until(&mut process.client(), &probed, deadline, |answer| answer.text() != "[]");
    assert_ne!(answer.expect("an answer").text(), "[]", "the probed check passes");
    let rows = |view: View| view.rows(&process.client().get(&view.target()).expect("an answer").json());
    let checks = format!("{:?}", rows(View::Checks("any")));
    assert!(["I am passing", "I am warning"].iter().all(|said| checks.contains(said)), "{checks}");
    views::all().into_iter().map(|view| (view, rows(view))).collect()
}

/// One life, from the start to the kill; gives how often a blocking query was answered under load.
fn live_once(
    process: &mut Process,
    ledgers: &mut [Ledger],
    fixtures: &Fixtures,
    indexes: &mut Indexes,
    tally: &mut Tally,
    life: Duration,
    chance: &mut Chance,
) -> Result<u64, String> {
    process.launch_again()?;
    let address = process.address;
    let critical = View::Checks("critical");
    let always = fixtures.iter().find(|(view, _)| *view == critical).map(|(_, rows)| rows);
    let from = indexes.get(&critical).copied().unwrap_or(1);
    let outcome = thread::scope(|scope| {
        // From before the first probe to the kill: no check turns critical because muster was away.
        let watcher = scope.spawn(move || life::follow(address, critical, from, always));
        let begun = judge_first_answers(process, ledgers, fixtures, indexes, tally).and_then(|()| {
            let expected = |view| expected_rows(view, fixtures, ledgers);
            life::ask_with_old_indexes(address, indexes, &expected)
        });
        let lived = begun.and_then(|()| {
            let kill = || {
                // The moment of the kill is drawn: this is no wait for anything.
                thread::sleep(life);
                process.kill();
            };
            load_until(kill, address, ledgers, indexes, chance)
        });
        process.kill();
        joined(watcher).and(lived)
    });
    // What the tables do not show, such as an index that went back, is wrong as well.
    tally.wrong += usize::from(outcome.is_err() && tally.is_clean());
    outcome
}

/// Every client writes, an observer reads and a follower waits for changes until `kill` returns, and with it the server
/// is dead. Gives how often the follower was answered.
fn load_until(
    kill: impl FnOnce(),
    address: SocketAddr,
    ledgers: &mut [Ledger],
    indexes: &mut Indexes,
    chance: &mut Chance,
) -> Result<u64, String> {
    let followed = View::Passing(NAMES[0]);
    let from = indexes.get(&followed).copied().unwrap_or(1);
    let known = indexes.clone();
    thread::scope(|scope| {
        let write = |ledger| {
            let chance = chance.fork();
            scope.spawn(move || life::write(address, ledger, chance))
        };
        let writers: Vec<_> = ledgers.iter_mut().map(write).collect();
        let observer = scope.spawn(move || life::observe(address, &views::all(), known));
        let follower = scope.spawn(move || life::follow(address, followed, from, None));
        kill();
        let written = writers.into_iter().map(joined).collect::<Result<Vec<()>, String>>();
        let observed = joined(observer).map(|seen| *indexes = seen);
        written.and(observed).and(joined(follower))
    })
}

/// What a thread came to; a panic of it is an error like any other.
fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))
}

/// Takes the first answers of a server that is starting and holds them against the ledgers, which they settle.
fn judge_first_answers(
    process: &Process,
    ledgers: &mut [Ledger],
    fixtures: &Fixtures,
    indexes: &mut Indexes,
    tally: &mut Tally,
) -> Result<(), String> {
    let seen = life::first_answers(process.address, &views::all(), FIRST_ANSWERS)?;
    settle_doubts(ledgers, &seen)?;
    let mut sentences = BTreeSet::new();
    let mut highest = indexes.clone();
    for Seen { view, answer } in &seen {
        let (found, differences) =
            compare(&expected_rows(*view, fixtures, ledgers), &view.rows(&answer.json()));
        tally.add(found);
        sentences.extend(differences.into_iter().map(|it| format!("{}: {it}", view.target())));
        // Readers side by side may be answered out of order; none may be answered below what was seen before the kill.
        let mut before = indexes.clone();
        match note_index(&mut before, *view, answer) {
            Ok(()) => before.into_iter().for_each(|(view, index)| {
                let known = highest.entry(view).or_default();
                *known = index.max(*known);
            }),
            Err(sentence) => {
                tally.wrong += 1;
                sentences.insert(sentence);
            }
        }
    }
    *indexes = highest;
    if sentences.is_empty() { Ok(()) } else { Err(sentences.into_iter().collect::<Vec<_>>().join("\n")) }
}

/// Decides by the first answers which of the unanswered operations were done. Each shows fully done or fully not.
pub fn settle_doubts(ledgers: &mut [Ledger], seen: &[Seen]) -> Result<(), String> {
    let mut found = Rows::new();
    for name in NAMES {
        let first = seen.iter().find(|seen| seen.view == View::Passing(name));
        let first = first.ok_or("the first answers do not show every name")?;
        found.extend(View::Passing(name).rows(&first.answer.json()));
    }
    for ledger in ledgers {
        let Some(doubt) = &ledger.doubt else { continue };
        let key = format!("{}/{}", ledger.node(), doubt.id);
        let row = |instance: &Option<Instance>| instance.as_ref().map(|it| row_with_check_of(it).1);
        let (found, before, after) = (found.get(&key).cloned(), row(&doubt.before), row(&doubt.after));
        if found != before && found != after {
            return Err(format!("half done: {key}: {found:?}, neither {before:?} nor {after:?}"));
        }
        ledger.settle(found == after);
    }
    Ok(())
}

/// What a view shows when everything acknowledged is there and nothing else.
fn expected_rows(view: View, fixtures: &Fixtures, ledgers: &[Ledger]) -> Rows {
    let fixed = fixtures.iter().find(|(fixed, _)| *fixed == view);
    let mut rows = fixed.map(|(_, rows)| rows.clone()).unwrap_or_default();
    rows.extend(view.expected(ledgers.iter().flat_map(|ledger| ledger.instances.values())));
    rows
}
