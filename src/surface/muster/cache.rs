//! What the cache of answers holds and has done.

use serde_json::{Value, json};

use crate::base::stdx::duration::GoDuration;
use crate::surface::answers::answer;
use crate::surface::answers::counts::Counted;
use crate::surface::answers::key::AnswerKey;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;

/// Questions listed unless the request says otherwise.
const TOP_DEFAULT: usize = 20;

/// Questions listed at most.
const TOP_MAX: usize = 1_000;

/// `GET /v1/muster/cache[?top=20]`
pub fn show(call: &mut Call<'_, '_>) -> HandlerResult {
    let top = match call.query()?.first("top") {
        None => TOP_DEFAULT,
        Some(word) => word.parse().ok().filter(|top| (0..=TOP_MAX).contains(top)).ok_or_else(|| {
            ApiError::bad_request(format!("invalid top {word:?}: a number from 0 to {TOP_MAX}"))
        })?,
    };
    let (cache, counts) = (&call.api.answers.cache, &call.api.answers.counts);
    // All entries are looked at for those that are asked for most.
    if !call.meter.spend(cache.len() as u64) {
        return Err(ApiError::unfinished());
    }
    let routes: Vec<Value> = counts
        .rows()
        .filter(|(_, counted)| counted.asked() > 0)
        .map(|(path, counted)| with(json!({ "Route": path }), counted))
        .collect();
    let warmed = call.api.answers.warmed.get().copied().unwrap_or_default();
    let bounds = cache.bounds();
    let report = json!({
        "Entries": cache.len(),
        "EntriesMax": bounds.entries_max,
        "Bytes": cache.bytes(),
        "BytesMax": bounds.bytes_max,
        "Evictions": cache.evictions(),
        "Routes": routes,
        "MostAsked": questions(cache.most_asked(top), "Asked"),
        "MostMissed": questions(counts.most_missed(top), "Misses"),
        "Warmed": {
            "Answers": warmed.answers,
            "Wanted": warmed.wanted,
            "Took": GoDuration::from(warmed.took).to_string(),
        },
    });
    answer::json(call, &with(report, counts.total()))
}

/// `value` with what was counted.
fn with(mut value: Value, counted: Counted) -> Value {
    value["Hits"] = counted.hits.into();
    value["MissesChanged"] = counted.changed.into();
    value["MissesAbsent"] = counted.absent.into();
    value["HitRatio"] = counted.hit_ratio().into();
    value
}

fn questions(keys: Vec<(AnswerKey, u64)>, count_name: &str) -> Vec<Value> {
    let shown = |(key, count): (AnswerKey, u64)| {
        let mut question = json!({ "Query": key.target(), count_name: count });
        if !key.variant().is_empty() {
            question["Variant"] = key.variant().into();
        }
        question
    };
    keys.into_iter().map(shown).collect()
}
