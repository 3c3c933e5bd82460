//! The counts of what one row of the table has answered, by the method of the request.

use std::sync::{Arc, OnceLock};

use crate::base::telemetry::metrics::{Metrics, RouteMetrics};
use crate::net::http::Method;

/// The counters of one row. Those of a method are made when it is first asked for, so that a scrape shows no series for
/// what never happened.
pub struct RowCounters {
    metrics: Arc<Metrics>,
    route: &'static str,
    /// By [`Method`], in the order of its variants.
    by_method: [OnceLock<RouteMetrics>; Method::COUNT],
}

impl RowCounters {
    /// Those of the row called `route`.
    pub fn new(metrics: &Arc<Metrics>, route: &'static str) -> RowCounters {
        RowCounters { metrics: metrics.clone(), route, by_method: [const { OnceLock::new() }; Method::COUNT] }
    }

    /// Those of requests with `method`. Cost, but for the first time: one load.
    pub fn of(&self, method: Method) -> &RouteMetrics {
        let begun = || self.metrics.route(method.label(), self.route);
        self.by_method[method as usize].get_or_init(begun)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_method_is_counted_as_itself() {
        let metrics = Arc::new(Metrics::new().expect("the table is well formed"));
        let counters = RowCounters::new(&metrics, "/v1/kv/");
        let rows =
            [("GET", 2), ("HEAD", 1), ("PUT", 3), ("POST", 1), ("DELETE", 1), ("OPTIONS", 1), ("BREW", 2)];
        for (name, times) in rows {
            for _ in 0..times {
                counters.of(Method::parse(name)).answered(200, Duration::from_micros(40), false);
            }
        }
        let text = String::from_utf8(metrics.encode().expect("it encodes")).expect("it is text");
        for (name, times) in rows {
            let labels =
                format!("method=\"{}\",route=\"/v1/kv/\"", if name == "BREW" { "other" } else { name });
            for line in [
                format!("muster_http_requests_total{{{labels},status=\"200\"}} {times}"),
                format!("muster_http_request_duration_seconds_count{{{labels}}} {times}"),
            ] {
                assert!(text.lines().any(|it| it == line), "{line} is missing in:\n{text}");
            }
        }
    }
}
