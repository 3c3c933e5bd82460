//! What clients ask for: commands over so few names that they meet all the time.

use muster::base::stdx::text::Text;
use muster::core::model::{
    Cause, Check, Command, Condition, ExistingChecks, Meta, NodeKey, NodePart, Origin, PairWrite,
    Registration, Service, Status,
};

use crate::chance::Chance;
use crate::registry::access;

/// Nodes of others, as clients write them.
const NODES: [&str; 4] = ["n1", "N1", "n2", "n3"];

/// UUIDs that clients give; the last one is the agent's own.
const IDS: [&str; 5] = ["", "", "id-1", "id-2", OWN_ID];

/// The UUID of the agent's own node.
pub const OWN_ID: &str = "id-own";

const SERVICE_IDS: [&str; 3] = ["a", "b", "A"];
const SERVICE_NAMES: [&str; 3] = ["web", "Web", "db"];
const KEYS: [&str; 4] = ["k", "k/a", "k/a/b", "K"];
const STATUSES: [Status; 3] = [Status::Passing, Status::Warning, Status::Critical];

/// A command of some client, when the agent's own node is called `own`.
pub fn command(chance: &mut Chance, own: &str) -> Command {
    let node = NodeKey::of(&node(chance, own));
    let service_id: Text = chance.pick(&SERVICE_IDS).into();
    let check_id = check_id(chance, &service_id);
    let must_exist = chance.one_in(3);
    match chance.below(24) {
        23 if chance.one_in(12) => Command::Restore(Box::new(access::restoration(chance))),
        20.. => Command::WriteAcl(Box::new(access::acl_write(chance))),
        16..=19 => Command::WritePair(pair_write(chance)),
        0..=5 => register(chance, own),
        6..=11 => update(chance, node, check_id),
        12 => Command::DeregisterService { node, service_id, must_exist },
        13 => Command::DeregisterCheck { node, check_id, must_exist },
        14 => Command::Reap { node, service_id, check_id },
        _ => Command::DeregisterNode { node },
    }
}

fn pair_write(chance: &mut Chance) -> PairWrite {
    let key = chance.pick(&KEYS).into();
    let condition = match chance.below(4) {
        0 => Condition::Index(chance.below(60) as u64),
        _ => Condition::Always,
    };
    match chance.below(8) {
        0 => PairWrite::DeleteTree { prefix: chance.pick(&["k", "k/", "k/a", "none"]).into() },
        1 | 2 => PairWrite::Delete { key, condition },
        _ => {
            let value = chance.pick(&["", "one", "two"]).as_bytes().into();
            PairWrite::Put { key, value, flags: chance.below(2) as u64, condition }
        }
    }
}

/// A command in few words.
pub fn in_words(command: &Command) -> String {
    let Command::Register(registration) = command else { return format!("{command:?}") };
    let Registration { node, service, checks, existing_checks } = &**registration;
    let node = match node {
        NodePart::Existing { name } => format!("{name}, which exists"),
        NodePart::Set { name, id, address, meta, keep_existing, .. } => {
            format!("{name} id={id:?} address={address} meta={meta:?} keep_existing={keep_existing}")
        }
    };
    let service = service.as_ref().map(|it| {
        let Service { id, name, tags, port, meta, origin, .. } = it;
        format!(" service {id} {name:?} {tags:?} port={port} meta={meta:?} {origin:?}")
    });
    let check = |it: &Check| {
        let Check { id, service_id, status, notes, output, kind, origin, .. } = it;
        format!(" check {id} of {service_id:?} {status} {notes:?} {output:?} {kind:?} {origin:?}")
    };
    let checks: String = checks.iter().map(check).collect();
    format!("register {node};{};{checks}; {existing_checks:?}", service.unwrap_or_default())
}

/// Reports that keep changing the status of one check.
pub fn flapping(chance: &mut Chance, own: &str, count: usize) -> Vec<Command> {
    let node = NodeKey::of(&node(chance, own));
    let service_id = chance.pick(&SERVICE_IDS).into();
    let check_id = check_id(chance, &service_id);
    (0..count).map(|_| update(chance, node.clone(), check_id.clone())).collect()
}

