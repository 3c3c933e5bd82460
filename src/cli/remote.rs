//! An agent, or a Consul, at the other end of HTTP: for commands that move more than a word.
//!
//! It blocks its thread, keeps its connections, and interprets nothing but status and index.

use std::fmt;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use ureq::config::Config;
use ureq::http::{Response, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, RequestBuilder, SendBody};

use crate::base::stdx::redact;
use crate::cli::client::Terms;
use crate::cli::unix_socket;

/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How long an answer may take to begin: longer than the longest blocking query.
const ANSWER_MAX: Duration = Duration::from_secs(700);

/// The longest JSON that is taken into memory: a list of all checks of a million instances has some 500 MB.
const JSON_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a refusal that are shown.
const REFUSAL_BYTES_MAX: u64 = 4096;

/// Where to ask, and as whom.
pub struct Remote {
    agent: Agent,
    /// What paths follow on: `http://HOST:PORT`, without a slash at the end.
    base: String,
    /// The same, or the Unix socket, for people.
    place: String,
    /// Sent as `Host`, where `base` names the server by its certificate.
    host: Option<String>,
    /// Sent as `X-Consul-Token`.
    token: Option<String>,
}

/// Why there is nothing to go on with.
#[derive(Debug)]
pub enum RemoteError {
    /// The address names no server.
    Address(String),
    /// Nothing answers there, or it stopped half-way.
    Unreachable(String, String),
    /// It answers that it does not.
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its sentence.
        sentence: String,
        /// What was asked for.
        path: String,
    },
    /// It answers something else than was asked for.
    Strange(String),
}

impl fmt::Display for RemoteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteError::Address(address) => {
                write!(
                    formatter,
                    "`{address}` is no address here: write HOST:PORT, http://HOST:PORT, https://… or unix:///PATH"
                )
            }
            RemoteError::Unreachable(base, error) => {
                write!(formatter, "{base} does not answer ({error}): {}", remedy(error))
            }
            RemoteError::Refused { status, sentence, path } => {
                write!(formatter, "{path} was answered {status}: {sentence}")?;
                // Of a server with access control lists; what else is refused says itself what to do.
                match status {
                    401 | 403 if !path.starts_with("/v1/snapshot") => formatter.write_str(
                        "; give a token that may, by --token, MUSTER_HTTP_TOKEN or CONSUL_HTTP_TOKEN",
                    ),
                    _ => Ok(()),
                }
            }
            RemoteError::Strange(sentence) => formatter.write_str(sentence),
        }
    }
}

impl std::error::Error for RemoteError {}

/// What can be done about a server that does not answer, by what happened.
fn remedy(error: &str) -> &'static str {
    let error = error.to_ascii_lowercase();
    let met = |words: &[&str]| words.iter().any(|it| error.contains(it));
    match () {
        () if met(&["lookup", "host not found", "not known"]) => "name it as it is called, or by an address",
        () if met(&["contenttype", "corrupt message"]) => "it speaks no TLS, so write http://",
        () if met(&["certificaterequired"]) => {
            "it lets in nobody without a certificate, so show one by --client-cert and --client-key"
        }
        () if met(&["not valid for name"]) => {
            "ask it by a name in its certificate, or name that by --tls-server-name or MUSTER_TLS_SERVER_NAME"
        }
        () if met(&["certificate", "unknownissuer"]) => {
            "name the authority that it has its own from, by --ca-file, MUSTER_CACERT or SSL_CERT_FILE"
        }
        () if met(&["protocol:"]) => "what answers there does not speak HTTP, so name another address",
        () if met(&["timeout", "timed out"]) => "look whether it is overloaded, or its network in the way",
        () => "start it, or name another address",
    }
}

