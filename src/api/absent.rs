//! What Consul has and muster does not.
//!
//! Which paths these are, the table of routes says. Clients read a bare 404 there as an empty store, and lose what they
//! write in silence or ask again without a pause; at 501 they stop and show the sentence.

use crate::api::call::{Call, HandlerResult};
use crate::api::error::ApiError;
use crate::api::route::Route;
use crate::api::routes::{ROUTES, Row};
use crate::stdx::nearest::nearest;
use crate::telemetry::sparing::Sparing;

/// For how long one line of the log is enough for a row: clients that need what is missing ask again and again.
const TOLD_EVERY_S: u64 = 60;

/// When each row was last spoken of in the log.
static TOLD: [Sparing; ROUTES.len()] = [const { Sparing::every(TOLD_EVERY_S) }; ROUTES.len()];

/// 501, for every method, with what is missing and where to have it; and a line in the log, for few clients show it.
pub fn answer(call: &mut Call<'_, '_>) -> HandlerResult {
    let sentence = sentence(call.route);
    if let Some(before) = TOLD[call.row].unsaid() {
        let request = call.request();
        let path = request.path_for_logs();
        let (method, peer, id) = (request.method_name(), request.peer(), request.id());
        log::info!(request_id:% = id, peer:% = peer, status = 501, before = before;
            "not served {method} {path}: {sentence}");
    }
    Err(ApiError::new(501, sentence))
}

/// What is missing, what to do instead, and where to read on. A row says itself what to do, after a colon, where no
/// Consul would help.
fn sentence(route: &Route) -> String {
    let (what, instead) =
        route.about.split_once(": ").unwrap_or((route.about, "have clients that need it ask a Consul"));
    let path = route.path;
    format!(
        "muster has no {what}: {instead} ({path} is not served; `muster help compatibility` lists what is not)"
    )
}

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
            ("/v1/muster/", "there are /v1/muster/cache, /v1/muster/drain,"),
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

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let rows = [
            (
                "/v1/txn",
                "muster has no transactions: have clients that need it ask a Consul (/v1/txn is not served; ",
            ),
            ("/v1/agent/monitor", "muster has no log over HTTP: read it where muster's stderr goes, "),
            (
                "/v1/agent/join/",
                "muster has no cluster to join: it is one server (/v1/agent/join/ is not served; ",
            ),
        ];
        for (path, expected) in rows {
            let Row(route, _) = ROUTES.iter().find(|Row(route, _)| route.path == path).expect("a row");
            let sentence = sentence(route);
            assert!(
                sentence.starts_with(expected) && sentence.contains("`muster help compatibility`"),
                "{sentence}"
            );
        }
    }

    #[test]
    fn every_row_that_is_absent_is_answered_here_and_no_other() {
        let here: fn(&mut Call<'_, '_>) -> HandlerResult = answer;
        for Row(route, handler) in ROUTES {
            let is_here = std::ptr::fn_addr_eq(*handler, here);
            assert_eq!(is_here, !route.is_served, "{}", route.path);
        }
    }
}
