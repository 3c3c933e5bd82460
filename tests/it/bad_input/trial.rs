//! A server on trial: takes rows one by one, looks at everything after each, and lists what went wrong at the end.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::row::{Expected, HARMLESS, Row, Then, shown};
use crate::support::client::{Answer, Client, read_answer};
use crate::support::process::Process;

/// How much the server's resident memory may grow over a whole table. A table sends some 20 MB in bodies at the bound;
/// a server that kept them, or a tree of one of them, would be well above, and one that frees them well below.
const MEMORY_GROWTH_KIB_MAX: u64 = 32 * 1024;

/// Longest silence of the server that a test waits out; far above its own timeouts of 30 s.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What together shows everything that can be registered. The order of lists is Consul's, so equal states are equal
/// texts, but for objects, whose keys `Value` sorts.
const STATE: [&str; 5] = [
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/health/state/any",
    "/v1/agent/services",
    "/v1/agent/checks",
];

/// What stands in the registry before the first row, so that a row has something to damage.
const SEEDS: [(&str, &str); 3] = [
    (
        "/v1/agent/service/register",
        r#"{"Name":"web","Port":80,"Tags":["a","b"],"Meta":{"k":"v"},"Check":{"TTL":"24h","Status":"passing"}}"#,
    ),
    ("/v1/agent/check/register", r#"{"Name":"memory","TTL":"24h","Status":"warning"}"#),
    (
        "/v1/catalog/register",
        r#"{"Node":"n2","Address":"10.0.0.2","Service":{"Service":"db","Port":5432},
            "Check":{"Name":"db-up","ServiceID":"db","Status":"passing"}}"#,
    ),
];

/// What one of [`STATE`] answers: its index, if it has one, and its body.
type Shown = (Option<u64>, Value);

pub struct Trial {
    server: Process,
    /// A connection of its own, for questions about the state.
    client: Client,
    /// The state after the seeds; every row leaves this behind.
    seeded: Vec<Shown>,
    /// The state after the last row, indexes included.
    last: Vec<Shown>,
    /// What the follow-up of every row is answered.
    harmless: Vec<u8>,
    memory_before_kib: u64,
    rows: usize,
    faults: Vec<String>,
}

impl Trial {
    pub fn start() -> Trial {
        let server = Process::muster(&[]).expect("muster starts");
        let mut client = server.client();
        for (target, body) in SEEDS {
            let answer = client.put(target, body).expect("a seed is answered");
            assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        }
        let harmless = client.get(HARMLESS).expect("the harmless path answers").body;
        let seeded = state(&mut client).expect("the state can be read");
        let memory_before_kib = memory_kib(server.pid());
        Trial {
            last: seeded.clone(),
            server,
            client,
            seeded,
            harmless,
            memory_before_kib,
            rows: 0,
            faults: Vec::new(),
        }
    }

    /// Sends one row and looks at its answer, its connection and the state.
    pub fn judge(&mut self, row: &Row) {
        self.rows += 1;
        for fault in [self.fault_of_answer(row), self.fault_of_state(row)].into_iter().flatten() {
            self.faults.push(format!("{}: {fault}\n    {}", row.what, shown(&row.sent)));
        }
    }

    /// # Panics
    /// When any row went wrong, with all of them; when the state or the memory is not what it was.
    pub fn finish(mut self) {
        let faults = std::mem::take(&mut self.faults);
        assert!(faults.is_empty(), "{} faults in {} rows:\n{}", faults.len(), self.rows, faults.join("\n"));
        let grown = memory_kib(self.server.pid()).saturating_sub(self.memory_before_kib);
        println!("{} rows, memory grew by {grown} KiB", self.rows);
        assert!(grown < MEMORY_GROWTH_KIB_MAX, "{grown} KiB more after {} rows", self.rows);
    }

    fn fault_of_answer(&self, row: &Row) -> Option<String> {
        let answers = match exchange(self.server.address, row) {
            Ok(answers) => answers,
            Err(error) => return Some(format!("no answer: {error}")),
        };
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let is_followed = answers.len() == 2 && answers[1].status == 200 && answers[1].body == self.harmless;
        let is_sound = match row.expected {
            Expected::Refused { status, then, .. } => {
                statuses.first() == Some(&status)
                    && match then {
                        Then::Open => is_followed,
                        Then::Closed => {
                            answers.len() == 1 && answers[0].header("Connection") == Some("close")
                        }
                    }
            }
            Expected::Answered { status, .. } => statuses.first() == Some(&status) && is_followed,
            Expected::Stored => statuses.first() == Some(&200) && is_followed,
            Expected::Silence => answers.is_empty(),
        };
        if !is_sound {
            let texts: Vec<String> = answers.iter().map(Answer::text).collect();
            return Some(format!("{:?} expected, answered {statuses:?} {texts:?}", row.expected));
        }
        match row.expected {
            Expected::Refused { says, .. } => fault_of_sentence(&answers[0], says),
            Expected::Answered { says, .. } if !answers[0].text().contains(says) => {
                Some(format!("{says:?} expected in {:?}", answers[0].text()))
            }
            _ => None,
        }
    }

