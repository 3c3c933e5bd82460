//! What becomes of stored records that break a rule of intake: a rule may be younger than the record, and a start does
//! not fail for that.
//!
//! A record stays as far as it does no harm: a check whose definition breaks a rule is kept and not run, a drain that
//! cannot be is forgotten, indexes and times come back into their range, and names stay as they are. The log says what
//! was mended; the stored row is as it was until the record changes. A transition that breaks a rule is forgotten.

use std::sync::Arc;

use crate::core::acl::row;
use crate::core::catalog::change::CatalogChange;
use crate::core::model::acl::AclRecord;
use crate::core::model::limits::TIME_MS_MAX;
use crate::core::model::validate::{Violation, checks, nodes, services, transitions};
use crate::core::model::{CheckDefinition, Indexes, Pair};
use crate::node::registry::history::HistoryEntry;
use crate::node::registry::rows;

/// Records that are named one by one.
const NAMED_MAX: usize = 20;

/// Mends records one after the other, and tells how many it was.
#[derive(Debug)]
pub struct Mending {
    /// The index that all rows are of.
    index: u64,
    mended: usize,
}

impl Mending {
    /// Of rows that may have any index up to `index`.
    pub fn new(index: u64) -> Mending {
        Mending { index, mended: 0 }
    }

    /// The record as it can be held.
    pub fn record(&mut self, mut record: CatalogChange) -> CatalogChange {
        let Err(fault) = check(&record, self.index) else { return record };
        match &mut record {
            CatalogChange::Node { after: Some(node), .. } => {
                let node = Arc::make_mut(node);
                node.indexes = self.within(node.indexes);
            }
            CatalogChange::Service { after: Some(service), .. } => {
                let is_broken =
                    |service: &mut crate::core::model::Service| services::check_held(service).is_err();
                let service = Arc::make_mut(service);
                service.indexes = self.within(service.indexes);
                let drain = service.drain.take();
                if !is_broken(service) {
                    // It was the drain.
                } else {
                    service.drain = drain;
                    service.proxy.iter_mut().for_each(|proxy| proxy.rest.clear());
                }
            }
            CatalogChange::Check { after: Some(check), .. } => {
                let check = Arc::make_mut(check);
                check.indexes = self.within(check.indexes);
                check.status_since_ms = check.status_since_ms.min(TIME_MS_MAX);
                if checks::check_held(check).is_err() {
                    check.definition = CheckDefinition::default().into();
                }
            }
            CatalogChange::Node { .. } | CatalogChange::Service { .. } | CatalogChange::Check { .. } => {}
        }
        self.log_fault(&rows::row(&record).key, &fault.to_string());
        record
    }

    /// The pair as it can be held.
    pub fn pair(&mut self, mut pair: Arc<Pair>) -> Arc<Pair> {
        if pair.indexes.modify > self.index {
            let indexes = self.within(pair.indexes);
            Arc::make_mut(&mut pair).indexes = indexes;
            self.log_fault(&pair.key, "its index is above that of all rows");
        }
        pair
    }

    /// The record of access control in a row as it can be held, with its secret sealed. Where it does not read and
    /// does not count there is none; the row stays.
    ///
    /// # Errors
    /// A sentence when it does not read and `counts`.
    pub fn acl(&mut self, key: &str, value: &[u8], counts: bool) -> Result<Option<AclRecord>, String> {
        match row::decode_sealed(key, value) {
            Ok(record) if record.indexes().modify > self.index => {
                self.log_fault(key, "its index is above that of all rows");
                Ok(Some(record.at(self.within(record.indexes()))))
            }
            Ok(record) => Ok(Some(record)),
            Err(fault) if counts => Err(fault),
            Err(fault) => {
                self.log_fault(key, &fault);
                Ok(None)
            }
        }
    }

    /// The transition in a row, if it can be held.
    pub fn transition(&mut self, key: &str, value: &[u8]) -> Option<HistoryEntry> {
        let read = rows::transition(key, value).and_then(|entry| {
            let transition = &entry.transition;
            transitions::check(transition).map_err(|fault| fault.to_string())?;
            let is_of_them = transition.index <= self.index;
            if is_of_them { Ok(entry) } else { Err("its index is above that of all rows".to_owned()) }
        });
        read.inspect_err(|fault| self.log_fault(key, &format!("forgotten: {fault}"))).ok()
    }

    /// Says what was not named one by one.
    pub fn end(self) {
        if self.mended > NAMED_MAX {
            log::warn!("{} further stored records break a rule as well", self.mended - NAMED_MAX);
        }
    }

    fn within(&self, indexes: Indexes) -> Indexes {
        let modify = indexes.modify.min(self.index);
        Indexes { create: indexes.create.min(modify), modify }
    }

    fn log_fault(&mut self, key: &str, fault: &str) {
        self.mended += 1;
        if self.mended <= NAMED_MAX {
            log::warn!(row = format!("{key:?}");
                "a stored record breaks a rule, and is held as far as it does no harm: {fault}");
        }
    }
}

/// The first rule that a record breaks.
fn check(record: &CatalogChange, index: u64) -> Result<(), Violation> {
    let above = |indexes: Indexes| {
        let fault = || Violation::new("its index is above that of all rows");
        if indexes.modify > index { Err(fault()) } else { Ok(()) }
    };
    match record {
        CatalogChange::Node { after: Some(node), .. } => {
            nodes::check_held(node).and_then(|()| above(node.indexes))
        }
        CatalogChange::Service { after: Some(it), .. } => {
            services::check_held(it).and_then(|()| above(it.indexes))
        }
        CatalogChange::Check { after: Some(check), .. } => {
            checks::check_held(check).and_then(|()| above(check.indexes))
        }
        CatalogChange::Node { .. } | CatalogChange::Service { .. } | CatalogChange::Check { .. } => Ok(()),
    }
}
