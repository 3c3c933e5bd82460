//! Probes against real listeners on loopback, run in coroutines as the registry runs them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::base::stdx::text::Text;
use crate::base::sys::recall::{Courtesy, Recall};
use crate::base::sys::runtime;
use crate::core::model::{Observation, Probe, Status};
use crate::node::probe::tls::Trust;
use crate::node::probe::{Finding, IdleConnection, ProbeSettings, Prober, Task};

mod failing;
mod kept;
mod lingering;

/// Generous for everything that is meant to succeed.
const PATIENT: Duration = Duration::from_secs(30);
/// Short for what is meant to time out.
const HASTY: Duration = Duration::from_millis(200);
const OUTPUT_MAX: usize = 4096;

static PROBER: LazyLock<Arc<Prober>> =
    LazyLock::new(|| Arc::new(Prober::new(ProbeSettings::default()).unwrap()));

/// Starts a probe in a coroutine; its result comes through the channel.
fn start(probe: Probe, timeout: Duration) -> Receiver<Observation> {
    start_with(PROBER.clone(), probe, timeout)
}

fn start_with(prober: Arc<Prober>, probe: Probe, timeout: Duration) -> Receiver<Observation> {
    let (sender, receiver) = mpsc::channel();
    spawn(prober, probe, timeout, (false, false), move |finding| {
        let _receiver_gone = sender.send(finding.observation);
    });
    receiver
}

/// Runs a probe in a coroutine: whether to keep its connection, and whether to linger.
fn spawn(
    prober: Arc<Prober>,
    probe: Probe,
    timeout: Duration,
    (keep, linger): (bool, bool),
    done: impl FnOnce(Finding) + Send + 'static,
) {
    runtime::start(1);
    runtime::spawn("probe", move || {
        let (recall, courtesy) = (Recall::default(), None);
        let output_bytes_max = OUTPUT_MAX;
        let task = Task { probe: &probe, timeout, output_bytes_max, keep, linger, recall, courtesy };
        done(prober.run(task));
    })
    .unwrap();
}

fn run(probe: Probe, timeout: Duration) -> (Status, String) {
    let observation = start(probe, timeout).recv().unwrap();
    (observation.status, observation.output.to_string())
}

fn tcp(address: impl ToString) -> Probe {
    Probe::Tcp { address: address.to_string().into(), tls: None }
}

/// A plain GET of `url`, for `with` to change.
fn http(url: &str, with: impl FnOnce(&mut Given)) -> Probe {
    let mut given = Given::default();
    with(&mut given);
    Probe::Http {
        url: url.into(),
        method: given.method.into(),
        header: given
            .header
            .into_iter()
            .map(|(name, value)| (name.into(), vec![Text::from(value)]))
            .collect::<BTreeMap<_, _>>(),
        body: given.body.into(),
        tls_skip_verify: given.tls_skip_verify,
        tls_server_name: given.tls_server_name.into(),
        disable_redirects: given.disable_redirects,
    }
}

#[derive(Default)]
struct Given {
    method: &'static str,
    header: Vec<(&'static str, &'static str)>,
    body: &'static str,
    tls_skip_verify: bool,
    tls_server_name: &'static str,
    disable_redirects: bool,
}

fn get(url: &str) -> Probe {
    http(url, |_| {})
}

/// Serves every connection to a new port of `host` with `answer`, each on a thread.
fn serve_on(host: &str, answer: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    serve_on("127.0.0.1", answer)
}

/// The head of a request, and as much body as its `Content-Length` says.
fn read_request(stream: impl Read) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap_or(0) > 0 {}
    let length = request
        .lines()
        .filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .next();
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

/// A server that answers every request with these bytes and hangs up.
fn answering(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve(move |mut stream| {
        read_request(&stream);
        let _probe_gone = stream.write_all(&bytes);
    })
}

/// A port that nobody listens on.
fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_tcp_check_wants_to_be_accepted() {
    let open = serve(drop);
    let open_ipv6 = serve_on("::1", drop);
    let closed = closed_port();
    let port = open.port();
    let rows = [
        (open.to_string(), Status::Passing, format!("TCP connect {open}: Success")),
        (open_ipv6.to_string(), Status::Passing, format!("TCP connect {open_ipv6}: Success")),
        (format!("localhost:{port}"), Status::Passing, format!("TCP connect localhost:{port}: Success")),
        (closed.to_string(), Status::Critical, format!("dial tcp {closed}: connect: connection refused")),
        (
            "nonsense".to_owned(),
            Status::Critical,
            "dial tcp: address nonsense: write it as host:port, the port up to 65535".to_owned(),
        ),
    ];
    for (address, status, output) in rows {
        assert_eq!(run(tcp(&address), PATIENT), (status, output), "{address}");
    }
}

