//! Runs a sequence against one server and notes what is observed at each step, as JSON ready to be compared. Knows one
//! server only, and judges nothing.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::compare::at;
use super::listener::Listener;
use super::made_ids::MadeIds;
use super::normalise::{Identity, normalise};
use super::sequence::{Sequence, Step};
use super::silent::Silent;
use crate::support::client::{Answer, Client, Request, ask_until};
use crate::support::process::{NODE_NAME, Process, free_port};

/// Longest wait for a change a sequence waits for (`until`, `HITS`): many check intervals on a loaded machine.
const CHANGE_WAIT_MAX: Duration = Duration::from_secs(20);

/// The accessor of the token that counts where none is shown.
const ANONYMOUS_ACCESSOR: &str = "00000000-0000-0000-0000-000000000002";

/// A background request that has not answered for this long is taken to wait for a change.
const PARKED_AFTER: Duration = Duration::from_millis(200);

/// A server under comparison, with the listener its checks are pointed at.
pub struct Side {
    pub process: Process,
    /// Shown by steps that name none.
    token: Option<&'static str>,
    listener: Listener,
    identity: Identity,
}

/// A request under way in the background: its target, how long it may wait, and the thread that reads the answer.
struct Parked {
    target: String,
    /// The same connection, to close it while the thread reads.
    connection: TcpStream,
    wait: Duration,
    reader: JoinHandle<(std::io::Result<Answer>, Duration)>,
}

/// The state of one sequence on one server.
struct Run<'a> {
    side: &'a Side,
    client: Client,
    /// Values of `$names`.
    names: HashMap<String, String>,
    /// Index of the last answer, by target without its `index` and `wait`.
    indexes: HashMap<String, u64>,
    parked: HashMap<String, Parked>,
    /// Ids that the server has made, where access control is on.
    ids: MadeIds,
}

impl Side {
    /// # Errors
    /// A sentence when the server does not say who it is.
    pub fn new(process: Process) -> Result<Side, String> {
        Side::with_token(process, None)
    }

    /// As [`Side::new`], for a server on which only this token may do everything.
    ///
    /// # Errors
    /// As [`Side::new`].
    pub fn guarded(process: Process, token: &'static str) -> Result<Side, String> {
        Side::with_token(process, Some(token))
    }

    fn with_token(process: Process, token: Option<&'static str>) -> Result<Side, String> {
        let listener = Listener::start().map_err(|error| format!("no listener: {error}"))?;
        let request = shown(Request::new("GET", "/v1/agent/self"), token);
        let own = process.client().request(&request).map_err(|error| format!("agent/self: {error}"))?;
        let node_id = serde_json::from_slice::<Value>(&own.body)
            .ok()
            .and_then(|own| Some(own.pointer("/Config/NodeID")?.as_str()?.to_owned()));
        let identity =
            Identity { node_id: node_id.unwrap_or_default(), listener: listener.address.to_string() };
        Ok(Side { process, token, listener, identity })
    }

    /// What each step of the sequence showed, in order. The registry is empty again afterwards.
    ///
    /// # Errors
    /// A sentence when a step cannot be carried out at all, or the registry cannot be emptied.
    pub fn run(&self, sequence: &Sequence, targets: &Targets) -> Result<Vec<Value>, String> {
        let observed = self.run_on(sequence, targets);
        self.empty().map_err(|error| format!("emptying the registry: {error}"))?;
        observed
    }

    /// As [`Side::run`], on what is there, and leaves it as the sequence does.
    ///
    /// # Errors
    /// A sentence when a step cannot be carried out at all.
    pub fn run_on(&self, sequence: &Sequence, targets: &Targets) -> Result<Vec<Value>, String> {
        let mut names = HashMap::from([("node".to_owned(), NODE_NAME.to_owned())]);
        names.insert("listener".to_owned(), self.identity.listener.clone());
        names.insert("closed".to_owned(), targets.closed.to_string());
        names.insert("silent".to_owned(), targets.silent.address.to_string());
        names.insert("index".to_owned(), "0".to_owned());
        names.insert("management".to_owned(), self.token.unwrap_or_default().to_owned());
        let (indexes, parked, ids) = Default::default();
        let mut run = Run { side: self, client: self.process.client(), names, indexes, parked, ids };
        let steps = sequence.steps.iter();
        let observed =
            steps.map(|step| run.step(step).map_err(|error| format!("line {}: {error}", step.line)));
        observed.collect()
    }