fn node(chance: &mut Chance, own: &str) -> Text {
    if chance.one_in(3) { own.into() } else { chance.pick(&NODES).into() }
}

fn check_id(chance: &mut Chance, service_id: &Text) -> Text {
    match chance.below(6) {
        0 => "alive".into(),
        1 => "serfHealth".into(),
        2 => "_node_maintenance".into(),
        number => format!("{service_id}:{}", number % 2).into(),
    }
}

fn update(chance: &mut Chance, node: NodeKey, check_id: Text) -> Command {
    let cause = chance.pick(&[Cause::Probe, Cause::Ttl, Cause::Report, Cause::Damping]);
    let (status, output) = (chance.pick(&STATUSES), chance.pick(&["", "fine", "broken"]).into());
    Command::UpdateCheck { node, check_id, status, output, cause }
}

fn register(chance: &mut Chance, own: &str) -> Command {
    let name = node(chance, own);
    let is_agent = name == own && !chance.one_in(4);
    let origin = if is_agent { Origin::Agent } else { Origin::Catalog };
    let service = (!chance.one_in(5)).then(|| service(chance, origin));
    let count = chance.below(3);
    let mut checks: Vec<Check> = (0..count).map(|_| check(chance, service.as_ref(), origin)).collect();
    checks.dedup_by_key(|check| check.id.clone());
    let node = if is_agent || chance.one_in(6) {
        NodePart::Existing { name }
    } else {
        NodePart::Set {
            name,
            id: chance.pick(&IDS).into(),
            address: chance.pick(&["10.0.0.1", "10.0.0.2"]).into(),
            tagged_addresses: None,
            meta: meta(chance),
            keep_existing: chance.one_in(3),
        }
    };
    let existing_checks = if is_agent {
        chance.pick(&[ExistingChecks::KeepStatus, ExistingChecks::Replace])
    } else {
        ExistingChecks::Overwrite
    };
    Command::Register(Box::new(Registration { node, service, checks, existing_checks }))
}

fn service(chance: &mut Chance, origin: Origin) -> Service {
    let tags: &[&str] = match chance.below(3) {
        0 => &[],
        1 => &["x"],
        _ => &["x", "y"],
    };
    Service {
        id: chance.pick(&SERVICE_IDS).into(),
        name: chance.pick(&SERVICE_NAMES).into(),
        tags: tags.iter().map(|tag| (*tag).into()).collect(),
        port: chance.below(2) as u16,
        meta: meta(chance),
        origin,
        ..Service::default()
    }
}

fn check(chance: &mut Chance, service: Option<&Service>, origin: Origin) -> Check {
    let service_id = match service {
        Some(service) if !chance.one_in(5) => service.id.clone(),
        _ if chance.one_in(6) => chance.pick(&SERVICE_IDS).into(),
        _ => Text::default(),
    };
    let id = match service_id.is_empty() {
        true => Text::from(chance.pick(&["alive", "alive", "serfHealth", "_node_maintenance"])),
        false => format!("{service_id}:{}", chance.below(2)).into(),
    };
    // Maintenance is always critical, and says why.
    let is_hold = id == "_node_maintenance";
    let (status, notes) = (chance.pick(&STATUSES), chance.pick(&["", "planned work"]));
    Check {
        id,
        name: "alive".into(),
        status: if is_hold { Status::Critical } else { status },
        notes: if is_hold { "planned work" } else { notes }.into(),
        output: if is_hold { "" } else { chance.pick(&["", "fine"]) }.into(),
        service_id,
        kind: chance.pick(&["", "ttl"]).into(),
        origin,
        ..Check::default()
    }
}

fn meta(chance: &mut Chance) -> Option<Meta> {
    let rack = |rack: &str| Meta::from([("rack".into(), rack.into())]);
    chance.pick(&[None, None, Some(rack("1")), Some(rack("2"))])
}
