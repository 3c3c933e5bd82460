//! What stands where a file is expected and is none: it is named, and nobody waits for it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::client::Request;
use crate::support::process::{Process, free_port, muster_binary};

/// Longest wait for the log.
const PATIENCE: Duration = Duration::from_secs(20);

/// One byte more than a file of a configuration may have.
const TOO_LONG: u64 = (16 << 20) + 1;

/// Ways to put something there, each with what is said of it.
type Way = (&'static str, fn(&Path), &'static str);
const WAYS: [Way; 5] = [
    ("pipe", pipe, "it is a named pipe and no ordinary file"),
    ("link", |path| symlink("/dev/zero", path).expect("a link"), "it is a device and no ordinary file"),
    (
        "socket",
        |path| drop(UnixListener::bind(path).expect("a socket")),
        "it is a socket and no ordinary file",
    ),
    (
        "long",
        |path| File::create(path).and_then(|it| it.set_len(TOO_LONG)).expect("a file"),
        "longer than 16 MiB",
    ),
    ("loop", |path| symlink(path, path).expect("a link"), "symbolic links"),
];

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Runs the program to its end, which has to come; its code and all it said.
fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &Path)]) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.arg("20").arg(muster_binary()).args(arguments).envs(variables.iter().copied());
    let output = command.current_dir(directory).output().expect("the program runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn wait_for_log(process: &Process, words: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !process.log().contains(words) {
        assert!(Instant::now() < deadline, "{words:?} in the log:\n{}", process.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_reload_names_what_is_no_file_and_the_next_signal_is_heard() {
    let directory = directory();
    let at = |name: &str| directory.path().join(name);
    let mut process =
        Process::muster(&["--config-dir", directory.path().to_str().expect("UTF-8")]).expect("muster starts");
    for ending in ["json", "hcl", "toml"] {
        for (name, put, said) in WAYS {
            let name = format!("{name}.{ending}");
            put(&at(&name));
            process.signal("HUP");
            wait_for_log(&process, &format!("{name}): "));
            assert!(process.log().contains(said), "{name}: {}", process.log());
            fs::remove_file(at(&name)).expect("it can go");
        }
    }
    pipe(&at("a.json"));
    let answer = process.client().request(&Request::new("PUT", "/v1/agent/reload")).expect("an answer");
    assert!(answer.status == 500 && answer.text().contains("a named pipe"), "{}", answer.text());
    let log = process.log();
    let told = log.lines().filter(|line| line.contains("not reloaded: "));
    assert!(told.clone().any(|line| line.contains("not reloaded: file (")), "a line each: {log}");
    assert!(told.clone().all(|line| !line.contains("\\n")), "{log}");
    process.signal("HUP");
    assert!(process.stop().expect("it ends in order").success());
}

#[test]
fn a_start_names_what_is_no_file() {
    let (_, put, said) = WAYS[0];
    let [empty, other] = [directory(), directory()];
    for name in ["muster.toml", "web.json", "password", "bundle", "snapshot"] {
        put(&other.path().join(name));
    }
    let at = |name: &str| other.path().join(name).display().to_string();
    let directory = other.path().display().to_string();
    let (address, snapshot) = (format!("127.0.0.1:{}", free_port()), at("snapshot"));
    let agent = ["agent", "-http-addr", &address, "-data-dir", "data"];
    let rows: [&[&str]; 6] = [
        &["validate", &directory],
        &["validate", &at("web.json")],
        &[&agent[..], &["-config-dir", &directory]].concat(),
        &[&agent[..], &["-restore", &snapshot]].concat(),
        &["snapshot", "verify", &at("snapshot")],
        &["store", "restore", &at("snapshot"), "-into", "restored"],
    ];
    for arguments in rows {
        let (code, told) = run(empty.path(), arguments, &[]);
        assert!(code == Some(1) && told.contains(said), "{arguments:?}: {code:?} {told}");
    }
    // One in the working directory is read unasked.
    let (code, told) = run(other.path(), &["validate"], &[]);
    assert!(code == Some(1) && told.contains(said), "{code:?} {told}");
    let (code, told) = run(
        empty.path(),
        &["snapshot", "save", "saved", "-http-addr", "https://127.0.0.1:1"],
        &[("SSL_CERT_FILE", &other.path().join("bundle"))],
    );
    assert!(code == Some(3), "{code:?} {told}");
}

#[test]
fn a_data_directory_with_a_pipe_in_it_is_refused() {
    let parent = directory();
    let data = parent.path().join("data");
    drop(Process::muster_on(&data, &[]).expect("muster starts"));
    for name in ["rows/strange.jnl", "identity.json"] {
        let path = data.join(name);
        let aside = path.with_extension("aside");
        if path.exists() {
            fs::rename(&path, &aside).expect("it can be moved");
        }
        pipe(&path);
        for arguments in
            [&["agent", "-http-addr", "127.0.0.1:0", "-data-dir", "data"][..], &["store", "inspect", "data"]]
        {
            let (code, told) = run(parent.path(), arguments, &[]);
            assert!(code == Some(1) && told.contains(name), "{arguments:?}: {code:?} {told}");
        }
        fs::remove_file(&path).expect("it can go");
        if aside.exists() {
            fs::rename(&aside, &path).expect("it can be moved");
        }
    }
}

/// An agent that cannot listen leaves nothing behind, and one whose directory is taken says so first.
#[test]
fn a_taken_address_is_noticed_before_anything_is_written() {
    let parent = directory();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let socket = parent.path().join("s");
    let _unix = UnixListener::bind(&socket).expect("a socket");
    let tcp = tcp.local_addr().expect("an address").to_string();
    let unix = format!("unix://{}", socket.display());
    for arguments in [["-http-addr", &*tcp], ["-http-addr", &unix], ["-admin-addr", &tcp]] {
        let free = format!("127.0.0.1:{}", free_port());
        let http: &[&str] = if arguments[0] == "-admin-addr" { &["-http-addr", &free] } else { &[] };
        let whole = [&["agent", "-data-dir", "new"], &arguments[..], http].concat();
        let (code, told) = run(parent.path(), &whole, &[]);
        assert!(code == Some(1) && told.contains("cannot listen on"), "{arguments:?}: {code:?} {told}");
        assert!(!parent.path().join("new").exists(), "{arguments:?}: {told}");
    }
    let process = Process::muster_on(&parent.path().join("data"), &[]).expect("muster starts");
    let address = process.address.to_string();
    let (code, told) = run(parent.path(), &["agent", "-data-dir", "data", "-http-addr", &address], &[]);
    assert!(code == Some(1) && told.contains("is held by"), "{code:?} {told}");
}