    /// Takes away whatever the sequence left.
    fn empty(&self) -> Result<(), String> {
        let mut client = self.process.client();
        let mut ask = |method: &str, target: &str, body: &str| {
            let answer = client.request(&shown(Request::new(method, target).body(body), self.token));
            answer.map_err(|error| format!("{method} {target}: {error}"))
        };
        ask("PUT", "/v1/agent/maintenance?enable=false", "")?;
        for (list, remove) in [("services", "service"), ("checks", "check")] {
            let listed = ask("GET", &format!("/v1/agent/{list}"), "")?;
            let listed: Value = serde_json::from_slice(&listed.body).map_err(|error| error.to_string())?;
            for id in listed.as_object().into_iter().flat_map(|map| map.keys()) {
                ask("PUT", &format!("/v1/agent/{remove}/deregister/{}", percent_encode(id)), "")?;
            }
        }
        let nodes = ask("GET", "/v1/catalog/nodes", "")?;
        let nodes: Value = serde_json::from_slice(&nodes.body).map_err(|error| error.to_string())?;
        for node in nodes.as_array().into_iter().flatten().filter(|node| node["Node"] != NODE_NAME) {
            ask("PUT", "/v1/catalog/deregister", &json!({"Node": node["Node"]}).to_string())?;
        }
        if self.token.is_some() {
            empty_acl(&mut ask)?;
        }
        let left = ["/v1/agent/services", "/v1/agent/checks"].map(|list| ask("GET", list, ""));
        for list in left {
            let list = list?;
            if list.text().trim() != "{}" {
                return Err(format!("still there: {}", list.text()));
            }
        }
        Ok(())
    }
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<Value, String> {
        let target = self.fill(&step.target)?;
        match &*step.method {
            "AWAIT" => self.join(&target, step),
            "HANGUP" => {
                let parked = self.parked.remove(&target).ok_or("nothing waits under that name")?;
                parked.connection.shutdown(Shutdown::Both).map_err(|error| error.to_string())?;
                Ok(json!({}))
            }
            "LISTEN" => {
                let statuses = step.expected.split(',').map(|status| status.trim().parse::<u16>());
                let statuses = statuses.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
                self.side.listener.script(&target, statuses);
                Ok(json!({}))
            }
            "HITS" => {
                let hits = step.expected.parse().map_err(|_| "HITS needs a number")?;
                Ok(json!({ "hits": self.side.listener.wait_for_hits(&target, hits, CHANGE_WAIT_MAX) }))
            }
            _ => self.ask(step, &target),
        }
    }

    fn ask(&mut self, step: &Step, target: &str) -> Result<Value, String> {
        let mut request = Request::new(&step.method, target);
        if !step.names_token() {
            request = shown(request, self.side.token);
        }
        let sent = step.headers.iter().filter(|(_, value)| value != "none");
        for (name, value) in sent {
            request = request.header(name, &self.fill(value)?);
        }
        if let Some(body) = &step.body {
            request = request.body(self.fill(body)?);
        }
        if let Some(name) = &step.background {
            return self.park(name, request);
        }
        let Some((path, wanted)) = &step.until else {
            let answer = self.client.request(&request);
            return Ok(self.observe(step, target, answer));
        };
        let wanted = (wanted != "absent").then(|| serde_json::from_str::<Value>(wanted)).transpose();
        let wanted = wanted.map_err(|error| format!("until: {error}"))?;
        let shows = |answer: &Answer| at(&read(answer), path) == wanted.as_ref();
        let answer = ask_until(&mut self.client, &request, Instant::now() + CHANGE_WAIT_MAX, shows);
        let reached = answer.as_ref().is_ok_and(shows);
        let mut observed = self.observe(step, target, answer);
        observed["until"] = json!(reached);
        Ok(observed)
    }

    /// Sends a request that is expected to wait, and leaves it to a thread of its own.
    fn park(&mut self, name: &str, request: Request) -> Result<Value, String> {
        let mut client = self.side.process.client();
        let sent_at = Instant::now();
        client.send(&request).map_err(|error| error.to_string())?;
        let answered = client.answered_within(PARKED_AFTER).map_err(|error| error.to_string())?;
        let wait = wait_of(&request.target)?;
        let connection = client.connection().map_err(|error| error.to_string())?;
        let reader = std::thread::spawn(move || (client.receive(), sent_at.elapsed()));
        self.parked.insert(name.to_owned(), Parked { target: request.target, connection, wait, reader });
        Ok(json!({ "waits": !answered }))
    }

    /// Reads the answer of a background request. It came early when it came before its `wait` was over.
    fn join(&mut self, name: &str, step: &Step) -> Result<Value, String> {
        let Parked { target, wait, reader, .. } =
            self.parked.remove(name).ok_or("nothing waits under that name")?;
        let (answer, after) = reader.join().map_err(|_| "the reader panicked")?;
        let mut observed = self.observe(step, &target, answer);
        observed["wake"] = json!(if after < wait { "early" } else { "timeout" });
        Ok(observed)
    }

