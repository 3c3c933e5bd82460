//! What Consul has and muster does not.
//!
//! Which paths these are, the table of routes says. Clients read a bare 404 there as an empty store, and lose what they
//! write in silence or ask again without a pause; at 501 they stop and show the sentence.

use crate::base::telemetry::log_limit::LogLimit;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::dispatch::route::Route;

/// For how long one line of the log is enough for a row: clients that need what is missing ask again and again.
const TOLD_EVERY_S: u64 = 60;

/// Rows that the table of routes may have.
pub const ROWS_MAX: usize = 256;

/// When each row was last spoken of in the log.
static TOLD: [LogLimit; ROWS_MAX] = [const { LogLimit::every(TOLD_EVERY_S) }; ROWS_MAX];

/// 501, for every method, with what is missing and where to have it; and a line in the log, for few clients show it.
pub fn answer(call: &mut Call<'_, '_>) -> HandlerResult {
    let sentence = sentence(call.route);
    if let Some(before) = TOLD[call.row].suppressed() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::dispatch::routes::{ROUTES, Row};

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
}
