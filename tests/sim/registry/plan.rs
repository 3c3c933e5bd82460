//! What is going to happen in one life of a registry, as data that can be shortened action by action.

use std::time::Duration;

use muster::model::Command;

use crate::chance::Chance;
use crate::registry::commands;
use crate::registry::disk::Fault;
use crate::registry::disk::engine::{JOURNAL, Slip, TABLE};
use crate::registry::disk::ground::WITNESS;

/// Names that the agent's own node may have.
pub const OWN_NAMES: [&str; 3] = ["own", "Own", "other-own"];

/// Writers that may crowd while a sync is slow.
const CROWD_MAX: usize = 12;

/// Reports by which a check has more transitions than are remembered.
const FLAPPING_MAX: usize = 90;

/// One life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nodes that the catalog may hold.
    pub nodes_max: usize,
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
        Plan { nodes_max, actions }
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
    Restart { end, harm, slip, fault, name }
}
