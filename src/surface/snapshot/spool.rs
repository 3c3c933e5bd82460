//! The body of a restoration while it comes in: short ones in memory, long ones in a file that has no name.
//!
//! Nothing is kept that cannot be a snapshot, and never so much that others run out of disk: all such files together
//! have a bound, and the store keeps room beyond what it needs itself.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use crate::base::stdx::stop::StopFlag;
use crate::base::sys::disk;
use crate::net::http::BodyError;
use crate::node::registry::snapshot::opening;
use crate::node::registry::snapshot::row_validator::RowRules;
use crate::surface::answers::answer;
use crate::surface::context::call::Call;
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::context::host::Spooling;
use crate::surface::snapshot::quota::{Over, QuotaShare, Whose};
use crate::surface::snapshot::{BYTES_A_SECOND, RATE_BYTES_MIN, unavailable};

/// Bytes gathered before they are written to the file, so that a big body does not cross to another thread for every
/// 16 KiB. A body that is no longer needs no file.
const PIECE_BYTES: usize = 256 * 1024;

/// Bytes after which the beginning is unpacked and looked at.
const BEGINNING_BYTES: usize = 1024;

/// Bytes of the disk that are left beyond what the store needs for itself, so that writes go on: those of a journal of
/// the engine.
const ROOM_BYTES: u64 = 64 << 20;

/// Those that operators leave.
const ROOM_OF_OPERATORS_BYTES: u64 = 32 << 20;

/// A body that is here as a whole, at its beginning.
pub struct Spool {
    kept: Kept,
    /// What of the bound it takes.
    _share: QuotaShare,
    /// Ends its reading.
    stop: StopFlag,
}

enum Kept {
    Short(Cursor<Vec<u8>>),
    Long(File),
}

impl Spool {
    /// The same, to be read until `stop` is asked.
    pub fn until(self, stop: &StopFlag) -> Spool {
        Spool { stop: stop.clone(), ..self }
    }
}

impl Read for Spool {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_asked() {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        match &mut self.kept {
            Kept::Short(bytes) => bytes.read(into),
            Kept::Long(file) => file.read(into),
        }
    }
}

impl Seek for Spool {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.kept {
            Kept::Short(bytes) => bytes.seek(to),
            Kept::Long(file) => file.seek(to),
        }
    }
}

/// What has come so far.
struct Coming {
    spooling: Spooling,
    /// Bytes that must stay free.
    room_bytes: u64,
    /// What is not in the file yet.
    gathered: Vec<u8>,
    /// Once it is long.
    file: Option<File>,
    share: QuotaShare,
    has_begun_well: bool,
}

/// Receives the body of a request.
///
/// # Errors
/// 400 as soon as it can be no snapshot, 408 when it comes too slowly, 413 and 503 past a bound, 507 for want of disk;
/// each with what to do about it.
pub fn receive(call: &mut Call<'_, '_>, whose: Whose) -> Result<Spool, ApiError> {
    let (snapshots, spooling) = (&call.api.resources.snapshots, call.api.host.spooling());
    let share = snapshots.spooled.take(whose, 0).map_err(over_bound)?;
    let room = if whose == Whose::Operators { ROOM_OF_OPERATORS_BYTES } else { ROOM_BYTES };
    let room_bytes = spooling.room_bytes_min.saturating_add(room);
    let (gathered, file) = (Vec::with_capacity(PIECE_BYTES), None);
    let mut coming = Coming { spooling, room_bytes, gathered, file, share, has_begun_well: false };
    if let Some(bytes) = call.exchange.announced_bytes().filter(|bytes| *bytes > PIECE_BYTES as u64) {
        // Refused before any of it has come rather than in the middle.
        coming.share.probe(bytes).map_err(over_bound)?;
        coming = on_its_thread(call, coming, move |coming| coming.check_room(bytes))?;
    }
    loop {
        let length_before = coming.gathered.len();
        call.exchange.read_body(&mut coming.gathered).map_err(|error| told(call, error))?;
        let is_over = coming.gathered.len() == length_before;
        if !coming.has_begun_well && !is_over {
            check_beginning(opening::refusal_at_sight(&coming.gathered))?;
            if coming.gathered.len() >= BEGINNING_BYTES {
                let terms = call.api.host.snapshot_terms();
                coming = on_its_thread(call, coming, move |coming| coming.judge_beginning(&terms))?;
            }
        }
        if is_over && coming.file.is_none() {
            return Ok(Spool {
                kept: Kept::Short(Cursor::new(coming.gathered)),
                _share: coming.share,
                stop: StopFlag::default(),
            });
        }
        if is_over || coming.gathered.len() >= PIECE_BYTES {
            coming.share.grow(coming.gathered.len() as u64).map_err(over_bound)?;
            coming = on_its_thread(call, coming, |coming| coming.put_down())?;
        }
        if is_over && let Some(file) = coming.file {
            let mut spool = Spool { kept: Kept::Long(file), _share: coming.share, stop: StopFlag::default() };
            spool.rewind().map_err(lost)?;
            return Ok(spool);
        }
    }
}

