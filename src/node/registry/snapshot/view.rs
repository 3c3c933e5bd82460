//! A snapshot of the registry at one index, and its bytes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::state::State;
use crate::core::model::Pair;
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::rows;
use crate::node::registry::snapshot::redaction;
use crate::store::change::Table;
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
    history: Vec<HistoryEntry>,
    /// Whether it shows no secrets.
    is_redacted: bool,
}

impl SnapshotView {
    /// Takes the snapshot. Cost: a counter for each record, a few milliseconds for 100,000 instances.
    pub(in crate::node::registry) fn of(
        state: &State,
        index: u64,
        history: Vec<HistoryEntry>,
    ) -> SnapshotView {
        let node = |(key, record): (&_, &crate::core::catalog::node_record::NodeRecord)| {
            CatalogChange::Node { key: Clone::clone(key), before: None, after: Some(record.node().clone()) }
        };
        let pairs = state.kv.iter().cloned().collect();
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
        SnapshotView { index, records, pairs, history, is_redacted: false }
    }

    /// The same without the secrets of checks.
    pub fn redacted(self) -> SnapshotView {
        SnapshotView { is_redacted: true, ..self }
    }

    /// The first line of its snapshot.
    pub fn header(&self, own: &OwnNode, now: jiff::Timestamp) -> SnapshotHeader {
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        let mut count = |table: Table| *rows.entry(table.name().to_owned()).or_default() += 1;
        self.records.iter().map(table_of).for_each(&mut count);
        self.pairs.iter().for_each(|_| count(Table::Kv));
        self.history.iter().for_each(|_| count(Table::History));
        SnapshotHeader {
            muster_snapshot: FORMAT,
            muster_version: env!("CARGO_PKG_VERSION").to_owned(),
            node: own.name.to_string(),
            node_id: own.id.to_string(),
            datacenter: own.datacenter.to_string(),
            created_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            index: self.index,
            redacted: self.is_redacted,
            rows,
        }
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
    /// The next row: of the records, the pairs, and then the history.
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
        let SnapshotView { records, pairs, history, is_redacted, .. } = &self.view;
        while piece.len() < PIECE_BYTES {
            let row = match records.get(self.next) {
                Some(CatalogChange::Check { node, id, after: Some(check), .. }) if *is_redacted => {
                    let (node, id, after) = (node.clone(), id.clone(), Some(redaction::check(check)));
                    rows::row(&CatalogChange::Check { node, id, before: None, after })
                }
                Some(record) => rows::row(record),
                None => match (
                    pairs.get(self.next - records.len()),
                    self.next.checked_sub(records.len() + pairs.len()).and_then(|at| history.get(at)),
                ) {
                    (Some(pair), _) => rows::pair_row(pair),
                    (_, Some(entry)) if *is_redacted => rows::transition_row(&redaction::transition(entry)),
                    (_, Some(entry)) => rows::transition_row(entry),
                    _ => {
                        encoder.end(&mut piece);
                        return Some(piece);
                    }
                },
            };
            encoder.row(row.table, &row.key, row.value.as_deref().unwrap_or(b"null"), &mut piece);
            self.next += 1;
        }
        self.encoder = Some(encoder);
        Some(piece)
    }
}
