//! One request of an HTTP check: the one that its definition says, or the one that a redirect leads to.
//!
//! Methods, bodies and the limits of what goes along follow Go's client, which checks were written for. Of headers less
//! goes along than there: what a definition sets may be a key to its own target, and is shown to no other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    LOCATION, USER_AGENT,
};
use ureq::http::{Method, Request, Response, StatusCode, request};

use crate::base::stdx::redact;
use crate::base::stdx::target_url::TargetUrl;
use crate::core::model::Probe;

/// Headers of a definition that also go to another origin than the check's own.
const HARMLESS: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT];

/// Headers that are sent where a definition says nothing else, as by Consul.
const USER_AGENT_DEFAULT: HeaderValue = HeaderValue::from_static("Consul Health Check");
const ACCEPT_DEFAULT: HeaderValue = HeaderValue::from_static("text/plain, text/*, */*");

/// One request.
#[derive(Debug)]
pub struct Hop {
    /// Where it goes.
    pub url: TargetUrl,
    /// Its method.
    pub method: Method,
    /// Whether the check's body goes along.
    pub has_body: bool,
}

impl Hop {
    /// The request that a check's definition says.
    ///
    /// # Errors
    /// When the method is none, in Go's words.
    pub fn first(url: TargetUrl, method: &str) -> Result<Hop, String> {
        let parsed = Method::from_bytes(method.as_bytes());
        let method = parsed.map_err(|_| format!("net/http: invalid method {method:?}"))?;
        Ok(Hop { url, method, has_body: true })
    }

    /// The request that an answer leads to; `None` when the answer is the last.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub fn next<B>(&self, answer: &Response<B>) -> Result<Option<Hop>, String> {
        let keeps_method = match answer.status() {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
        let location = String::from_utf8_lossy(location.as_bytes());
        let url = self.url.join(&location);
        let url = url.map_err(|error| {
            format!("failed to parse Location header {:?}: {error}", redact::url(&location))
        })?;
        let becomes_get = !keeps_method && !matches!(self.method, Method::GET | Method::HEAD);
        let method = if becomes_get { Method::GET } else { self.method.clone() };
        Ok(Some(Hop { url, method, has_body: self.has_body && keeps_method }))
    }

    /// The request line and headers. Those of the check win over ours. A connection that is not to be kept is said to
    /// be closed afterwards, so that the target holds nothing open for us.
    ///
    /// # Errors
    /// When a header cannot be sent, in Go's words.
    pub fn head(&self, probe: &Probe, home: &TargetUrl, keep: bool) -> Result<request::Builder, String> {
        let mut request = Request::builder().method(self.method.clone()).uri(self.url.request_uri());
        let Some(headers) = request.headers_mut() else {
            return Err("unsupported protocol scheme or URL".to_owned());
        };
        headers.insert(USER_AGENT, USER_AGENT_DEFAULT);
        headers.insert(ACCEPT, ACCEPT_DEFAULT);
        if !keep {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(credentials) = basic(&self.url) {
            headers.insert(AUTHORIZATION, credentials);
        }
        let Probe::Http { header, .. } = probe else { return Ok(request) };
        let is_own = self.url.is_of_one_origin_with(home);
        for (name, values) in header {
            let known = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("net/http: invalid header field name {:?}", name.as_str()))?;
            if !is_own && !HARMLESS.contains(&known) {
                continue;
            }
            // Of these Go sends one, and where it is empty, its own.
            let is_single = [HOST, USER_AGENT].contains(&known);
            let has_default = is_single || known == ACCEPT;
            if has_default && values.first().is_none_or(|first| first.is_empty()) {
                continue;
            }
            headers.remove(&known);
            for value in values.iter().take(if is_single { 1 } else { usize::MAX }) {
                let value = HeaderValue::from_str(value)
                    .map_err(|_| format!("net/http: invalid header field value for {:?}", name.as_str()))?;
                headers.append(known.clone(), value);
            }
        }
        Ok(request)
    }
}

/// What stands in `Authorization` for the user of a URL (RFC 7617).
pub fn basic(url: &TargetUrl) -> Option<HeaderValue> {
    let (user, password) = url.user.as_ref()?;
    let credentials = format!("{user}:{}", password.as_deref().unwrap_or_default());
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(method: &str, status: u16, location: Option<&str>) -> Option<(String, String, bool)> {
        let url = TargetUrl::parse("http://h/a").unwrap();
        let mut answer = Response::builder().status(status);
        if let Some(location) = location {
            answer = answer.header(LOCATION, location);
        }
        let hop = Hop::first(url, method).unwrap().next(&answer.body(()).unwrap()).unwrap()?;
        Some((hop.method.to_string(), hop.url.request_uri(), hop.has_body))
    }

    #[test]
    fn redirects_keep_or_change_the_method_as_in_go() {
        let to = |method: &str, has_body| Some((method.to_owned(), "http://h/b".to_owned(), has_body));
        let rows = [
            ("GET", 302, to("GET", false)),
            ("HEAD", 301, to("HEAD", false)),
            ("POST", 303, to("GET", false)),
            ("POST", 307, to("POST", true)),
            ("PUT", 308, to("PUT", true)),
            ("DELETE", 308, to("DELETE", true)),
            ("GET", 304, None),
            ("GET", 300, None),
            ("GET", 200, None),
        ];
        for (method, status, expected) in rows {
            assert_eq!(after(method, status, Some("/b")), expected, "{method} {status}");
        }
        assert_eq!(after("GET", 302, None), None, "it leads nowhere");
    }
}
