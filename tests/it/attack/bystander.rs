//! Normal load beside an attack: somebody who asks whether the server lives, somebody who reads what is cached, an
//! instance that beats its TTL, and one that is probed. What they meet is measured before, during and after.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Scale;
use crate::support::process::Process;

/// Instances in the list that is read.
const LISTED: usize = 20;

/// What is read, always the same to the letter.
const READ: &str = "/v1/health/service/bystander-list?passing";

/// Pauses of those who ask.
const LIVENESS_PAUSE: Duration = Duration::from_millis(50);
const READ_PAUSE: Duration = Duration::from_millis(5);
const BEAT_PAUSE: Duration = Duration::from_millis(300);
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Reads beside an attack in the long form, which is repeated until there are so many: the 99th percentile of fewer is
/// that of one bad moment.
const READS_MIN: usize = 1_000;

/// What must hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest answer of `/livez`.
    pub liveness_max: Duration,
    /// The 99th percentile of cached reads may be twice the undisturbed one and this much more.
    pub read_p99_slack: Duration,
    /// The longest 99.9th percentile of cached reads, where that is bounded.
    pub read_p999_max: Option<Duration>,
    /// How long it may take after the attack until all is as before.
    pub recovery_max: Duration,
    /// The most memory the process may ever have, where that is bounded.
    pub resident_bytes_max: Option<u64>,
}

/// The limits of this run: those that are promised in the long form, generous ones otherwise.
pub fn limits() -> Limits {
    let scale = Scale::of_this_run();
    Limits {
        liveness_max: scale.pick(Duration::from_secs(5), Duration::from_millis(100)),
        read_p99_slack: scale.pick(Duration::from_secs(2), Duration::from_millis(5)),
        read_p999_max: None,
        recovery_max: scale.pick(Duration::from_secs(30), Duration::from_secs(5)),
        resident_bytes_max: None,
    }
}

/// What was measured in one phase.
#[derive(Debug, Default)]
struct Measured {
    liveness: Vec<Duration>,
    reads: Vec<Duration>,
    /// What went wrong, in words.
    wrong: Vec<String>,
}

impl Measured {
    /// Reads that were answered, and whatever else was not.
    fn asked(&self) -> usize {
        self.reads.len() + self.wrong.len()
    }
}

/// Has the present thread, and all that it starts, give way to every other: those who attack are on machines of their
/// own, and take no processor from whom they attack.
fn give_way() {
    // `PID/task/TID`: a thread has a priority of its own.
    let path = fs::read_link("/proc/thread-self").expect("the kernel tells");
    let thread = path.file_name().expect("it ends in the thread's id");
    let done = Command::new("renice").args(["-n", "19", "-p"]).arg(thread).stdout(Stdio::null()).status();
    assert!(done.is_ok_and(|status| status.success()), "a thread may lower its own priority");
}

/// Starts what an attack needs before it begins, on threads that give way.
pub fn giving_way<T: Send>(start: impl FnOnce() -> T + Send) -> T {
    let started = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            give_way();
            start()
        });
        thread.join()
    });
    started.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs `attack` beside normal load and judges what the load has met; gives what came of it, or of its last repetition
/// where it is repeated.
///
/// # Panics
/// When a limit did not hold.
pub fn beside<T: Send>(server: &Process, limits: &Limits, mut attack: impl FnMut(Scale) -> T + Send) -> T {
    let scale = Scale::of_this_run();
    let target = HealthyTarget::start();
    register(server, &target, scale);
    let (measured, is_over) = (Mutex::new(Measured::default()), AtomicBool::new(false));
    let lap = || std::mem::take(&mut *measured.lock().expect("no user of it panics"));
    let (calm, during, came_of_it) = std::thread::scope(|scope| {
        let _end = AtEnd(&is_over);
        scope.spawn(|| ask_whether_it_lives(server, &measured, &is_over));
        scope.spawn(|| read_what_is_cached(server, &measured, &is_over));
        scope.spawn(|| beat(server, &measured, &is_over));
        scope.spawn(|| look_for_critical(server, &measured, &is_over));
        std::thread::sleep(scale.pick(Duration::from_millis(500), Duration::from_secs(5)));
        let calm = lap();
        let attacks = scope.spawn(|| {
            give_way();
            let mut came_of_it = attack(scale);
            while measured.lock().expect("no user of it panics").asked() < scale.pick(0, READS_MIN) {
                came_of_it = attack(scale);
            }
            came_of_it
        });
        let came_of_it = attacks.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let during = lap();
        wait_until_calm(server, limits);
        drop(lap());
        (calm, during, came_of_it)
    });
    judge(server, limits, calm, during);
    came_of_it
}

