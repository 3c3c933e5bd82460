//! What Consul has and muster does not.
//!
//! Which paths these are, the table of routes says. Clients read a bare 404 there as an empty store, and lose what they
//! write in silence or ask again without a pause; at 501 they stop and show the sentence.

use crate::api::call::{Call, HandlerResult};
use crate::api::error::ApiError;
use crate::api::routes::ROUTES;
use crate::stdx::nearest::nearest;

/// 501, for every method, with what is missing and where to have it.
pub fn answer(call: &mut Call<'_, '_>) -> HandlerResult {
    let route = &ROUTES[call.row];
    let what = route.about;
    Err(ApiError::new(
        501,
        format!(
            "muster has no {what} ({} is not served, docs/compatibility.md lists what is): \
             have clients that need it ask a Consul",
            route.path
        ),
    ))
}

/// What is told at 404 of a path that is none of muster's own, with the nearest that is. `None` for all others:
/// Consul's are answered as there.
pub fn no_such_path(path: &str) -> Option<String> {
    let below = path.strip_prefix("/v1/muster")?;
    let below = below.strip_prefix('/').or(below.is_empty().then_some(""))?;
    let own = || ROUTES.iter().filter_map(|route| route.path.strip_prefix("/v1/muster/"));
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
        for path in ["/v1/nothing", "/v1/musters", "/v1/agent/muster", "/"] {
            assert_eq!(no_such_path(path), None, "{path}");
        }
    }

    #[test]
    fn every_row_that_is_absent_is_answered_here_and_no_other() {
        let here: fn(&mut Call<'_, '_>) -> HandlerResult = answer;
        for route in ROUTES {
            let is_here = std::ptr::fn_addr_eq(route.handler, here);
            assert_eq!(is_here, !route.is_served, "{}", route.path);
        }
    }
}
