//! `/v1/snapshot`: all of the registry as one stream, and one stream in the place of all of it.
//!
//! Encoding runs on a thread of its own, a piece at a time, and what comes in waits in a file that has no name
//! ([`spool`]), so neither direction takes memory by the size of what is sent. Judging takes seconds, so it has threads
//! of its own that let others go first ([`judging`]). There are few places; who gets one is said in [`quota`].

mod judging;
pub mod places;
mod quota;
mod spool;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::base::stdx::calendar;
use crate::base::stdx::stop::StopFlag;
use crate::base::sys::memory;
use crate::base::sys::offload::OffloadError;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::changes::Changes;
use crate::core::model::acl::AclKind;
use crate::net::http::{Body, BodyWriter, Method, PaceLimit, Response};
use crate::node::registry::exclusive::Restored;
use crate::node::registry::snapshot::decoded::{self, RestorePlan};
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::surface::answers::answer;
use crate::surface::context::call::{Call, HandlerResult};
use crate::surface::context::error::ApiError;
use crate::surface::snapshot::judging::run_attended;
use crate::surface::snapshot::places::place;
use crate::surface::snapshot::quota::{QuotaShare, Whose};
use crate::surface::snapshot::spool::Spool;

/// The one path of this chapter.
pub const PATH: &str = "/v1/snapshot";

/// Bytes a second that a client must send or read of a snapshot while it is waited for: it holds one of few places, and
/// a hundred records fit into so many.
const RATE_BYTES_MIN: usize = 64 * 1024;

/// Bytes that earn a client a second more than `limits.snapshot_timeout` for all of a snapshot. Who is quicker is never
/// cut off.
const BYTES_A_SECOND: usize = 256 * 1024;

/// Records that are named of each kind of change. All of them would make an answer as large as the snapshot.
const NAMED_MAX: usize = 10;

/// What is demanded of a client that sends or reads a snapshot.
fn haste(call: &Call<'_, '_>) -> PaceLimit {
    let time_max = call.api.host.snapshot_time_max();
    PaceLimit { rate_bytes_min: RATE_BYTES_MIN, time_max, bytes_a_second: BYTES_A_SECOND }
}

/// `GET /v1/snapshot`: every record at one index. `PUT /v1/snapshot[?dry-run]`: hold these records from now on.
pub fn save_or_restore(call: &mut Call<'_, '_>) -> HandlerResult {
    match call.request().method() {
        Method::Put | Method::Post => restore(call),
        _ => save(call),
    }
}

/// What a client hears that may not have secrets. Where a request comes from says nothing: what a proxy on this machine
/// passes on comes from here too, and need not differ in any header. So secrets go by the operators' ways alone.
const SECRETS_FORBIDDEN: &str = "secrets are given over a unix socket and at admin_addr only: set admin_addr and ask \
                                 there (muster snapshot save FILE --http-addr ADMIN_ADDR), or leave ?secrets out \
                                 (--redacted) for a snapshot without them, which is to be looked at";

fn save(call: &mut Call<'_, '_>) -> HandlerResult {
    let params = call.read_params()?;
    let is_redacted = !call.query()?.has("secrets");
    if !is_redacted && !call.exchange.is_operators() {
        return Err(ApiError::new(403, SECRETS_FORBIDDEN));
    }
    let place = place(&call.api.resources.snapshots.sent, Whose::of(call.exchange), "sent", "to")?;
    let haste = haste(call);
    let picture = call.api.registry.queue().snapshot()?;
    let picture = if is_redacted { picture.redacted() } else { picture };
    let now = calendar::at(call.api.clock.unix_ms());
    let header = picture.header(call.api.registry.own_node(), now);
    let (index, pool) = (picture.index, call.api.resources.snapshots.encoder.clone());
    let stream = move |writer: &mut BodyWriter<'_>| {
        let _place = place;
        writer.hurry(haste);
        let mut encoding = picture.encoding(&header);
        loop {
            let encoded = pool.run(move || {
                let piece = encoding.next_piece();
                (encoding, piece)
            });
            let (rest, piece) = encoded.map_err(io::Error::other)?;
            let Some(piece) = piece else {
                // Its memory is given back by the thread that made it: a million counters are milliseconds.
                return pool.run(move || drop(rest)).map_err(io::Error::other);
            };
            writer.write_all(&piece)?;
            encoding = rest;
        }
    };
    let mut response = Response::new(200).with_body(Body::Stream(Box::new(stream)));
    answer::add_index_headers(&mut response, index, params.consistency);
    response.headers.add("Content-Type", "application/x-ndjson");
    Ok(response)
}