#[test]
fn a_tcp_check_that_nobody_accepts_times_out() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // The one place in the backlog is taken, so further connections stay unanswered.
    let _waiting = TcpStream::connect(address).unwrap();
    let outcome = run(tcp(address), HASTY);
    assert_eq!(outcome, (Status::Critical, format!("dial tcp {address}: i/o timeout")));
}

#[test]
fn addresses_that_nobody_should_probe_are_not_connected_to() {
    for address in ["169.254.169.254:80", "0.0.0.0:80", "[::ffff:169.254.169.254]:80", "[fe80::1]:80"] {
        let (status, output) = run(tcp(address), PATIENT);
        assert_eq!(status, Status::Critical);
        assert!(output.contains(&format!("{address}: refused")), "{output}");
        let (status, output) = run(get(&format!("http://{address}/")), PATIENT);
        assert_eq!(status, Status::Critical);
        assert!(output.contains("refused: link-local"), "{output}");
    }
    let to_metadata = answering("HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n");
    let (status, output) = run(get(&format!("http://{to_metadata}/")), PATIENT);
    assert_eq!(status, Status::Critical);
    assert!(output.contains("169.254.169.254:80: refused"), "{output}");
}

#[test]
fn the_status_of_an_answer_decides() {
    let rows = [
        ("200 OK", Status::Passing),
        ("204 No Content", Status::Passing),
        ("299", Status::Passing),
        ("304 Not Modified", Status::Critical),
        ("404 Not Found", Status::Critical),
        ("429 Too Many Requests", Status::Warning),
        ("503 Service Unavailable", Status::Critical),
    ];
    for (code, status) in rows {
        let address = answering(format!("HTTP/1.1 {code}\r\nContent-Length: 0\r\n\r\n"));
        let url = format!("http://user:key@{address}/health?q=1");
        let shown = format!("http://(redacted)@{address}/health?q=(redacted)");
        let expected = (status, format!("HTTP GET {shown}: {code} Output: "));
        assert_eq!(run(get(&url), PATIENT), expected);
    }
}

