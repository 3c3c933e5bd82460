//! Clients that hold what there is little of for snapshots: places, disk, and the threads that judge. Operators have
//! their own, and whoever leaves or is too slow holds nothing.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::bystander::{beside, limits, metric_sum};
use super::raw;
use crate::snapshot::made_up::{node, snapshot};
use crate::support::client::{Client, Request, ask_until};
use crate::support::process::{Process, free_port};

/// How long what must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a snapshot begins, as far as it is looked at before all of it is here.
const HEADER: &[u8] =
    b"{\"muster_snapshot\":1,\"muster_version\":\"0.1.0\",\"node\":\"sut\",\"node_id\":\"\",\
                        \"datacenter\":\"dc1\",\"created_at\":\"\",\"index\":7,\"rows\":{\"nodes\":1}}\n";

/// Places for everybody, of which one address has half.
const RECEIVED_BY_ONE: usize = 16;
const SENT_TO_ONE: usize = 2;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a vector takes everything");
    encoder.finish().expect("a vector takes everything")
}

/// The head of a restoration whose body has so many bytes.
fn head(length: usize) -> Vec<u8> {
    let headers = format!("Host: localhost\r\nConnection: close\r\nContent-Length: {length}");
    format!("PUT /v1/snapshot?dry-run HTTP/1.1\r\n{headers}\r\n\r\n").into_bytes()
}

/// A restoration of which only the beginning is sent.
fn begun(address: SocketAddr, length: usize, beginning: &[u8]) -> TcpStream {
    raw::silent(address, &[&head(length), beginning].concat())
}

fn said(stream: &mut TcpStream) -> (u16, String) {
    let answer = raw::read_to_end(stream);
    (raw::status(&answer), String::from_utf8_lossy(&answer).into_owned())
}

/// Whether nothing was said yet.
fn is_silent(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    let is_silent = stream.peek(&mut [0]).is_err();
    stream.set_nonblocking(false).expect("a socket");
    is_silent
}

/// Restores what may be restored and tells the status with the sentence.
fn restore(address: SocketAddr) -> (u16, String) {
    let request = Request::new("PUT", "/v1/snapshot?dry-run").body(snapshot(9, &[node("n")]));
    let answer = Client::new(address).request(&request).expect("an answer");
    (answer.status, answer.text())
}

/// A server with an address and a Unix socket for operators.
fn with_operators(directory: &Path, arguments: &[&str]) -> (Process, SocketAddr, std::path::PathBuf) {
    let (admin, socket) =
        (SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())), directory.join("muster.sock"));
    let addresses = format!("{admin},unix://{}", socket.display());
    let server =
        Process::muster(&[&["--admin-addr", &addresses], arguments].concat()).expect("muster starts");
    (server, admin, socket)
}

/// Puts or gets over a Unix socket; the status.
fn over_unix(socket: &Path, request: &[u8]) -> u16 {
    let mut stream = UnixStream::connect(socket).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers and closes");
    raw::status(&answer)
}

#[test]
fn what_can_be_no_snapshot_is_refused_by_its_beginning() {
    let server = Process::muster(&["--limits-body-timeout", "2s"]).expect("muster starts");
    let blanks = vec![b' '; 8_000];
    let rows: [(&str, Vec<u8>, &str); 6] = [
        ("one blank", b" ".to_vec(), "this is no snapshot of muster's"),
        ("blanks", blanks.clone(), "this is no snapshot of muster's"),
        ("packed blanks", [gzip(&blanks), gzip(&blanks), blanks.clone()].concat(), "no snapshot of muster's"),
        (
            "blanks behind the magic of gzip",
            [b"\x1f\x8b".as_slice(), &blanks].concat(),
            "does not decompress",
        ),
        ("Consul's", b"meta.json\0\0\0\0".to_vec(), "muster import"),
        ("a format of the future", b"{\"muster_snapshot\":9}\n".repeat(60), "has format 9"),
    ];
    for (name, beginning, words) in rows {
        let (status, told) = said(&mut begun(server.address, 4_000_000_000, &beginning));
        assert_eq!(status, 400, "{name}: {told}");
        assert!(told.contains(words), "{name}: {told}");
    }
    let chunked =
        b"PUT /v1/snapshot HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n  \r\n";
    assert_eq!(said(&mut raw::silent(server.address, chunked)).0, 400);
    // A beginning that may become one is waited for.
    let (status, told) = said(&mut begun(server.address, 4_000_000_000, &HEADER[..9]));
    assert_eq!(status, 408, "{told}");
    assert_eq!(restore(server.address).0, 200);
}

/// A file system of its own, in memory; unmounted at the end. `None` where this user may not mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(mib: usize) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(directory.path());
        let mounted = command.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(SmallDisk(directory))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0.path()).status().ok();
    }
}

