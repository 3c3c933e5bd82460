//! One life: a registry with its store on a disk that fails, clients that write and watch, processes that end in every
//! way, and after each of them the question whether everything is there that was promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster::core::kernel::state;
use muster::core::model::Command;
use muster::node::registry::error::WriteError;
use muster::node::registry::queue::{WriteReply, Written};
use muster::store::change::{RowChange, Table};
use muster::store::redis::settings::OnOutage;

use crate::registry::commands::in_words;
use crate::registry::disk::Disk;
use crate::registry::disk::engine::SharedDisk;
use crate::registry::disk::ground::ModelGround;
use crate::registry::mutants::Mutant;
use crate::registry::oracle::{Catalog, Expected, compare};
use crate::registry::plan::{Action, OWN_NAMES, Plan};
use crate::registry::process::{Process, own_node};
use crate::registry::redis::line::ModelRedis;
use crate::registry::tally::Kind;
use crate::registry::watchers::Watchers;
use crate::runner::Failure;
use crate::trace::Trace;

mod ghosts;
mod kept;
mod restarts;

/// The calendar at the beginning of the world, in milliseconds of Unix time.
pub const BEGINNING_MS: u64 = 1_700_000_000_000;

/// Nodes of the agent's own that clients watch.
const WATCHED: [&str; 2] = [OWN_NAMES[0], OWN_NAMES[2]];

/// Time from one action to the next.
const PACE: Duration = Duration::from_millis(10);

/// Right, or what is not.
type Judged = Result<(), String>;

/// One life, as it goes.
pub struct World<'a> {
    plan: &'a Plan,
    clock_off_ms: i64,
    disk: SharedDisk,
    /// Beside the disk, whether the registry knows of it or not.
    redis: Arc<ModelRedis>,
    /// Directories that there were before this one.
    lost_directories: u64,
    /// What was acknowledged, at each index.
    known: BTreeMap<u64, Vec<Catalog>>,
    process: Option<Process>,
    own_name: &'static str,
    /// What was acknowledged.
    truth: Catalog,
    /// What may be there instead after a restart: batches whose end nobody was told, each whole.
    doubts: Vec<Catalog>,
    /// Clients are let in.
    is_serving: bool,
    /// The store of this process has said that it takes no more writes.
    has_failed: bool,
    /// The disk had no room for the last batch, and holds it or not.
    is_disk_open: bool,
    /// Something has gone wrong in this process, so that refusals are no wonder.
    is_troubled: bool,
    watchers: Watchers,
    /// What a mutant carries out later.
    remembered: Vec<Command>,
    mutant: Option<Mutant>,
    trace: Trace,
}

/// What a batch was answered.
enum Outcome {
    Done,
    /// The store refused it.
    Refused,
    /// The process ended within it.
    Died,
}