    /// Whether the state is as before, or has changed as it should have; in that case it is changed back.
    fn fault_of_state(&mut self, row: &Row) -> Option<String> {
        let now = match state(&mut self.client) {
            Ok(now) => now,
            Err(error) => return Some(format!("the server is gone: {error}")),
        };
        let must_change = matches!(row.expected, Expected::Stored);
        let fault = match (must_change, difference(&self.last, &now)) {
            (false, Some(difference)) => Some(format!("it was executed: {difference}")),
            (true, None) => Some("it was not stored".to_owned()),
            _ => None,
        };
        self.last = now;
        self.undo().err().or(fault)
    }

    /// Removes what a row has registered, through the API: whatever can be registered can be removed.
    fn undo(&mut self) -> Result<(), String> {
        if bodies(&self.last) == bodies(&self.seeded) {
            return Ok(());
        }
        let requests = [(3, "/v1/agent/service/deregister/"), (4, "/v1/agent/check/deregister/")];
        for (at, target) in requests {
            for id in new_keys(&self.seeded[at].1, &self.last[at].1) {
                // A check of a service that has just been removed is gone already.
                let _ = self.client.put(&format!("{target}{}", encoded(&id)), "");
            }
        }
        for node in names(&self.last[0].1).filter(|node| !names(&self.seeded[0].1).any(|seed| seed == *node))
        {
            let body = serde_json::json!({ "Node": node }).to_string();
            let _ = self.client.put("/v1/catalog/deregister", &body);
        }
        self.last = state(&mut self.client).map_err(|error| error.to_string())?;
        match bodies(&self.last) == bodies(&self.seeded) {
            true => Ok(()),
            false => Err(format!("it cannot be undone: {:?}", difference(&self.seeded, &self.last))),
        }
    }
}

/// Every refusal says why, as plain text.
fn fault_of_sentence(answer: &Answer, says: &str) -> Option<String> {
    let text = answer.text();
    if !text.contains(says) {
        return Some(format!("{says:?} expected in {text:?}"));
    }
    let is_plain = answer.header("Content-Type") == Some("text/plain; charset=utf-8");
    (!says.is_empty() && !is_plain).then(|| format!("a sentence as {:?}", answer.header("Content-Type")))
}

/// Sends a row and, unless it ends with silence, a harmless request behind it that asks for the end of the connection;
/// gives everything the server says until it closes.
///
/// The follow-up shows whether the connection was kept. Whatever else of the row a server might take for a request is
/// one answer too many.
fn exchange(address: SocketAddr, row: &Row) -> io::Result<Vec<Answer>> {
    let follow_up = format!("GET {HARMLESS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let mut said = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            // A server that has refused reads no further: then the rest cannot be sent, and need not be.
            if matches!(row.expected, Expected::Silence) {
                let _ = (&stream).write_all(&row.sent).and_then(|()| stream.shutdown(Shutdown::Write));
            } else {
                let _ = (&stream).write_all(&[&row.sent, follow_up.as_bytes()].concat());
            }
        });
        match (&stream).read_to_end(&mut said) {
            // The end of a connection with bytes unread on the other side, after the answer to what was read.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && !said.is_empty() => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    })?;
    let mut is_head = row.sent.starts_with(b"HEAD ");
    let mut answers = Vec::new();
    let mut rest = BufReader::new(&said[..]);
    while !(rest.buffer().is_empty() && rest.get_ref().is_empty()) {
        answers.push(read_answer(&mut rest, is_head)?.0);
        is_head = false;
    }
    Ok(answers)
}

fn state(client: &mut Client) -> io::Result<Vec<Shown>> {
    let ask = |target: &&str| {
        let answer = client.get(target)?;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        Ok((answer.index(), answer.json()))
    };
    STATE.iter().map(ask).collect()
}

fn bodies(state: &[Shown]) -> Vec<&Value> {
    state.iter().map(|(_, body)| body).collect()
}

/// The first view that is not the same.
fn difference(before: &[Shown], now: &[Shown]) -> Option<String> {
    let mut views = STATE.iter().zip(before.iter().zip(now));
    let (target, (before, now)) = views.find(|(_, (before, now))| before != now)?;
    Some(format!("{target} was {before:?} and is {now:?}"))
}

fn new_keys(before: &Value, now: &Value) -> Vec<String> {
    let (Some(before), Some(now)) = (before.as_object(), now.as_object()) else { return Vec::new() };
    now.keys().filter(|key| !before.contains_key(*key)).cloned().collect()
}

fn names(nodes: &Value) -> impl Iterator<Item = &str> {
    nodes.as_array().into_iter().flatten().filter_map(|node| node["Node"].as_str())
}

/// Percent-encoded for a path, every byte.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Resident memory (`VmRSS`).
fn memory_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("it is a number of kB")
}
