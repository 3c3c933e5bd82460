//! A snapshot of the registry at one index, and its bytes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::core::acl::row::SharedSeal;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::state::State;
use crate::core::model::Pair;
use crate::core::model::acl::{AclKind, AclRecord};
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::rows;
use crate::node::registry::snapshot::redaction;
use crate::store::change::{RowChange, Table};
use crate::store::snapshot::encode::Encoder;
use crate::store::snapshot::format::{FORMAT, SnapshotHeader};

/// Bytes that are encoded in one go: about a millisecond's work, and what a stream holds in memory.
const PIECE_BYTES: usize = 256 * 1024;

/// Every record at one index, as shared pointers: some 60 bytes each, whatever the records hold.
pub struct SnapshotView {
    /// Every change up to this index is in, none after it.
    pub index: u64,
    /// Every record of the catalog as the change that puts it into an empty one: nodes, then instances, then checks.
    records: Vec<CatalogChange>,
    pairs: Vec<Arc<Pair>>,
    acl: Vec<AclRecord>,
    history: Vec<HistoryEntry>,
    /// Whether it shows no secrets.
    is_redacted: bool,
    /// Under which it shows those of tokens.
    seal: SharedSeal,
}

impl SnapshotView {
    /// Takes the snapshot. Cost: a counter for each record, a few milliseconds for 100,000 instances.
    pub(in crate::node::registry) fn of(
        state: &State,
        index: u64,
        history: Vec<HistoryEntry>,
        seal: SharedSeal,
    ) -> SnapshotView {
        let node = |(key, record): (&_, &crate::core::catalog::node_record::NodeRecord)| {
            CatalogChange::Node { key: Clone::clone(key), before: None, after: Some(record.node().clone()) }
        };
        let (pairs, acl) = (state.kv.iter().cloned().collect(), state.acl.iter().cloned().collect());
        let state = &state.catalog;
        let mut records: Vec<CatalogChange> = state.nodes().map(node).collect();
        for (node, record) in state.nodes() {
            records.extend(record.services().iter().map(|(id, service)| CatalogChange::Service {
                node: node.clone(),
                id: id.clone(),
                before: None,
                after: Some(service.clone()),
            }));
        }
        for (node, record) in state.nodes() {
            records.extend(record.checks().iter().map(|(id, check)| CatalogChange::Check {
                node: node.clone(),
                id: id.clone(),
                before: None,
                after: Some(check.clone()),
            }));
        }
        SnapshotView { index, records, pairs, acl, history, is_redacted: false, seal }
    }

    /// The same without the secrets of checks and tokens.
    pub fn redacted(self) -> SnapshotView {
        SnapshotView { is_redacted: true, ..self }
    }

    /// The first line of its snapshot.
    pub fn header(&self, own: &OwnNode, now: jiff::Timestamp) -> SnapshotHeader {
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        let mut count = |table: Table| *rows.entry(table.name().to_owned()).or_default() += 1;
        self.records.iter().map(table_of).for_each(&mut count);
        self.pairs.iter().for_each(|_| count(Table::Kv));
        self.acl.iter().for_each(|_| count(Table::Acl));
        self.history.iter().for_each(|_| count(Table::History));
        let has_sealed = !self.is_redacted && self.acl.iter().any(|it| it.kind() == AclKind::Token);
        SnapshotHeader {
            muster_snapshot: FORMAT,
            muster_version: env!("CARGO_PKG_VERSION").to_owned(),
            node: own.name.to_string(),
            node_id: own.id.to_string(),
            datacenter: own.datacenter.to_string(),
            created_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            index: self.index,
            redacted: self.is_redacted,
            sealed_with: has_sealed.then(|| self.seal.key_id()),
            rows,
        }
    }

    /// Its row at that place: of the records, the pairs, access control, and then the history.
    fn row(&self, at: usize) -> Option<RowChange> {
        let SnapshotView { records, pairs, acl, history, is_redacted, seal, .. } = self;
        if let Some(record) = records.get(at) {
            return Some(match record {
                CatalogChange::Check { node, id, after: Some(check), .. } if *is_redacted => {
                    let (node, id, after) = (node.clone(), id.clone(), Some(redaction::check(check)));
                    rows::row(&CatalogChange::Check { node, id, before: None, after })
                }
                record => rows::row(record),
            });
        }
        let at = at - records.len();
        if let Some(pair) = pairs.get(at) {
            return Some(rows::pair_row(pair));
        }
        let at = at - pairs.len();
        match (acl.get(at), is_redacted) {
            (Some(record), true) => return Some(rows::acl_row(&redaction::acl(record), &**seal)),
            (Some(record), false) => return Some(rows::acl_row(record, &**seal)),
            (None, _) => {}
        }
        let entry = history.get(at - acl.len())?;
        Some(rows::transition_row(&if *is_redacted { redaction::transition(entry) } else { entry.clone() }))
    }

    /// Its bytes, piece by piece.
    pub fn encoding(self, header: &SnapshotHeader) -> Encoding {
        let mut begun = Vec::new();
        let encoder = Encoder::begin(header, &mut begun);
        Encoding { view: self, encoder: Some(encoder), next: 0, begun }
    }

    /// Writes all of its bytes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(self, header: &SnapshotHeader, out: &mut dyn Write) -> io::Result<()> {
        let mut encoding = self.encoding(header);
        while let Some(piece) = encoding.next_piece() {
            out.write_all(&piece)?;
        }
        Ok(())
    }
}

fn table_of(record: &CatalogChange) -> Table {
    match record {
        CatalogChange::Node { .. } => Table::Nodes,
        CatalogChange::Service { .. } => Table::Services,
        CatalogChange::Check { .. } => Table::Checks,
    }
}

/// The bytes of a snapshot on their way.
pub struct Encoding {
    view: SnapshotView,
    /// None once the end is encoded.
    encoder: Option<Encoder>,
    /// The next row.
    next: usize,
    /// What is encoded and not handed out yet.
    begun: Vec<u8>,
}

impl Encoding {
    /// The next bytes, some [`PIECE_BYTES`]; `None` after the last.
    pub fn next_piece(&mut self) -> Option<Vec<u8>> {
        let mut encoder = self.encoder.take()?;
        let mut piece = std::mem::take(&mut self.begun);
        piece.reserve(PIECE_BYTES + PIECE_BYTES / 4);
        while piece.len() < PIECE_BYTES {
            let Some(row) = self.view.row(self.next) else {
                encoder.end(&mut piece);
                return Some(piece);
            };
            encoder.row(row.table, &row.key, row.value.as_deref().unwrap_or(b"null"), &mut piece);
            self.next += 1;
        }
        self.encoder = Some(encoder);
        Some(piece)
    }
}
