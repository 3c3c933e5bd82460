//! What definition files define at present, by id: kept over a restart, so that the next start takes back what the
//! files no longer say, as a reload does.
//!
//! One row beside the registry's records, without an index. It is written before what is new is registered and after
//! what is old is gone, so whenever the process ends, everything that files brought is in it.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::base::stdx::text::Text;
use crate::core::model::{Defined, stored};
use crate::store::change::{RowChange, Table};

/// The row's key in [`Table::Meta`].
const KEY: &str = "files/defined";

/// Ids of what files define.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinedIds {
    pub(super) services: BTreeSet<Text>,
    pub(super) checks: BTreeSet<Text>,
}

impl DefinedIds {
    pub(super) fn of(defined: &[Defined]) -> DefinedIds {
        let services = defined.iter().filter_map(|it| it.service.as_ref()).map(|service| service.id.clone());
        let checks = defined.iter().flat_map(|it| it.checks.iter().map(|check| check.id.clone()));
        DefinedIds { services: services.collect(), checks: checks.collect() }
    }

    pub(super) fn with(&self, other: &DefinedIds) -> DefinedIds {
        DefinedIds { services: &self.services | &other.services, checks: &self.checks | &other.checks }
    }
}

/// The ids as they are known, under a lock that is held while they change: two reloads do not mix.
pub(super) type KnownIds = Mutex<DefinedIds>;

/// Takes the ids from a row of [`Table::Meta`], if it is the one.
///
/// # Errors
/// A sentence when it is not as [`row`] writes it.
pub(super) fn read(key: &str, value: &[u8]) -> Result<Option<DefinedIds>, String> {
    match key {
        KEY => stored::read(key, value).map(Some),
        _ => Ok(None),
    }
}

/// The row that keeps them.
pub(super) fn row(ids: &DefinedIds) -> RowChange {
    RowChange::put(Table::Meta, KEY, serde_json::to_vec(ids).expect("two lists of texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_come_back() {
        let ids = DefinedIds { services: ["web".into()].into(), checks: ["service:web".into()].into() };
        let row = row(&ids);
        let value = row.value.expect("it is put");
        assert_eq!(read(&row.key, &value), Ok(Some(ids)));
        assert_eq!(read("health/000000", b"no JSON"), Ok(None));
        assert!(read(&row.key, b"[]").is_err_and(|error| error.contains(KEY)));
    }
}
