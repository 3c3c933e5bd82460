//! Making answers before the first client asks: those of services that the operator names, and those that were asked
//! for most before the last orderly end.
//!
//! A fleet of clients comes back within a second of a restart. Whatever it asks for first is then there already.

use std::time::{Duration, Instant};

use crate::base::stdx::meter::Meter;
use crate::net::http::percent::encode_into;
use crate::net::http::{Exchange, Request, Response};
use crate::node::registry::hot_queries::HotQuery;
use crate::surface::answers::Warmed;
use crate::surface::answers::cache::BodyCache;
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::rights::Rights;
use crate::surface::dispatch::Dispatch;

/// Time that warming may take: clients wait meanwhile. A thousand answers of the usual size take a tenth of it.
const TIME_MAX: Duration = Duration::from_millis(500);

/// Makes the health answers of `services` and then those of `asked`, until all are made or the time is up.
pub fn warm(dispatch: &Dispatch, services: &[String], asked: &[HotQuery]) -> Warmed {
    let (started, answers) = (Instant::now(), &dispatch.api.answers);
    let named = services.iter().flat_map(|name| {
        let mut target = String::from("/v1/health/service/");
        encode_into(&mut target, name);
        [HotQuery { target: format!("{target}?passing"), count: 0 }, HotQuery { target, count: 0 }]
    });
    let wanted: Vec<HotQuery> = named.chain(asked.iter().cloned()).collect();
    let mut made = 0;
    let goes_on = || started.elapsed() < TIME_MAX;
    for question in wanted.iter().take_while(|_| started.elapsed() < TIME_MAX) {
        let Some(request) = Request::get(&question.target) else { continue };
        let mut response = Response::new(200);
        let meter = Meter::new(u64::MAX, usize::MAX, &goes_on);
        dispatch.dispatch(&Rights::Everything, &mut Exchange::detached(&request), &mut response, &meter);
        made += usize::from(response.status == 200 && !meter.is_exhausted());
        // Half of it, so that what nobody asks for any more fades from the list with every restart.
        answers.cache.credit(&AnswerKey::of_target(&question.target), question.count / 2);
    }
    let warmed = Warmed { answers: made, wanted: wanted.len(), took: started.elapsed() };
    answers.warmed.get_or_init(|| warmed);
    warmed
}

/// What was asked for most, for the next start.
pub fn most_asked(cache: &BodyCache, count: usize) -> Vec<HotQuery> {
    let asked = cache.most_asked(count).into_iter();
    let plain = asked.filter(|(key, count)| *count > 0 && key.is_plain());
    plain.map(|(key, count)| HotQuery { target: key.target().into(), count }).collect()
}
