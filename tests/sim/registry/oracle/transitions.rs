//! Which transitions a command must leave behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster::core::model::{Cause, Check, Command, Status, Subject, Transition};
use muster::node::registry::history::PER_CHECK_MAX;

use crate::registry::oracle::edits::is_hold;
use crate::registry::oracle::{Catalog, Place};

/// The transitions between two states that one command lies between, in no order that matters.
pub fn between(before: &Catalog, after: &Catalog, now_ms: u64, command: &Command) -> Vec<Transition> {
    let cause_of_end = match command {
        Command::Reap { .. } => Cause::Reaping,
        Command::Register(_) => Cause::Registration,
        Command::Restore(_) => Cause::Restore,
        _ => Cause::Deregistration,
    };
    let blank = |place: &Place, service_id, check_id| Transition {
        index: after.index,
        position: 0,
        time_ms: now_ms,
        subject: Arc::new(Subject { node: place.0.clone(), service_id, check_id }),
        service_name: Default::default(),
        check_name: Default::default(),
        from: None,
        from_since_ms: 0,
        is_first: false,
        to: None,
        cause: cause_of_end,
        caller: Default::default(),
        output: Default::default(),
    };
    let service_name = |place: &Place, check: &Check| {
        let place = (place.0.clone(), check.service_id.clone());
        let service = after.services.get(&place).or_else(|| before.services.get(&place));
        service.map(|it| it.name.clone()).unwrap_or_default()
    };
    let mut told = Vec::new();
    let mut tell = |place: &Place, was: Option<&Check>, is: Option<&Check>| {
        let (from, to) = (was.map(|it| it.status), is.map(|it| it.status));
        let begins = was.is_none() && is.is_some_and(|it| !is_hold(it));
        let Some(shown) = is.or(was).filter(|_| from != to && !begins) else { return };
        let is_silent_hold = shown.output.is_empty() && is_hold(shown);
        told.push(Transition {
            service_name: service_name(place, shown),
            check_name: shown.name.clone(),
            from,
            from_since_ms: was.map_or(0, |it| it.status_since_ms),
            is_first: was.is_some_and(|it| it.status_cause == Cause::Registration && !is_hold(it)),
            to,
            cause: is.map_or(cause_of_end, |it| it.status_cause),
            output: if is_silent_hold { shown.notes.clone() } else { shown.output.clone() },
            ..blank(place, shown.service_id.clone(), place.1.clone())
        });
    };
    for (place, was) in &before.checks {
        tell(place, Some(was), after.checks.get(place).map(|it| &**it));
    }
    for (place, is) in after.checks.iter().filter(|it| !before.checks.contains_key(it.0)) {
        tell(place, None, Some(is));
    }
    for (place, service) in before.services.iter().filter(|it| !after.services.contains_key(it.0)) {
        let has_check = |(at, check): (&Place, &Arc<Check>)| at.0 == place.0 && check.service_id == place.1;
        if !before.checks.iter().any(has_check) {
            told.push(Transition {
                service_name: service.name.clone(),
                from: Some(Status::Passing),
                ..blank(place, place.1.clone(), Default::default())
            });
        }
    }
    told
}

/// Keeps the newest of each check.
pub fn forget_old(history: &mut Vec<Arc<Transition>>) {
    let mut counts: BTreeMap<Arc<Subject>, usize> = BTreeMap::new();
    if history.len() <= usize::from(PER_CHECK_MAX) {
        return;
    }
    history.iter().for_each(|it| *counts.entry(it.subject.clone()).or_default() += 1);
    history.retain(|it| {
        let count = counts.get_mut(&it.subject).expect("it was counted");
        *count -= 1;
        *count < usize::from(PER_CHECK_MAX)
    });
}
