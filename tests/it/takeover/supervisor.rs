//! A supervisor's side: it is told what the process does, hands it sockets, and has it renew itself.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{EVENT_WAIT_MAX, Load, register};
use crate::supervision::thread::Thread;
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::{Process, free_port, muster_binary};

/// Where a supervisor listens.
struct Supervisor {
    socket: UnixDatagram,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Supervisor {
    fn new() -> Supervisor {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(EVENT_WAIT_MAX)).expect("a timeout above zero");
        Supervisor { socket, path, _directory: directory }
    }

    /// The next message but signs of life.
    fn heard(&self) -> Vec<String> {
        loop {
            let mut text = [0; 1024];
            let length = self.socket.recv(&mut text).expect("a message");
            let text = String::from_utf8_lossy(&text[..length]).into_owned();
            if text != "WATCHDOG=1\n" {
                return text.lines().map(str::to_owned).collect();
            }
        }
    }

    fn hears_a_sign_of_life(&self) {
        let mut text = [0; 1024];
        loop {
            let length = self.socket.recv(&mut text).expect("a message");
            if text[..length] == *b"WATCHDOG=1\n" {
                return;
            }
        }
    }
}

#[test]
fn the_supervisor_is_told_what_the_process_does() {
    let supervisor = Supervisor::new();
    let environment = [("NOTIFY_SOCKET", &*supervisor.path), ("WATCHDOG_USEC", Path::new("400000"))];
    let mut process = Process::muster_with(&[], &environment).expect("muster starts");
    assert_eq!(supervisor.heard(), ["READY=1"]);
    supervisor.hears_a_sign_of_life();
    process.signal("HUP");
    let reloading = supervisor.heard();
    assert_eq!(reloading[0], "RELOADING=1");
    let (key, moment) = reloading[1].split_once('=').expect("a value");
    assert!(key == "MONOTONIC_USEC" && moment.parse::<u64>().is_ok_and(|it| it > 0), "{reloading:?}");
    assert_eq!(supervisor.heard(), ["READY=1"]);
    assert_eq!(process.take_over(&[]).expect("a successor").code(), Some(0));
    assert_eq!(supervisor.heard(), [&format!("MAINPID={}", process.pid()), "READY=1"]);
    supervisor.hears_a_sign_of_life();
    assert_eq!(process.stop().expect("it ends").code(), Some(0));
    assert_eq!(supervisor.heard(), ["STOPPING=1"]);
}

/// Signs of life come while every worker takes up its work, and stop while one stands still, for then the supervisor
/// must start the process again.
#[test]
fn a_worker_that_stands_still_is_no_sign_of_life() {
    let supervisor = Supervisor::new();
    let environment = [("NOTIFY_SOCKET", &*supervisor.path), ("WATCHDOG_USEC", Path::new("400000"))];
    let process = Process::muster_with(&[], &environment).expect("muster starts");
    supervisor.hears_a_sign_of_life();
    let held = worker(&process).hold();
    // A supervisor would have given up by then.
    let silence = Duration::from_millis(400) * 4;
    supervisor.socket.set_read_timeout(Some(silence)).expect("a timeout above zero");
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while supervisor.socket.recv(&mut [0; 1024]).is_ok() {
        assert!(Instant::now() < deadline, "the signs of life end: {}", process.log());
    }
    held.let_go();
    supervisor.socket.set_read_timeout(Some(EVENT_WAIT_MAX)).expect("a timeout above zero");
    supervisor.hears_a_sign_of_life();
}