    /// Notes an answer: what it is, how its index stands to the one before, and what later steps want to know of it.
    fn observe(&mut self, step: &Step, target: &str, answer: std::io::Result<Answer>) -> Value {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return json!({ "no answer": error.kind().to_string() }),
        };
        let mut observed = read(&answer);
        if let Some(index) = answer.index() {
            self.names.insert("index".to_owned(), index.to_string());
            let before = self.indexes.insert(without_wait(target), index);
            observed["index"] = json!(match before.map(|before| index.cmp(&before)) {
                None => "first",
                Some(std::cmp::Ordering::Greater) => "rises",
                Some(std::cmp::Ordering::Equal) => "stays",
                Some(std::cmp::Ordering::Less) => "falls",
            });
        }
        for (name, path) in &step.keep {
            let kept = match at(&observed, path) {
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
                None => "absent".to_owned(),
            };
            self.names.insert(name.clone(), kept);
        }
        let mut observed = normalise(target, observed, &self.side.identity);
        if self.side.token.is_some() {
            self.ids.name(&mut observed);
        }
        observed
    }

    /// Puts values for `$names`; `$$` is a dollar, `$x600` six hundred `x`.
    fn fill(&self, text: &str) -> Result<String, String> {
        let mut parts = text.split('$');
        let mut filled = parts.next().unwrap_or_default().to_owned();
        while let Some(part) = parts.next() {
            if part.is_empty() {
                filled += "$";
                filled += parts.next().unwrap_or_default();
                continue;
            }
            let end = part.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            match (self.names.get(name), name.strip_prefix('x').and_then(|count| count.parse().ok())) {
                (Some(value), _) => filled += value,
                (None, Some(count)) => filled += &"x".repeat(count),
                (None, None) => return Err(format!("${name} is not known here")),
            }
            filled += rest;
        }
        Ok(filled)
    }
}

/// Takes away the records of access control but for those that every server has, and all keys.
fn empty_acl(ask: &mut impl FnMut(&str, &str, &str) -> Result<Answer, String>) -> Result<(), String> {
    ask("DELETE", "/v1/kv/?recurse", "")?;
    let of_server = |record: &Value| {
        record["Name"] == "global-management"
            || record["AccessorID"] == ANONYMOUS_ACCESSOR
            || ["Master Token", "Initial Management Token"].iter().any(|own| record["Description"] == *own)
    };
    let is_altered = |record: &Value| {
        record["AccessorID"] == ANONYMOUS_ACCESSOR && record["Description"] != "Anonymous Token"
    };
    for (list, one, id) in
        [("tokens", "token", "AccessorID"), ("roles", "role", "ID"), ("policies", "policy", "ID")]
    {
        let listed = ask("GET", &format!("/v1/acl/{list}"), "")?;
        let listed: Value = serde_json::from_slice(&listed.body).map_err(|error| error.to_string())?;
        for record in listed.as_array().into_iter().flatten() {
            let target = format!("/v1/acl/{one}/{}", record[id].as_str().unwrap_or_default());
            if is_altered(record) {
                ask("PUT", &target, &json!({ "Description": "Anonymous Token" }).to_string())?;
            } else if !of_server(record) {
                ask("DELETE", &target, "")?;
            }
        }
    }
    Ok(())
}

/// The request with that token.
fn shown(request: Request, token: Option<&str>) -> Request {
    match token {
        Some(token) => request.header("X-Consul-Token", token),
        None => request,
    }
}

/// An answer as JSON: status, headers as spelled, body (JSON where it says so), and how the JSON is laid out.
fn read(answer: &Answer) -> Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in &answer.headers {
        let joined = headers.get(name).and_then(Value::as_str).map(|before| format!("{before}, {value}"));
        headers.insert(name.clone(), json!(joined.as_ref().unwrap_or(value)));
    }
    let body = if answer.header("Content-Encoding") == Some("gzip") {
        let mut plain = Vec::new();
        let inflated = flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut plain);
        inflated.map_or_else(|error| format!("no gzip: {error}").into_bytes(), |_| plain)
    } else {
        answer.body.clone()
    };
    let text = String::from_utf8_lossy(&body).into_owned();
    let says_json = answer.header("Content-Type").is_some_and(|kind| kind.starts_with("application/json"));
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if says_json => {
            json!({ "status": answer.status, "header": headers, "body": value, "layout": layout(&text) })
        }
        _ => json!({ "status": answer.status, "header": headers, "body": text }),
    }
}

fn layout(json: &str) -> String {
    let indented = if json.contains("\n    ") { "indented" } else { "compact" };
    let newline = if json.ends_with('\n') { ", final newline" } else { "" };
    let raw = if json.contains(['<', '>', '&']) { ", raw HTML characters" } else { "" };
    format!("{indented}{newline}{raw}")
}

/// The `wait` a target asks for, in the units the sequences use.
fn wait_of(target: &str) -> Result<Duration, String> {
    let wait = target.split(['?', '&']).find_map(|part| part.strip_prefix("wait="));
    let wait = wait.ok_or("a background request needs a wait")?;
    let number = |text: &str| text.parse().map_err(|_| format!("wait={wait}: not in ms or s"));
    match (wait.strip_suffix("ms"), wait.strip_suffix('s')) {
        (Some(text), _) => number(text).map(Duration::from_millis),
        (_, text) => number(text.unwrap_or_default()).map(Duration::from_secs),
    }
}

fn without_wait(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kept = query.split('&').filter(|part| !part.starts_with("index=") && !part.starts_with("wait="));
    format!("{path}?{}", kept.collect::<Vec<_>>().join("&"))
}

fn percent_encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Addresses for checks that are the same for both sides.
pub struct Targets {
    /// Nobody listens.
    pub closed: SocketAddr,
    pub silent: Silent,
}

impl Targets {
    pub fn new() -> io::Result<Targets> {
        let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        Ok(Targets { closed, silent: Silent::start()? })
    }
}
