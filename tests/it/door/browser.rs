//! A real Chromium that opens a hostile page: from another port, from another name, and by a name that is rebound to the
//! server after the page was loaded.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;

use super::{server, state};
use crate::support::process::{Process, free_port};

/// Longest wait for what a page reports; a cold start of a browser on a loaded machine takes most of it.
const REPORT_WAIT_MAX: Duration = Duration::from_secs(90);

/// Tries every write on every base in every way that a page has, then to read; reports what it could read.
const HOSTILE_PAGE: &str = include_str!("hostile.html");

/// Waits until its own server is gone and another is in its place, then asks that one as its own.
const REBOUND_PAGE: &str = include_str!("rebound.html");

/// A browser's window on one page, closed when dropped.
struct Browser {
    child: Child,
    _profile: TempDir,
}

impl Browser {
    /// `None`, with a word why, where there is no Chromium.
    fn open(url: &str) -> Option<Browser> {
        let profile = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--disable-default-apps", "--disable-extensions"])
            .arg("--host-resolver-rules=MAP page.example 127.0.0.1, MAP rebound.example 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: its processes end together.
            .process_group(0);
        match command.spawn() {
            Ok(child) => Some(Browser { child, _profile: profile }),
            Err(error) => {
                let missing = format!("chromium cannot be started: {error}; scripts/test-deps installs it");
                assert!(std::env::var_os("CI").is_none(), "{missing}");
                eprintln!("skipped: {missing}");
                None
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// Whoever put the page on the web: serves it and takes its reports.
struct Attacker {
    address: SocketAddr,
    reports: Receiver<String>,
    is_open: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Attacker {
    fn start(page: &str) -> Attacker {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let listener = TcpListener::bind(address).expect("its port is its own");
        let ((sender, reports), page) = (channel(), page.to_owned());
        let is_open = Arc::new(AtomicBool::new(true));
        let open = is_open.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !open.load(Ordering::SeqCst) {
                    return;
                }
                let (page, sender) = (page.clone(), sender.clone());
                // A browser opens connections ahead and may never use them.
                thread::spawn(move || answer(stream, &page, &sender));
            }
        });
        Attacker { address, reports, is_open, thread: Some(thread) }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }

    fn report(&self) -> String {
        self.reports.recv_timeout(REPORT_WAIT_MAX).expect("the page reports")
    }

    /// Gives its port up.
    fn go(&mut self) {
        self.is_open.store(false, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // Wakes it, so that it looks.
            let _ = TcpStream::connect(self.address);
            thread.join().expect("it does not panic");
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        self.go();
    }
}

/// Answers one request and closes.
fn answer(mut stream: TcpStream, page: &str, reports: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let told = if first.starts_with("POST /report ") {
        reports.send(String::from_utf8(body).ok()?).ok()?;
        ""
    } else {
        page
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nAccess-Control-Allow-Origin: *\r\n\
         Connection: close\r\n\r\n{told}",
        told.len()
    );
    stream.write_all(head.as_bytes()).ok()
}

#[test]
fn a_hostile_page_changes_nothing_and_reads_nothing() {
    let mut server = server(&[]);
    let before = state(&server);
    let attacker = Attacker::start(&HOSTILE_PAGE.replace("PORT", &server.address.port().to_string()));
    // From another site, and from another port of the same.
    for host in ["page.example", "localhost"] {
        let Some(browser) = Browser::open(&format!("http://{host}:{}/", attacker.port())) else { return };
        let read = attacker.report();
        drop(browser);
        assert!(server.ended_within(Duration::ZERO).is_none(), "{host}: the server was ended");
        assert_eq!(state(&server), before, "{host}: something was changed");
        assert_eq!(read, "nothing", "{host}: the page has read");
    }
}

#[test]
fn a_rebound_name_reads_nothing() {
    let sink = Attacker::start("");
    let page = REBOUND_PAGE.replace("SINK", &sink.port().to_string());
    let mut attacker = Attacker::start(&page);
    let port = attacker.port();
    let Some(_browser) = Browser::open(&format!("http://rebound.example:{port}/")) else { return };
    assert_eq!(sink.report(), "loaded");
    attacker.go();
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let server = Process::muster_on(&data_dir, &["-http-addr", &format!("127.0.0.1:{port}")]);
    let server = server.expect("muster starts in its place");
    let before = state_of(port);
    assert_eq!(sink.report(), "421 421", "what a read and a write were answered");
    assert_eq!(state_of(port), before);
    drop(server);
}

fn state_of(port: u16) -> String {
    let mut client = crate::support::client::Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    client.get("/v1/agent/services").expect("an answer").text()
}
