//! What was asked for most, left by an orderly end for the next start to make ready.
//!
//! One row beside the registry's records, without an index. It is replaced by the next orderly end; after a crash the
//! list is that of the end before, which is as good a guess.

use serde::{Deserialize, Serialize};

use crate::core::model::stored;
use crate::store::change::{RowChange, Table};

/// The row's key in [`Table::Meta`].
const KEY: &str = "cache/asked";

/// A query, and how often it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotQuery {
    /// The target of a request that asks it.
    pub target: String,
    /// How often.
    pub count: u64,
}

/// Takes the list from a row of [`Table::Meta`], if it is the one.
///
/// # Errors
/// A sentence when it is not as [`row`] writes it.
pub fn read(key: &str, value: &[u8]) -> Result<Option<Vec<HotQuery>>, String> {
    match key {
        KEY => stored::read(key, value).map(Some),
        _ => Ok(None),
    }
}

/// The row that keeps the list.
pub fn row(queries: &[HotQuery]) -> RowChange {
    RowChange::put(Table::Meta, KEY, serde_json::to_vec(queries).expect("a list of texts and numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_comes_back() {
        let queries = vec![HotQuery { target: "/v1/health/service/web?passing".into(), count: 7 }];
        let row = row(&queries);
        let value = row.value.expect("it is put");
        assert_eq!(read(&row.key, &value), Ok(Some(queries)));
        assert_eq!(read("health/000000", b"no JSON"), Ok(None));
        assert!(read(&row.key, b"{}").is_err_and(|error| error.contains(KEY)));
    }
}
