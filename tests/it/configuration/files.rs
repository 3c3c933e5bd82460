//! Files of definitions and of settings: what `muster validate` says of them is what `muster agent` does with them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::process::{Process, free_port, muster_binary};

/// Runs the program to its end; whether it went well, and all it said.
fn run(arguments: &[&str], directory: &Path) -> (bool, String) {
    let mut command = Command::new(muster_binary());
    command.args(arguments).current_dir(directory);
    let output = command.output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        fs::write(directory.path().join(name), text).expect("a file can be written");
    }
    directory
}

/// `(file, text, key, words)` of what is refused.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("a.json", r#"{"service":{"name":"web","port":"80"}}"#, "service.port", "whole number"),
    ("a.json", r#"{"service":{"port":80}}"#, "service.name", "Missing service name"),
    ("a.json", r#"{"service":{"name":"web","port":99999}}"#, "service.port", "between 0 and 65535"),
    ("a.json", r#"{"check":{"name":"c","http":"http://h/"}}"#, "check", "Interval must be > 0"),
    ("a.json", r#"{"check":{"name":"c","ttl":"5s","service_id":"nope"}}"#, "check.service_id", "nope"),
    ("a.json", r#"{"service":{"name":"web","meta":{"a.b":"c"}}}"#, "service.meta", "invalid characters"),
    ("a.json", r#"{"service":{"name":3}}"#, "service.name", "write a text"),
    ("a.json", r#"{"service":{"name":"w","connect":{"sidecar_service":{}}}}"#, "service.connect", "sidecars"),
    (
        "a.json",
        r#"{"check":{"name":"c","args":["a"],"interval":"5s"}}"#,
        "check",
        "enable_local_script_checks",
    ),
    (
        "a.json",
        r#"{"service":{"name":"web","chekc":{"ttl":"10s"}}}"#,
        "service.chekc",
        "did you mean `check`?",
    ),
    ("a.json", r#"{"service":{"name":"a"},"service":{"name":"b"}}"#, "line 1", "stands twice"),
    ("a.json", r#"{"service":{"name":"a"}} x"#, "line 1", "trailing"),
    ("a.json", r#"{"sevrice":{"name":"a"}}"#, "sevrice", "did you mean `service`?"),
    ("a.hcl", "service {\n  name = \"web\"\n  prot = 80\n}", "service.prot", "did you mean `port`?"),
    ("a.hcl", "service {\n  name = web\n}", "line 2", "quote a text"),
    ("a.hcl", "service { name = \"a\" }\nservice { name = \"b\" }", "service", "`services` with a list"),
];

#[test]
fn validate_and_agent_refuse_the_same() {
    for (file, text, key, words) in REFUSED {
        let files = directory(&[(file, text)]);
        let path = files.path().to_str().expect("a path in UTF-8");
        let (is_valid, said) = run(&["validate", path], files.path());
        assert!(!is_valid && said.contains(&format!("read {path}/{file}\n")), "{text}: {said}");
        assert!(said.contains("1 problem:") && said.contains(words), "{text}: {said}");
        let starts = |line: &str| line.trim_start().starts_with(&format!("{key} "));
        assert!(said.lines().any(starts), "{text}: {said}");
        let address = format!("127.0.0.1:{}", free_port());
        let agent = ["agent", "-config-dir", path, "-store", "memory", "-http-addr", &address];
        let (is_served, told) = run(&agent, files.path());
        assert!(!is_served && told.contains(words) && told.contains(key), "{text}: {told}");
    }
}

#[test]
fn all_faults_of_all_files_are_told_at_once() {
    let files = directory(&[
        ("a.json", r#"{"services":[{"name":"a","port":70000,"tags":5},{"chekcs":[]}],"log_level":"loud"}"#),
        ("b.hcl", "check {\n  name = \"c\"\n  tcp = \"h:1\"\n}"),
        ("c.toml", "wrokers = 1"),
    ]);
    let (is_valid, said) = run(&["validate", "."], files.path());
    let keys = ["services[0].tags", "services[1].chekcs", "log_level", "check ", "wrokers"];
    assert!(!is_valid && keys.iter().all(|key| said.contains(key)), "{said}");
    assert!(["a.json", "b.hcl", "c.toml"].iter().all(|it| said.contains(&format!("read ./{it}"))), "{said}");
}

#[test]
fn consuls_directory_and_command_line_start_muster() {
    let files = directory(&[
        (
            "agent.json",
            r#"{"datacenter":"EU1","node_name":"from-file","log_level":"INFO","server":true,"ui":true,
                "client_addr":"127.0.0.1","bind_addr":"0.0.0.0","ports":{"dns":8600},"telemetry":{"x":1},
                "enable_local_script_checks":true,"node_meta":{"rack":"7"}}"#,
        ),
        (
            "web.hcl",
            "# web\nservice { name = \"web\" port = 80\n  meta { \"a\" = \"b\" }\n  token = \"t\"\n\
             checks = [{ args = [\"/bin/true\"] interval = \"10s\" }, { ttl = \"1m\" notes = <<EOF\nlong\nEOF\n}] }\n\
             services { name = \"db\" }\nservices { name = \"cache\" }",
        ),
        ("empty.json", ""),
        ("nothing.json", r#"{"service":null,"checks":null}"#),
        ("one.json", r#"{"Service":[{"Name":"single","check":[{"ttl":"1s"}]}]}"#),
        ("notes.yaml", "a: b"),
    ]);
    fs::create_dir(files.path().join("sub")).expect("a directory can be made");
    let path = files.path().to_str().expect("a path in UTF-8").to_owned();
    let consul = [
        "-server",
        "-bootstrap-expect=1",
        "-ui",
        "-bind",
        "127.0.0.1",
        "-retry-join",
        "h",
        "-log-level=warn",
    ];
    let process = Process::muster(&[&["-config-dir", &path][..], &consul].concat()).expect("muster starts");
    let mut client = process.client();
    let services = client.get("/v1/agent/services").expect("an answer").json();
    let names: Vec<&String> = services.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["cache", "db", "single", "web"]);
    assert_eq!((&services["web"]["Port"], &services["web"]["Meta"]), (&json!(80), &json!({"a": "b"})));
    let checks = client.get("/v1/agent/checks").expect("an answer").json();
    assert_eq!(
        (&checks["service:web:1"]["Type"], &checks["service:web:2"]["Notes"]),
        (&json!("script"), &json!("long\n"))
    );
    let own = client.get("/v1/agent/self").expect("an answer").json();
    assert_eq!((&own["Config"]["Datacenter"], &own["Meta"]["rack"]), (&json!("eu1"), &json!("7")));
    let log = process.log();
    let warned = |words: &[&str]| log.lines().any(|line| words.iter().all(|it| line.contains(it)));
    assert!(warned(&["passed over", "notes.yaml", "sub"]), "{log}");
    let foreign = [
        "server (",
        "telemetry (",
        "ports.dns (",
        "service.token (",
        "-bootstrap-expect",
        "-retry-join",
        "-ui",
    ];
    assert!(warned(&foreign), "{log}");
}

#[test]
fn an_address_of_consuls_is_listened_on() {
    let files = directory(&[("a.hcl", "client_addr = \"127.0.0.1\"\nlog_level = \"err\"")]);
    let path = files.path().to_str().expect("a path in UTF-8");
    let port = free_port().to_string();
    let (is_valid, said) =
        run(&["validate", "-config-file", &format!("{path}/a.hcl"), "-http-port", &port], files.path());
    assert!(is_valid, "{said}");
    let (is_valid, said) = run(&["validate", "-client", "{{ GetNothing }}"], files.path());
    assert!(!is_valid && said.contains("client_addr") && said.contains("GetPrivateIP"), "{said}");
    let (is_valid, said) = run(&["validate", "-client", "0.0.0.0", "-advertise", "10.1.2.3"], files.path());
    assert!(is_valid, "{said}");
}
