//! Bad requests, in tables, against the built server over real sockets: each is refused with a status and a sentence
//! that says what to change, nothing of it is executed or stored, and the server goes on as if it had not come.
//!
//! A table is about one layer: `message` about HTTP itself, `bodies` about JSON and what it describes, `bounds` about
//! limits (accepted at the limit, refused one past it), `parameters` and `filters` about paths and queries. A row is a
//! [`row::Row`]; [`trial::Trial`] sends it and judges the answer, the connection and the state.

mod bodies;
mod bounds;
mod chunks;
mod filters;
mod message;
mod parameters;
mod row;
mod trial;

use row::Row;
use trial::Trial;

#[test]
fn malformed_messages_are_refused_and_never_executed() {
    judge(message::rows().into_iter().chain(chunks::rows()));
}

#[test]
fn bodies_are_refused_in_words_that_say_what_to_change() {
    judge(bodies::rows());
}

#[test]
fn bounds_hold_at_the_limit_and_one_past_it() {
    judge(bounds::rows());
}

#[test]
fn parameters_paths_and_filters_are_refused_in_words_that_say_what_to_change() {
    judge(parameters::rows().into_iter().chain(filters::rows()));
}

/// Every row against one server, so that a wound from an early row shows in a later one.
fn judge(rows: impl IntoIterator<Item = Row>) {
    let mut trial = Trial::start();
    for row in rows {
        trial.judge(&row);
    }
    trial.finish();
}
