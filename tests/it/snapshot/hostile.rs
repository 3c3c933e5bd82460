//! What somebody makes up and has restored: nothing gets in that intake would refuse, no number stops the registry, and
//! no row runs a program.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::made_up::{
    THEIRS, check, http, indexes, node, program, service, snapshot, snapshot_with, span, with,
};
use super::{register, restore, services, snapshot as saved, with_operators, with_secrets};
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What says that programs may be run.
const ALLOWED: &str = "--enable-local-script-checks";

/// A file that has a program write a line at each run.
struct Programs {
    directory: tempfile::TempDir,
}

impl Programs {
    fn new() -> Programs {
        Programs { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// What writes a line to the file of that name.
    fn args(&self, name: &str) -> [String; 3] {
        ["/bin/sh".into(), "-c".into(), format!("echo run >> {}", self.path(name))]
    }

    /// A directory with a definition file of checks that do so every second.
    fn defining(&self, directory: &str, names: &[&str]) -> String {
        let path = self.path(directory);
        fs::create_dir_all(&path).expect("a directory can be made");
        let define =
            |name: &&str| json!({ "id": name, "name": name, "args": self.args(name), "interval": "1s" });
        let checks: Vec<Value> = names.iter().map(define).collect();
        let file = Path::new(&path).join("checks.json");
        fs::write(file, json!({ "checks": checks }).to_string()).expect("a file can be written");
        path
    }

    fn runs(&self, name: &str) -> usize {
        fs::read_to_string(self.path(name)).map_or(0, |text| text.lines().count())
    }

    /// Waits until the program of that name has run so often again.
    fn wait_for_runs(&self, name: &str, more: usize) {
        let (begun, runs) = (Instant::now(), self.runs(name));
        while self.runs(name) < runs + more {
            assert!(begun.elapsed() < PATIENCE, "{name} runs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn refused(client: &mut Client, name: &str, body: &[u8], words: &str) {
    for target in ["/v1/snapshot?dry-run", "/v1/snapshot"] {
        let (status, sentence) = restore(client, target, body);
        assert_eq!(status, 400, "{name}, {target}: {sentence}");
        assert!(sentence.contains(words), "{name}, {target}: {sentence}");
    }
}

#[test]
fn a_row_runs_no_program() {
    let programs = Programs::new();
    let config = programs.defining("files", &["mine"]);
    let (muster, admin) = with_operators(&["--config-dir", &config, ALLOWED]);
    let mut client = muster.client();
    programs.wait_for_runs("mine", 1);
    let texts = |name: &str| programs.args(name);
    let args = |texts: &[String; 3]| texts.iter().map(String::as_str).map(str::to_owned).collect::<Vec<_>>();
    let (evil, mine) = (args(&texts("evil")), args(&texts("mine")));
    let definition = |seconds: u64, args: &[String]| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        json!({ "definition": program(seconds, &args), "kind": "script" })
    };
    let own = |id: &str, keys: Value| snapshot(9, &[check(THEIRS, id, keys)]);
    let rows = [
        ("a new check", own("evil", definition(1, &evil)), "\"evil\" runs a program"),
        ("another program under a known id", own("mine", definition(1, &evil)), "\"mine\" runs a program"),
        ("the same more rarely", own("mine", definition(2, &mine)), "\"mine\" runs a program"),
        (
            "for another node",
            snapshot(9, &[node("other"), check("other", "evil", definition(1, &evil))]),
            "on another node",
        ),
        (
            "under the name of the agent's own check",
            own("serfHealth", definition(1, &evil)),
            "runs a program",
        ),
    ];
    for (name, body, words) in rows {
        refused(&mut client, name, &body, words);
    }
    let own_rows = with_secrets(&admin);
    let open = saved(&mut client);
    refused(&mut client, "its own without secrets", &open, "secrets were left out");
    programs.wait_for_runs("mine", 2);
    // Kept by the catalog's API it is a record like any other, and nobody's to run.
    let of_catalog = with(definition(1, &evil), json!({ "origin": "catalog" }));
    let (status, told) = restore(&mut client, "/v1/snapshot", &own("evil", of_catalog));
    assert_eq!(status, 200, "{told}");
    let body = json!({ "Node": crate::support::process::NODE_NAME, "Address": "127.0.0.1", "SkipNodeUpdate": true,
        "Check": { "CheckID": "mine", "Name": "mine", "Status": "passing",
                   "Definition": { "ScriptArgs": evil, "IntervalDuration": "1s" } } });
    client.put("/v1/catalog/register", &body.to_string()).expect("an answer");
    let (status, told) = restore(&mut client, "/v1/snapshot", &own_rows);
    assert_eq!(status, 200, "the agent's own snapshot, with the check of its file: {told}");
    client.put("/v1/catalog/register", &body.to_string()).expect("an answer");
    programs.wait_for_runs("mine", 2);
    assert_eq!(programs.runs("evil"), 0);
}

#[test]
fn checks_of_files_go_on_over_starts() {
    let programs = Programs::new();
    let both = programs.defining("both", &["one", "two"]);
    let data = tempfile::tempdir().expect("a temporary directory");
    let start = |config: &str| Process::muster_on(data.path(), &["--config-dir", config, ALLOWED]);
    let passing = |muster: &Process| {
        let is_so = |checks: &Value| ["one", "two"].iter().all(|id| checks[*id]["Status"] == "passing");
        let request = Request::new("GET", "/v1/agent/checks");
        let deadline = Instant::now() + PATIENCE;
        let answer = ask_until(&mut muster.client(), &request, deadline, |it| is_so(&it.json()));
        let checks = answer.expect("an answer").json();
        assert!(is_so(&checks), "{checks}");
    };
    let mut first = start(&both).expect("it starts");
    passing(&first);
    first.stop().expect("it ends");

    let mut second = start(&both).expect("it starts");
    second.kill();
    let third = start(&both).expect("it starts");
    programs.wait_for_runs("one", 2);
    passing(&third);
    let history = third.client().get("/v1/muster/history/node/node-one").expect("an answer");
    assert!(
        history.text().contains("passing") && !history.text().contains("\"To\":\"critical\""),
        "{}",
        history.text()
    );
}

#[test]
fn what_intake_refuses_is_refused_in_rows() {
    let muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    register(&mut client, "kept", "kept", 1);
    let before = saved(&mut client).len();
    let of = |keys: Value| check(THEIRS, "c", keys);
    let run = |definition: Value| of(json!({ "definition": definition }));
    let tcp = |address: &str| json!({ "probe": { "tcp": { "address": address } }, "interval": span(1) });
    let web = |keys: Value| service(THEIRS, "web", keys);
    let control = "control characters are not allowed";
    let deep = (0..60).fold(json!(1), |inner, _| json!({ "a": inner }));
    let drain = |keys: Value| {
        let plan = json!({ "started_ms": 1, "until_ms": 2, "from_percent": 100, "share_percent": 100 });
        web(json!({ "drain": with(plan, keys) }))
    };
    let rows: Vec<(&str, (&str, String, Value), &str)> = vec![
        ("an id with a line feed", check(THEIRS, "a\nb", json!({})), control),
        ("an id with a tab", service(THEIRS, "a\tb", json!({})), control),
        ("a name with an escape", web(json!({ "name": "a\u{1b}[2J" })), control),
        ("an endless name", web(json!({ "name": "x".repeat(256) })), "longer than 255"),
        ("no name", web(json!({ "name": "" })), "Must provide service name"),
        ("a kind that there is not", web(json!({ "kind": "gateway" })), "Invalid service kind"),
        ("a proxy for nobody", web(json!({ "kind": "connect-proxy", "port": 1 })), "DestinationServiceName"),
        ("a proxy that is deep", web(json!({ "proxy": { "rest": { "Config": deep } } })), "nested deeper"),
        ("a proxy of other words", web(json!({ "proxy": { "rest": { "x": 1 } } })), "there is no"),
        ("an address for all", web(json!({ "address": "0.0.0.0" })), "Invalid service address"),
        ("no weight", web(json!({ "weights": { "passing": 0, "warning": 1 } })), "Passing must be greater"),
        ("too many tags", web(json!({ "tags": vec!["t"; 257] })), "too many tags"),
        ("a tag that is long", web(json!({ "tags": ["t".repeat(4097)] })), "longer than 4096"),
        ("metadata that is reserved", web(json!({ "meta": { "consul-a": "b" } })), "reserved"),
        ("metadata that is long", web(json!({ "meta": { "a": "b".repeat(513) } })), "Value is too long"),
        ("a drain for ever", drain(json!({ "until_ms": u64::MAX })), "never"),
        ("a drain of a month", drain(json!({ "until_ms": 2_678_400_000_u64 })), "longer than a day"),
        ("a drain of more than all", drain(json!({ "share_percent": 255 })), "more than 100 percent"),
        (
            "an interval of a nanosecond",
            run(http(json!({}), json!({ "interval": { "secs": 0, "nanos": 1 } }))),
            "Interval",
        ),
        ("no interval", run(http(json!({}), json!({ "interval": span(0) }))), "Interval"),
        ("a timeout of hours", run(http(json!({}), json!({ "timeout": span(7_200) }))), "Timeout"),
        ("an interval of ages", run(http(json!({}), json!({ "interval": span(u64::MAX) }))), "292 years"),
        (
            "two lengths",
            run(http(
                json!({ "header": { "Content-Length": ["0"], "Transfer-Encoding": ["chunked"] } }),
                json!({}),
            )),
            "muster frames its own requests",
        ),
        ("a header's end", run(http(json!({ "header": { "X": ["a\r\nY: b"] } }), json!({}))), control),
        (
            "a method with a blank",
            run(http(json!({ "method": "GET /x" }), json!({}))),
            "Method must be a word",
        ),
        ("a target with a line feed", run(http(json!({ "url": "http://h/\nx" }), json!({}))), control),
        (
            "a target of none",
            run(json!({ "probe": { "tcp": { "address": "" } }, "interval": span(1) })),
            "TCP is empty",
        ),
        (
            "an option for systemd",
            run(json!({ "probe": { "os_service": { "name": "--root=/" } }, "interval": span(1) })),
            "OSService",
        ),
        ("no way of checking", run(json!({})), "no way of checking"),
        ("a TTL of ages", run(json!({ "probe": { "ttl": { "ttl": span(u64::MAX) } } })), "292 years"),
        (
            "thresholds the wrong way round",
            run(http(json!({}), json!({ "failures_before_warning": 3, "failures_before_critical": 1 }))),
            "FailuresBeforeWarning",
        ),
        (
            "a URL without end",
            run(http(json!({ "url": format!("http://h/{}", "x".repeat(8_184)) }), json!({}))),
            "HTTP must be at most 8192 bytes",
        ),
        (
            "more headers than servers take",
            run(http(json!({ "header": super::lengths::headers(129) }), json!({}))),
            "at most 128 names",
        ),
        ("a status of a later age", of(json!({ "status_since_ms": u64::MAX })), "year 9999"),
        ("a file", run(http(json!({ "url": "file:///etc/passwd" }), json!({}))), "HTTP must be a URL"),
        ("a target without a port", run(tcp("127.0.0.1")), "TCP must be host:port"),
        (
            "a metadata service",
            run(http(json!({ "url": "http://169.254.169.254/" }), json!({}))),
            "metadata services",
        ),
        (
            "one with a dot",
            run(http(json!({ "url": "http://u@169.254.169.254.:80/x" }), json!({}))),
            "169.254.169.254 is refused",
        ),
        ("one as a number", run(tcp("2852039166:80")), "169.254.169.254 is refused"),
        ("one in hexadecimal", run(tcp("0xA9.0376.43518:http")), "169.254.169.254 is refused"),
        ("one within version 6", run(tcp("[::FFFF:a9fe:a9fe]:80")), "is refused"),
        ("a name of fillers", web(json!({ "name": "\u{3164}\u{2800}" })), "nothing in it but blanks"),
        ("a name with a filler", web(json!({ "name": "web\u{ffa0}" })), "U+FFA0 is not allowed"),
        ("a name read backwards", web(json!({ "name": "a\u{202e}b" })), "U+202E is not allowed"),
        ("an orphan", of(json!({ "service_id": "nobody" })), "is missing"),
        ("on no node", check("nobody", "c", json!({ "origin": "catalog" })), "is missing"),
        ("an index above all", of(json!({ "indexes": { "create": 1, "modify": 10 } })), "above 9"),
        (
            "a creation after the change",
            of(json!({ "indexes": { "create": 3, "modify": 2 } })),
            "must ascend",
        ),
        ("an index beyond numbers", of(json!({ "indexes": { "create": 1, "modify": u64::MAX } })), "indexes"),
        ("the agent's own check", check(THEIRS, "serfHealth", json!({})), "is muster's own"),
        ("the agent's own service", service(THEIRS, "consul", json!({})), "is muster's own"),
    ];
    for (name, row, words) in rows {
        refused(&mut client, name, &snapshot(9, &[row]), words);
    }
    let nodes = [
        ("a node of two lines", node("a\nb"), control),
        (
            "a node whose UUID is none",
            ("nodes", "x".into(), json!({ "name": "x", "id": "1", "address": "", "indexes": indexes() })),
            "Bad node ID",
        ),
    ];
    for (name, row, words) in nodes {
        refused(&mut client, name, &snapshot(9, &[row]), words);
    }
    let others = [
        ("an agent's on another node", service("x", "web", json!({})), "another node"),
        ("muster's on another node", service("x", "web", json!({ "origin": "server" })), "another node"),
    ];
    for (name, row, words) in others {
        refused(&mut client, name, &snapshot(9, &[node("x"), row]), words);
    }
    assert_eq!(services(&mut client), [("kept".to_owned(), 1)]);
    assert_eq!(saved(&mut client).len(), before);
    let fine =
        [service(THEIRS, "web", json!({ "port": 80 })), check(THEIRS, "c", json!({ "service_id": "web" }))];
    let (status, told) = restore(&mut client, "/v1/snapshot", &snapshot(9, &fine));
    assert_eq!(status, 200, "{told}");
}

#[test]
fn no_number_stops_the_registry() {
    let mut muster = Process::muster(&[]).expect("it starts");
    let mut client = muster.client();
    let transition = |keys: Value, slot: &str| {
        let value = json!({
            "index": 3, "position": 0, "time_ms": 1, "service_name": "web", "check_name": "c", "from": "passing",
            "from_since_ms": 0, "to": "critical", "cause": "probe", "output": "",
        });
        ("history", format!("{THEIRS}\tweb\tc\t{slot}"), with(value, keys))
    };
    let of_index = |index: Value| snapshot(index, &[]);
    let of = |row: (&'static str, String, Value)| snapshot(9, &[row]);
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("the last index", of_index(json!(u64::MAX))),
        ("the one before", of_index(json!(u64::MAX - 1))),
        ("half of all", of_index(json!(1_u64 << 63))),
        ("the last of the signed", of_index(json!(i64::MAX))),
        ("one past the last of doubles", of_index(json!(1_u64 << 53))),
        ("a negative index", of_index(json!(-1))),
        ("a broken index", of_index(json!(1.5))),
        (
            "rows without end",
            snapshot_with(json!({ "index": 9, "rows": { "nodes": u64::MAX, "checks": u64::MAX } }), &[]),
        ),
        ("a transition at the last index", of(transition(json!({ "index": u64::MAX }), "0"))),
        ("a transition above all", of(transition(json!({ "index": 10 }), "0"))),
        ("a transition at the end of time", of(transition(json!({ "time_ms": u64::MAX }), "0"))),
        ("a transition since the end of time", of(transition(json!({ "from_since_ms": u64::MAX }), "0"))),
        ("a transition with an endless output", of(transition(json!({ "output": "x".repeat(5_000) }), "0"))),
        (
            "a transition that an endless name asked for",
            of(transition(json!({ "by": "x".repeat(5_000) }), "0")),
        ),
        (
            "a transition with a line in its request's id",
            of(transition(json!({ "request_id": "a\nb" }), "0")),
        ),
        ("a slot that there is not", of(transition(json!({}), "64"))),
        ("a position beyond numbers", of(transition(json!({ "position": u64::MAX }), "0"))),
        ("a port beyond numbers", of(service(THEIRS, "web", json!({ "port": 70_000 })))),
    ];
    let twice = |left: (Value, &str), right: (Value, &str)| {
        snapshot(9, &[transition(left.0, left.1), transition(right.0, right.1)])
    };
    let at = |index: u64| json!({ "index": index });
    let rows = rows.into_iter().chain([
        ("a transition twice", twice((at(3), "0"), (at(4), "0"))),
        ("a transition twice, otherwise written", twice((at(3), "0"), (at(4), "00"))),
        ("two transitions in one place", twice((at(3), "0"), (at(3), "1"))),
    ]);
    for (number, (name, body)) in rows.enumerate() {
        refused(&mut client, name, &body, "");
        register(&mut client, "writes", "writes", number as u16 + 1);
    }
    for highest in [1_u64 << 52, (1 << 52) + 1, (1 << 53) - 1] {
        let (status, told) = restore(&mut client, "/v1/snapshot", &of_index(json!(highest)));
        assert_eq!(status, 200, "{highest} leaves room for as many changes: {told}");
        register(&mut client, "writes", "writes", 99);
    }
    let index = client.get("/v1/health/service/writes").expect("an answer").index();
    assert!((Some(1 << 52)..Some((1 << 52) + 100)).contains(&index), "{index:?}");
    // A registry that stands there is backed up and restored like any other.
    let taken = saved(&mut client);
    let (status, told) = restore(&mut client, "/v1/snapshot", &taken);
    assert_eq!(status, 200, "its own snapshot: {told}");
    let elsewhere = Process::muster(&[]).expect("muster starts");
    let (status, told) = restore(&mut elsewhere.client(), "/v1/snapshot", &taken);
    assert_eq!(status, 200, "its snapshot on another machine: {told}");
    assert_eq!(services(&mut elsewhere.client()), [("writes".to_owned(), 99)]);
    muster.kill();
    muster.start_again().expect("it starts again");
    register(&mut muster.client(), "writes", "writes", 100);
    assert_eq!(services(&mut muster.client()), [("writes".to_owned(), 100)]);
}