/// One of the threads that take up requests. They get their names with their first signs of life.
fn worker(process: &Process) -> Thread {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    loop {
        if let Some(thread) = Thread::of(process.pid(), "worker") {
            return thread;
        }
        assert!(Instant::now() < deadline, "{:?}", Thread::names(process.pid()));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that is ended with its test, whoever its parent is.
pub struct Other(pub String);

impl Drop for Other {
    fn drop(&mut self) {
        let _ =
            Command::new("sh").args(["-c", &format!("kill -9 {}", self.0)]).stderr(Stdio::null()).status();
    }
}

/// An upgrade: another file in the place of the one that runs, which is gone then or has another name.
#[test]
fn the_signal_renews_the_program_as_it_is_on_disk() {
    for keeps_old in [false, true] {
        renew(keeps_old);
    }
}

fn renew(keeps_old: bool) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let program = directory.path().join("muster");
    fs::copy(muster_binary(), &program).expect("a copy");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let log = directory.path().join("log");
    let file = fs::File::create(&log).expect("a file");
    let mut before = Ended(
        Command::new(&program)
            .args(["agent", "--http-addr", &address.to_string(), "--data-dir", "data"])
            .current_dir(directory.path())
            .stdout(file.try_clone().expect("a copy"))
            .stderr(file)
            .spawn()
            .expect("muster starts"),
    );
    let ready = Request::new("GET", "/readyz");
    let deadline = || Instant::now() + EVENT_WAIT_MAX;
    ask_until(&mut Client::new(address), &ready, deadline(), |answer| answer.status == 200)
        .expect("it serves");
    let load = Load::start(address);
    load.wait_for_more(EVENT_WAIT_MAX);
    fs::copy(muster_binary(), directory.path().join("next")).expect("a copy");
    if keeps_old {
        fs::rename(&program, directory.path().join("muster.old")).expect("moved away");
    }
    fs::rename(directory.path().join("next"), &program).expect("replaced");
    let signal = format!("kill -USR2 {}", before.0.id());
    assert!(Command::new("sh").args(["-c", &signal]).status().expect("sh runs").success());
    let status = before.0.wait().expect("a child can be waited for");
    let text = fs::read_to_string(&log).expect("a log");
    let said = text.lines().find(|line| line.contains("started the program anew")).expect("it is logged");
    let place = format!("{}, another file than runs", program.display());
    assert!(said.contains(&place), "{said}");
    let process = said.split("process=").nth(1).expect("the process is named");
    let after = Other(process.split_whitespace().next().expect("a number").to_owned());
    assert_eq!(status.code(), Some(0), "{text}");
    load.wait_for_more(EVENT_WAIT_MAX);
    println!("{}", load.finish());
    let runs = fs::read_link(format!("/proc/{}/exe", after.0)).expect("the new process lives");
    assert_eq!(runs, program, "the file that is there now");
}

pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_socket_that_the_supervisor_holds_is_served() {
    if Command::new("systemd-socket-activate").arg("--version").stdout(Stdio::null()).status().is_err() {
        return eprintln!("skipped: systemd-socket-activate is not installed");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &address.to_string()]).arg(muster_binary());
    command.args(["agent", "--data-dir", "data"]).current_dir(directory.path());
    let _running = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs"));
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "it listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Its first connection starts the agent, on this address alone though none was configured.
    let mut client = Client::new(address);
    register(&mut client, "web", 80);
    let log = client.get("/v1/agent/services").expect("an answer").json();
    assert_eq!(log["web"]["Port"], 80);
}

/// Starts a systemd of its own with the unit that is shipped, as far as that is about processes; renews muster twice and
/// stops it. Prints `started PID`, `renewed PID` and `stopped STATE`.
const UNDER_SYSTEMD: &str = r#"
set -u
directory=$1 program=$2 address=$3 unit=$4
mkdir -p "$directory"/config/systemd/user "$directory"/run
printf '[Unit]\nDefaultDependencies=no\n' >"$directory/config/systemd/user/nothing.target"
{
    printf '[Unit]\nDefaultDependencies=no\n[Service]\n'
    grep -E '^(Type|NotifyAccess|WatchdogSec|ExecReload|KillSignal|TimeoutStopSec|Restart)=' "$unit"
    printf 'ExecStart=%s agent --http-addr %s --data-dir %s/data\n' "$program" "$address" "$directory"
} >"$directory/config/systemd/user/muster.service"
export XDG_CONFIG_HOME="$directory/config" XDG_RUNTIME_DIR="$directory/run" HOME="$directory"
unshare --mount /bin/sh -c 'mount -t tmpfs none /run && mkdir -p /run/systemd/system &&
    exec /lib/systemd/systemd --user --unit=nothing.target' >/dev/null 2>&1 &
manager=$!
trap 'kill $manager' EXIT
for attempt in $(seq 1200); do
    systemctl --user --quiet is-active nothing.target 2>/dev/null && break
    kill -0 $manager 2>/dev/null || exit 9
    sleep 0.05
done
main() { systemctl --user show muster --property=MainPID --value; }
systemctl --user start muster && echo "started $(main)"
systemctl --user reload muster || echo "not reloaded"
for renewal in 1 2; do
    before=$(main)
    systemctl --user kill --signal=USR2 --kill-who=main muster
    while [ "$(main)" = "$before" ]; do sleep 0.05; done
    # The one before has given everything away when it is gone.
    while [ -d "/proc/$before" ]; do sleep 0.05; done
    echo "renewed $(main)"
done
systemctl --user stop muster
systemctl --user show muster --property=ExecMainStatus,ExecMainCode,StatusText >&2
echo "stopped $(systemctl --user show muster --property=ActiveState,Result --value | tr '\n' ' ')"
"#;

#[test]
fn systemd_follows_from_one_process_to_the_next() {
    if !Path::new("/lib/systemd/systemd").exists() {
        return eprintln!("skipped: systemd is not installed");
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/muster.service");
    let mut command = Command::new("timeout");
    command.args(["240", "bash", "-c", UNDER_SYSTEMD, "bash"]).arg(directory.path()).arg(muster_binary());
    let output = command.arg(address.to_string()).arg(unit).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(9) {
        return eprintln!("skipped: systemd does not run here, not even as that of a user");
    }
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let words: Vec<&str> = lines.iter().map(|line| line[0]).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(words, ["started", "renewed", "renewed", "stopped"], "{said}{errors}");
    let processes = [lines[0][1], lines[1][1], lines[2][1]];
    let differ = processes[0] != processes[1] && processes[1] != processes[2];
    assert!(differ && !processes.contains(&"0"), "{said}");
    // Without control groups systemd does not wait for a process that another one than itself has started: it asks it to
    // end and kills it in the same breath, and either may come first.
    let was_killed = lines[3][1..] == ["signal", "failed"] && errors.contains("ExecMainStatus=9");
    assert!(was_killed || lines[3][1..] == ["success", "inactive"], "{said}{errors}");
}
