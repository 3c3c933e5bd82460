//! What definition files say, brought into force as one change.

use std::collections::BTreeSet;

use crate::base::stdx::text::Text;
use crate::core::model::{Command, Defined, Definitions};
use crate::node::registry::Registry;
use crate::node::registry::checking::programs::Armed;
use crate::node::registry::defined_ids::{self, DefinedIds};
use crate::node::registry::error::WriteError;
use crate::node::registry::queue::Written;

impl Registry {
    /// Has the agent's node hold what files define, as one change, and no longer what they defined before. Checks may
    /// run the programs that these files name from then on, and no others. Blocks on the disk, so it is for threads
    /// only.
    ///
    /// # Errors
    /// See [`WriteError`]; everything is then as it was.
    pub fn define(&self, defined: Vec<Defined>) -> Result<Written, WriteError> {
        let mut known = self.defined_ids.lock();
        let now = DefinedIds::of(&defined);
        let armed = Armed::by(defined.iter().flat_map(|it| &it.checks));
        let during = known.with(&now);
        if during != *known {
            self.queue.write_rows(vec![defined_ids::row(&during)])?;
        }
        let gone = |of: fn(&DefinedIds) -> &BTreeSet<Text>| (of(&known) - of(&now)).into_iter().collect();
        let mut command = Command::Define(Box::new(Definitions {
            node: self.own_node.name.clone(),
            gone_services: gone(|ids| &ids.services),
            gone_checks: gone(|ids| &ids.checks),
            defined,
        }));
        *known = during;
        self.interner.intern(&mut command);
        let armed_before = self.checking.armed();
        self.checking.arm(armed);
        // What did not come into force is not armed either.
        let written = self.queue.write(command).inspect_err(|_| self.checking.arm(armed_before))?;
        self.checking.tell_of_programs_kept();
        if *known != now {
            self.queue.write_rows(vec![defined_ids::row(&now)])?;
            *known = now;
        }
        Ok(written)
    }
}
