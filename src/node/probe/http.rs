//! HTTP checks: a request whose status decides.

mod hop;

pub(super) use hop::basic;

use std::io::{ErrorKind, Read};
use std::sync::{Arc, LazyLock};

use ureq::config::{AutoHeaderValue, Config};
use ureq::http::{Method, Response, StatusCode};
use ureq::{Agent, Body, Error};

use crate::base::stdx::redact;
use crate::base::stdx::target_url::TargetUrl;
use crate::base::sys::recall::RecallableDeadline;
use crate::core::model::{Observation, Probe, Status};
use crate::node::probe::channel::IdleConnection;
use crate::node::probe::dial::Dialer;
use crate::node::probe::dial_error::DialError;
use crate::node::probe::http::hop::Hop;
use crate::node::probe::tls::{self, Trust};
use crate::node::probe::transport::{ConnectionNeeds, ConnectionSlot};
use crate::node::probe::{Finding, critical, words};

/// Redirects that are followed, as Go's client does.
const REDIRECTS_MAX: u32 = 10;

/// Bytes of a body that are read. Its last bytes are shown, so a page is read to the end, but an endless one is not:
/// this many fit into any timeout on a network worth checking.
const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// Bytes of a response's head that are taken.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes read at a time. On the heap: a coroutine's stack is small.
const READ_BYTES: usize = 8 * 1024;

/// Bytes of an answer that may wait to be looked at: the longest head and then some.
const INPUT_BYTES_MAX: usize = HEAD_BYTES_MAX + 16 * 1024;

/// Go's words when a client's timeout ends a request.
const TIMED_OUT: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/// One run of an HTTP check.
pub struct Attempt<'a> {
    /// Opens connections.
    pub dialer: &'a Arc<Dialer>,
    /// Whom to trust.
    pub trust: &'a Arc<Trust>,
    /// How long it may take.
    pub until: &'a RecallableDeadline,
}

impl Attempt<'_> {
    /// Sends the request of `probe` over a new connection and judges the answer. A probe of another kind is not run.
    pub fn run(&self, probe: &Probe, output_bytes_max: usize, keep: bool) -> Finding {
        let Probe::Http { url, method, .. } = probe else {
            return critical("not an HTTP check").into();
        };
        let method = if method.is_empty() { "GET" } else { method.as_str() };
        let shown_url = redact::url(url);
        let berth = Arc::<ConnectionSlot>::default();
        let answer = self.follow(probe, url, method, keep, &berth);
        let observation = match answer {
            Ok(response) => observe(response, method, &shown_url, output_bytes_max),
            Err(fault) => {
                let fault = redact::in_text(&fault);
                critical(format!("{} {shown_url:?}: {fault}", words::method(method)))
            }
        };
        Finding { kept: berth.take().filter(|_| keep).map(IdleConnection), ..Finding::from(observation) }
    }

    /// The answer at the end of all redirects. The connection to the check's own target is left in `berth`.
    fn follow(
        &self,
        probe: &Probe,
        url: &str,
        method: &str,
        keep: bool,
        berth: &Arc<ConnectionSlot>,
    ) -> Result<Response<Body>, String> {
        let Probe::Http { disable_redirects, .. } = probe else { return Err("not an HTTP check".to_owned()) };
        let home = TargetUrl::parse(url).map_err(|error| error.to_string())?;
        let mut hop = Hop::first(home.clone(), method)?;
        for redirects in 0..=REDIRECTS_MAX {
            let own = (redirects == 0 && keep).then(|| berth.clone());
            let response = self.exchange(probe, &hop, &home, own)?;
            if *disable_redirects {
                return Ok(response);
            }
            let Some(next) = hop.next(&response)? else { return Ok(response) };
            // Read, so that the connection can be kept. No more than a page that says where to go.
            drop(last_bytes(response.into_body().into_reader(), 0));
            hop = next;
        }
        Err(format!("stopped after {REDIRECTS_MAX} redirects"))
    }

    fn exchange(
        &self,
        probe: &Probe,
        hop: &Hop,
        home: &TargetUrl,
        berth: Option<Arc<ConnectionSlot>>,
    ) -> Result<Response<Body>, String> {
        let Probe::Http { body, tls_skip_verify, tls_server_name, .. } = probe else {
            return Err("not an HTTP check".to_owned());
        };
        let request = hop.head(probe, home, berth.is_some())?;
        let line = ConnectionNeeds {
            dialer: self.dialer.clone(),
            trust: self.trust.clone(),
            tls_skip_verify: *tls_skip_verify,
            tls_server_name: tls_server_name.clone(),
            until: self.until.clone(),
            url: hop.url.clone(),
            berth,
        };
        let agent = agent(line);
        let body = if hop.has_body { body.as_str() } else { "" };
        // Without a body these say so (RFC 9110, section 8.6); the others say nothing.
        let says_length = matches!(hop.method, Method::POST | Method::PUT | Method::PATCH);
        let response = if body.is_empty() && !says_length {
            agent.run(request.body(()).map_err(|error| error.to_string())?)
        } else {
            agent.run(request.body(body).map_err(|error| error.to_string())?)
        };
        response.map_err(|error| fault(&error))
    }
}

