//! What ten thousand HTTP checks cost: `cargo bench --bench probes [-- CHECKS SECONDS]`.
//!
//! Starts the built muster and, in this process, targets on loopback that answer every path at once: 100 ports, so that
//! a hundred checks share one target and no two checks are identical. Each check has an interval of 10 s. Measured is
//! muster's own processor time, how late its probes begin, and its memory, with a connection to each address held and
//! without; then the same with 500 targets more that accept connections and never answer. Everything that is started
//! is ended.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use muster::base::sys::runtime;
use muster::net::http::{BindAddress, Exchange, Response, Server, ServerConfig};

/// Ports that the targets listen on.
const TARGET_PORTS: usize = 100;

/// Targets that never answer.
const HANGING: usize = 500;

/// Before each measurement: two intervals, so that connections are there and the start is over.
const WARM_UP: Duration = Duration::from_secs(20);

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let checks = numbers.next().unwrap_or(10_000) as usize;
    let measured = Duration::from_secs(numbers.next().unwrap_or(30));
    let targets = targets();

    println!("{checks} HTTP checks at 10 s, {measured:?} each\n");
    println!(
        "| | probes/s | muster's CPU, % of a core | us a probe | start delay p50, p99 of targets that answer | memory a check |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, arguments) in
        [("connections held", &[][..]), ("no connections held", &["--watch-connections=false"])]
    {
        let mut muster = Muster::start(arguments);
        let empty_bytes = muster.resident_bytes();
        for number in 0..checks {
            let url = format!("http://{}/{number}", targets[number % TARGET_PORTS]);
            muster.register(&format!("web-{number}"), &url);
        }
        std::thread::sleep(WARM_UP);
        let of_checks = muster.resident_bytes().saturating_sub(empty_bytes) / checks as u64;
        muster.measure(measured, name, &format!("{of_checks} B"));
        if arguments.is_empty() {
            let silent = hanging();
            for (number, address) in silent.iter().enumerate() {
                muster.register(&format!("hanging-{number}"), &format!("http://{address}/"));
            }
            std::thread::sleep(WARM_UP);
            muster.measure(measured, &format!("the same, and {HANGING} that hang"), "");
        }
    }
}

/// Targets that answer everything; they live as long as this process.
fn targets() -> Vec<SocketAddr> {
    runtime::start(1);
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let config = ServerConfig { idle_timeout: Duration::from_secs(600), ..ServerConfig::default() };
    let server = Server::bind(&vec![BindAddress::Tcp(any); TARGET_PORTS], config).expect("free ports");
    server.serve(|_: &mut Exchange<'_>| Response::text(200, "well")).expect("coroutines");
    let addresses = server.local_addresses();
    let addresses = addresses.into_iter().filter_map(|address| match address {
        BindAddress::Tcp(address) => Some(address),
        BindAddress::Unix(_) => None,
    });
    let addresses = addresses.collect();
    std::mem::forget(server);
    addresses
}

/// Ports whose connections the kernel accepts and nobody else.
fn hanging() -> Vec<SocketAddr> {
    let listen = |_| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        std::mem::forget(listener);
        address
    };
    (0..HANGING).map(listen).collect()
}

/// The built program on free ports, with a store in memory. Dropping it ends it.
struct Muster {
    child: Child,
    connection: BufReader<TcpStream>,
}

impl Muster {
    fn start(arguments: &[&str]) -> Muster {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
        let child = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["agent", "--store", "memory", "--log-level", "warn", "--http-addr", &free.to_string()])
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("muster is built");
        let connect = |_| {
            std::thread::sleep(Duration::from_millis(50));
            TcpStream::connect(free).ok()
        };
        let stream = (0..200).find_map(connect).expect("muster listens within ten seconds");
        Muster { child, connection: BufReader::new(stream) }
    }

    fn register(&mut self, id: &str, url: &str) {
        let check =
            format!(r#"{{"HTTP": "{url}", "Interval": "10s", "Timeout": "5s", "Status": "passing"}}"#);
        let body = format!(r#"{{"Name": "web", "ID": "{id}", "Check": {check}}}"#);
        self.ask("PUT", "/v1/agent/service/register", &body);
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> String {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: muster\r\nContent-Length: {length}\r\n\r\n{body}");
        self.connection.get_mut().write_all(request.as_bytes()).expect("muster lives");
        let mut status = String::new();
        self.connection.read_line(&mut status).expect("muster answers");
        assert!(status.contains(" 200 "), "{path}: {status}");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.connection.read_line(&mut line).expect("muster answers");
            match line.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(_) => {}
                None => break,
            }
        }
        let mut answer = vec![0; length];
        self.connection.read_exact(&mut answer).expect("muster answers");
        String::from_utf8(answer).expect("text")
    }

    /// Measures for a while and prints a row.
    fn measure(&mut self, measured: Duration, name: &str, memory: &str) {
        let (before, processor_before) = (self.metrics(), self.processor_time());
        std::thread::sleep(measured);
        let (after, processor) = (self.metrics(), self.processor_time() - processor_before);
        let since =
            |name: &str| after.get(name).copied().unwrap_or(0.0) - before.get(name).copied().unwrap_or(0.0);
        let all = since("muster_probe_duration_seconds_count");
        let probes = since("muster_probe_start_delay_seconds_count{target=\"quick\"}");
        let quantile = |of: f64| {
            let prefix = "muster_probe_start_delay_seconds_bucket{target=\"quick\",le=\"";
            let bounds = after.iter().filter_map(|(key, count)| {
                let bound: f64 = key.strip_prefix(prefix)?.strip_suffix("\"}")?.parse().ok()?;
                Some((bound, count - before.get(key).copied().unwrap_or(0.0)))
            });
            let reached = bounds.filter(|(_, count)| *count >= of * probes).map(|(bound, _)| bound);
            1000.0 * reached.fold(f64::INFINITY, f64::min)
        };
        let share = 100.0 * processor.as_secs_f64() / measured.as_secs_f64();
        let each_us = processor.as_secs_f64() * 1e6 / all;
        println!(
            "| {name} | {:.0} | {share:.1} | {each_us:.0} | under {} ms, under {} ms | {memory} |",
            all / measured.as_secs_f64(),
            quantile(0.5),
            quantile(0.99),
        );
        let shown = ["muster_watched_connections", "muster_probes_waiting", "muster_probes_running"];
        let shown = shown.map(|name| format!("{name} {}", after.get(name).copied().unwrap_or(0.0)));
        let failed = since("muster_probes_total{kind=\"http\",status=\"critical\"}");
        eprintln!("{}, failed probes {failed}", shown.join(", "));
    }

    fn metrics(&mut self) -> BTreeMap<String, f64> {
        let text = self.ask("GET", "/metrics", "");
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
    }

    /// Processor time so far, in ticks of 10 ms.
    fn processor_time(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it lives");
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    fn resident_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    }
}

impl Drop for Muster {
    fn drop(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
