//! What is going to happen in one simulated life: the checks, and what the world does to them, as data.
//!
//! A plan can be shortened action by action, so that a failure is told in few words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use muster::base::stdx::text::Text;
use muster::core::health::{CheckKey, HealthSettings};
use muster::core::model::{Check, CheckDefinition, Damping, Origin, Probe, Status};

use crate::chance::Chance;
use crate::trace::At;

/// The node that all checks are on.
pub const NODE: &str = "node";

/// Seconds, for the tables below.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds, for the tables below.
pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One simulated life.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of the engine.
    pub settings: HealthSettings,
    /// Every check there may ever be.
    pub checks: Vec<Planned>,
    /// What the world does, in order of time.
    pub actions: Vec<(At, Action)>,
    /// Time from the last action on after which everything must show its target's truth.
    pub calm: Duration,
}

/// A check that may be registered.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its name.
    pub key: CheckKey,
    /// Its record with the definition it has at first.
    pub record: Check,
    /// What it may be registered with later.
    pub other_definitions: Vec<Arc<CheckDefinition>>,
    /// How its news arrives.
    pub kind: Kind,
}

/// How the news of a check arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By runs against the target of that number.
    Run(usize),
    /// By reports of its own instance.
    Ttl,
    /// From the check of that number.
    Alias(usize),
    /// From other writers of the catalog.
    Elsewhere,
}

/// How a target answers a run that is started now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Passing at once.
    Up,
    /// A warning at once.
    Warn,
    /// Refused at once.
    Down,
    /// Not at all: the run times out.
    Hang,
    /// Passing, after so long.
    Slow(Duration),
}

/// How an instance reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// This status, three times in a TTL.
    Says(Status),
    /// Nothing.
    Silent,
    /// Any status, now and then at the last moment or too late.
    Moody,
}

/// What a write to the catalog meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// It arrives within so long.
    Takes(Duration),
    /// It is lost.
    Full,
}

/// Something that the world does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Registers a check, with the definition of that number (0 is the first) and a status or the existing one.
    Register { check: usize, definition: usize, status: Option<Status> },
    /// Takes the instance of a check out of the catalog.
    Deregister { check: usize },
    /// Writes a status past the engine.
    WriteByHand { check: usize, status: Status },
    /// Changes how a target answers.
    Mood { target: usize, mood: Mood },
    /// Ends the connections that are kept to a target.
    CutConnections { target: usize },
    /// Changes how an instance reports.
    Habit { check: usize, habit: Habit },
    /// Changes what writes meet.
    Disk(Disk),
    /// One in so many runs has no answer, or one that comes too late; 0 for none.
    LoseAnswers { one_in: usize },
    /// The process stands still.
    Stop(Duration),
    /// Ticks come up to so late.
    LateTicks(Duration),
    /// The process ends, with or without saving, and starts again after the downtime.
    Restart { is_orderly: bool, downtime: Duration },
}

impl Plan {
    /// The plan of `seed`.
    pub fn of(seed: u64) -> Plan {
        let mut chance = Chance::new(seed);
        let targets = 1 + chance.below(3);
        let count = 1 + chance.below(6);
        let settings = settings(&mut chance, count);
        let mut checks: Vec<Planned> = Vec::new();
        for number in 0..count {
            let planned = planned(&mut chance, number, targets, &checks);
            checks.push(planned);
        }
        let calm_at = chance.span(s(20), s(400));
        let mut actions = actions(&mut chance, &checks, targets, calm_at);
        settle(&mut chance, &checks, targets, calm_at, &mut actions);
        actions.sort_by_key(|(at, _)| *at);
        let calm = time_to_truth(&checks, &settings);
        Plan { settings, checks, actions, calm }
    }
}

fn settings(chance: &mut Chance, checks: usize) -> HealthSettings {
    HealthSettings {
        checks_max: if chance.one_in(20) { checks - 1 } else { 1_000 },
        check_update_interval: chance.pick(&[s(300), s(300), s(20), Duration::ZERO]),
        backoff_max: chance.pick(&[s(60), s(60), s(7), Duration::ZERO]),
        watch_connections: !chance.one_in(5),
        seed: chance.next(),
    }
}

