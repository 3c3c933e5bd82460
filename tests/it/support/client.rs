//! A blocking HTTP/1.1 client on one kept-alive connection. It interprets nothing but the framing: the status, the
//! headers (order and spelling as sent) and the body come out as the server wrote them, and redirects, compression and
//! errors are the caller's to judge.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long an answer may take before the test fails; far above any honest answer on a loaded machine, and above the
/// longest `wait` a test uses.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// The longest head or chunk line accepted, so that a server gone mad cannot fill the memory of the test.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A request before it is sent. `Host` and `Content-Length` are added when the caller names neither.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// Path and query as they go on the request line, already encoded.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Request {
        Request { method: method.to_owned(), target: target.to_owned(), ..Request::default() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    fn names(&self, header: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header))
    }

    /// The bytes on the wire.
    fn encode(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.names("Host") {
            head += &format!("Host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body = self.body.as_deref().unwrap_or_default();
        let framed = self.names("Content-Length") || self.names("Transfer-Encoding");
        if !framed && (self.body.is_some() || !matches!(&*self.method, "GET" | "HEAD" | "OPTIONS")) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        [head.as_bytes(), body].concat()
    }
}

/// An answer as it came: the body is unchunked, nothing else is touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, in any spelling.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none: the test that asks for JSON has found its difference.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// `X-Consul-Index`, if there is one and it is a number.
    pub fn index(&self) -> Option<u64> {
        self.header("X-Consul-Index")?.parse().ok()
    }
}

/// One connection to one server, opened when first needed and again after the server closed it.
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    /// Method of the request sent last: a HEAD has no body whatever its head says.
    method: String,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        Client { address, connection: None, method: String::new() }
    }

    /// A client on a connection that is open already.
    pub fn on(stream: TcpStream) -> io::Result<Client> {
        let address = stream.peer_addr()?;
        Ok(Client { address, connection: Some(BufReader::new(stream)), method: String::new() })
    }

    /// Sends a request and reads its answer. A kept connection that turns out to be closed before a single byte of
    /// the answer came is replaced once; a fresh one is not, so a server that hangs up on a request shows as an error.
    pub fn request(&mut self, request: &Request) -> io::Result<Answer> {
        let kept = self.connection.is_some();
        match self.send(request).and_then(|()| self.receive()) {
            Err(error) if kept && hung_up(&error) => {
                self.connection = None;
                self.send(request)?;
                self.receive()
            }
            outcome => outcome,
        }
    }

    pub fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.request(&Request::new("GET", target))
    }

    pub fn put(&mut self, target: &str, body: &str) -> io::Result<Answer> {
        self.request(&Request::new("PUT", target).body(body))
    }

    /// Sends a request and leaves the answer for [`Client::receive`].
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        self.method.clone_from(&request.method);
        self.send_raw(&request.encode(self.address))
    }

    /// Sends bytes that need not be HTTP.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.connection.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, ANSWER_WAIT_MAX)?;
            stream.set_nodelay(true)?;
            self.connection = Some(BufReader::new(stream));
        }
        let connection = self.connection.as_mut().ok_or_else(not_connected)?;
        connection.get_mut().write_all(bytes)
    }

    /// Whether the first byte of the answer is there within `wait`. `true` also when the server hung up.
    pub fn answered_within(&mut self, wait: Duration) -> io::Result<bool> {
        let connection = self.connection.as_mut().ok_or_else(not_connected)?;
        connection.get_ref().set_read_timeout(Some(wait))?;
        match connection.fill_buf() {
            Ok(_) => Ok(true),
            Err(error) if timed_out(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads the answer to the request sent last.
    ///
    /// # Errors
    /// `UnexpectedEof` when the server closed first, `TimedOut` or `WouldBlock` after a minute of silence, and
    /// `InvalidData` for bytes that are no HTTP answer. The connection is given up after any of them.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut connection = self.connection.take().ok_or_else(not_connected)?;
        connection.get_ref().set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        let (answer, keep) = read_answer(&mut connection, self.method == "HEAD")?;
        if keep {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    /// A second handle on the open connection: to close it while another thread reads, as a client that lost interest
    /// does.
    pub fn connection(&self) -> io::Result<TcpStream> {
        self.connection.as_ref().ok_or_else(not_connected)?.get_ref().try_clone()
    }
}

/// Asks again and again until `accept` takes the answer, and gives that one back; the last one when the deadline passes
/// first. This is how a test waits for an event it cannot subscribe to.
pub fn ask_until(
    client: &mut Client,
    request: &Request,
    deadline: Instant,
    mut accept: impl FnMut(&Answer) -> bool,
) -> io::Result<Answer> {
    const PAUSE: Duration = Duration::from_millis(20);
    loop {
        let answer = client.request(request);
        match &answer {
            Ok(answer) if accept(answer) => {}
            _ if Instant::now() >= deadline => {}
            _ => {
                std::thread::sleep(PAUSE);
                continue;
            }
        }
        return answer;
    }
}

/// One answer, interim ones (1xx) skipped, and whether the connection may be used again.
pub fn read_answer(from: &mut impl BufRead, head_only: bool) -> io::Result<(Answer, bool)> {
    let (mut answer, version) = loop {
        let (answer, version) = read_head(from)?;
        if answer.status >= 200 {
            break (answer, version);
        }
    };
    let says = |name: &str, token: &str| {
        answer.header(name).is_some_and(|value| value.to_ascii_lowercase().contains(token))
    };
    let mut keep = version == "HTTP/1.1" && !says("Connection", "close");
    let chunked = says("Transfer-Encoding", "chunked");
    let length = answer.header("Content-Length").map(|value| value.trim().parse::<u64>());
    if head_only || matches!(answer.status, 204 | 304) {
    } else if chunked {
        answer.body = read_chunks(from)?;
    } else if let Some(length) = length {
        let length = length.map_err(|_| invalid("Content-Length is no number"))?;
        from.take(length).read_to_end(&mut answer.body)?;
        if (answer.body.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    } else {
        keep = false;
        from.read_to_end(&mut answer.body)?;
    }
    Ok((answer, keep))
}

fn read_head(from: &mut impl BufRead) -> io::Result<(Answer, String)> {
    let line = read_line(from)?;
    let mut words = line.splitn(3, ' ');
    let version = words.next().unwrap_or_default().to_owned();
    let status = words.next().and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| invalid(&format!("no status line: {line:?}")))?;
    let reason = words.next().unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            return Ok((Answer { status, reason, headers, body: Vec::new() }, version));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(&format!("no header: {line:?}")))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| invalid(&format!("no chunk size: {line:?}")))?;
        if size == 0 {
            while !read_line(from)?.is_empty() {}
            return Ok(body);
        }
        if from.take(size).read_to_end(&mut body)? as u64 != size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read_line(from)?;
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| invalid("a line that is not UTF-8"))
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn not_connected() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