impl Remote {
    /// The server at `address`, to be spoken to on these terms. Nothing is asked yet.
    ///
    /// # Errors
    /// [`RemoteError::Address`], and [`RemoteError::Strange`] for files that TLS cannot be spoken with.
    pub fn new(address: &str, terms: &Terms) -> Result<Remote, RemoteError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_MAX))
            .timeout_recv_response(Some(ANSWER_MAX))
            // A token is for the server that it was given for.
            .max_redirects(0)
            .timeout_global(terms.wait_max);
        let token = terms.token.clone();
        if let Some(path) = address.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(RemoteError::Address(redact::url(address)));
            }
            let agent = unix_socket::agent(config.proxy(None).build(), PathBuf::from(path));
            return Ok(Remote {
                agent,
                base: "http://localhost".into(),
                place: address.into(),
                host: None,
                token,
            });
        }
        let bare = address.trim_end_matches('/');
        let (scheme, host) = bare.split_once("://").unwrap_or(("http", bare));
        let is_host = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if !matches!(scheme, "http" | "https") || host.contains('/') || !(is_host || scheme == "https") {
            return Err(RemoteError::Address(redact::url(address)));
        }
        let host = match host.strip_prefix("0.0.0.0:").or(host.strip_prefix(':').filter(|_| host.len() > 1)) {
            Some(port) => format!("127.0.0.1:{port}"),
            None => host.replace("[::]:", "[::1]:"),
        };
        // As everywhere else: a server on this machine is asked without a proxy.
        let config = if is_of_this_machine(&host) { config.proxy(None) } else { config };
        let base = format!("{scheme}://{host}");
        let place = redact::url(&base);
        if scheme == "http" {
            return Ok(Remote {
                agent: Agent::new_with_config(config.build()),
                base,
                place,
                host: None,
                token,
            });
        }
        let config = config.tls_config(terms.tls().map_err(RemoteError::Strange)?);
        let Some(name) = &terms.server_name else {
            return Ok(Remote {
                agent: Agent::new_with_config(config.build()),
                base,
                place,
                host: None,
                token,
            });
        };
        let at: Uri = base.parse().map_err(|_| RemoteError::Address(place.clone()))?;
        let port = at.port_u16().unwrap_or(443);
        // A proxy would look for the name.
        let config = config.proxy(None).build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), Elsewhere(at));
        Ok(Remote { agent, base: format!("https://{name}:{port}"), place, host: Some(host), token })
    }

    /// Where it is, without user and password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Asks for `path`; the answer's status is a success.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub fn get(&self, path: &str) -> Result<Response<Body>, RemoteError> {
        self.judged(path, self.signed(self.agent.get(format!("{}{path}", self.base))).call())
    }

    /// Asks for JSON; gives it with the index that it stands at, 0 if it has none.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub fn json(&self, path: &str) -> Result<(Value, u64), RemoteError> {
        let mut answer = self.get(path)?;
        let index = answer.headers().get("X-Consul-Index").and_then(|value| value.to_str().ok());
        let index = index.and_then(|index| index.parse().ok()).unwrap_or(0);
        let reader = answer.body_mut().with_config().limit(JSON_BYTES_MAX).reader();
        let value = serde_json::from_reader(io::BufReader::new(reader)).map_err(|error| {
            RemoteError::Strange(format!("{}{path} does not answer in JSON: {error}", self.place()))
        })?;
        Ok((value, index))
    }

    /// Puts `body` to `path`.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub fn put(
        &self,
        path: &str,
        body: impl Read + 'static,
        length: u64,
    ) -> Result<Response<Body>, RemoteError> {
        let request = self.signed(self.agent.put(format!("{}{path}", self.base)));
        let request = request.header("Content-Length", length.to_string());
        self.judged(path, request.send(SendBody::from_owned_reader(body)))
    }

    /// Puts JSON to `path`.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub fn put_json(&self, path: &str, body: &Value) -> Result<(), RemoteError> {
        self.put_bytes(path, body.to_string().into_bytes())
    }

    /// Puts these bytes to `path`.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<(), RemoteError> {
        let length = bytes.len() as u64;
        let mut answer = self.put(path, io::Cursor::new(bytes), length)?;
        // Read to its end, so that the connection can be used again.
        drop(answer.body_mut().with_config().limit(REFUSAL_BYTES_MAX).read_to_vec());
        Ok(())
    }

    /// Has what is at `path` removed.
    ///
    /// # Errors
    /// See [`RemoteError`].
    pub fn delete(&self, path: &str) -> Result<(), RemoteError> {
        self.judged(path, self.signed(self.agent.delete(format!("{}{path}", self.base))).call()).map(drop)
    }

    /// With what says who asks whom.
    fn signed<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        let headers = [("Host", &self.host), ("X-Consul-Token", &self.token)];
        headers.into_iter().fold(request, |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        })
    }

    fn judged(
        &self,
        path: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, RemoteError> {
        let unreachable = |error: ureq::Error| {
            let text = redact::in_text(&error.to_string());
            RemoteError::Unreachable(
                self.place.clone(),
                text.strip_prefix("io: ").unwrap_or(&text).to_owned(),
            )
        };
        let mut answer = answer.map_err(unreachable)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let mut sentence = String::new();
        // Whatever of it can be read is shown.
        let _ = answer.body_mut().as_reader().take(REFUSAL_BYTES_MAX).read_to_string(&mut sentence);
        let (status, path) = (answer.status().as_u16(), path.to_owned());
        if sentence.trim_start().starts_with('<') {
            return Err(RemoteError::Strange(format!(
                "what answers at {} is neither a muster nor a Consul: {path} was answered {status} with a web page; \
                 name another address",
                self.place
            )));
        }
        let sentence = match &self.token {
            Some(token) => sentence.replace(token, "(redacted)"),
            None => sentence,
        };
        Err(RemoteError::Refused { status, sentence: sentence.trim().to_owned(), path })
    }
}

