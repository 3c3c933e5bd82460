//! What is going to happen in one life of a registry, as data that can be shortened action by action.

use std::time::Duration;

use muster::core::model::Command;
use muster::store::redis::settings::OnOutage;

use crate::chance::Chance;
use crate::registry::commands;
use crate::registry::disk::Fault;
use crate::registry::disk::engine::{JOURNAL, Slip, TABLE};
use crate::registry::disk::ground::WITNESS;
use crate::registry::redis::faults::{self, Blow, Condition};

/// Names that the agent's own node may have.
pub const OWN_NAMES: [&str; 3] = ["own", "Own", "other-own"];

/// Writers that may crowd while a sync is slow.
const CROWD_MAX: usize = 12;

/// Longest time that a process stands still: its lock holds for a third of it.
const STALL_MAX: Duration = Duration::from_secs(30);

/// Reports by which a check has more transitions than are remembered.
const FLAPPING_MAX: usize = 90;

/// One life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nodes that the catalog may hold.
    pub nodes_max: usize,
    /// What becomes of writes while Redis is away, if there is a Redis.
    pub on_outage: Option<OnOutage>,
    /// What happens, in order.
    pub actions: Vec<Action>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Action {
    /// Clients ask for these, and all of them wait when the writer looks.
    Write(Vec<Command>),
    /// So many rows beside the records are written or replaced; with 0, all are removed.
    Beside(usize),
    /// Time goes by.
    Wait(Duration),
    /// The calendar is set, by so many milliseconds.
    SetClock(i64),
    /// The next but so many calls of its kind meets a fault.
    Arm(Fault, usize),
    /// The disk is full from now on, or has room again.
    Full(bool),
    /// The process ends and another one starts.
    Restart(Restart),
    /// The next but so many questions to Redis meets a fault.
    ArmRedis(faults::Fault, usize),
    /// A condition of Redis begins or ends.
    SetRedis(Condition, bool),
    /// Something happens to Redis.
    StrikeRedis(Blow),
    /// Redis is well again, and has everything before long.
    HealRedis,
    /// The process stands still while time goes by elsewhere.
    Stall(Duration),
}

/// An end and a start.
#[derive(Clone, Debug)]
pub struct Restart {
    /// How it ends.
    pub end: End,
    /// What happens to the disk while nothing runs.
    pub harm: Option<Harm>,
    /// What the engine gets wrong when it is read.
    pub slip: Option<Slip>,
    /// What the start meets.
    pub fault: Option<(Fault, usize)>,
    /// The agent's name from now on, as a number in [`OWN_NAMES`].
    pub name: Option<usize>,
    /// The directory is lost, and the start finds a new one.
    pub is_directory_lost: bool,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Orderly.
    Orderly,
    /// Killed; what it wrote is kept by the system.
    Killed,
    /// With the power.
    PowerCut,
}

