//! Whose requests are let in: those that call this server by one of its names, and of those that change something only
//! such as no foreign web page can have sent.
//!
//! A browser sends what any page tells it to, to any address it can reach: loopback above all. Three things give a page
//! away, and no page can forge or leave them out. `Host` is the page's own name where that was made to resolve to us (a
//! rebound name); `Origin` and `Sec-Fetch-Site` say where a page came from that writes across origins; and without
//! asking us first (a preflight, which is never granted here) it can send nothing but forms' content types.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use crate::base::sys::listen::Peer;
use crate::net::http::fault::RequestFault;
use crate::net::http::method::Method;
use crate::net::http::request::Request;

/// What is let in. Without any rule of its own every name is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorRules {
    /// Names that `Host` may have beside addresses and `localhost`, without port: `*` for all, `*.example.com` for all
    /// below that. `None` lets every name in.
    pub hosts: Option<Vec<String>>,
    /// Origins (`https://example.com:8443`) whose pages may write beside those that we are ourselves; `*` for all.
    pub origins: Vec<String>,
}

/// The rules in force. They may change while connections are open.
#[derive(Debug, Default)]
pub struct Door {
    /// Read for the first request of a connection and for every write of a page; nothing yields under it.
    rules: RwLock<DoorRules>,
    /// Counts changes of the rules, so that a connection knows when to ask again.
    generation: AtomicU32,
}

/// The host that a connection was let in with last: nearly every request has the same.
#[derive(Debug, Default)]
pub(crate) struct LetIn {
    host: Vec<u8>,
    generation: Option<u32>,
}

impl Door {
    /// A door with these rules.
    pub fn new(rules: DoorRules) -> Door {
        Door { rules: RwLock::new(rules), generation: AtomicU32::new(0) }
    }