fn planned(chance: &mut Chance, number: usize, targets: usize, earlier: &[Planned]) -> Planned {
    let kind = match chance.below(8) {
        0..4 => Kind::Run(chance.below(targets)),
        4..6 => Kind::Ttl,
        6 if number > 0 => Kind::Alias(chance.below(number)),
        _ => Kind::Elsewhere,
    };
    let twin = earlier.iter().find(|it| it.kind == kind).filter(|_| chance.one_in(2));
    let first = twin.map_or_else(|| definition(chance, kind).into(), |it| it.record.definition.clone());
    let other_definitions = (0..chance.below(3)).map(|_| definition(chance, kind).into()).collect();
    let origin = if kind == Kind::Elsewhere { Origin::Catalog } else { Origin::Agent };
    let (id, service_id) = (format!("check-{number}"), format!("service-{}", number / 2));
    let service_id = if chance.one_in(10) { String::new() } else { service_id };
    let record = Check {
        id: Text::from(id.as_str()),
        service_id: service_id.into(),
        status: chance.pick(&[Status::Critical, Status::Critical, Status::Passing, Status::Warning]),
        definition: first,
        origin,
        ..Check::default()
    };
    Planned { key: CheckKey::new(NODE, id.as_str()), record, other_definitions, kind }
}

fn definition(chance: &mut Chance, kind: Kind) -> CheckDefinition {
    let probe = match kind {
        Kind::Run(target) if chance.one_in(2) => Some(Probe::Tcp { address: address(target), tls: None }),
        Kind::Run(target) => Some(Probe::Http {
            url: format!("http://{}/", address(target)).into(),
            method: Text::default(),
            header: BTreeMap::new(),
            body: Text::default(),
            tls_skip_verify: false,
            tls_server_name: Text::default(),
            disable_redirects: false,
        }),
        Kind::Ttl => Some(Probe::Ttl { ttl: chance.pick(&[s(1), ms(2_500), s(15), s(60)]) }),
        Kind::Alias(_) => Some(Probe::Alias { node: Text::default(), service_id: "other".into() }),
        Kind::Elsewhere => None,
    };
    let is_reaping = chance.one_in(3);
    CheckDefinition {
        probe,
        interval: chance.pick(&[s(1), ms(1_500), s(3), s(10), s(10), s(30), Duration::ZERO, ms(20)]),
        timeout: chance.pick(&[Duration::ZERO, ms(500), s(2), s(5), s(20)]),
        success_before_passing: chance.pick(&[0, 0, 0, 1, 2, 3]),
        failures_before_warning: chance.pick(&[0, 0, 0, 1, 2, 5]),
        failures_before_critical: chance.pick(&[0, 0, 1, 2, 3, 5, 12]),
        deregister_critical_service_after: match is_reaping {
            true => chance.pick(&[ms(300), s(1), ms(1_234), s(10), s(45), s(90)]),
            false => Duration::ZERO,
        },
        output_max_size: chance.pick(&[0, 0, 0, 7]),
        watch: chance.pick(&[None, None, Some(true), Some(false)]),
        damping: chance.one_in(4).then(|| damping(chance)),
        owner: Default::default(),
        told: Default::default(),
    }
}

fn damping(chance: &mut Chance) -> Damping {
    let suppress = chance.pick(&[500, 1_000, 1_500, 2_500, 4_000]);
    Damping {
        half_life: chance.pick(&[s(1), s(5), ms(7_300), s(30)]),
        suppress,
        reuse: (suppress / chance.pick(&[2, 2, 3, 10])).max(1),
    }
}

/// Where the target of that number listens.
pub fn address(target: usize) -> Text {
    Text::from(format!("target-{target}:80"))
}

fn actions(chance: &mut Chance, checks: &[Planned], targets: usize, calm_at: At) -> Vec<(At, Action)> {
    let mut actions = Vec::new();
    for check in 0..checks.len() {
        let at = if chance.one_in(4) { chance.span(At::ZERO, calm_at) } else { chance.span(At::ZERO, s(3)) };
        let status = chance.one_in(4).then(|| any_status(chance));
        actions.push((at, Action::Register { check, definition: 0, status }));
    }
    for target in 0..targets {
        actions.push((At::ZERO, Action::Mood { target, mood: any_mood(chance) }));
    }
    for _ in 0..chance.below(40) {
        let at = chance.even_span(At::ZERO, calm_at);
        let check = chance.below(checks.len());
        let target = chance.below(targets);
        match chance.below(20) {
            0..4 => actions.push((at, Action::Mood { target, mood: any_mood(chance) })),
            4..6 => flap(chance, at, target, &mut actions),
            6..8 => actions.push((at, Action::CutConnections { target })),
            8..10 => actions.push((at, Action::Habit { check, habit: any_habit(chance) })),
            10..13 => {
                let definition = chance.below(checks[check].other_definitions.len() + 2).saturating_sub(1);
                let status = chance.one_in(4).then(|| any_status(chance));
                actions.push((at, Action::Register { check, definition, status }));
            }
            13 => actions.push((at, Action::Deregister { check })),
            14 => actions.push((at, Action::WriteByHand { check, status: any_status(chance) })),
            15 => {
                let disk = chance.pick(&[Disk::Takes(ms(50)), Disk::Takes(s(9)), Disk::Full]);
                actions.push((at, Action::Disk(disk)));
                actions.push((at + chance.span(ms(1), s(60)), Action::Disk(Disk::Takes(ms(5)))));
            }
            16 => {
                actions.push((at, Action::LoseAnswers { one_in: chance.pick(&[2, 5]) }));
                actions.push((at + chance.span(s(1), s(60)), Action::LoseAnswers { one_in: 0 }));
            }
            17 => {
                let long = chance.one_in(5);
                let most = if long { s(7 * 3600) } else { s(40) };
                actions.push((at, Action::Stop(chance.span(ms(300), most))));
            }
            18 => actions.push((at, Action::LateTicks(chance.pick(&[ms(0), ms(3), ms(200), ms(1_700)])))),
            _ => {
                let downtime = chance.span(ms(10), chance.clone().pick(&[s(5), s(3_600)]));
                actions.push((at, Action::Restart { is_orderly: chance.one_in(2), downtime }));
            }
        }
    }
    actions
}