/// An agent for one request. Its state is thrown away with it, so runs share no lock and no connection.
fn agent(line: ConnectionNeeds) -> Agent {
    // Made once: to make one looks for a proxy in the environment, even where none is wanted.
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEAD_BYTES_MAX)
            .input_buffer_size(INPUT_BYTES_MAX)
            .accept_encoding(AutoHeaderValue::None)
            .build()
    });
    Agent::with_parts(Config::clone(&CONFIG), line.clone(), line)
}

/// What an answer means. A body that breaks off is no fault: the status has been given.
fn observe(response: Response<Body>, method: &str, url: &str, output_bytes_max: usize) -> Observation {
    let code = response.status();
    let status = match code {
        _ if code.is_success() => Status::Passing,
        StatusCode::TOO_MANY_REQUESTS => Status::Warning,
        _ => Status::Critical,
    };
    let reason = code.canonical_reason().map_or(String::new(), |reason| format!(" {reason}"));
    let body = last_bytes(response.into_body().into_reader(), output_bytes_max);
    let output = format!("HTTP {method} {url}: {}{reason} Output: {body}", code.as_u16());
    Observation { status, output: output.into() }
}

/// The last `bytes_max` bytes of a body, as text. A character cut in two at the front is left out.
fn last_bytes(reader: impl Read, bytes_max: usize) -> String {
    let mut reader = reader.take(BODY_BYTES_MAX);
    let mut buffer = vec![0; READ_BYTES];
    let mut kept = Vec::new();
    // A body that breaks off or takes too long is shown as far as it came.
    while let Ok(amount @ 1..) = reader.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..amount]);
        let surplus = kept.len().saturating_sub(bytes_max);
        if surplus > 0 {
            let half_character =
                kept[surplus..].iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count();
            kept.drain(..surplus + half_character);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// Why there was no answer.
pub(super) fn fault(error: &Error) -> String {
    match error {
        Error::Other(inner) => match inner.downcast_ref::<DialError>() {
            Some(dial) if dial.is_timeout() => TIMED_OUT.to_owned(),
            _ => inner.to_string(),
        },
        Error::Io(error) if error.kind() == ErrorKind::TimedOut => TIMED_OUT.to_owned(),
        Error::Io(error) => words::io("read", error),
        Error::Timeout(_) => TIMED_OUT.to_owned(),
        Error::Rustls(error) => tls::words(error),
        Error::Protocol(error) => {
            format!("net/http: HTTP/1.x transport connection broken: malformed HTTP response: {error}")
        }
        Error::BadUri(uri) => format!("unsupported protocol scheme or URL ({uri})"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_keep_their_last_bytes() {
        let long = "x".repeat(20_000) + "end";
        let rows = [
            ("", 4, "".to_owned()),
            ("abcd", 4, "abcd".to_owned()),
            ("abcde", 4, "bcde".to_owned()),
            ("aäb", 2, "b".to_owned()),
            ("aäb", 3, "äb".to_owned()),
            (&long, 4096, "x".repeat(4093) + "end"),
        ];
        for (body, bytes_max, expected) in rows {
            assert_eq!(last_bytes(body.as_bytes(), bytes_max), expected, "{bytes_max} of {}", body.len());
        }
    }

    #[test]
    fn endless_bodies_are_left() {
        assert_eq!(last_bytes(std::io::repeat(b'x'), 10), "x".repeat(10));
    }
}
