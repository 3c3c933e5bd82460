//! `/v1/snapshot`: all of the registry as one stream, and one stream in the place of all of it.
//!
//! Encoding and decoding run on threads of their own, a piece at a time; the body of a restoration waits in a file that
//! has no name, so neither direction takes memory by the size of what is sent.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use crate::api::answer;
use crate::api::call::{Call, Outcome};
use crate::api::error::ApiError;
use crate::catalog::change::Change;
use crate::http::{Body, BodyError, BodyWriter, Method, Response};
use crate::registry::snapshot::image;
use crate::registry::snapshot::orders::Restored;
use crate::sys::memory;
use crate::sys::offload::Offload;

/// The one path of this chapter.
pub const PATH: &str = "/v1/snapshot";

/// Snapshots and restorations under way at a time. Each holds a picture (60 bytes a record) or what a snapshot holds;
/// four clients at once are three more than there should be.
const UNDER_WAY_MAX: usize = 4;

/// Bytes gathered before they are written to the file, so that a big body does not cross to another thread for every
/// 16 KiB.
const SPOOLED_BYTES: usize = 1 << 20;

/// Records that are named of each kind of change. All of them would make an answer as large as the snapshot.
const NAMED_MAX: usize = 10;

/// What is under way, and the threads that do it.
pub struct Snapshots {
    pool: Offload,
    under_way: Arc<AtomicUsize>,
}

/// A place among those under way, until dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Snapshots {
    /// Nothing under way yet.
    ///
    /// # Errors
    /// The system's, when it gives no thread.
    pub fn new() -> io::Result<Snapshots> {
        Ok(Snapshots { pool: Offload::new("snapshot", 1, UNDER_WAY_MAX)?, under_way: Arc::default() })
    }

    fn place(&self) -> Result<Place, ApiError> {
        let place = Place(self.under_way.clone());
        match self.under_way.fetch_add(1, Ordering::AcqRel) {
            count if count < UNDER_WAY_MAX => Ok(place),
            _ => Err(busy()),
        }
    }
}

fn busy() -> ApiError {
    let sentence = format!("{UNDER_WAY_MAX} snapshots are under way already: try again when one is done");
    ApiError { retry_after_seconds: Some(5), ..ApiError::new(503, sentence) }
}

/// Whether a request's body is a snapshot.
pub fn takes_snapshot(method: Method, path: &str) -> bool {
    matches!(method, Method::Put | Method::Post) && path == PATH
}

/// `GET /v1/snapshot`: every record at one index. `PUT /v1/snapshot[?dry-run]`: hold these records from now on.
pub fn save_or_restore(call: &mut Call<'_, '_>) -> Outcome {
    match call.request().method() {
        Method::Put | Method::Post => restore(call),
        _ => save(call),
    }
}

fn save(call: &mut Call<'_, '_>) -> Outcome {
    let params = call.read_params()?;
    let place = call.api.snapshots.place()?;
    let picture = call.api.registry.queue().picture()?;
    let now = jiff::Timestamp::from_millisecond(call.api.clock.unix_ms() as i64).unwrap_or_default();
    let header = picture.header(call.api.registry.own_node(), now);
    let (index, pool) = (picture.index, call.api.snapshots.pool.clone());
    let stream = move |writer: &mut BodyWriter<'_>| {
        let _place = place;
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

fn restore(call: &mut Call<'_, '_>) -> Outcome {
    let is_dry_run = call.query()?.has("dry-run");
    let _place = call.api.snapshots.place()?;
    let pool = call.api.snapshots.pool.clone();
    let file = spool(call, &pool)?;
    let own = call.api.registry.own_node().clone();
    let understood = pool.run(move || image::understand(file, &own)).map_err(unavailable)?;
    let understood = understood.map_err(|unfit| {
        ApiError::new(if unfit.is_of_the_system { 500 } else { 400 }, format!("not restored: {unfit}"))
    })?;
    let summary = understood.summary();
    let restored =
        call.api.registry.queue().restore(understood.restoration, understood.history, is_dry_run)?;
    let index = restored.index;
    let tell = move || {
        let told = told(&restored);
        // The snapshot, its rows and the former records are gone by now, and were as much as what is left.
        drop(restored);
        memory::give_back();
        told
    };
    let changes = pool.run(tell).map_err(unavailable)?;
    let mut response = answer::json(
        call,
        &json!({ "Index": index, "DryRun": is_dry_run, "Snapshot": summary, "Changes": changes }),
    )?;
    response.headers.add("X-Consul-Index", &index.to_string());
    Ok(response)
}

fn unavailable(error: crate::sys::offload::OffloadError) -> ApiError {
    ApiError::new(503, error.to_string())
}

/// Receives the body into a file of its own, which is gone with its last handle.
fn spool(call: &mut Call<'_, '_>, pool: &Offload) -> Result<File, ApiError> {
    let directory = call.api.host.spool_directory();
    let lost = move |error: io::Error| {
        ApiError::new(
            if error.kind() == io::ErrorKind::StorageFull { 507 } else { 500 },
            format!(
                "not restored: the snapshot cannot be kept while it comes in: {error}; look at the disk of data_dir"
            ),
        )
    };
    let mut file = pool.run(move || nameless(&directory)).map_err(unavailable)?.map_err(lost)?;
    let mut gathered = Vec::with_capacity(SPOOLED_BYTES);
    loop {
        let length_before = gathered.len();
        call.exchange.read_body(&mut gathered).map_err(|error| match error {
            BodyError::Refused { status, sentence } => ApiError::new(status, sentence),
            BodyError::ClientGone => ApiError::new(answer::CLIENT_GONE, "the client is gone"),
        })?;
        let is_over = gathered.len() == length_before;
        if is_over || gathered.len() >= SPOOLED_BYTES {
            let written = pool.run(move || {
                let mut written = file.write_all(&gathered);
                gathered.clear();
                if is_over {
                    written = written.and_then(|()| file.rewind());
                }
                written.map(|()| (file, gathered))
            });
            (file, gathered) = written.map_err(unavailable)?.map_err(lost)?;
        }
        if is_over {
            return Ok(file);
        }
    }
}

/// A new file in `directory` that nobody else can open and that no crash leaves behind.
fn nameless(directory: &Path) -> io::Result<File> {
    let path = directory.join(format!("restore.{}.{:016x}", std::process::id(), answer::chance()));
    let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// What a restoration changed: how many records of each kind, and the first of them by name.
fn told(restored: &Restored) -> Value {
    // Whether each record was there before the first of its changes and after the last.
    let mut faces: BTreeMap<(&str, String), (bool, bool)> = BTreeMap::new();
    for change in &restored.changes {
        let (name, before, after) = match change {
            Change::Node { key, before, after } => {
                (("Nodes", key.to_string()), before.is_some(), after.is_some())
            }
            Change::Service { node, id, before, after } => {
                (("Services", format!("{node}/{id}")), before.is_some(), after.is_some())
            }
            Change::Check { node, id, before, after } => {
                (("Checks", format!("{node}/{id}")), before.is_some(), after.is_some())
            }
        };
        faces.entry(name).and_modify(|face| face.1 = after).or_insert((before, after));
    }
    let mut told = Map::new();
    for kind in ["Nodes", "Services", "Checks"] {
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
