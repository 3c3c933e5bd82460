//! Connections that are kept to the targets of checks: a death is seen at once, a server that hangs up on idle clients
//! loses nothing by it, and the bounds and the switch hold. The targets are processes of their own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{Client, Request, ask_until};
use crate::support::process::Process;

/// Longest wait for an event. Below [`INTERVAL`], so that no ordinary probe brings it about.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(20);

/// Between two ordinary probes of the checks below, where they matter.
const INTERVAL: &str = "10m";

/// Instances that die in turn.
const DEATHS: usize = 10;

/// Tells the instance below how long it bears an idle connection, in milliseconds.
const IDLE_MS: &str = "MUSTER_TEST_INSTANCE_IDLE_MS";

/// Not a test but the program of an instance, which the tests start as a process: it says its port and serves.
#[test]
#[ignore = "started by the tests of this file"]
fn instance() {
    let Some(idle_ms) = std::env::var(IDLE_MS).ok().and_then(|text| text.parse().ok()) else { return };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    println!("\nport {}", listener.local_addr().expect("an address").port());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(stream, Duration::from_millis(idle_ms)));
    }
}

fn serve(mut stream: TcpStream, idle_max: Duration) {
    let mut bytes = [0; 4096];
    stream.set_read_timeout(Some(idle_max)).expect("a timeout above zero");
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
        if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// An instance that runs; dropping it kills it.
struct Instance {
    child: Child,
    address: SocketAddr,
}

impl Instance {
    fn start(idle_max: Duration) -> Instance {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "watch::instance", "--ignored", "--nocapture"])
            .env(IDLE_MS, idle_max.as_millis().to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("port ")?.parse().ok());
        Instance { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("it says its port"))) }
    }

    /// Kills it as `kill -9` does, and gives the time just before.
    fn kill(mut self) -> Instant {
        let before = Instant::now();
        self.child.kill().expect("it lives");
        before
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Both fail only when it is dead and reaped already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn register(client: &mut Client, id: usize, address: SocketAddr, interval: &str) {
    let check = json!({"HTTP": format!("http://{address}/"), "Interval": interval, "Timeout": "5s"});
    let body = json!({"Name": "web", "ID": format!("web-{id}"), "Check": check});
    put(client, "/v1/agent/service/register", &body);
}

fn put(client: &mut Client, target: &str, body: &Value) {
    let answer = client.put(target, &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
}

/// The value of a metric; zero while there is no such series.
fn metric(text: &str, name: &str) -> f64 {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0.0)
}

/// Waits until the metrics are as wished.
fn wait_for_metrics(client: &mut Client, what: &str, wished: impl Fn(&dyn Fn(&str) -> f64) -> bool) {
    let request = Request::new("GET", "/metrics");
    let is_so = |text: &str| wished(&|name| metric(text, name));
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let answer = ask_until(client, &request, deadline, |it| is_so(&it.text())).expect("an answer");
    let text = answer.text();
    let shown: Vec<&str> = text.lines().filter(|it| it.contains("probe") || it.contains("watched")).collect();
    assert!(is_so(&text), "{what}:\n{}", shown.join("\n"));
}

const PASSING: &str = "/v1/health/service/web?passing";

fn wait_for_passing(client: &mut Client, count: usize) -> u64 {
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let answer = ask_until(client, &Request::new("GET", PASSING), deadline, |it| {
        it.json().as_array().is_some_and(|entries| entries.len() == count)
    });
    let answer = answer.expect("an answer");
    assert_eq!(answer.json().as_array().map(Vec::len), Some(count), "{}", answer.text());
    answer.index().expect("an index")
}

#[test]
fn a_process_that_dies_is_out_at_once() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    let instances: Vec<Instance> = (0..DEATHS).map(|_| Instance::start(Duration::from_secs(600))).collect();
    for (id, instance) in instances.iter().enumerate() {
        register(&mut client, id, instance.address, INTERVAL);
    }
    let mut index = wait_for_passing(&mut client, DEATHS);
    wait_for_metrics(&mut client, "all are watched", |of| of("muster_watched_connections") == DEATHS as f64);
    let mut waiting = server.client();
    let mut times = Vec::new();
    for (dead, instance) in instances.into_iter().enumerate() {
        let query = format!("{PASSING}&index={index}&wait=20s");
        waiting.send(&Request::new("GET", &query)).expect("it is sent");
        wait_for_metrics(&mut client, "the query waits", |of| of("muster_blocking_queries") == 1.0);
        let killed_at = instance.kill();
        let answer = waiting.receive().expect("an answer");
        times.push(killed_at.elapsed());
        assert_eq!(answer.json().as_array().map(Vec::len), Some(DEATHS - dead - 1), "{}", answer.text());
        index = answer.index().expect("an index");
    }
    times.sort_unstable();
    eprintln!("from death to answer: median {:?}, worst {:?}", times[DEATHS / 2], times[DEATHS - 1]);
    wait_for_metrics(&mut client, "each death was an end", |of| {
        of("muster_watched_connections") == 0.0
            && of("muster_watched_connections_lost_total") == DEATHS as f64
    });
}

