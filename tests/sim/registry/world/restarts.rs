//! Ends and starts of processes, and what a start must find.

use std::collections::BTreeMap;

use muster::node::registry::recover::INDEX_OF_NOTHING;
use muster::store::error::StoreError;
use muster::store::redis::settings::OnOutage;

use super::kept::{Lost, leapt};
use super::{Judged, Outcome, World, own_node};
use crate::registry::commands::OWN_ID;
use crate::registry::disk::Disk;
use crate::registry::disk::engine::Slip;
use crate::registry::oracle::{Catalog, compare};
use crate::registry::plan::{End, Harm, OWN_NAMES, Restart};
use crate::registry::process::{Process, Setting};
use crate::registry::redis::faults::Blow;
use crate::registry::tally::Kind;

/// Starts that are tried one after the other; every fault strikes once, so that more are never needed.
const STARTS_MAX: usize = 8;

/// What a start may trip over.
#[derive(Default)]
struct Trouble {
    /// The files as they were before they were harmed, if they were.
    copy: Option<BTreeMap<String, Vec<u8>>>,
    /// The directory that was lost, if one was.
    lost: Option<Lost>,
    slip: Option<Slip>,
}

impl World<'_> {
    /// Nothing runs any more, and nothing bad is going to happen.
    pub(super) fn end_process(&mut self) {
        self.process = None;
        self.with_disk(|disk| {
            disk.disarm();
            disk.is_full = false;
            disk.restart();
        });
    }

    /// The process has ended within a call, and starts again.
    pub(super) fn start_after_death(&mut self) -> Judged {
        self.note(|| "  the process ended within this".into());
        self.end_process();
        self.start_calmly()
    }

    /// A start that nothing disturbs.
    pub(super) fn start_calmly(&mut self) -> Judged {
        self.start(Trouble::default())
    }

    pub(super) fn restart(&mut self, restart: &Restart) -> Judged {
        if let Some(process) = self.process.take()
            && restart.end == End::Orderly
        {
            process.end();
        }
        let copy = self.with_disk(|disk| {
            disk.disarm();
            match restart.end {
                End::Killed => Kind::Killed.count(),
                End::PowerCut => disk.is_cut = true,
                End::Orderly => {}
            }
            let is_cut = disk.loses_unsynced();
            disk.restart();
            let copy = disk.picture();
            // Damage to what was safe, with the power failing as well, is beyond any promise.
            let harm = restart.harm.filter(|_| !is_cut);
            harm.iter().for_each(|harm| harm.strike(disk));
            Some(copy).filter(|copy| *copy != disk.picture())
        });
        if let Some(name) = restart.name
            && OWN_NAMES[name] != self.own_name
        {
            Kind::Renamed.count();
            self.own_name = OWN_NAMES[name];
        }
        let lost = if restart.is_directory_lost { self.lose_directory() } else { None };
        if let Some((fault, calls)) = restart.fault {
            self.with_disk(|disk| disk.arm(fault, calls));
        }
        self.start(Trouble { copy, lost, slip: restart.slip })
    }

    /// Starts until a process serves.
    fn start(&mut self, mut trouble: Trouble) -> Judged {
        self.is_serving = false;
        for _ in 0..STARTS_MAX {
            if let Some(process) = self.try_start(&mut trouble)? {
                self.judge_start(&process)?;
                self.process = Some(process);
                if self.settle_in()? {
                    self.is_serving = true;
                    let topics = self.process().shown.topics.clone();
                    return self.watchers.after_start(&topics, &self.truth);
                }
            }
        }
        Err(format!("no process serves after {STARTS_MAX} starts"))
    }

    /// One start; `None` when it had to fail, with its cause out of the way.
    fn try_start(&mut self, trouble: &mut Trouble) -> Result<Option<Process>, String> {
        let (before, armed) = self.with_disk(|disk| (disk.picture(), disk.armed()));
        let setting = Setting {
            disk: &self.disk,
            redis: self.plan.on_outage.map(|on_outage| (&self.redis, on_outage)),
            own_name: self.own_name,
            nodes_max: self.plan.nodes_max,
            slip: trouble.slip,
            mutant: self.mutant,
        };
        let started = Process::start(&setting);
        let (is_dead, is_armed, is_full) =
            self.with_disk(|disk| (disk.is_dead, disk.is_armed(), disk.is_full));
        let has_struck = armed.is_some() && !is_armed;
        if is_dead {
            Kind::StartCut.count();
            self.note(|| "  the start is cut short".into());
            self.with_disk(|disk| disk.restart());
            return Ok(None);
        }
        let error = match started {
            Ok(process) => return Ok(Some(process)),
            Err(error) => error,
        };
        self.note(|| format!("  no start: {error}"));
        let was_well = !self.redis.server().is_troubled;
        let is_lost = trouble.lost.as_ref().is_some_and(|lost| !lost.is_in_redis);
        // Redis has a batch more, which was refused, and rows less: nobody can tell whether it is to be trusted.
        let is_open = trouble.lost.is_none() && !self.doubts.is_empty() && !self.redis.server().is_whole();
        let is_harmed = trouble.copy.is_some() || trouble.slip.is_some() || is_lost || is_open;
        let has_reason = is_harmed || has_struck || is_full || !was_well;
        if !has_reason {
            return Err(format!("a start is refused for no reason: {error}"));
        }
        if matches!(error, StoreError::Damaged { .. }) && !has_struck {
            self.judge_untouched(&before)?;
        }
        // First whatever struck this start is over, and then there is only the damage itself.
        if !has_struck {
            trouble.slip = None;
            if let Some(copy) = trouble.copy.take() {
                self.with_disk(|disk| disk.put_back(&copy));
            }
        }
        if is_lost
            && was_well
            && let Some(lost) = trouble.lost.take()
        {
            self.find_directory(lost);
        }
        if is_open && was_well {
            // As the refusal says: this directory is the newest.
            self.redis.server().suffer(self.now(), Blow::Flush);
        }
        self.with_disk(|disk| disk.is_full = false);
        self.redis.server().heal(self.now());
        Ok(None)
    }

    /// A start that refuses leaves every file as it was.
    fn judge_untouched(&self, before: &BTreeMap<String, Vec<u8>>) -> Judged {
        let after = self.with_disk(|disk| disk.picture());
        let changed = before.iter().find(|(name, bytes)| after.get(*name) != Some(*bytes));
        match changed {
            Some((name, _)) => Err(format!("a start that was refused has changed {name}")),
            None => Ok(()),
        }
    }

    /// What a start shows is what was acknowledged, or that and one batch of which nobody was told, whole.
    fn judge_start(&mut self, process: &Process) -> Judged {
        let renamed = |mut catalog: Catalog| {
            let index = catalog.index;
            catalog.rename_own(&self.own_name.into());
            let is_renamed = catalog.index > index;
            catalog.begin_access(is_renamed);
            catalog
        };
        let index = process.index_at_start;
        let mut stored: Vec<Catalog> = [self.truth.clone()]
            .into_iter()
            .chain(self.doubts.drain(..))
            .map(|it| Catalog { index: it.index.max(INDEX_OF_NOTHING), ..it })
            .collect();
        // Taken from Redis before it was renamed, or after.
        let begun = |it: &Catalog| [renamed(leapt(it.clone(), index)), leapt(renamed(it.clone()), index)];
        let mut possible: Vec<Catalog> = stored.iter().flat_map(begun).collect();
        let judged: Vec<Judged> = possible.iter().map(|it| fits(it, process)).collect();
        let Some(found) = judged.iter().position(|it| it.is_ok()) else {
            let [first, ..] = &judged[..] else { unreachable!("there is always the truth") };
            let others = judged.len() - 1;
            let complaint = first.clone().expect_err("nothing fits");
            return Err(format!(
                "a start shows what was never acknowledged ({others} others possible): {complaint}"
            ));
        };
        if found > 0 {
            self.note(|| "  the batch whose end nobody knew is there".into());
            // Redis may go back to when it was there and this start had not leapt yet.
            let before = stored.swap_remove(found / 2);
            self.known.entry(before.index).or_default().push(before);
        }
        self.truth = possible.swap_remove(found);
        if self.plan.on_outage == Some(OnOutage::Reject) {
            // Redis may hold what was refused, and take it into a later start, until it is well again.
            self.doubts = possible;
        }
        self.remember();
        // Every start holds Redis against the disk.
        self.redis.server().is_noticed = true;
        (self.has_failed, self.is_troubled, self.is_disk_open) = (false, false, false);
        Ok(())
    }

    /// The agent puts its own node in and removes what the last process left for this one; tells whether it could.
    fn settle_in(&mut self) -> Result<bool, String> {
        let registration = own_node(self.own_name).registration();
        let removals = self.process().removals.clone();
        for (commands, rows) in [(vec![registration], vec![]), (vec![], removals)] {
            if commands.is_empty() && rows.is_empty() {
                continue;
            }
            let outcome = self.batch(&commands, &rows)?;
            let id = self.truth.nodes.get(&self.truth.own).map(|it| it.id.as_str());
            if matches!(outcome, Outcome::Done) && id != Some(OWN_ID) {
                return Err("the agent cannot register its own node, so that it never starts again".into());
            }
            match outcome {
                Outcome::Done => {}
                Outcome::Died | Outcome::Refused => {
                    self.end_process();
                    self.redis.server().heal(self.now());
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

/// Whether a process shows this catalog and no other.
fn fits(catalog: &Catalog, process: &Process) -> Judged {
    compare(catalog, &process.shown)?;
    if catalog.index != process.index_at_start {
        return Err(format!("index {} is at {}", catalog.index, process.index_at_start));
    }
    if catalog.rows() as u64 != process.rows_at_start {
        return Err(format!("{} rows are {}", catalog.rows(), process.rows_at_start));
    }
    let mut beside: Vec<&str> = process.removals.iter().map(|it| it.key.as_str()).collect();
    beside.sort_unstable();
    let mut expected: Vec<&str> = catalog.beside.iter().map(String::as_str).collect();
    expected.sort_unstable();
    if beside != expected {
        return Err(format!("beside the records should be {expected:?}, and is {beside:?}"));
    }
    Ok(())
}

impl Harm {
    fn strike(self, disk: &mut Disk) {
        let before = disk.picture();
        match self {
            Harm::Flip(name, share) => disk.harm(name, |bytes| {
                let bit = bytes.len() * 8 * share / 65_536;
                if let Some(byte) = bytes.get_mut(bit / 8) {
                    *byte ^= 1 << (bit % 8);
                }
            }),
            Harm::Truncate(name, share) => disk.harm(name, |bytes| {
                let length = bytes.len() * share / 65_536;
                bytes.truncate(length);
            }),
            Harm::Lose(name) => disk.lose(name),
        }
        if before != disk.picture() {
            match self {
                Harm::Flip(..) => Kind::Flipped.count(),
                Harm::Truncate(..) => Kind::Truncated.count(),
                Harm::Lose(_) => Kind::FileGone.count(),
            }
        }
    }
}