/// Down and up again, several times.
fn flap(chance: &mut Chance, at: At, target: usize, actions: &mut Vec<(At, Action)>) {
    let mut at = at;
    for _ in 0..1 + chance.below(6) {
        actions.push((at, Action::Mood { target, mood: Mood::Down }));
        if chance.one_in(2) {
            actions.push((at + ms(1), Action::CutConnections { target }));
        }
        at += chance.span(ms(5), s(20));
        actions.push((at, Action::Mood { target, mood: Mood::Up }));
        at += chance.span(ms(5), s(20));
    }
}

/// Ends all harm at `calm_at`, and leaves everything in a state that has one truth.
fn settle(
    chance: &mut Chance,
    checks: &[Planned],
    targets: usize,
    calm_at: At,
    actions: &mut Vec<(At, Action)>,
) {
    for (at, _) in actions.iter_mut() {
        *at = (*at).min(calm_at);
    }
    actions.push((calm_at, Action::Disk(Disk::Takes(ms(5)))));
    actions.push((calm_at, Action::LoseAnswers { one_in: 0 }));
    actions.push((calm_at, Action::LateTicks(Duration::ZERO)));
    for target in 0..targets {
        let mood = chance.pick(&[Mood::Up, Mood::Up, Mood::Warn, Mood::Down, Mood::Hang]);
        actions.push((calm_at, Action::Mood { target, mood }));
    }
    for check in (0..checks.len()).filter(|check| checks[*check].kind == Kind::Ttl) {
        let habit = match chance.below(3) {
            0 => Habit::Silent,
            _ => Habit::Says(any_status(chance)),
        };
        actions.push((calm_at, Action::Habit { check, habit }));
    }
}

fn any_status(chance: &mut Chance) -> Status {
    chance.pick(&[Status::Passing, Status::Passing, Status::Warning, Status::Critical])
}

fn any_mood(chance: &mut Chance) -> Mood {
    let slow = Mood::Slow(chance.span(ms(100), s(12)));
    chance.pick(&[Mood::Up, Mood::Up, Mood::Up, Mood::Warn, Mood::Down, Mood::Down, Mood::Hang, slow])
}

fn any_habit(chance: &mut Chance) -> Habit {
    let says = Habit::Says(any_status(chance));
    chance.pick(&[says, says, Habit::Silent, Habit::Moody])
}

/// Time after which everything must show its target's truth, once all is calm: a run that was lost is given up, the
/// longest back-off passes, thresholds are met at the interval, damping lets go, a lost write is asked for again.
fn time_to_truth(checks: &[Planned], settings: &HealthSettings) -> Duration {
    let of_definition = |definition: &Arc<CheckDefinition>| {
        let interval = definition.interval.max(s(1));
        let timeout = if definition.timeout.is_zero() { s(10) } else { definition.timeout };
        let ttl = match definition.probe {
            Some(Probe::Ttl { ttl }) => ttl,
            _ => Duration::ZERO,
        };
        let rows = definition.success_before_passing.max(definition.failures_before_critical) + 2;
        let damped = definition.damping.map_or(Duration::ZERO, |it| it.half_life * 4);
        let reaped = definition.deregister_critical_service_after;
        (interval + timeout) * rows + timeout + ttl + damped + reaped
    };
    let definitions = checks.iter().flat_map(|it| it.other_definitions.iter().chain([&it.record.definition]));
    let longest = definitions.map(of_definition).max().unwrap_or_default();
    longest + settings.backoff_max + s(40)
}
