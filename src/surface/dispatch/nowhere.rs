//! Paths that no row of the table answers.

use crate::base::stdx::nearest::nearest;
use crate::surface::dispatch::routes::{ROUTES, Row};

/// What is told at 404 of a path that is none of muster's own, with the nearest that is, and of the page that people
/// look for. `None` for all others: Consul's are answered as there.
pub fn no_such_path(path: &str) -> Option<String> {
    if path == "/ui" || path.starts_with("/ui/") {
        let sentence = "muster has no user interface: `muster help http-api` lists what can be asked with curl, and \
                        `muster help drills` has what to type when something is wrong";
        return Some(sentence.to_owned());
    }
    let below = path.strip_prefix("/v1/muster")?;
    let below = below.strip_prefix('/').or(below.is_empty().then_some(""))?;
    let own = || ROUTES.iter().filter_map(|Row(route, _)| route.path.strip_prefix("/v1/muster/"));
    let first = |path: &'static str| path.split('/').next().unwrap_or_default();
    let near = nearest(below.split('/').next().unwrap_or_default(), own().map(first));
    let meant = own().filter(|path| near.is_none_or(|near| first(path) == near));
    let meant: Vec<String> = meant.map(|path| format!("/v1/muster/{path}")).collect();
    let question = if near.is_some() { "did you mean" } else { "there are" };
    Some(format!("muster has no such path: {question} {}", meant.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_its_own_paths_the_nearest_is_told() {
        let rows = [
            ("/v1/muster/xplain/web", "did you mean /v1/muster/explain, /v1/muster/explain/"),
            ("/v1/muster/history/servce/web", "/v1/muster/history/service/"),
            ("/v1/muster/Webhook", "did you mean /v1/muster/webhooks,"),
            ("/v1/muster/", "there are /v1/muster/cache, /v1/muster/acl/denials,"),
            ("/v1/muster", "there are /v1/muster/cache"),
            ("/v1/muster/qqqqqqqq", "there are /v1/muster/cache"),
        ];
        for (path, expected) in rows {
            let sentence = no_such_path(path).expect("it is muster's own");
            assert!(sentence.contains(expected), "{path}: {sentence}");
        }
        for path in ["/ui", "/ui/", "/ui/dc1/services"] {
            assert!(no_such_path(path).is_some_and(|it| it.contains("no user interface")), "{path}");
        }
        for path in ["/v1/nothing", "/uid", "/v1/musters", "/v1/agent/muster", "/"] {
            assert_eq!(no_such_path(path), None, "{path}");
        }
    }
}