/// Whether `host`, with or without a port, is this machine by its name or number.
fn is_of_this_machine(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let number = name.trim_start_matches('[').trim_end_matches(']').parse();
    name == "localhost" || number.is_ok_and(|number: IpAddr| number.is_loopback())
}

/// Looks up this host, whatever a URL names: that is the name in its certificate.
#[derive(Debug)]
struct Elsewhere(Uri);

impl Resolver for Elsewhere {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        left: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(&self.0, config, left)
    }
}

/// A name as one segment of a path.
pub fn segment(name: &str) -> String {
    // Alone, a dot or two are the way to another path.
    if matches!(name, "." | "..") {
        return name.replace('.', "%2E");
    }
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_fit_what_was_met() {
        let rows = [
            ("Connection refused (os error 111)", "start it"),
            ("failed to lookup address information: Name or service not known", "as it is called"),
            ("received corrupt message of type InvalidContentType", "http://"),
            ("invalid peer certificate: UnknownIssuer", "--ca-file, MUSTER_CACERT or SSL_CERT_FILE"),
            ("invalid peer certificate: certificate not valid for name \"h\"", "--tls-server-name"),
            ("received fatal alert: CertificateRequired", "--client-cert"),
            ("timeout: connect", "overloaded"),
            ("protocol: http parse fail: x", "does not speak HTTP"),
        ];
        for (error, said) in rows {
            assert!(remedy(error).contains(said), "{error}: {}", remedy(error));
        }
    }

    #[test]
    fn addresses_are_understood_or_refused() {
        let rows = [
            ("127.0.0.1:8500", Some("http://127.0.0.1:8500")),
            ("http://consul.example:8500/", Some("http://consul.example:8500")),
            ("https://consul.example", Some("https://consul.example")),
            ("0.0.0.0:8500", Some("http://127.0.0.1:8500")),
            ("[::]:8500", Some("http://[::1]:8500")),
            (":8500", Some("http://127.0.0.1:8500")),
            ("http://user:key@h:1", Some("http://(redacted)@h:1")),
            ("unix:///run/muster.sock", Some("unix:///run/muster.sock")),
            ("unix://run/muster.sock", None),
            ("localhost", None),
            ("http://h:1/path", None),
        ];
        for (address, expected) in rows {
            let remote = Remote::new(address, &Terms::default());
            assert_eq!(remote.ok().as_ref().map(Remote::place), expected, "{address}");
        }
        assert_eq!(segment("a/b c.ä"), "a%2Fb%20c.%C3%A4");
    }
}