fn judge(server: &Process, limits: &Limits, mut calm: Measured, mut during: Measured) {
    let (p99_calm, p99) = (percentile(&mut calm.reads, 990), percentile(&mut during.reads, 990));
    let p999 = percentile(&mut during.reads, 999);
    let liveness = during.liveness.iter().max().copied().unwrap_or_default();
    let resident = resident_bytes_peak(server);
    println!(
        "liveness at most {liveness:?}; cached reads p99 {p99:?}, undisturbed {p99_calm:?}, p99.9 {p999:?}, {} reads; peak {} MiB",
        during.reads.len(),
        resident >> 20
    );
    assert!(during.wrong.is_empty(), "beside the attack: {:?}", &during.wrong[..during.wrong.len().min(5)]);
    assert!(liveness <= limits.liveness_max, "liveness took {liveness:?}");
    assert!(
        p99 <= 2 * p99_calm + limits.read_p99_slack,
        "cached reads p99 {p99:?}, undisturbed {p99_calm:?}"
    );
    if let Some(longest) = limits.read_p999_max {
        assert!(p999 <= longest, "cached reads p99.9 {p999:?}, at most {longest:?}");
    }
    if let Some(bytes_max) = limits.resident_bytes_max {
        assert!(resident <= bytes_max, "{resident} bytes were resident, {bytes_max} may be");
    }
}

/// The instances: a list, one that beats, one that is probed.
fn register(server: &Process, target: &HealthyTarget, scale: Scale) {
    let mut client = server.client();
    let mut put = |body: String| {
        let answer = client.put("/v1/agent/service/register", &body).expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    for number in 0..LISTED {
        put(format!(
            r#"{{"ID":"bystander-list-{number}","Name":"bystander-list","Port":{}}}"#,
            9_000 + number
        ));
    }
    let ttl = scale.pick("8s", "2s");
    put(format!(
        r#"{{"Name":"bystander-ttl","Check":{{"CheckID":"bystander-ttl","TTL":"{ttl}","Status":"passing"}}}}"#
    ));
    let (address, timeout) = (target.address, scale.pick("8s", "1s"));
    put(format!(
        r#"{{"Name":"bystander-web","Check":{{"HTTP":"http://{address}/","Interval":"1s","Timeout":"{timeout}",
        "Status":"passing"}}}}"#
    ));
}

fn ask_whether_it_lives(server: &Process, measured: &Mutex<Measured>, is_over: &AtomicBool) {
    let mut kept = server.client();
    while !is_over.load(Ordering::Relaxed) {
        for client in [&mut kept, &mut server.client()] {
            let asked = Instant::now();
            let outcome = client.get("/livez");
            let took = asked.elapsed();
            let mut measured = measured.lock().expect("no user of it panics");
            match outcome {
                Ok(answer) if answer.status == 200 => measured.liveness.push(took),
                Ok(answer) => measured.wrong.push(format!("/livez: {} {}", answer.status, answer.text())),
                Err(error) => measured.wrong.push(format!("/livez: {error}")),
            }
        }
        std::thread::sleep(LIVENESS_PAUSE);
    }
}