    /// Goes by other rules from now on.
    pub fn set(&self, rules: DoorRules) {
        *self.rules.write() = rules;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Lets a request in, or says why not.
    ///
    /// Cost for a read with the host of the last request: a comparison of bytes.
    ///
    /// # Errors
    /// 421 for a name that is none of ours, 403 for a foreign page's write, 415 for a form.
    pub(crate) fn check(&self, request: &Request, let_in: &mut LetIn) -> Result<(), RequestFault> {
        let is_known = let_in.generation == Some(self.generation.load(Ordering::Acquire))
            && request.host() == Some(&let_in.host[..])
            && request.target_authority().is_none();
        if !is_known {
            self.check_host(request, let_in)?;
        }
        match request.method() {
            Method::Get | Method::Head | Method::Options => Ok(()),
            _ if !request.is_marked() => Ok(()),
            _ => self.check_write(request),
        }
    }

    #[inline(never)]
    fn check_host(&self, request: &Request, let_in: &mut LetIn) -> Result<(), RequestFault> {
        let generation = self.generation.load(Ordering::Acquire);
        let rules = self.rules.read();
        // No page reaches a socket in the file system.
        if let Some(names) = rules.hosts.as_ref().filter(|_| request.peer() != Peer::Unix) {
            let mut hosts = [request.host(), request.target_authority()].into_iter().flatten();
            if !hosts.all(|host| is_ours(host, names)) {
                return Err(UNKNOWN_HOST);
            }
        }
        let_in.host.clear();
        let_in.host.extend_from_slice(request.host().unwrap_or_default());
        let_in.generation = Some(generation);
        Ok(())
    }

    #[inline(never)]
    fn check_write(&self, request: &Request) -> Result<(), RequestFault> {
        let rules = self.rules.read();
        // The host in a whole URL is what is asked for, whatever `Host` says (RFC 9112, section 3.2.2).
        let host = request.target_authority().or(request.host());
        let (mut is_allowed_origin, mut has_foreign_mark, mut is_form) = (false, false, false);
        for (name, value) in request.headers() {
            if name.eq_ignore_ascii_case("origin") {
                if rules.origins.iter().any(|it| it == "*" || it.as_bytes().eq_ignore_ascii_case(value)) {
                    is_allowed_origin = true;
                } else if !is_same_origin(value, host) {
                    return Err(FOREIGN_PAGE);
                }
            } else if name.eq_ignore_ascii_case("sec-fetch-site") {
                // `none` is somebody at a browser who typed the address.
                has_foreign_mark |= !matches!(value, b"same-origin" | b"none");
            } else if name.eq_ignore_ascii_case("content-type") {
                is_form |= is_form_type(value);
            }
        }
        match () {
            () if has_foreign_mark && !is_allowed_origin => Err(FOREIGN_PAGE),
            () if is_form && request.method() == Method::Post => Err(FORM),
            () => Ok(()),
        }
    }
}

/// Whether `host`, with or without a port, is an address, `localhost` or one of `names`.
///
/// Nobody can rebind an address, and browsers take no other for `localhost`. An empty one comes from no browser, but is
/// no name of ours either.
fn is_ours(host: &[u8], names: &[String]) -> bool {
    let Ok(host) = str::from_utf8(host) else { return false };
    let Some(name) = without_port(host) else { return false };
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        let address = address.split_once('%').map_or(address, |(address, _zone)| address);
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // A final dot only says that the name is whole.
    let name = name.strip_suffix('.').unwrap_or(name);
    name.parse::<Ipv4Addr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || names.iter().any(|pattern| matches(pattern, name))
}

/// The host without its port; `None` for what has something else behind the host.
fn without_port(host: &str) -> Option<&str> {
    let from = host.rfind(']').unwrap_or(0);
    match host[from..].split_once(':') {
        None => Some(host),
        Some((rest, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(&host[..from + rest.len()])
        }
        Some(_) => None,
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(ending) => {
            let place = name.len().checked_sub(ending.len()).filter(|place| *place > 0);
            place.and_then(|place| name.get(place..)).is_some_and(|end| end.eq_ignore_ascii_case(ending))
        }
        None => pattern.eq_ignore_ascii_case(name),
    }
}

/// Whether a page of that origin asks the server that it came from, be it through one that speaks TLS for us.
fn is_same_origin(origin: &[u8], host: Option<&[u8]>) -> bool {
    let Some(host) = host.filter(|host| !host.is_empty()) else { return false };
    [&b"http://"[..], b"https://"].iter().any(|scheme| {
        let is_of_scheme = origin.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
        is_of_scheme && origin[scheme.len()..].eq_ignore_ascii_case(host)
    })
}

/// The content types that a form has, and that a page may send anywhere without asking (Fetch, section 2.2.2).
fn is_form_type(value: &[u8]) -> bool {
    let essence = value.split(|byte| matches!(byte, b';' | b',')).next().unwrap_or_default().trim_ascii();
    [&b"application/x-www-form-urlencoded"[..], b"multipart/form-data", b"text/plain"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(essence))
}

const UNKNOWN_HOST: RequestFault = RequestFault::new(
    421,
    "The Host header names another server. Ask by an address or for localhost, or add the name to the setting \
     allowed_hosts and reload: `muster help browsers` tells of it.",
);
const FOREIGN_PAGE: RequestFault = RequestFault::new(
    403,
    "A web page of another origin may not write here. If it is to be trusted, add its origin to the setting \
     allowed_origins: `muster help browsers` tells of it.",
);
const FORM: RequestFault = RequestFault::new(
    415,
    "A POST may not have a form's content type, which any web page can send: say Content-Type: application/json, or \
     send a PUT.",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::request_id::RequestId;

    fn rules() -> DoorRules {
        let hosts = ["node-one", "Db.internal", "*.cluster.local", "trailing.dot."];
        let hosts = Some(hosts.map(str::to_owned).to_vec());
        DoorRules { hosts, origins: vec!["https://console.example:8443".to_owned()] }
    }

    fn request(head: &str, peer: Peer) -> Request {
        let mut request = Request::empty();
        request.begin(peer, RequestId::numbered(1, 1));
        request.read_head(head.as_bytes()).unwrap();
        request
    }

    fn status(door: &Door, head: &str) -> u16 {
        let peer = Peer::Tcp("127.0.0.1:4000".parse().unwrap());
        door.check(&request(head, peer), &mut LetIn::default()).map_or_else(|fault| fault.status, |()| 200)
    }

    #[test]
    fn only_names_of_ours_are_let_in() {
        let door = Door::new(rules());
        let rows = [
            ("127.0.0.1", 200),
            ("127.0.0.1:8500", 200),
            ("192.0.2.7:80", 200),
            ("[::1]:8500", 200),
            ("[fe80::1%25eth0]", 200),
            ("[::1]", 200),
            ("localhost", 200),
            ("LOCALHOST.:8500", 200),
            ("node-one", 200),
            ("NODE-ONE:8500", 200),
            ("db.internal", 200),
            ("trailing.dot", 200),
            ("trailing.dot.", 200),
            ("a.cluster.local:1", 200),
            ("a.b.CLUSTER.local", 200),
            ("cluster.local", 421),
            (".cluster.local", 421),
            ("acluster.local", 421),
            ("", 421),
            (":8500", 421),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("evil.localhost", 421),
            ("127.0.0.1.evil.example", 421),
            ("127.0.0.1:8500:80", 421),
            ("1.2.3", 421),
            ("[::1].evil.example", 421),
            ("[evil]", 421),
            ("::1", 421),
            ("node-one.evil.example", 421),
        ];
        for (host, expected) in rows {
            let head = format!("GET /v1/catalog/nodes HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(status(&door, &head), expected, "{host}");
            assert_eq!(status(&Door::default(), &head), 200, "{host} without rules");
        }
    }

    #[test]
    fn a_name_in_the_target_counts_as_one_in_the_header() {
        let door = Door::new(rules());
        let rows = [
            ("GET http://localhost/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
            ("GET http://evil.example/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
            ("GET http://localhost@evil.example/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
            ("GET http://localhost/v1/x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
            ("GET /v1/x HTTP/1.0\r\n\r\n", 200),
            ("GET http://evil.example/v1/x HTTP/1.0\r\n\r\n", 421),
        ];
        for (head, expected) in rows {
            assert_eq!(status(&door, head), expected, "{head}");
        }
    }

    #[test]
    fn a_page_is_of_the_host_in_the_target() {
        let head = |target: &str| {
            format!("PUT {target} HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n")
        };
        assert_eq!(status(&Door::default(), &head("/v1/x")), 200);
        assert_eq!(status(&Door::default(), &head("http://evil.example/v1/x")), 200);
        assert_eq!(status(&Door::default(), &head("http://localhost/v1/x")), 403);
    }

    #[test]
    fn the_last_host_is_known_until_the_rules_change() {
        let (door, mut let_in) = (Door::new(rules()), LetIn::default());
        let peer = Peer::Tcp("127.0.0.1:4000".parse().unwrap());
        let of = |host: &str| request(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), peer);
        for (host, is_let_in) in
            [("db.internal", true), ("db.internal", true), ("evil.example", false), ("db.internal", true)]
        {
            assert_eq!(door.check(&of(host), &mut let_in).is_ok(), is_let_in, "{host}");
        }
        door.set(DoorRules { hosts: Some(vec!["evil.example".to_owned()]), origins: Vec::new() });
        for (host, is_let_in) in [("db.internal", false), ("evil.example", true), ("db.internal", false)] {
            assert_eq!(door.check(&of(host), &mut let_in).is_ok(), is_let_in, "{host}");
        }
        let unix = request("GET / HTTP/1.1\r\nHost: whatever\r\n\r\n", Peer::Unix);
        assert_eq!(door.check(&unix, &mut LetIn::default()), Ok(()));
    }

    #[test]
    fn writes_of_foreign_pages_are_refused_and_all_others_are_not() {
        let door = Door::new(rules());
        let rows = [
            ("", 200, 200),
            ("Origin: http://localhost:8500\r\n", 200, 200),
            ("Origin: https://LOCALHOST:8500\r\n", 200, 200),
            ("Origin: http://localhost:8501\r\n", 403, 403),
            ("Origin: http://localhost\r\n", 403, 403),
            ("Origin: http://127.0.0.1:8500\r\n", 403, 403),
            ("Origin: null\r\n", 403, 403),
            ("Origin:\r\n", 403, 403),
            ("Origin: ftp://localhost:8500\r\n", 403, 403),
            ("Origin: https://console.example:8443\r\n", 200, 200),
            ("Origin: https://console.example:8443\r\nSec-Fetch-Site: cross-site\r\n", 200, 200),
            ("Origin: https://console.example:8443\r\nOrigin: https://evil.example\r\n", 403, 403),
            ("Sec-Fetch-Site: cross-site\r\n", 403, 403),
            ("sec-fetch-site: same-site\r\n", 403, 403),
            ("Sec-Fetch-Site: same-origin\r\n", 200, 200),
            ("Sec-Fetch-Site: none\r\n", 200, 200),
            ("Sec-Fetch-Site: SAME-ORIGIN\r\n", 403, 403),
            ("Origin: http://localhost:8500\r\nSec-Fetch-Site: cross-site\r\n", 403, 403),
            ("Origin: https://evil.example\r\nSec-Fetch-Site: same-origin\r\n", 403, 403),
            ("Content-Type: application/json\r\n", 200, 200),
            ("Content-Type: application/json; charset=utf-8\r\n", 200, 200),
            ("Content-Type: application/x-www-form-urlencoded\r\n", 200, 415),
            ("Content-Type: Text/Plain; charset=UTF-8\r\n", 200, 415),
            ("Content-Type:  multipart/form-data ;boundary=x\r\n", 200, 415),
            ("Content-Type: application/json\r\nContent-Type: text/plain\r\n", 200, 415),
            ("Content-Type: text/plainer\r\n", 200, 200),
        ];
        for (headers, put, post) in rows {
            let head =
                |method: &str| format!("{method} /v1/x HTTP/1.1\r\nHost: localhost:8500\r\n{headers}\r\n");
            let expected = [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("PUT", put), ("POST", post)];
            let other = [("DELETE", put), ("PATCH", put), ("get", put)];
            for (method, expected) in expected.into_iter().chain(other) {
                assert_eq!(status(&door, &head(method)), expected, "{method} {headers}");
            }
        }
    }
}
