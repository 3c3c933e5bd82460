//! What commands say when they fail, with the cause made real: the remedy must be one.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::thread;

use super::{address, register, said, succeeds, text, with_operators};
use crate::support::process::{Process, free_port};

/// A server that is no registry: every path is a page that there is not. Gives its address.
fn stranger() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut head, page) = ([0; 4096], "<!DOCTYPE HTML>\n<title>404</title>\n");
            let length = page.len();
            // Whoever asks may have gone.
            let _ = stream.read(&mut head);
            let _ = write!(
                stream,
                "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{page}"
            );
        }
    });
    address
}

#[test]
fn every_failure_of_a_command_names_a_remedy_that_works() {
    let (muster, admin) = with_operators(&[]);
    register(&mut muster.client(), "a", "web", 1);
    let (agent, nobody, stranger) = (address(&muster), format!("127.0.0.1:{}", free_port()), stranger());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| text(&directory.path().join(name)).to_owned();
    let (good, here) = (at("good"), text(directory.path()).to_owned());
    succeeds(&["snapshot", "save", &good, "-http-addr", &admin]);
    fs::write(at("empty"), "").expect("a file");
    fs::create_dir(at("plain")).expect("a directory");
    let (tls, unknown) = (format!("https://{agent}"), "http://nowhere.invalid:1".to_owned());
    let data = text(&muster.data_dir()).to_owned();
    let rows: &[(&[&str], i32, &str)] = &[
        (&["snapshot", "save", &at("no/x"), "-http-addr", &admin], 1, "make it first"),
        (&["snapshot", "save", &here, "-http-addr", &admin], 1, "name a file"),
        (&["snapshot", "save", "/dev/null", "-http-addr", &admin], 1, "name a file"),
        (&["snapshot", "save", &at("x"), "-http-addr", &agent], 1, "set admin_addr and ask there"),
        (&["snapshot", "save", &at("x"), "-http-addr", &nobody], 3, "start it"),
        (&["snapshot", "save", &at("x"), "-http-addr", &tls], 3, "so write http://"),
        (&["snapshot", "save", &at("x"), "-http-addr", &unknown], 3, "as it is called"),
        (&["snapshot", "save", &at("x"), "-http-addr", &stranger], 1, "neither a muster nor a Consul"),
        (&["snapshot", "restore", &good, "-http-addr", &stranger], 1, "neither a muster nor a Consul"),
        (&["snapshot", "verify", &at("none")], 1, "look at its path"),
        (&["snapshot", "verify", &here], 1, "it is a directory"),
        (&["snapshot", "verify", &at("empty")], 1, "after 0 whole lines"),
        (&["store", "inspect", &data], 1, "Stop that agent first"),
        (&["store", "repair", &at("plain")], 1, "name the one that the agent was given"),
        (&["store", "inspect", &at("none")], 1, "name the one that the agent was given"),
        (&["store", "restore", &good, "-into", &at("no/x")], 1, "make it, or name another place"),
        (&["store", "restore", &at("none"), "-into", &at("x")], 1, "look at its path"),
        (&["import", "-from", &stranger, "-http-addr", &agent], 1, "neither a muster nor a Consul"),
        (&["import", "-from", &unknown, "-http-addr", &agent], 3, "as it is called"),
        (&["compare", &agent, &tls], 3, "so write http://"),
        (&["health", "-http-addr", &stranger], 1, "neither a muster nor a Consul"),
        (&["bench", "run", "discovery", "-http-addr", &nobody], 1, "name one with --http-addr"),
        (&["bench", "run", "discovery", "-http-addr", "nowhere"], 1, "write HOST:PORT"),
        (&["bench", "run", "/dev/zero"], 1, "no ordinary file"),
        (&["bench", "run", "discovery", "-connections", "0"], 1, "one of them busy at least"),
        (&["bench", "run", "discovery", "-seconds", "nan"], 1, "numbers above 0"),
        (&["bench", "run", "discovery", "-json", &at("no/x")], 1, "make its directory first"),
        (&["bench", "run", "discovery", "-http-addr", &agent, "-server-pid", "4194305"], 1, "leave out"),
        (
            &["bench", "compare", "discovery", "-muster", &at("none"), "-directory", &here],
            1,
            "name the program",
        ),
        (&["bench", "compare", "discovery", "-muster", &good, "-rounds", "0"], 1, "1 at least"),
        (&["bench", "suite", "-muster", &good, "-only", "nothing"], 1, "none of the names"),
    ];
    for (arguments, code, words) in rows {
        let (ended, told) = said(arguments);
        assert!(ended == *code && told.contains(words), "{arguments:?}: {ended} {told}");
        assert!(!told.contains("<!DOCTYPE") && !told.contains("panicked"), "{arguments:?}: {told}");
    }
    let null = fs::metadata("/dev/null").expect("it is there");
    assert!(null.file_type().is_char_device(), "no device is replaced by a file");
}

#[test]
fn a_snapshot_without_secrets_can_be_looked_into() {
    let muster = Process::muster(&[]).expect("it starts");
    let body =
        r#"{"Name":"web","Check":{"HTTP":"http://127.0.0.1:1/","Interval":"1h","Header":{"X-Key":["k"]}}}"#;
    let answer = muster.client().put("/v1/agent/service/register", body).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("redacted");
    succeeds(&["snapshot", "save", "-redacted", text(&file), "-http-addr", &address(&muster)]);
    let told = succeeds(&["snapshot", "inspect", text(&file)]);
    assert!(told.contains("whole, without its secrets") && told.contains("services    2 rows"), "{told}");
    assert_eq!(said(&["snapshot", "verify", text(&file)]).0, 1, "it cannot be restored");
}

#[test]
fn every_command_speaks_to_an_agent_on_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| text(&directory.path().join(name)).to_owned();
    let socket = format!("unix://{}", at("muster.sock"));
    let muster = Process::muster(&["-http-addr", &socket]).expect("it starts");
    // Longer than one read takes.
    for number in 0..200 {
        register(&mut muster.client(), &format!("web-{number}"), "web", 1);
    }
    let (file, tcp) = (at("snapshot"), format!("http://{}", address(&muster)));
    let rows: &[(&[&str], &str)] = &[
        (&["health"], "ready"),
        (&["snapshot", "save", &file], "201 services"),
        (&["snapshot", "restore", "-dry-run", &file], "would change: nothing"),
        (&["snapshot", "restore", &file], "restored"),
    ];
    for (arguments, words) in rows {
        let told = succeeds(&[arguments, &["-http-addr", &socket][..]].concat());
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    succeeds(&["compare", &socket, &tcp]);
    // It has asked both for their nodes, and found the same one.
    let (code, told) = said(&["import", "-from", &socket, "-http-addr", &socket]);
    assert!(code == 1 && told.contains("--node"), "{code} {told}");
}
