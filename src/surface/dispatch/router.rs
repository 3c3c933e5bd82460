//! From a request's path to a row of the table.
//!
//! Works as Go's standard router does, which Consul uses, for clients have come to rely on it: an exact path
//! wins over a prefix, a longer prefix over a shorter one; a prefix without its final slash and a path with
//! empty or dotted segments are redirected. Unlike there, only what stands in the path as sent counts as a
//! segment: percent-encoded dots and slashes are data, so whatever can be registered can be named.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::base::stdx::prehashed::BuildPrehashed;
use crate::surface::dispatch::routes::{ROUTES, Row};

/// Finds rows by path.
pub struct Router {
    /// By the hash of the path: the table is ours, so nobody can choose paths that meet.
    rows: HashMap<u64, usize, BuildPrehashed>,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// To a row, by its number, with the rest of the path as argument.
    Route(usize, &'a str),
    /// To the path that was meant: answer 301.
    Redirect(String),
    /// Nowhere: answer 404.
    Nowhere,
}

impl Router {
    /// A router over [`ROUTES`].
    pub fn new() -> Router {
        let hash = |path: &str| xxh3_64(path.as_bytes());
        Router {
            rows: ROUTES
                .iter()
                .enumerate()
                .map(|(number, Row(route, _))| (hash(route.path), number))
                .collect(),
        }
    }

    fn row(&self, path: &str) -> Option<usize> {
        let number = *self.rows.get(&xxh3_64(path.as_bytes()))?;
        (ROUTES[number].0.path == path).then_some(number)
    }

    /// Finds the row for `path` (decoded); `path_sent` is the same as it was sent.
    pub fn find<'a>(&self, path: &'a str, path_sent: &str) -> Target<'a> {
        if let Some(clean) = cleaned(path_sent) {
            return Target::Redirect(clean);
        }
        if let Some(number) = self.row(path) {
            return Target::Route(number, "");
        }
        // From the longest prefix that ends in a slash to the shortest; `/` alone is nobody's prefix.
        let mut rest = path;
        while let Some(slash) = rest.bytes().rposition(|byte| byte == b'/').filter(|slash| *slash > 0) {
            if let Some(number) = self.row(&path[..=slash]) {
                return Target::Route(number, &path[slash + 1..]);
            }
            rest = &path[..slash];
        }
        let with_slash = format!("{path}/");
        match self.row(&with_slash) {
            Some(_) => Target::Redirect(with_slash),
            None => Target::Nowhere,
        }
    }
}

impl Default for Router {
    fn default() -> Self {
        Router::new()
    }
}

/// The path without empty and dotted segments; `None` when it has none. A final slash is kept.
fn cleaned(path: &str) -> Option<String> {
    // One look at the bytes clears nearly every path.
    let is_suspect = |pair: &[u8]| pair[0] == b'/' && matches!(pair[1], b'/' | b'.');
    if !path.as_bytes().windows(2).any(is_suspect) {
        return None;
    }
    let is_odd = |segment: &str| matches!(segment, "." | "..");
    if !path.contains("//") && !path.split('/').any(is_odd) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut clean = format!("/{}", kept.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    Some(local(&clean))
}

/// The path with everything encoded that a browser might take for another character: to many of them a backslash is a
/// slash, and a path that begins with two leads to another host.
fn local(path: &str) -> String {
    let mut local = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && byte != b'\\' {
            local.push(char::from(byte));
        } else {
            local.push_str(&format!("%{byte:02X}"));
        }
    }
    local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &str) -> usize {
        ROUTES.iter().position(|Row(route, _)| route.path == path).unwrap()
    }

    #[test]
    fn paths_lead_where_they_should() {
        let router = Router::new();
        assert_eq!(router.rows.len(), ROUTES.len(), "no two paths have one hash");
        let rows = [
            ("/v1/agent/self", Target::Route(row("/v1/agent/self"), "")),
            ("/v1/agent/service/register", Target::Route(row("/v1/agent/service/register"), "")),
            ("/v1/agent/service/web", Target::Route(row("/v1/agent/service/"), "web")),
            ("/v1/agent/service/", Target::Route(row("/v1/agent/service/"), "")),
            (
                "/v1/agent/service/deregister/a/b c",
                Target::Route(row("/v1/agent/service/deregister/"), "a/b c"),
            ),
            ("/v1/agent/service/registerx", Target::Route(row("/v1/agent/service/"), "registerx")),
            ("/v1/health/service", Target::Redirect("/v1/health/service/".into())),
            ("/v1//agent/self", Target::Redirect("/v1/agent/self".into())),
            ("/v1/agent/x/../self", Target::Redirect("/v1/agent/self".into())),
            ("//evil.example/", Target::Redirect("/evil.example/".into())),
            ("/./\\evil.example/", Target::Redirect("/%5Cevil.example/".into())),
            ("//\\\\evil.example", Target::Redirect("/%5C%5Cevil.example".into())),
            ("/../\t/evil.example", Target::Redirect("/%09/evil.example".into())),
            ("/", Target::Route(row("/"), "")),
            ("/v1/agent/self/more", Target::Nowhere),
            ("/v1/nothing", Target::Nowhere),
            ("*", Target::Nowhere),
        ];
        for (path, target) in rows {
            assert_eq!(router.find(path, path), target, "{path}");
        }
    }

    #[test]
    fn encoded_dots_and_slashes_are_data() {
        let router = Router::new();
        let target = router
            .find("/v1/agent/service/deregister/../../x", "/v1/agent/service/deregister/%2e%2e%2f..%2fx");
        assert_eq!(target, Target::Route(row("/v1/agent/service/deregister/"), "../../x"));
    }

    #[test]
    fn no_path_stands_in_the_table_twice() {
        assert_eq!(Router::new().rows.len(), ROUTES.len());
    }
}
