//! How far Redis is: the checksum of its rows, whose rows they are, and what follows when that is compared with the
//! local disk. Pure: what was read goes in, a decision comes out.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::core::model::limits::INDEX_MAX;
use crate::store::checksums::RowChecksum;

/// Key of the row, in the table of facts about the registry, that says how these rows are related to those in Redis.
pub const META_KEY: &str = "redis";

/// How far the index leaps when rows are taken from Redis. It may lack the newest batches, which the lost directory had
/// and watchers saw; with a leap no client ever sees an index twice. Far above what one outage could have counted.
pub const INDEX_LEAP: u64 = 1 << 24;

/// Version of the position and of what it counts.
const FORMAT: u32 = 1;

/// The row under [`META_KEY`]; without one everything in it is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaMeta {
    /// How often a directory has been filled from Redis. Batches are counted anew after each, so two counts compare
    /// only within one epoch.
    pub epoch: u64,
    /// At which batch of the epoch before it was filled.
    pub after: u64,
    /// True while the directory is being filled: it is then no source of truth.
    #[serde(default)]
    pub is_filling: bool,
}

/// The value of the key `seal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaPosition {
    format: u32,
    /// The node whose rows these are.
    pub node_id: Uuid,
    /// See [`ReplicaMeta`].
    #[serde(flatten)]
    pub meta: ReplicaMeta,
    /// Checksum of the rows.
    #[serde(flatten)]
    pub checksum: RowChecksum,
    /// False while rows are being compared and put back: the checksum does not hold then.
    pub is_whole: bool,
}

impl ReplicaPosition {
    /// The position of complete rows.
    pub fn whole(node_id: Uuid, meta: ReplicaMeta, checksum: RowChecksum) -> Self {
        Self { format: FORMAT, node_id, meta, checksum, is_whole: true }
    }

    /// The position of rows that are not those of `checksum` yet.
    pub fn partly(node_id: Uuid, meta: ReplicaMeta, checksum: RowChecksum) -> Self {
        Self { is_whole: false, ..Self::whole(node_id, meta, checksum) }
    }

    /// The position as its text in Redis.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and an id always encodes")
    }

    /// Reads a position.
    ///
    /// # Errors
    /// A sentence when it is none of this version.
    pub fn decode(text: &[u8]) -> Result<Self, String> {
        let position: ReplicaPosition =
            serde_json::from_slice(text).map_err(|error| format!("its seal does not read: {error}"))?;
        if position.format != FORMAT {
            return Err(format!("its seal is of format {}, and this muster reads {FORMAT}", position.format));
        }
        let ReplicaPosition { meta, checksum, .. } = position;
        // A filling leaps ahead of the index.
        let numbers = [
            meta.epoch,
            meta.after,
            checksum.sequence,
            checksum.rows,
            checksum.index.saturating_add(INDEX_LEAP),
        ];
        match numbers.into_iter().find(|number| *number > INDEX_MAX) {
            Some(number) => {
                Err(format!("its seal counts to {number}, above {INDEX_MAX}, which no muster comes to"))
            }
            None => Ok(position),
        }
    }
}

/// What a Redis holds, as far as a few cheap questions tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisContents {
    /// The position, if there is one.
    pub position: Option<ReplicaPosition>,
    /// Rows in all hashes together.
    pub rows: u64,
}

/// What the local directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalContents {
    /// Whose directory it is.
    pub node_id: Uuid,
    /// How it is related to Redis.
    pub meta: ReplicaMeta,
    /// The checksum of its rows; sequence 0 when it is new.
    pub checksum: RowChecksum,
}

/// Which rows a start goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartSource {
    /// The local directory: Redis has the same, or less.
    Local,
    /// Redis: the directory is new, or older.
    Redis(ReplicaPosition),
    /// It cannot be known; the sentence says why and what to do.
    Neither(String),
}