/// Does something to what has come on the thread that may wait for the disk.
fn on_its_thread(
    call: &Call<'_, '_>,
    mut coming: Coming,
    work: impl FnOnce(&mut Coming) -> Result<(), ApiError> + Send + 'static,
) -> Result<Coming, ApiError> {
    let done = call.api.resources.snapshots.spooler.run(move || work(&mut coming).map(|()| coming));
    done.map_err(unavailable)?
}

impl Coming {
    fn judge_beginning(&mut self, terms: &RowRules) -> Result<(), ApiError> {
        self.has_begun_well = true;
        check_beginning(opening::refusal(&self.gathered, terms))
    }

    /// Refuses when the disk has no room for so many bytes more.
    fn check_room(&self, bytes: u64) -> Result<(), ApiError> {
        let free = disk::free_bytes(&self.spooling.directory).map_err(lost)?;
        if free.saturating_sub(bytes) >= self.room_bytes {
            return Ok(());
        }
        let (directory, needed) = (self.spooling.directory.display(), self.room_bytes);
        Err(ApiError::new(
            507,
            format!(
                "not restored: the snapshot cannot be kept while it comes in: {directory} has {free} bytes free, and \
                 {needed} are kept for the store; free some space there, or send it compressed with gzip"
            ),
        ))
    }

    /// Writes what is gathered to the file, which is made if there is none yet.
    fn put_down(&mut self) -> Result<(), ApiError> {
        self.check_room(self.gathered.len() as u64)?;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => disk::nameless(&self.spooling.directory, answer::chance()).map_err(lost)?,
        };
        file.write_all(&self.gathered).map_err(lost)?;
        self.gathered.clear();
        self.file = Some(file);
        Ok(())
    }
}

fn check_beginning(refusal: Option<String>) -> Result<(), ApiError> {
    refusal.map_or(Ok(()), |sentence| Err(ApiError::bad_request(format!("not restored: {sentence}"))))
}

fn over_bound(over: Over) -> ApiError {
    let (whose, bytes_max) = match over {
        Over::All(bytes_max) => ("are received", bytes_max),
        Over::OfOne(bytes_max) => ("are received from your address", bytes_max),
    };
    ApiError::busy(format!(
        "not restored: the snapshots that {whose} have more than {bytes_max} bytes together, which follows from \
         limits.snapshot_bytes_max: try again when others are done, send it compressed with gzip, or come over the \
         unix socket or admin_addr"
    ))
}

fn lost(error: io::Error) -> ApiError {
    ApiError::new(
        if error.kind() == io::ErrorKind::StorageFull { 507 } else { 500 },
        format!(
            "not restored: the snapshot cannot be kept while it comes in: {error}; look at the disk of data_dir"
        ),
    )
}

/// Why no more comes, with what to do about it.
fn told(call: &Call<'_, '_>, error: BodyError) -> ApiError {
    match error {
        BodyError::Refused { status: 408, sentence } => {
            let time_max = call.api.host.snapshot_time_max();
            ApiError::new(
                408,
                format!(
                    "{sentence} A snapshot must come at {RATE_BYTES_MIN} bytes a second, and all of it within \
                     {time_max:?} (limits.snapshot_timeout) and a second for each {BYTES_A_SECOND} bytes: send it \
                     compressed with gzip, or from nearer."
                ),
            )
        }
        BodyError::Refused { status, sentence } => ApiError::new(status, sentence),
        BodyError::ClientGone => ApiError::new(CLIENT_GONE, "the client is gone"),
    }
}
