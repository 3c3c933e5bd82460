//! Requests of muster's own to places that an operator named, such as webhooks.
//!
//! They go out under the rules of checks: names are looked up on threads of their own, the address that a name came to
//! is judged before it is connected to, and no redirect is followed. What an answer means is decided by the caller.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::http::header::AUTHORIZATION;
use ureq::http::{Method, Request};

use crate::base::stdx::target_url::TargetUrl;
use crate::base::stdx::text::Text;
use crate::base::sys::recall::RecallableDeadline;
use crate::core::model::secrets;
use crate::node::probe::dial::Dialer;
use crate::node::probe::http::{self, fault};
use crate::node::probe::tls::Trust;
use crate::node::probe::transport::ConnectionNeeds;

/// Bytes of an answer that are kept: the line that says what was wrong.
pub const ANSWER_BYTES_MAX: u64 = 512;

/// Bytes of an answer's head that are taken.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Sends requests. Clones share everything.
#[derive(Clone, Debug)]
pub struct HttpSender {
    pub(super) dialer: Arc<Dialer>,
    pub(super) trust: Arc<Trust>,
}

/// A POST before it is sent.
#[derive(Clone, Debug)]
pub struct PostRequest {
    /// Absolute `http` or `https` URL.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Accept any certificate.
    pub tls_skip_verify: bool,
    /// Name to ask for and verify in the handshake; empty means the URL's host.
    pub tls_server_name: String,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, where it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// The first [`ANSWER_BYTES_MAX`] bytes of the body, as text.
    pub body: String,
}

impl HttpSender {
    /// Sends it and waits for the answer. Called inside a coroutine; never blocks its worker.
    ///
    /// # Errors
    /// A sentence that says why there is no answer. It holds neither headers nor the URL's path.
    pub fn post(&self, post: &PostRequest) -> Result<HttpResponse, String> {
        let url = TargetUrl::parse(&post.url).map_err(|error| error.to_string())?;
        let line = ConnectionNeeds {
            dialer: self.dialer.clone(),
            trust: self.trust.clone(),
            tls_skip_verify: post.tls_skip_verify,
            tls_server_name: Text::from(post.tls_server_name.as_str()),
            until: RecallableDeadline::until(Instant::now() + post.timeout),
            url: url.clone(),
            berth: None,
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(HEAD_BYTES_MAX)
            .accept_encoding(AutoHeaderValue::None)
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = Agent::with_parts(config, line.clone(), line);
        let mut request = Request::builder().method(Method::POST).uri(url.request_uri());
        if let Some(credentials) = http::basic(&url) {
            request = request.header(AUTHORIZATION, credentials);
        }
        for (name, value) in &post.headers {
            request = request.header(name, value);
        }
        let request =
            request.body(&post.body[..]).map_err(|_| "the URL or a header is not well formed".to_owned())?;
        let response = agent.run(request).map_err(|error| fault(&error))?;
        let seconds =
            response.headers().get("Retry-After").and_then(|value| value.to_str().ok()?.parse().ok());
        let (status, mut body) = (response.status().as_u16(), Vec::new());
        // The status has been given: a body that breaks off or takes too long is shown as far as it came.
        let _ = response.into_body().into_reader().take(ANSWER_BYTES_MAX).read_to_end(&mut body);
        let body = secrets::without_post(&url, &post.headers, String::from_utf8_lossy(&body).into_owned());
        Ok(HttpResponse { status, retry_after: seconds.map(Duration::from_secs), body })
    }
}