/// Decides at a start. The higher of (epoch, batch) is newer, for each is only acknowledged when it is durable here,
/// and comes to Redis after that.
pub fn choose_start(local: &LocalContents, found: &RedisContents) -> StartSource {
    let is_new = local.checksum.sequence == 0 || local.meta.is_filling;
    let Some(position) = found.position else {
        return match (found.rows, is_new) {
            (_, false) => StartSource::Local,
            (0, true) if !local.meta.is_filling => StartSource::Local,
            (rows, true) => StartSource::Neither(format!(
                "it holds {rows} rows without a seal, so nobody can tell whether they are complete. Start with the \
                 data directory they came from, or choose another redis_prefix."
            )),
        };
    };
    if position.node_id != local.node_id && local.checksum.sequence != 0 {
        return StartSource::Neither(format!(
            "the prefix belongs to node {}, and the data directory to node {}. Choose another redis_prefix, or an \
             empty data_dir to go on with what is in Redis.",
            position.node_id, local.node_id
        ));
    }
    let mine = (local.meta.epoch, local.checksum.sequence);
    if !is_new && mine >= (position.meta.epoch, position.checksum.sequence) {
        return StartSource::Local;
    }
    let forks = position.meta.epoch > local.meta.epoch
        && (position.meta.epoch > local.meta.epoch + 1 || local.checksum.sequence > position.meta.after);
    if !is_new && forks {
        return StartSource::Neither(
            "another data directory was filled from it and has gone on, and this one has writes that it never saw. \
             Choose another redis_prefix for this directory, or move it away to go on with what is in Redis."
                .into(),
        );
    }
    if !position.is_whole || position.checksum.rows != found.rows {
        let remedy = if is_new {
            "Start with the data directory they came from, or restore a backup."
        } else {
            "If the rows came from this directory, delete the keys of the prefix, and it goes on alone; otherwise \
             start with the one they came from, or restore a backup."
        };
        return StartSource::Neither(format!(
            "it is ahead of the data directory, but its {} rows are not the {} of its seal: it was interrupted while \
             rows were put back, or altered. {remedy}",
            found.rows, position.checksum.rows
        ));
    }
    StartSource::Redis(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(1);

    fn checksum(sequence: u64) -> RowChecksum {
        RowChecksum { sequence, index: sequence, rows: 5, digest: sequence * 7 }
    }

    fn position(epoch: u64, after: u64, sequence: u64) -> ReplicaPosition {
        ReplicaPosition::whole(ID, ReplicaMeta { epoch, after, is_filling: false }, checksum(sequence))
    }

    fn local(epoch: u64, sequence: u64) -> LocalContents {
        LocalContents {
            node_id: ID,
            meta: ReplicaMeta { epoch, ..ReplicaMeta::default() },
            checksum: checksum(sequence),
        }
    }

    #[test]
    fn a_position_reads_back_as_written() {
        let position = position(2, 3, 4);
        assert_eq!(ReplicaPosition::decode(position.encode().as_bytes()), Ok(position));
        let golden = concat!(
            r#"{"format":1,"node_id":"00000000-0000-0000-0000-000000000001","epoch":2,"after":3,"#,
            r#""is_filling":false,"sequence":4,"index":4,"rows":5,"digest":28,"is_whole":true}"#
        );
        assert_eq!(position.encode(), golden);
        let other = golden.replace("\"format\":1", "\"format\":2");
        let counted = |number: u64| golden.replace("\"index\":4", &format!("\"index\":{number}"));
        assert!(ReplicaPosition::decode(counted(INDEX_MAX - INDEX_LEAP).as_bytes()).is_ok());
        let (past, last) = (counted(INDEX_MAX - INDEX_LEAP + 1), counted(u64::MAX));
        let epoch = golden.replace("\"epoch\":2", "\"epoch\":18446744073709551615");
        for text in ["", "{}", &other, &past, &last, &epoch] {
            assert!(ReplicaPosition::decode(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn the_higher_epoch_and_batch_has_the_truth() {
        let new = local(0, 0);
        let stranger = LocalContents { node_id: Uuid::from_u128(2), ..local(0, 9) };
        let filling =
            LocalContents { meta: ReplicaMeta { is_filling: true, ..ReplicaMeta::default() }, ..local(0, 3) };
        let partly = ReplicaPosition { is_whole: false, ..position(0, 0, 5) };
        let rows: &[(&str, LocalContents, Option<ReplicaPosition>, u64, &str)] = &[
            ("both empty", new, None, 0, "local"),
            ("Redis empty", local(0, 9), None, 0, "local"),
            ("Redis without its seal", local(0, 9), None, 5, "local"),
            ("nothing to hold it against", new, None, 5, "neither"),
            ("the same", local(0, 5), Some(position(0, 0, 5)), 5, "local"),
            ("Redis behind", local(0, 6), Some(position(0, 0, 5)), 5, "local"),
            ("Redis behind and damaged", local(0, 6), Some(partly), 4, "local"),
            ("Redis ahead", local(0, 4), Some(position(0, 0, 5)), 5, "redis"),
            ("Redis ahead and damaged", local(0, 4), Some(partly), 5, "neither"),
            ("Redis ahead and short of rows", local(0, 4), Some(position(0, 0, 5)), 4, "neither"),
            ("a new directory", new, Some(position(0, 0, 5)), 5, "redis"),
            (
                "a new directory of another id",
                LocalContents { node_id: Uuid::nil(), ..new },
                Some(position(3, 1, 5)),
                5,
                "redis",
            ),
            ("an interrupted filling", filling, Some(position(0, 0, 5)), 5, "redis"),
            ("an interrupted filling, Redis gone", filling, None, 0, "neither"),
            ("somebody else's", stranger, Some(position(0, 0, 5)), 5, "neither"),
            ("filled from Redis since", local(0, 7), Some(position(1, 7, 2)), 5, "redis"),
            ("forked", local(0, 8), Some(position(1, 7, 2)), 5, "neither"),
            ("forked twice", local(0, 7), Some(position(2, 7, 2)), 5, "neither"),
            ("just filled", local(1, 1), Some(position(0, 0, 500)), 5, "local"),
        ];
        for (name, local, position, held, expected) in rows {
            let verdict = choose_start(local, &RedisContents { position: *position, rows: *held });
            let found = match verdict {
                StartSource::Local => "local",
                StartSource::Redis(_) => "redis",
                StartSource::Neither(_) => "neither",
            };
            assert_eq!(found, *expected, "{name}: {verdict:?}");
        }
    }
}
