//! How a registry begins: what is stored becomes what readers see, and the threads start that keep it up to date.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::sys::clock::Clock;
use crate::base::sys::supervision::{self, Habit};
use crate::config::acl::AclSettings;
use crate::core::catalog::change::CatalogChange;
use crate::core::kernel::state::Bounds;
use crate::core::model::acl::{AclRecord, AclRefusal, AclWrite, Token};
use crate::core::model::{Check, Command, CommandRefusal, NodeKey};
use crate::node::registry::Registry;
use crate::node::registry::access::AccessControl;
use crate::node::registry::checking::follower::CheckingFollower;
use crate::node::registry::checking::{Checking, Probing};
use crate::node::registry::draining::{Draining, DrainingFollower};
use crate::node::registry::error::WriteError;
use crate::node::registry::expiry::{ExpiryFollower, TokenExpiry};
use crate::node::registry::interner::Interner;
use crate::node::registry::own_node::OwnNode;
use crate::node::registry::panics::PanicThresholds;
use crate::node::registry::publish::Follower;
use crate::node::registry::queue::{WriteQueue, queue};
use crate::node::registry::read_model::ReadModel;
use crate::node::registry::recover::{RecoverError, recover};
use crate::node::registry::sealed::{AclStart, left_sealed};
use crate::node::registry::storage::Storage;
use crate::node::registry::waking::Waking;
use crate::node::registry::write::Writer;
use crate::store::error::StoreError;

/// How much of everything there may be at a time.
#[derive(Clone, Copy, Debug)]
pub struct RegistryBounds {
    /// Records.
    pub records: Bounds,
    /// Writes that wait for the writer.
    pub writes_waiting_max: usize,
    /// Blocking queries that wait.
    pub watchers_max: usize,
}

impl Registry {
    /// Loads what is stored, puts the agent's own node in, and starts the writer and the health engine. When this
    /// returns, every read is answered from the complete state.
    ///
    /// # Errors
    /// What the store finds wrong, or that it took not even the first write.
    pub fn open(
        own_node: OwnNode,
        mut storage: Storage,
        probing: Probing,
        bounds: RegistryBounds,
        acl: AclSettings,
        mut others: Vec<Box<dyn Follower>>,
    ) -> Result<Registry, OpenError> {
        if !acl.enabled {
            // What is sealed stays so, and no key is needed.
            storage.seal = left_sealed();
        }
        let seal = storage.seal.clone();
        let start = AclStart { is_enabled: acl.enabled, seal: &*seal, now_ms: Clock.unix_ms() };
        let recovered = recover(&mut *storage.store, &own_node, bounds.records, start);
        let recovered = recovered.map_err(OpenError::from)?;
        let (state, index) = (recovered.state, recovered.index);
        let access =
            AccessControl::new(acl, (&own_node.name, &own_node.datacenter), state.acl.clone(), index);
        let read_model = ReadModel::restored(&state, index, recovered.history, access, bounds.watchers_max)
            .map_err(OpenError::Thread)?;
        let (queue, tasks) = queue(bounds.writes_waiting_max);
        let checking = Checking::new(own_node.key(), probing, queue.clone());
        let checking = Arc::new(checking.map_err(OpenError::Thread)?);
        checking.restore(checks(&recovered.changes), &recovered.checkpoint, &recovered.silences);
        let follower = CheckingFollower::restored(checking.clone(), &recovered.changes);
        let draining = Draining::new(queue.clone(), Clock, &recovered.changes);
        let mut followers: Vec<Box<dyn Follower>> =
            vec![Box::new(follower), Box::new(DrainingFollower(draining.clone()))];
        let expiry =
            read_model.access.is_enabled().then(|| TokenExpiry::new(queue.clone(), Clock, &state.acl));
        followers.extend(expiry.iter().map(|it| Box::new(ExpiryFollower(it.clone())) as Box<dyn Follower>));
        followers.append(&mut others);
        let readers = (&read_model, Waking::start().map_err(OpenError::Thread)?);
        let mut writer = Writer::new(tasks, (state, index), storage, readers, followers);
        writer.commit_repairs(recovered.repairs).map_err(OpenError::OwnNode)?;
        let stats = queue.stats().clone();
        let has_work = move || stats.waiting.load(Ordering::Relaxed) > 0;
        supervision::thread_fed("writer", Habit::BEATS, has_work, move || writer.run(Clock))
            .map_err(OpenError::Thread)?;
        // Before anything else is written: it changes nothing, so a full disk takes it, but nothing after a refusal.
        queue.write(own_node.registration()).map_err(OpenError::OwnNode)?;
        if let Some(token) = read_model.access.missing_management(Clock.unix_ms()) {
            give_management(&queue, token).map_err(OpenError::OwnNode)?;
        }
        let engine = checking.clone();
        supervision::thread("health", Habit::BEATS, move || engine.run()).map_err(OpenError::Thread)?;
        let sentinel = checking.clone();
        supervision::thread("sentinel", Habit::BEATS, move || sentinel.run_watch())
            .map_err(OpenError::Thread)?;
        // Good for this start alone: by the next one it would be old.
        match queue.write_rows(recovered.checkpoint.removals()) {
            Ok(()) => {}
            Err(WriteError::Full { .. }) => checking.remove_later(recovered.checkpoint.keys()),
            Err(error) => return Err(OpenError::OwnNode(error)),
        }
        draining.catch_up();
        let keeper = draining.clone();
        supervision::thread("drains", Habit::BEATS, move || keeper.run()).map_err(OpenError::Thread)?;
        if let Some(expiry) = expiry {
            supervision::thread("tokens", Habit::BEATS, move || expiry.run()).map_err(OpenError::Thread)?;
        }
        Ok(Registry {
            own_node,
            seal,
            read_model,
            interner: Interner::default(),
            queue,
            checking,
            draining,
            panic_thresholds: PanicThresholds::default(),
            hot_queries: recovered.hot_queries,
            defined_ids: recovered.defined_ids.into(),
        })
    }
}

