//! What commands have changed, kind by kind.
//!
//! A list for each kind, and not one of all: whoever follows one kind has nothing to pass over, and since no record of
//! one kind is in another's table, the order between lists says nothing.

use crate::core::acl::change::AclChange;
use crate::core::catalog::change::CatalogChange;
use crate::core::kv::change::PairChange;

/// The changes of one command or of a batch, each list in its order.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Nodes, instances and checks.
    pub catalog: Vec<CatalogChange>,
    /// Keys.
    pub kv: Vec<PairChange>,
    /// Policies, roles and tokens.
    pub acl: Vec<AclChange>,
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        let Changes { catalog, kv, acl } = self;
        catalog.is_empty() && kv.is_empty() && acl.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let Changes { catalog, kv, acl } = self;
        catalog.len() + kv.len() + acl.len()
    }

    /// Adds those of a later command.
    pub fn extend(&mut self, later: Changes) {
        let Changes { catalog, kv, acl } = later;
        self.catalog.extend(catalog);
        self.kv.extend(kv);
        self.acl.extend(acl);
    }
}

impl From<Vec<CatalogChange>> for Changes {
    fn from(catalog: Vec<CatalogChange>) -> Changes {
        Changes { catalog, ..Changes::default() }
    }
}