#[test]
fn snapshots_that_come_in_leave_the_store_its_disk() {
    let Some(disk) = SmallDisk::mount(300) else {
        assert!(std::env::var_os("CI").is_none(), "a tmpfs can be mounted in CI");
        return println!("skipped: only a user who may mount a tmpfs can fill one");
    };
    let server = Process::muster_on(&disk.0.path().join("data"), &[]).expect("muster starts");
    let row = [&vec![b' '; (1 << 20) - 1][..], b"\n"].concat();
    let answers: Vec<(u16, String)> = thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = raw::silent(
                        server.address,
                        b"PUT /v1/snapshot HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                    );
                    let chunk =
                        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
                    let row = chunk(&row);
                    let mut is_heard = stream.write_all(&chunk(HEADER)).is_ok();
                    // It is refused before it has sent everything.
                    for _ in 0..250 {
                        is_heard = is_heard && stream.write_all(&row).is_ok();
                    }
                    said(&mut stream)
                })
            })
            .collect();
        let mut client = server.client();
        while senders.iter().any(|sender| !sender.is_finished()) {
            let answer = client.put("/v1/agent/service/register", r#"{"Name":"beside"}"#).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        senders.into_iter().map(|sender| sender.join().expect("no panic")).collect()
    });
    // Some of it is said before a reset may swallow the rest.
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status == 507).collect();
    assert!(!refused.is_empty(), "{answers:?}");
    assert!(refused.iter().all(|(_, told)| told.contains("free some space")), "{refused:?}");
    assert!(server.log().contains("refused PUT /v1/snapshot: not restored"), "{}", server.log());
    let mut left = std::fs::read_dir(disk.0.path().join("data")).expect("a directory").flatten();
    assert!(left.all(|it| !it.file_name().to_string_lossy().starts_with("restore.")));
    // What is announced is held against the disk before any of it comes.
    let (status, told) = said(&mut begun(server.address, 250 << 20, HEADER));
    assert_eq!(status, 507, "{told}");
    let answer = server.client().get("/readyz").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(restore(server.address).0, 200, "a short one needs no disk");
}

#[test]
fn all_snapshots_that_come_in_have_a_bound_together() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (server, admin, _) = with_operators(directory.path(), &["--limits-snapshot-bytes-max", "1MiB"]);
    let rows = [HEADER, &vec![b'\n'; 600 << 10]].concat();
    let held = begun(server.address, 1 << 20, &rows);
    // What was announced is held against the bound before any of it is taken; until the other has come it is waited for.
    let deadline = Instant::now() + PATIENCE;
    let told = loop {
        let mut stream = begun(server.address, rows.len(), HEADER);
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout above zero");
        let (status, told) = said(&mut stream);
        if status == 503 || Instant::now() > deadline {
            break told;
        }
    };
    assert!(told.contains("limits.snapshot_bytes_max") && told.contains("your address"), "{told}");
    let mut of_operator = begun(admin, rows.len(), &rows);
    assert_eq!(said(&mut of_operator).0, 400, "it was received and judged");
    assert!(is_silent(&held));
    drop(held);
    let request = Request::new("PUT", "/v1/snapshot?dry-run").body(rows);
    let answer = ask_until(&mut server.client(), &request, Instant::now() + PATIENCE, |it| it.status == 400);
    assert_eq!(answer.expect("an answer").status, 400, "what is gone counts no more");
}

#[test]
fn one_address_has_half_of_the_places_and_operators_have_their_own() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (server, admin, socket) = with_operators(directory.path(), &[]);
    // All of this machine is one client, whatever it is called from.
    let held: Vec<TcpStream> =
        (0..RECEIVED_BY_ONE).map(|_| begun(server.address, 100_000, &HEADER[..9])).collect();
    let deadline = Instant::now() + PATIENCE;
    let (status, told) = loop {
        let (status, told) = restore(server.address);
        if status == 503 || Instant::now() > deadline {
            break (status, told);
        }
    };
    assert_eq!(status, 503, "{told}");
    assert!(told.contains("16 snapshots are received from your address already"), "{told}");
    assert!(told.contains("unix socket or admin_addr"), "{told}");
    assert_eq!(restore(admin).0, 200, "by the operators' address");
    let body = snapshot(9, &[node("n")]);
    assert_eq!(over_unix(&socket, &[head(body.len()), body.clone()].concat()), 200);
    assert!(held.iter().all(is_silent));
    assert!(server.log().contains("refused PUT /v1/snapshot: 16 snapshots"), "{}", server.log());
    drop(held);
    let request = Request::new("PUT", "/v1/snapshot?dry-run").body(body);
    let answer = ask_until(&mut server.client(), &request, Instant::now() + PATIENCE, |it| it.status == 200);
    assert_eq!(answer.expect("an answer").status, 200);
}