#[test]
fn bodies_are_shown_however_they_are_framed() {
    let rows = [
        ("Content-Length: 5\r\n\r\nhello", "hello"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
        ("\r\nhello", "hello"),
        ("Content-Length: 50\r\n\r\ncut sho", "cut sho"),
    ];
    for (answer, body) in rows {
        let address = answering(format!("HTTP/1.1 200 OK\r\n{answer}"));
        let url = format!("http://{address}/");
        let expected = (Status::Passing, format!("HTTP GET {url}: 200 OK Output: {body}"));
        assert_eq!(run(get(&url), PATIENT), expected);
    }
}

#[test]
fn a_big_body_is_read_and_its_end_is_shown() {
    let body = "x".repeat(300_000) + "the end";
    let address = answering(format!("HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let url = format!("http://{address}/");
    let shown = format!("HTTP GET {url}: 500 Internal Server Error Output: {}", &body[body.len() - 4096..]);
    assert_eq!(run(get(&url), PATIENT), (Status::Critical, shown));
}

#[test]
fn requests_say_what_the_check_says() {
    let (sender, requests) = mpsc::channel();
    let address = serve(move |mut stream| {
        sender.send(read_request(&stream)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let seen = |probe| {
        assert_eq!(run(probe, PATIENT).0, Status::Passing);
        requests.recv().unwrap().to_ascii_lowercase()
    };
    let url = format!("http://{address}/p?q=%20");

    let plain = seen(get(&url));
    let lines = [
        "get /p?q=%20 http/1.1".to_owned(),
        format!("host: {address}"),
        "user-agent: consul health check".to_owned(),
        "accept: text/plain, text/*, */*".to_owned(),
        "connection: close".to_owned(),
    ];
    for line in lines {
        assert!(plain.lines().any(|seen| seen == line), "{line:?} is not in {plain}");
    }

    let full = seen(http(&url, |given| {
        given.method = "PUT";
        given.header = vec![("Host", "web.example"), ("Accept", "x/y"), ("user-agent", "me"), ("X-One", "1")];
        given.body = "payload";
    }));
    let lines = [
        "put /p?q=%20 http/1.1",
        "host: web.example",
        "accept: x/y",
        "user-agent: me",
        "x-one: 1",
        "payload",
    ];
    for line in lines {
        assert!(full.lines().any(|seen| seen == line), "{line:?} is not in {full}");
    }
    assert!(!full.contains("consul health check") && !full.contains("text/plain"), "{full}");
    assert!(seen(http(&url, |given| given.body = "with GET")).ends_with("with get"));
}

#[test]
fn redirects_are_followed_unless_disabled() {
    let target = answering("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere");
    let address =
        answering(format!("HTTP/1.1 302 Found\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n"));
    let url = format!("http://{address}/");
    let followed = (Status::Passing, format!("HTTP GET {url}: 200 OK Output: here"));
    assert_eq!(run(get(&url), PATIENT), followed);
    let taken = (Status::Critical, format!("HTTP GET {url}: 302 Found Output: "));
    assert_eq!(run(http(&url, |given| given.disable_redirects = true), PATIENT), taken);

    let circle = answering("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    let url = format!("http://{circle}/");
    let stopped = (Status::Critical, format!("Get \"{url}\": stopped after 10 redirects"));
    assert_eq!(run(get(&url), PATIENT), stopped);
}

#[test]
fn failures_are_told_in_words_that_people_know() {
    let closed = closed_port();
    let silent = serve(|mut stream| {
        // Holds the connection until the probe hangs up.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let dripping = serve(|mut stream| {
        // A byte of head at a time, until the probe hangs up: the slowness is what is tested.
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let dripping_head = serve(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let timed_out = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    let garbage = "net/http: HTTP/1.x transport connection broken";
    let rows = [
        (format!("http://{closed}/"), format!("dial tcp {closed}: connect: connection refused")),
        (format!("http://{silent}/"), timed_out.to_owned()),
        (format!("http://{dripping}/"), garbage.to_owned()),
        (format!("http://{dripping_head}/"), timed_out.to_owned()),
        (format!("http://{}/", answering("")), "EOF".to_owned()),
        (format!("http://{}/", answering("HTTP/1.1 200 OK\r\nHalf: a he")), "EOF".to_owned()),
        (format!("http://{}/", answering("SSH-2.0-OpenSSH_9.2\r\n")), garbage.to_owned()),
        (format!("http://{}/", answering("HTTP/1.1 abc\r\n\r\n")), garbage.to_owned()),
        (
            format!("http://{}/", answering([0, 0xff, 0x16, 3, 1, b'\r', b'\n', b'\r', b'\n'])),
            garbage.to_owned(),
        ),
        (format!("https://{}/", answering("not TLS at all")), "tls: ".to_owned()),
        ("gopher://127.0.0.1/".to_owned(), "scheme".to_owned()),
        ("file:///etc/passwd".to_owned(), "".to_owned()),
        ("no url".to_owned(), "unsupported protocol scheme \"\"".to_owned()),
    ];
    for (url, fault) in rows {
        let timeout = if fault == timed_out { HASTY } else { PATIENT };
        let (status, output) = run(get(&url), timeout);
        assert_eq!(status, Status::Critical, "{url}: {output}");
        let start = format!("Get {url:?}: ");
        assert!(output.starts_with(&start) && output[start.len()..].contains(&fault), "{output}");
    }
}

#[test]
fn a_head_without_end_is_left() {
    let mut answer = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
    answer.extend(std::iter::repeat_n(b'x', 1_000_000));
    let url = format!("http://{}/", answering(answer));
    let (status, output) = run(get(&url), PATIENT);
    assert_eq!(status, Status::Critical, "{output}");
    assert!(output.len() < 300, "{output}");
}

#[test]
fn what_a_request_cannot_say_is_refused() {
    let url = "http://127.0.0.1:9/";
    let rows = [
        (http(url, |given| given.method = "GET /x HTTP/1.1\r\nX: y"), "invalid method"),
        (http(url, |given| given.header = vec![("X\r\nY", "z")]), "invalid header field name"),
        (http(url, |given| given.header = vec![("X", "y\r\nZ: z")]), "invalid header field value"),
    ];
    for (probe, fault) in rows {
        let (status, output) = run(probe, PATIENT);
        assert!(status == Status::Critical && output.contains(fault), "{output}");
    }
}

#[test]
fn a_body_that_never_ends_is_judged_by_its_status() {
    let address = serve(|mut stream| {
        read_request(&stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbegin");
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let url = format!("http://{address}/");
    assert_eq!(run(get(&url), HASTY), (Status::Passing, format!("HTTP GET {url}: 200 OK Output: begin")));
}

#[test]
fn hanging_targets_hold_nobody_up() {
    let (release, released) = mpsc::channel::<TcpStream>();
    let hanging = serve(move |stream| release.send(stream).unwrap());
    let good = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    // More than there are workers, so that a blocking one would stop them all.
    let waiting: Vec<_> = (0..16).map(|_| start(get(&format!("http://{hanging}/")), PATIENT)).collect();
    let held: Vec<_> = waiting.iter().map(|_| released.recv().unwrap()).collect();
    assert_eq!(run(get(&format!("http://{good}/")), PATIENT).0, Status::Passing);
    assert_eq!(run(tcp(good), PATIENT).0, Status::Passing);
    assert!(waiting.iter().all(|result| result.try_recv().is_err()), "the hanging ones still hang");
    drop(held);
    for result in waiting {
        assert_eq!(result.recv().unwrap().status, Status::Critical);
    }
}

/// A server's side of TLS with a certificate of its own making, and that.
fn tls_config() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let issued =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key.into())
        .unwrap();
    (Arc::new(config), issued.cert.der().clone())
}

/// An HTTPS server with a certificate of its own making, and that; tells the names it was asked for.
fn serve_tls() -> (SocketAddr, CertificateDer<'static>, Receiver<Option<String>>) {
    let (config, certificate) = tls_config();
    let (sender, names) = mpsc::channel();
    let address = serve(move |stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(session, stream);
        if read_request(&mut stream).is_empty() {
            return;
        }
        sender.send(stream.conn.server_name().map(str::to_owned)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").unwrap();
    });
    (address, certificate, names)
}

#[test]
fn certificates_are_verified_unless_the_check_says_otherwise() {
    let (address, _, names) = serve_tls();
    let url = format!("https://localhost:{}/", address.port());
    let distrusted = format!("Get \"{url}\": x509: certificate signed by unknown authority");
    assert_eq!(run(get(&url), PATIENT), (Status::Critical, distrusted));

    let accepted = (Status::Passing, format!("HTTP GET {url}: 200 OK Output: secret"));
    assert_eq!(run(http(&url, |given| given.tls_skip_verify = true), PATIENT), accepted);
    assert_eq!(names.recv().unwrap().as_deref(), Some("localhost"));

    let renamed = http(&url, |given| {
        given.tls_skip_verify = true;
        given.tls_server_name = "web.example";
    });
    assert_eq!(run(renamed, PATIENT), accepted);
    assert_eq!(names.recv().unwrap().as_deref(), Some("web.example"));
}

#[test]
fn a_trusted_certificate_must_be_for_the_name() {
    let (address, certificate, _names) = serve_tls();
    let trust = Arc::new(Trust::only(certificate));
    let (dialer, programs) = (PROBER.dialer.clone(), PROBER.programs.clone());
    let prober = Arc::new(Prober { dialer, trust, programs, may_run_scripts: Default::default() });
    let rows = [
        (format!("https://{address}/"), "", Ok(())),
        (format!("https://localhost:{}/", address.port()), "", Ok(())),
        (format!("https://{address}/"), "localhost", Ok(())),
        (format!("https://{address}/"), "web.example", Err("x509: ")),
    ];
    for (url, tls_server_name, expected) in rows {
        let probe = http(&url, |given| given.tls_server_name = tls_server_name);
        let observation = start_with(prober.clone(), probe, PATIENT).recv().unwrap();
        let outcome = match observation.status {
            Status::Passing => Ok(()),
            _ if observation.output.contains("x509: ") => Err("x509: "),
            _ => panic!("{}", observation.output),
        };
        assert_eq!(outcome, expected, "{url} as {tls_server_name:?}: {}", observation.output);
    }
}