/// Makes the token that the configuration wants to be there, which may do everything. Nobody can have a first one by
/// asking then.
fn give_management(queue: &WriteQueue, token: Token) -> Result<(), WriteError> {
    let record = AclRecord::Token(Arc::new(token.clone()));
    let first = AclWrite::Bootstrap { token, reset_index: None };
    match queue.write(Command::WriteAcl(Box::new(first))) {
        Err(WriteError::Refused(CommandRefusal::Acl(AclRefusal::Bootstrapped { .. }))) => {
            queue.write(Command::WriteAcl(Box::new(AclWrite::Create(record)))).map(drop)
        }
        outcome => outcome.map(drop),
    }
}

fn checks(changes: &[CatalogChange]) -> impl Iterator<Item = (&NodeKey, &Arc<Check>)> {
    changes.iter().filter_map(|change| match change {
        CatalogChange::Check { node, after: Some(check), .. } => Some((node, check)),
        _ => None,
    })
}

/// Why a registry did not open.
#[derive(Debug)]
pub enum OpenError {
    /// The store could not be read.
    Store(StoreError),
    /// Somebody else's node has the agent's name: what the catalog says to that.
    NameTaken(CommandRefusal),
    /// A secret of access control does not open: a sentence with the remedy.
    Sealed(String),
    /// The agent's own node could not be written.
    OwnNode(WriteError),
    /// The system gave no thread, or no descriptor.
    Thread(std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Store(error) => formatter.write_str(&error.at_start()),
            OpenError::NameTaken(refusal) => write!(
                formatter,
                "{refusal}. That is a node somebody registered; start under another name (--node), then this one can \
                 be deregistered"
            ),
            OpenError::Sealed(sentence) => formatter.write_str(sentence),
            OpenError::OwnNode(error) => {
                write!(formatter, "the agent's own node could not be registered: {}", error.at_start())
            }
            OpenError::Thread(error) => {
                write!(
                    formatter,
                    "no thread or descriptor to be had: {error}; raise the limits of the process"
                )
            }
        }
    }
}

impl From<RecoverError> for OpenError {
    fn from(error: RecoverError) -> OpenError {
        match error {
            RecoverError::Store(error) => OpenError::Store(error),
            RecoverError::NameTaken(refusal) => OpenError::NameTaken(refusal),
            RecoverError::Sealed(sentence) => OpenError::Sealed(sentence),
        }
    }
}

impl std::error::Error for OpenError {}
