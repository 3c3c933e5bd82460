//! What a snapshot looks like: lines of JSON, one row a line, a header before them and a trailer behind.
//!
//! ```text
//! {"muster_snapshot":1,"muster_version":"0.1.0","node":"n1",…,"index":7,"rows":{"nodes":1,"services":1}}
//! {"table":"nodes","key":"n1","value":{…}}
//! {"table":"services","key":"n1\tweb","value":{…}}
//! {"end":{"rows":2,"bytes":291,"sha256":"9f86d0…"}}
//! ```
//!
//! The trailer counts the rows and the bytes before it and holds their SHA-256, so a stream that was cut anywhere shows
//! as cut, and one in which any bit is another shows as damaged. The tables stand in the order of [`Table::ALL`], so
//! what is referred to comes before what refers to it. Every line ends in a line feed, and nothing follows the last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::store::change::Table;

/// Version of the format. Raised whenever an older muster would misread a snapshot.
pub const FORMAT: u32 = 1;

/// How every snapshot begins.
pub const OPENING: &str = "{\"muster_snapshot\":";

/// The longest line. A row is bounded by the longest request body that may be configured (64 MiB); without a bound of
/// its own a file without line feeds would be read into memory whole.
pub const LINE_BYTES_MAX: usize = 80 << 20;

/// The tables that are part of a snapshot. Facts about the directory they came from and what waits for webhooks are
/// not.
pub const TABLES: [Table; 6] =
    [Table::Nodes, Table::Services, Table::Checks, Table::Kv, Table::Acl, Table::History];

/// The first line: what this is of, and how much there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHeader {
    /// Version of the format; see [`FORMAT`].
    pub muster_snapshot: u32,
    /// The muster that wrote it.
    pub muster_version: String,
    /// Name of the agent's own node.
    pub node: String,
    /// UUID of that node.
    pub node_id: String,
    /// The datacenter.
    pub datacenter: String,
    /// When, RFC 3339.
    pub created_at: String,
    /// The registry's index: every change up to it is in, none after it.
    pub index: u64,
    /// Whether secrets are left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// The id of the key under which secrets of tokens are sealed in it, and without which they do not open; empty
    /// where whoever took it has no key. `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_with: Option<String>,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

impl SnapshotHeader {
    /// Rows of all tables.
    pub fn rows_total(&self) -> u64 {
        self.rows.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// The last line, as its bytes: of a snapshot of `rows` rows in `bytes` bytes with this digest.
pub(super) fn trailer_line(rows: u64, bytes: u64, digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{TRAILER_OPENING}{{\"rows\":{rows},\"bytes\":{bytes},\"sha256\":\"{hex}\"}}}}\n")
}

/// How the last line begins, and no other.
pub(super) const TRAILER_OPENING: &str = "{\"end\":";