#[test]
fn a_server_that_hangs_up_on_idle_clients_loses_nothing() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    let instance = Instance::start(Duration::from_millis(100));
    register(&mut client, 0, instance.address, "1s");
    let index = wait_for_passing(&mut client, 1);
    wait_for_metrics(&mut client, "connections end", |of| of("muster_extra_probes_total") >= 4.0);
    wait_for_metrics(&mut client, "an end costs one probe more, and no further one", |of| {
        let (extra, all) =
            (of("muster_extra_probes_total"), of("muster_probes_total{kind=\"http\",status=\"passing\"}"));
        extra <= all - extra && of("muster_probes_total{kind=\"http\",status=\"critical\"}") == 0.0
    });
    assert_eq!(wait_for_passing(&mut client, 1), index, "nothing has changed");
    assert_eq!(client.get("/v1/health/checks/web").expect("an answer").index(), Some(index));
}

#[test]
fn connections_are_bounded() {
    let server = Process::muster(&["--limits-watched-connections-max", "1"]).expect("muster starts");
    let mut client = server.client();
    let instances = [(); 3].map(|()| Instance::start(Duration::from_secs(600)));
    for (id, instance) in instances.iter().enumerate() {
        let check = json!({"HTTP": format!("http://{}/{id}", instance.address), "Interval": INTERVAL});
        let body = json!({"Name": "web", "ID": format!("web-{id}"), "Check": check});
        put(&mut client, "/v1/agent/service/register", &body);
    }
    wait_for_passing(&mut client, 3);
    wait_for_metrics(&mut client, "one is watched", |of| {
        of("muster_watched_connections") == 1.0 && of("muster_watched_connections_refused_total") == 2.0
    });
}

#[test]
fn identical_checks_share_a_probe_and_a_connection() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    let instance = Instance::start(Duration::from_secs(600));
    for id in 0..5 {
        register(&mut client, id, instance.address, "1s");
    }
    wait_for_passing(&mut client, 5);
    wait_for_metrics(&mut client, "probes are shared", |of| of("muster_probes_shared_total") >= 8.0);
    wait_for_metrics(&mut client, "one connection", |of| of("muster_watched_connections") == 1.0);
    let index = wait_for_passing(&mut client, 5);
    let mut waiting = server.client();
    waiting.send(&Request::new("GET", &format!("{PASSING}&index={index}&wait=20s"))).expect("it is sent");
    instance.kill();
    waiting.receive().expect("an answer");
    wait_for_passing(&mut client, 0);
}

#[test]
fn checks_of_one_address_share_a_connection_and_hear_of_its_end() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    let instance = Instance::start(Duration::from_secs(600));
    for id in 0..5 {
        // A path each, or they would be one errand.
        let check = json!({"HTTP": format!("http://{}/{id}", instance.address), "Interval": INTERVAL});
        let body = json!({"Name": "web", "ID": format!("web-{id}"), "Check": check});
        put(&mut client, "/v1/agent/service/register", &body);
        // A check joins what is held when its run ends: who ran before anything was held joins with its next run.
        wait_for_metrics(&mut client, "one connection", |of| of("muster_watched_connections") == 1.0);
    }
    wait_for_passing(&mut client, 5);
    instance.kill();
    wait_for_passing(&mut client, 0);
}

#[test]
fn the_switch_and_deregistration_close_connections() {
    let server = Process::muster(&["--watch-connections=false"]).expect("muster starts");
    let mut client = server.client();
    let instance = Instance::start(Duration::from_secs(600));
    register(&mut client, 0, instance.address, INTERVAL);
    wait_for_passing(&mut client, 1);
    wait_for_metrics(&mut client, "nothing is watched", |of| {
        of("muster_watched_connections") == 0.0 && of("muster_watched_connections_refused_total") == 0.0
    });

    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    register(&mut client, 0, instance.address, INTERVAL);
    let watches = |count: f64| move |of: &dyn Fn(&str) -> f64| of("muster_watched_connections") == count;
    wait_for_metrics(&mut client, "it is watched", watches(1.0));
    put(&mut client, "/v1/agent/service/deregister/web-0", &Value::Null);
    wait_for_metrics(&mut client, "it is watched no more", watches(0.0));
    register(&mut client, 0, instance.address, INTERVAL);
    wait_for_metrics(&mut client, "it is watched again", watches(1.0));
    // Another definition of the same check: its target closes nothing, and is asked nothing for ten minutes.
    let body = json!({"Name": "web", "ID": "web-0", "Check": {"TTL": "10m"}});
    put(&mut client, "/v1/agent/service/register", &body);
    wait_for_metrics(&mut client, "the former connection is closed", watches(0.0));
}

#[test]
fn what_the_catalog_api_registered_is_reaped_as_well() {
    let server = Process::muster(&[]).expect("muster starts");
    let mut client = server.client();
    let definition = json!({"DeregisterCriticalServiceAfter": "1s"});
    let check = json!({"CheckID": "c", "Name": "c", "Status": "critical", "ServiceID": "db", "Definition": definition});
    let service = json!({"Service": "db", "ID": "db"});
    let body = json!({"Node": "far", "Address": "10.0.0.9", "Service": service, "Check": check});
    put(&mut client, "/v1/catalog/register", &body);
    let deadline = Instant::now() + EVENT_WAIT_MAX;
    let request = Request::new("GET", "/v1/catalog/service/db");
    let gone = |text: &str| text.trim() == "[]";
    let answer = ask_until(&mut client, &request, deadline, |it| gone(&it.text())).expect("an answer");
    assert!(gone(&answer.text()), "{}", answer.text());
}