fn read_what_is_cached(server: &Process, measured: &Mutex<Measured>, is_over: &AtomicBool) {
    let mut client = server.client();
    while !is_over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let outcome = client.get(READ);
        let took = asked.elapsed();
        let mut measured = measured.lock().expect("no user of it panics");
        match outcome {
            Ok(answer) if answer.json().as_array().map(Vec::len) == Some(LISTED) => measured.reads.push(took),
            Ok(answer) => measured.wrong.push(format!("{READ}: {} {}", answer.status, answer.text())),
            Err(error) => measured.wrong.push(format!("{READ}: {error}")),
        }
        drop(measured);
        std::thread::sleep(READ_PAUSE);
    }
}

fn beat(server: &Process, measured: &Mutex<Measured>, is_over: &AtomicBool) {
    let mut client = server.client();
    while !is_over.load(Ordering::Relaxed) {
        let wrong = match client.put("/v1/agent/check/pass/bystander-ttl", "") {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("a heartbeat: {} {}", answer.status, answer.text())),
            Err(error) => Some(format!("a heartbeat: {error}")),
        };
        measured.lock().expect("no user of it panics").wrong.extend(wrong);
        std::thread::sleep(BEAT_PAUSE);
    }
}

fn look_for_critical(server: &Process, measured: &Mutex<Measured>, is_over: &AtomicBool) {
    let mut client = server.client();
    while !is_over.load(Ordering::Relaxed) {
        let wrong = match client.get("/v1/health/state/critical?filter=ServiceName+contains+bystander") {
            Ok(answer) if answer.status == 200 && answer.text() == "[]" => None,
            Ok(answer) => Some(format!("critical: {} {}", answer.status, answer.text())),
            Err(error) => Some(format!("critical: {error}")),
        };
        measured.lock().expect("no user of it panics").wrong.extend(wrong);
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// Waits until nothing of the attack is left: liveness is quick, and nothing is held for anybody.
fn wait_until_calm(server: &Process, limits: &Limits) {
    let deadline = Instant::now() + limits.recovery_max;
    let mut client = server.client();
    loop {
        let asked = Instant::now();
        let is_quick = client.get("/livez").is_ok_and(|answer| answer.status == 200);
        let is_quick = is_quick && asked.elapsed() <= limits.liveness_max;
        let held = metric_sum(
            &client.get("/metrics").map(|it| it.text()).unwrap_or_default(),
            "muster_transit_bytes{",
        );
        if is_quick && held == 0.0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not as before {:?} after the attack: held {held}",
            limits.recovery_max
        );
        std::thread::sleep(LOOK_PAUSE);
    }
}

/// The sum of all series that begin so.
pub fn metric_sum(metrics: &str, begins: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(begins));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

pub fn held(server: &Process, purpose: &str) -> f64 {
    let metrics = server.client().get("/metrics").expect("the server answers").text();
    metric_sum(&metrics, &format!("muster_transit_bytes{{purpose=\"{purpose}\"}}"))
}

/// The most memory that the process has had, in bytes (`VmHWM`).
pub fn resident_bytes_peak(server: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

fn percentile(durations: &mut [Duration], permille: usize) -> Duration {
    durations.sort_unstable();
    let at = (durations.len() * permille).div_ceil(1_000).saturating_sub(1);
    durations.get(at).copied().unwrap_or_default()
}

/// Sets a flag when it goes, also with a panic, so that a scope ends.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A server that always answers 200 at once, until it is dropped.
struct HealthyTarget {
    address: SocketAddr,
    is_over: std::sync::Arc<AtomicBool>,
}

impl HealthyTarget {
    fn start() -> HealthyTarget {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let is_over = std::sync::Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                std::thread::spawn(move || {
                    let mut request = [0; 1024];
                    while stream.read(&mut request).is_ok_and(|length| length > 0) {
                        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        HealthyTarget { address, is_over }
    }
}

impl Drop for HealthyTarget {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // Its thread wakes for this connection and ends.
        let _ = std::net::TcpStream::connect(self.address);
    }
}