/// Registers so much that a snapshot does not fit into what the kernel keeps for a connection.
fn much(server: &Process) {
    let mut client = server.client();
    let tags: Vec<String> = (0..250).map(|at| format!(r#""{at}{}""#, "t".repeat(3_500))).collect();
    for number in 0..20 {
        let body = format!(r#"{{"ID":"m-{number}","Name":"m","Tags":[{}]}}"#, tags.join(","));
        let answer = client.put("/v1/agent/service/register", &body).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn who_reads_slowly_leaves_places_for_saves() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (server, admin, socket) = with_operators(directory.path(), &[]);
    much(&server);
    let asked = raw::get("/v1/snapshot", "Connection: close\r\n");
    let mut first = [0; 12];
    let held: Vec<TcpStream> = (0..SENT_TO_ONE)
        .map(|_| {
            let mut stream = raw::silent(server.address, &asked);
            stream.read_exact(&mut first).expect("it is answered");
            assert!(first.ends_with(b"200"), "{}", first.escape_ascii());
            stream
        })
        .collect();
    let refused = String::from_utf8_lossy(&raw::ask(server.address, "/v1/snapshot")).into_owned();
    assert!(refused.contains("2 snapshots are sent to your address already"), "{refused}");
    assert_eq!(raw::status(&raw::ask(admin, "/v1/snapshot")), 200);
    assert_eq!(over_unix(&socket, &asked), 200);
    drop(held);
}

/// Sends 70 kB a second until it is refused, for `PATIENCE` at most.
fn trickle(stream: &mut TcpStream) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && is_silent(stream) && stream.write_all(&[b'\n'; 7_000]).is_ok() {
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_snapshot_on_its_way_has_a_time_that_grows_with_it() {
    let arguments = ["--limits-snapshot-timeout", "2s"];
    let server = Process::muster(&arguments).expect("muster starts");
    much(&server);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut reader = raw::silent(server.address, &raw::get("/v1/snapshot", ""));
            let mut piece = [0; 7_000];
            while !is_over.load(Ordering::Relaxed) && reader.read(&mut piece).is_ok_and(|length| length > 0) {
                thread::sleep(Duration::from_millis(100));
            }
        });
        // Both are quicker than the least rate, and slower than what earns them time.
        let mut sender = begun(server.address, 4_000_000_000, HEADER);
        trickle(&mut sender);
        let (status, told) = said(&mut sender);
        let deadline = Instant::now() + PATIENCE;
        let is_cut_off = || server.log().contains("cut off GET /v1/snapshot");
        while !is_cut_off() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
        let was_cut_off = is_cut_off();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(status, 408, "{told}");
        assert!(told.contains("limits.snapshot_timeout") && told.contains("262144 bytes"), "{told}");
        assert!(was_cut_off, "{}", server.log());
    });
}

/// A snapshot that takes a while to be judged, packed.
fn long_to_judge() -> Vec<u8> {
    let rows: Vec<_> = (0..40_000).map(|at| node(&format!("n{at:06}"))).collect();
    gzip(&snapshot(9, &rows))
}

#[test]
fn judging_ends_with_its_client_and_delays_no_other() {
    let server = Process::muster(&[]).expect("muster starts");
    let body = long_to_judge();
    let sent = [head(body.len()), body].concat();
    beside(&server, &limits(), |scale| {
        for _ in 0..scale.pick(6, 60) {
            // Whoever leaves gives its place back: one address has two of these.
            let left = raw::silent(server.address, &sent);
            drop(left);
        }
        let request = Request::new("PUT", "/v1/snapshot?dry-run").body(snapshot(9, &[node("n")]));
        let mut client = server.client();
        let answer = ask_until(&mut client, &request, Instant::now() + PATIENCE, |it| it.status == 200);
        assert_eq!(answer.expect("an answer").status, 200);
        // Who stays is answered, and holds up nobody who saves meanwhile. Those who have left hold their places until
        // their judges look, so it is tried until there are two.
        let deadline = Instant::now() + PATIENCE;
        let mut stays = loop {
            let stays = raw::silent(server.address, &sent);
            let saved = raw::ask(server.address, "/v1/snapshot");
            let restored = restore(server.address);
            let was_first = is_silent(&stays);
            assert_eq!(raw::status(&saved), 200);
            if was_first && restored.0 == 200 {
                break stays;
            }
            assert!(Instant::now() < deadline, "waited for a long one: first {was_first}, {restored:?}");
            thread::sleep(Duration::from_millis(50));
        };
        stays.shutdown(std::net::Shutdown::Write).expect("it is open");
        raw::read_to_end(&mut stays);
    });
    let metrics = server.client().get("/metrics").expect("an answer").text();
    assert_eq!(metric_sum(&metrics, "muster_http_panics_total"), 0.0);
}