impl<'a> World<'a> {
    /// A new world in which nothing has happened.
    pub fn new(plan: &'a Plan, seed: u64, mutant: Option<Mutant>, trace: Trace) -> World<'a> {
        let disk = Arc::new(Mutex::new(Disk::new(!seed)));
        ModelGround::lay_out(&disk, 0);
        let redis = Arc::new(ModelRedis::new(seed, disk.clone(), mutant));
        redis.server().owner = ModelGround::owner(0);
        disk.lock().expect("no holder panics").lies = mutant == Some(Mutant::NeverSyncs);
        let own_name = OWN_NAMES[0];
        World {
            plan,
            clock_off_ms: 0,
            disk,
            redis,
            lost_directories: 0,
            known: BTreeMap::new(),
            process: None,
            own_name,
            truth: Catalog { own: own_name.into(), nodes_max: plan.nodes_max, ..Catalog::default() },
            doubts: Vec::new(),
            is_serving: false,
            has_failed: false,
            is_disk_open: false,
            is_troubled: false,
            watchers: Watchers::new(&WATCHED, mutant),
            remembered: Vec::new(),
            mutant,
            trace,
        }
    }

    /// Lives to the end, or to the first complaint.
    ///
    /// # Errors
    /// The complaint.
    pub fn live(mut self) -> Result<(), Failure> {
        let lived = self.live_on();
        let now = self.now();
        lived.map_err(|complaint| (format!("{now:?}: {complaint}"), self.trace))
    }

    fn live_on(&mut self) -> Judged {
        self.start_calmly()?;
        for action in &self.plan.actions {
            self.pass(PACE);
            self.note(|| match action {
                Action::Write(commands) => format!("write {} commands", commands.len()),
                other => format!("{other:?}"),
            });
            self.act(action)?;
        }
        self.note(|| "the end: all is well, and the process starts once more".into());
        self.end_process();
        self.start_calmly()
    }

    fn act(&mut self, action: &Action) -> Judged {
        match action {
            Action::Write(commands) => self.write(commands)?,
            Action::Beside(count) => self.write_beside(*count)?,
            Action::Wait(time) => self.pass(*time),
            Action::SetClock(by_ms) => {
                Kind::ClockSet.count();
                self.clock_off_ms += by_ms;
            }
            Action::Arm(fault, calls) => self.with_disk(|disk| disk.arm(*fault, *calls)),
            Action::Full(is_full) => self.with_disk(|disk| disk.is_full = *is_full),
            Action::Restart(restart) => self.restart(restart)?,
            Action::ArmRedis(fault, questions) => self.redis.server().arm(*fault, *questions),
            Action::SetRedis(condition, lasts) => self.redis.server().set(self.now(), *condition, *lasts),
            Action::StrikeRedis(blow) => self.redis.server().suffer(self.now(), *blow),
            Action::HealRedis => self.heal_redis()?,
            Action::Stall(time) => self.stall(*time),
        }
        self.look_at_thread()
    }

    /// Milliseconds of Unix time by the calendar.
    fn now_ms(&self) -> u64 {
        BEGINNING_MS + self.now().as_millis() as u64 + self.clock_off_ms.max(0) as u64
            - self.clock_off_ms.min(0).unsigned_abs()
    }

    fn with_disk<T>(&self, act: impl FnOnce(&mut Disk) -> T) -> T {
        act(&mut self.disk.lock().expect("no holder panics"))
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("a process runs between actions")
    }

    /// Clients' commands, all in one batch.
    fn write(&mut self, commands: &[Command]) -> Judged {
        match self.batch(commands, &[])? {
            Outcome::Died => self.start_after_death(),
            Outcome::Done | Outcome::Refused => Ok(()),
        }
    }

    /// Rows beside the records: so many there are from now on.
    fn write_beside(&mut self, count: usize) -> Judged {
        let key = |number: usize| format!("health/{number:06}");
        let gone = self.truth.beside.iter().map(|key| RowChange::delete(Table::Meta, key.as_str()));
        let put = (0..count).map(|number| RowChange::put(Table::Meta, key(number), "[]"));
        let rows: Vec<RowChange> = gone.chain(put).collect();
        match self.batch(&[], &rows)? {
            Outcome::Died => self.start_after_death(),
            Outcome::Done | Outcome::Refused => Ok(()),
        }
    }

    /// One batch of commands and rows through the writer, and the time that the disk takes for it.
    fn batch(&mut self, commands: &[Command], rows: &[RowChange]) -> Result<Outcome, String> {
        let outcome = self.carry_out(commands, rows)?;
        let delay_ms = self.with_disk(|disk| std::mem::take(&mut disk.delay_ms));
        self.pass(Duration::from_millis(delay_ms));
        Ok(outcome)
    }

    /// The batch itself, and everything that has to hold afterwards.
    fn carry_out(&mut self, commands: &[Command], rows: &[RowChange]) -> Result<Outcome, String> {
        let now_ms = self.now_ms();
        let mut next = self.truth.clone();
        let (mut expected, mut steps) = (Vec::new(), Vec::new());
        for command in commands {
            expected.push(next.apply(now_ms, command));
            if self.is_serving {
                steps.push(next.clone());
            }
        }
        for row in rows {
            next.beside.retain(|key| *key != row.key);
            next.beside.extend(row.value.as_ref().map(|_| row.key.clone()));
        }
        for (command, expected) in commands.iter().zip(&expected) {
            self.note(|| format!("  {} -> {expected:?}", in_words(command)));
        }
        let mut process = self.process.take().expect("a process runs between actions");
        let shown = process.shown.clone();
        for command in std::mem::take(&mut self.remembered) {
            process.submit(command).map_err(|error| error.to_string())?;
        }
        let hand_in = |command: &Command| process.submit(command.clone()).map_err(|error| error.to_string());
        let mut replies = commands.iter().map(hand_in).collect::<Result<Vec<_>, _>>()?;
        if !rows.is_empty() {
            replies.push(process.submit_rows(rows.to_vec()).map_err(|error| error.to_string())?);
        }
        let waiting = self.is_serving.then(|| self.watchers.wait(&shown.topics));
        let calls_before = self.with_disk(|disk| disk.changing_calls) + self.redis.server().transactions;
        let was_armed = self.with_disk(|disk| disk.is_armed());
        while process.turn(now_ms) {}
        let (is_dead, calls, is_armed, is_full) =
            self.with_disk(|disk| (disk.is_dead, disk.changing_calls, disk.is_armed(), disk.is_full));
        self.is_troubled |= was_armed && !is_armed || is_full || self.redis.server().is_troubled;
        let has_changed = !rows.is_empty() || expected.iter().any(|it| matches!(it, Expected::Changed(_)));
        if is_dead {
            // Nobody hears an answer.
            self.doubts.push(next);
            return Ok(Outcome::Died);
        }
        let answers: Vec<WriteReply> =
            replies.into_iter().map(|it| it.recv().expect("it was answered")).collect();
        self.process = Some(process);
        if let Some(error) = answers.iter().find_map(of_the_store) {
            self.note(|| format!("  refused: {error}"));
            self.judge_refusal(&error, &expected, &answers)?;
            // What Redis was asked may be done yet; of the disk it is said when nobody knows.
            let is_open = match self.plan.on_outage {
                None => matches!(error, WriteError::InDoubt { .. }),
                Some(OnOutage::Reject) => true,
                Some(_) => calls + self.redis.server().transactions > calls_before,
            };
            if is_open && has_changed {
                self.doubts.push(next);
            }
            if self.mutant == Some(Mutant::RemembersTheRefused) {
                self.remembered = commands.to_vec();
            }
            waiting.map_or(Ok(()), |it| self.watchers.in_peace(&it, &shown.topics))?;
            self.look()?;
            return Ok(Outcome::Refused);
        }
        if has_changed && self.has_failed {
            return Err("a store that has failed takes a write".into());
        }
        let in_words = |(expected, answer): (&Expected, &WriteReply)| judge(expected, answer);
        expected.iter().zip(&answers).try_for_each(in_words)?;
        if !has_changed {
            // Nothing new was said: nobody hears of it.
            waiting.map_or(Ok(()), |it| self.watchers.in_peace(&it, &shown.topics))?;
            return Ok(Outcome::Done);
        }
        steps.push(next.clone());
        let before = std::mem::replace(&mut self.truth, next);
        // The store goes on from what was acknowledged, and from nothing else.
        self.doubts.clear();
        self.is_disk_open = false;
        self.remember();
        self.haunt(&before);
        waiting.map_or(Ok(()), |it| self.watchers.after_batch(&it, &shown.topics, &steps))?;
        self.look()?;
        self.look_at_redis(!commands.is_empty())?;
        Ok(Outcome::Done)
    }

    /// A refusal is of the whole batch, and has a reason.
    fn judge_refusal(&mut self, error: &WriteError, expected: &[Expected], answers: &[WriteReply]) -> Judged {
        if !self.is_troubled {
            return Err(format!("refused without a fault: {error}"));
        }
        let is_away = matches!(error, WriteError::Unavailable { .. });
        if is_away
            && self.plan.on_outage == Some(OnOutage::Spool)
            && !self.redis.server().is_fenced(self.now())
        {
            return Err(format!("refused, and not spooled: {error}"));
        }
        // What changed nothing holds on a disk that only lacks room, unless a change of the batch stood before it.
        let lacks_room = matches!(error, WriteError::Full { .. });
        let untouched = expected.iter().take_while(|it| !matches!(it, Expected::Changed(_))).count();
        for (at, (expected, answer)) in expected.iter().zip(answers).enumerate() {
            let holds = lacks_room && at < untouched && !matches!(expected, Expected::Refused(_));
            let is_right = match answer {
                Ok(_) => holds && judge(expected, answer).is_ok(),
                Err(WriteError::Refused(refusal)) => expected.is_refusal_like(refusal),
                Err(_) => !holds && !matches!(expected, Expected::Refused(_)),
            };
            if !is_right {
                return Err(format!(
                    "of a batch that the store refused, {expected:?} is answered {answer:?}"
                ));
            }
        }
        self.has_failed |=
            matches!(error, WriteError::ReadOnly { .. } | WriteError::InDoubt { is_full: false, .. });
        self.is_disk_open |=
            matches!(error, WriteError::Full { .. } | WriteError::InDoubt { is_full: true, .. });
        Ok(())
    }

    /// Holds what is shown, and what followers know, against the truth.
    fn look(&self) -> Judged {
        if let Some(contradiction) = self.process().contradiction() {
            return Err(contradiction);
        }
        compare(&self.truth, &self.process().shown)
    }
}

/// The store's refusal in an answer, if it is one.
fn of_the_store(answer: &WriteReply) -> Option<WriteError> {
    answer.as_ref().err().filter(|it| !matches!(it, WriteError::Refused(_))).cloned()
}

fn judge(expected: &Expected, answer: &WriteReply) -> Judged {
    let is_right = match (expected, answer) {
        (Expected::Changed(at), Ok(Written { index, changed: true, outcome: state::Outcome::Done })) => {
            at == index
        }
        (Expected::Unchanged(at), Ok(Written { index, changed: false, outcome: state::Outcome::Done })) => {
            at == index
        }
        (Expected::Unmet(at), Ok(Written { index, changed: false, outcome: state::Outcome::Unmet })) => {
            at == index
        }
        (_, Err(WriteError::Refused(refusal))) => expected.is_refusal_like(refusal),
        _ => false,
    };
    if is_right { Ok(()) } else { Err(format!("{expected:?} is answered {answer:?}")) }
}