/// Damage to a file.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// The bit at this share (of 65,536) of the file flips.
    Flip(&'static str, usize),
    /// The file is cut to this share (of 65,536) of its length.
    Truncate(&'static str, usize),
    /// The file is gone.
    Lose(&'static str),
}

impl Plan {
    /// The plan of `seed`.
    pub fn of(seed: u64) -> Plan {
        let mut chance = Chance::new(seed);
        let nodes_max = if chance.one_in(4) { 2 + chance.below(2) } else { 1_000 };
        let mut own = OWN_NAMES[0];
        let count = 5 + chance.below(30);
        let mut actions = Vec::new();
        while actions.len() < count {
            let action = action(&mut chance, own);
            if let Action::Restart(Restart { name: Some(name), .. }) = action {
                own = OWN_NAMES[name];
            }
            actions.push(action);
        }
        Plan { nodes_max, on_outage: None, actions }
    }

    /// The plan of `seed` for a registry that keeps its rows in Redis as well.
    pub fn with_redis(seed: u64) -> Plan {
        let mut chance = Chance::new(!seed);
        let on_outage = Some(chance.pick(&[OnOutage::Spool, OnOutage::Spool, OnOutage::Reject]));
        let mut plan = Plan { on_outage, ..Plan::of(seed) };
        for mut action in std::mem::take(&mut plan.actions) {
            if chance.one_in(2) {
                plan.actions.push(action_of_redis(&mut chance));
            }
            if let Action::Restart(restart) = &mut action
                && chance.one_in(3)
            {
                (restart.harm, restart.slip, restart.is_directory_lost) = (None, None, true);
            }
            plan.actions.push(action);
        }
        plan
    }

    /// Leaves out the action, or the command of an action, of that number among all of them.
    pub fn remove_part(&mut self, number: usize) {
        let mut before = 0;
        for at in 0..self.actions.len() {
            let parts = self.actions[at].parts();
            if number < before + parts {
                match &mut self.actions[at] {
                    Action::Write(commands) if commands.len() > 1 => drop(commands.remove(number - before)),
                    _ => drop(self.actions.remove(at)),
                }
                return;
            }
            before += parts;
        }
    }
}

impl Action {
    /// How many things it is made of, each of which could be left out.
    pub fn parts(&self) -> usize {
        match self {
            Action::Write(commands) => commands.len().max(1),
            _ => 1,
        }
    }
}

fn action(chance: &mut Chance, own: &str) -> Action {
    match chance.below(32) {
        0..=17 => {
            let count = if chance.one_in(4) { 1 + chance.below(CROWD_MAX) } else { 1 + chance.below(3) };
            Action::Write((0..count).map(|_| commands::command(chance, own)).collect())
        }
        18 if chance.one_in(3) => {
            let count = 1 + chance.below(FLAPPING_MAX);
            Action::Write(commands::flapping(chance, own, count))
        }
        18 | 19 => Action::Beside(chance.below(3)),
        20 | 21 => Action::Wait(chance.span(Duration::ZERO, Duration::from_secs(100))),
        22 if chance.one_in(2) => Action::SetClock(chance.below(20_000_000) as i64 - 10_000_000),
        22..=26 => {
            let fault = chance.pick(&[
                Fault::Kill,
                Fault::Kill,
                Fault::PowerCut,
                Fault::PowerCut,
                Fault::NoRoomHalfWay,
                Fault::NoRoomAfterwards,
                Fault::WriteFails,
                Fault::SyncFails,
                Fault::Slow,
                Fault::EngineStops,
            ]);
            Action::Arm(fault, chance.below(8))
        }
        27 => Action::Full(chance.one_in(2)),
        _ => Action::Restart(restart(chance)),
    }
}

fn action_of_redis(chance: &mut Chance) -> Action {
    match chance.below(20) {
        0..=6 => {
            let fault = chance.pick(&[
                faults::Fault::CutBefore,
                faults::Fault::CutWithin,
                faults::Fault::CutAfter,
                faults::Fault::Silent,
                faults::Fault::Late,
                faults::Fault::Slow,
                faults::Fault::KillBefore,
                faults::Fault::KillAfter,
            ]);
            Action::ArmRedis(fault, chance.below(16))
        }
        7..=10 => {
            let condition = chance.pick(&[
                Condition::Down,
                Condition::Deaf,
                Condition::Full,
                Condition::ReadOnly,
                Condition::Loading,
                Condition::Unfit,
                Condition::Rival,
            ]);
            Action::SetRedis(condition, chance.one_in(2))
        }
        11..=15 => Action::StrikeRedis(chance.pick(&[
            Blow::Died,
            Blow::LostTail,
            Blow::Empty,
            Blow::Failover,
            Blow::Flush,
            Blow::RowGone,
            Blow::RowTooMany,
            Blow::RowAltered,
            Blow::TableGone,
            Blow::TableIsText,
            Blow::SealGone,
            Blow::LockGone,
        ])),
        16 => Action::Stall(chance.span(Duration::ZERO, STALL_MAX)),
        _ => Action::HealRedis,
    }
}

fn restart(chance: &mut Chance) -> Restart {
    let end = chance.pick(&[End::Orderly, End::Killed, End::PowerCut]);
    // A disk that loses what was safe, while the power fails as well, is beyond any promise.
    let is_harmed = end != End::PowerCut && chance.one_in(3);
    let file = chance.pick(&[JOURNAL, JOURNAL, TABLE, WITNESS]);
    let share = chance.below(65_536);
    let harms =
        [Harm::Flip(file, share), Harm::Flip(file, share), Harm::Truncate(file, share), Harm::Lose(file)];
    let harm = is_harmed.then(|| chance.pick(&harms));
    let slips = [Slip::Gone, Slip::TooMany, Slip::Altered];
    let slip = chance.one_in(8).then(|| chance.pick(&slips));
    let faults = [Fault::Kill, Fault::PowerCut, Fault::ReadFails, Fault::WriteFails, Fault::NoRoomHalfWay];
    let fault = chance.one_in(4).then(|| (chance.pick(&faults), chance.below(4)));
    let fault = fault.filter(|it| !is_harmed || it.0 != Fault::PowerCut);
    let name = chance.one_in(5).then(|| chance.below(OWN_NAMES.len()));
    Restart { end, harm, slip, fault, name, is_directory_lost: false }
}
