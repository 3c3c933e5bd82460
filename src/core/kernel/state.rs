//! The truth: the state of every kind, and which of them a command is for.

use std::sync::Arc;

use crate::base::stdx::text::Text;
use crate::core::acl::state::AclState;
use crate::core::catalog::change::CatalogChange;
use crate::core::catalog::state::{self as catalog, CatalogState as Catalog, Moment};
use crate::core::kernel::changes::Changes;
use crate::core::kv::state::PairState;
use crate::core::model::acl::AclRecord;
use crate::core::model::{Command, CommandRefusal, Pair};

/// Everything the registry knows, owned by the one writer.
#[derive(Debug)]
pub struct State {
    /// Nodes, instances and checks.
    pub catalog: Catalog,
    /// Keys and their values.
    pub kv: PairState,
    /// Policies, roles and tokens.
    pub acl: AclState,
}

/// How much the registry may hold of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Nodes, instances and checks.
    pub catalog: catalog::CatalogBounds,
    /// Bytes of all keys and values.
    pub kv_bytes_max: usize,
    /// Bytes of all policies, roles and tokens.
    pub acl_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            catalog: catalog::CatalogBounds::default(),
            kv_bytes_max: usize::MAX,
            acl_bytes_max: usize::MAX,
        }
    }
}

/// What a command came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// What is different now; nothing when it said nothing new.
    pub changes: Changes,
    /// What its caller is told.
    pub outcome: Outcome,
}

/// What the caller of a command is told beside the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    #[default]
    Done,
    /// The condition under which it was to be carried out did not hold, so it was not.
    Unmet,
}

impl State {
    /// The state that holds these records, each once and nodes before what is on them, these pairs, and these
    /// records of access control; its own node is `own_node`.
    pub fn restored(
        own_node: &Text,
        bounds: Bounds,
        records: &[CatalogChange],
        pairs: Vec<Arc<Pair>>,
        acl: Vec<AclRecord>,
    ) -> State {
        State {
            catalog: Catalog::restored(own_node, bounds.catalog, records),
            kv: PairState::restored(bounds.kv_bytes_max, pairs),
            acl: AclState::restored(bounds.acl_bytes_max, acl),
        }
    }

    /// Carries out one command.
    ///
    /// # Errors
    /// A [`CommandRefusal`] when it makes no sense in this state; the state is then as before.
    pub fn apply(&mut self, moment: Moment, command: Command) -> Result<Applied, CommandRefusal> {
        match command {
            Command::WritePair(write) => {
                let (kv, is_met) = self.kv.apply(moment.index, &write)?;
                let outcome = if is_met { Outcome::Done } else { Outcome::Unmet };
                Ok(Applied { changes: Changes { kv, ..Changes::default() }, outcome })
            }
            Command::WriteAcl(write) => {
                let acl = self.acl.apply(moment.index, moment.now_ms, &write)?;
                Ok(Applied { changes: Changes { acl, ..Changes::default() }, ..Applied::default() })
            }
            Command::Restore(mut restoration) => {
                let pairs = std::mem::take(&mut restoration.pairs);
                let records = restoration.acl.take();
                let mut changes: Changes = self.catalog.apply(moment, Command::Restore(restoration))?.into();
                let kv = self.kv.restore(moment.index, &pairs);
                changes.kv = kv.inspect_err(|_| self.undo(&changes))?;
                if let Some(records) = records {
                    let acl = self.acl.restore(moment.index, &records);
                    changes.acl = acl.inspect_err(|_| self.undo(&changes))?;
                }
                Ok(Applied { changes, ..Applied::default() })
            }
            command => {
                let changes = self.catalog.apply(moment, command)?.into();
                Ok(Applied { changes, ..Applied::default() })
            }
        }
    }

    /// Takes back changes that [`State::apply`] made, the last ones first.
    pub fn undo(&mut self, changes: &Changes) {
        let Changes { catalog, kv, acl } = changes;
        self.catalog.undo(catalog);
        self.kv.undo(kv);
        self.acl.undo(acl);
    }

    /// How much each kind holds beyond its bounds, in sentences. It was written under larger ones then.
    pub fn excess(&self) -> impl Iterator<Item = String> {
        [self.catalog.excess(), self.kv.excess(), self.acl.excess()].into_iter().flatten()
    }
}