fn restore(call: &mut Call<'_, '_>) -> HandlerResult {
    let is_dry_run = call.query()?.has("dry-run");
    let (whose, snapshots) = (Whose::of(call.exchange), &call.api.resources.snapshots);
    let received = place(&snapshots.received, whose, "received", "from")?;
    let haste = haste(call);
    call.exchange.hurry(haste);
    let spool = spool::receive(call, whose)?;
    drop(received);
    let (understood, _place) = judge(call, spool, place(&snapshots.restored, whose, "restored", "from")?)?;
    let summary = understood.summary();
    if !call.exchange.begin_write() {
        return Err(ApiError::busy(
            "another process has taken over while the snapshot was read: send it again",
        ));
    }
    let restored = call.api.registry.queue().restore(
        understood.restoration,
        understood.history,
        is_dry_run,
        call.caller(),
    )?;
    let index = restored.index;
    let tell = move || {
        let told = told(&restored);
        // The snapshot, its rows and the former records are gone by now, and were as much as what is left.
        drop(restored);
        memory::give_back();
        told
    };
    let changes = snapshots.judges.run(tell).map_err(unavailable)?;
    let mut response = answer::json(
        call,
        &json!({ "Index": index, "DryRun": is_dry_run, "Snapshot": summary, "Changes": changes }),
    )?;
    response.headers.add("X-Consul-Index", &index.to_string());
    Ok(response)
}

/// Reads all of it and works out what it comes to, while its client waits for that. The place is held until that is
/// over, also when the client has left.
fn judge(
    call: &mut Call<'_, '_>,
    spool: Spool,
    place: QuotaShare,
) -> Result<(RestorePlan, QuotaShare), ApiError> {
    let own = call.api.registry.own_node().clone();
    let (programs, stop) = (Some(call.api.registry.checking().armed()), StopFlag::default());
    let seal = call.api.registry.seal().clone();
    let terms = RowRules { programs, stop: stop.clone(), seal, ..call.api.host.snapshot_terms() };
    let spool = spool.until(&stop);
    let judges = &call.api.resources.snapshots.judges;
    let (understood, place) =
        run_attended(call, judges, &stop, move || (decoded::understand(spool, &own, &terms), place))?;
    Ok((understood?, place))
}

fn unavailable(error: OffloadError) -> ApiError {
    ApiError::new(503, error.to_string())
}

/// What a restoration changed: how many records of each kind, and the first of them by name.
fn told(restored: &Restored) -> Value {
    // Whether each record was there before the first of its changes and after the last.
    let mut faces: BTreeMap<(&str, String), (bool, bool)> = BTreeMap::new();
    let Changes { catalog, kv, acl } = &restored.changes;
    for change in kv {
        let face = (change.before.is_some(), change.after.is_some());
        faces.insert(("Keys", change.key.to_string()), face);
    }
    for change in acl {
        let kind = match change.kind {
            AclKind::Policy => "Policies",
            AclKind::Role => "Roles",
            AclKind::Token => "Tokens",
            AclKind::Bootstrap => continue,
        };
        faces.insert((kind, change.id.to_string()), (change.before.is_some(), change.after.is_some()));
    }
    for change in catalog {
        let (name, before, after) = match change {
            CatalogChange::Node { key, before, after } => {
                (("Nodes", key.to_string()), before.is_some(), after.is_some())
            }
            CatalogChange::Service { node, id, before, after } => {
                (("Services", format!("{node}/{id}")), before.is_some(), after.is_some())
            }
            CatalogChange::Check { node, id, before, after } => {
                (("Checks", format!("{node}/{id}")), before.is_some(), after.is_some())
            }
        };
        faces.entry(name).and_modify(|face| face.1 = after).or_insert((before, after));
    }
    let mut told = Map::new();
    let of_acl = ["Policies", "Roles", "Tokens"].into_iter().filter(|_| !acl.is_empty());
    for kind in ["Nodes", "Services", "Checks", "Keys"].into_iter().chain(of_acl) {
        let mut kinds = Map::new();
        for (word, face) in [("Added", (false, true)), ("Changed", (true, true)), ("Removed", (true, false))]
        {
            let all = faces.iter().filter(|((of_kind, _), found)| *of_kind == kind && **found == face);
            let first: Vec<&String> = all.clone().take(NAMED_MAX).map(|((_, name), _)| name).collect();
            kinds.insert(word.to_owned(), json!({ "Count": all.count(), "First": first }));
        }
        told.insert(kind.to_owned(), Value::Object(kinds));
    }
    Value::Object(told)
}
