//! `muster import`: what is registered in a Consul (or another muster) comes to be registered here.
//!
//! A plan is worked out from both catalogs and then carried out with Consul's own calls, so importing twice does
//! nothing the second time, and following is importing again whenever one of the source's lists has moved.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::base::stdx::counted::counted;
use crate::base::sys::{output, runtime};
use crate::cli::catalog::{self, Catalog, ListedNode, content, is_same, text};
use crate::cli::client::Terms;
use crate::cli::command::{CommandOutput, Exit};
use crate::cli::progress::Progress;
use crate::cli::remote::{Remote, RemoteError, segment};

/// The lists of the source that say that something has changed.
const WATCHED: [&str; 4] =
    ["/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/state/any", "/v1/kv/?keys"];

/// How long the source may keep a question that nothing has changed for.
const WAIT: &str = "300s";

/// Keys that could not be taken and are named.
const REFUSED_SHOWN_MAX: usize = 20;

/// The least time between two readings of the source: a deployment changes hundreds of records within it.
const PAUSE: Duration = Duration::from_secs(1);

/// Time until a source or target that does not answer is asked again.
const RETRY: Duration = Duration::from_secs(5);

/// One call that brings the target nearer to the source.
#[derive(Clone, Debug, PartialEq)]
pub enum ImportStep {
    /// `/v1/catalog/register` with this body.
    Register(Value),
    /// `/v1/catalog/deregister` with this body.
    Deregister(Value),
    /// This pair.
    Write(Value),
    /// This key no longer.
    Delete(String),
}

/// Imports from one server to the other, once or until it is stopped.
pub fn run(from: (&str, &Terms), to: (&str, &Terms), is_following: bool) -> CommandOutput {
    let (source, target) = (Remote::new(from.0, from.1)?, Remote::new(to.0, to.1)?);
    // Watched before it is read, so that nothing that changes meanwhile is missed.
    let moved = is_following.then(|| watch(from.0, from.1)).transpose()?;
    let mut seen = ImportWatch::default();
    let summary = round(&source, &target, &mut seen)?;
    let Some(moved) = moved else { return Ok(summary) };
    print(&format!("{summary}; following"));
    loop {
        if moved.recv().is_err() {
            return Err((Exit::Failure, "nobody watches the source any more".to_owned()));
        }
        runtime::sleep(PAUSE);
        while moved.try_recv().is_ok() {}
        loop {
            match round(&source, &target, &mut seen) {
                Ok(summary) => break print(&summary),
                Err((_, error)) => print(&format!("{error}; trying again")),
            }
            runtime::sleep(RETRY);
        }
    }
}

/// A line on standard output, at once. A reader that has gone is no reason to stop importing.
fn print(line: &str) {
    if let Err(error) = output::print_line(line) {
        output::print_error(&format!("{line} ({error})"));
    }
}

/// Reads both sides and makes the target what the source is.
fn round(source: &Remote, target: &Remote, seen: &mut ImportWatch) -> CommandOutput {
    let (wanted, present) = (catalog::read(source)?, catalog::read(target)?);
    if let Some(name) = wanted.nodes.keys().find(|name| name.eq_ignore_ascii_case(&present.own_node)) {
        let sentence = format!(
            "the source has a node {name:?}, which is the name of the target's own; start the target with another \
             --node"
        );
        return Err((Exit::Failure, sentence));
    }
    let steps = plan(&present, &wanted, seen);
    seen.nodes.extend(wanted.nodes.keys().cloned());
    seen.keys.extend(wanted.pairs.keys().cloned());
    let mut progress = Progress::new("registering", steps.len() as u64);
    let mut refused = Vec::new();
    for (step, count) in steps.iter().zip(1..) {
        match (take(target, step), step) {
            // One key that cannot be taken keeps no other away.
            (
                Err(RemoteError::Refused { sentence, .. } | RemoteError::Strange(sentence)),
                ImportStep::Write(pair),
            ) => {
                refused.push(format!("{:?} is not taken: {sentence}", text(pair, "Key")));
            }
            (outcome, _) => outcome?,
        }
        progress.at(count);
    }
    drop(progress);
    if !refused.is_empty() {
        let count = counted(refused.len(), "key");
        refused.truncate(REFUSED_SHOWN_MAX);
        let sentence =
            format!("everything else is as in {}; {count} not: {}", source.place(), refused.join("; "));
        return Err((Exit::Failure, sentence));
    }
    let removed =
        steps.iter().filter(|step| matches!(step, ImportStep::Deregister(_) | ImportStep::Delete(_))).count();
    let written = steps.iter().filter(|step| matches!(step, ImportStep::Write(_))).count();
    let (nodes, services, checks) = wanted.counts();
    Ok(format!(
        "{}, {} and {} are as in {}: {}, {}; and {}: {} written{}",
        counted(nodes, "node"),
        counted(services, "instance"),
        counted(checks, "check"),
        source.place(),
        counted(steps.len() - removed - written, "registration"),
        counted(removed, "removal"),
        counted(wanted.pairs.len(), "key"),
        counted(written, "key"),
        said_of_programs(&wanted)
    ))
}

/// What becomes of the checks that run a program where they come from; nothing where there are none.
fn said_of_programs(source: &Catalog) -> String {
    let checks = source.nodes.values().flat_map(|node| node.checks.values());
    match checks.filter(|check| runs_a_program(check)).count() {
        0 => String::new(),
        count => format!(
            "; {} a program at the source, and none is run here: muster takes their statuses as they are there",
            if count == 1 { "1 check runs".to_owned() } else { format!("{count} checks run") }
        ),
    }
}

fn runs_a_program(check: &Value) -> bool {
    let has_arguments = check["Definition"]["ScriptArgs"].as_array().is_some_and(|words| !words.is_empty());
    has_arguments || ["script", "docker"].contains(&text(check, "Type"))
}

fn take(target: &Remote, step: &ImportStep) -> Result<(), RemoteError> {
    match step {
        ImportStep::Register(body) => target.put_json("/v1/catalog/register", body),
        ImportStep::Deregister(body) => target.put_json("/v1/catalog/deregister", body),
        ImportStep::Write(pair) => {
            let strange =
                |what: &str| RemoteError::Strange(format!("its {what} not what a key has at the source"));
            let flags = pair["Flags"].as_u64().ok_or_else(|| strange("flags are"))?;
            let value = STANDARD.decode(text(pair, "Value")).map_err(|_| strange("value is"))?;
            target.put_bytes(&format!("/v1/kv/{}?flags={flags}", segment(text(pair, "Key"))), value)
        }
        ImportStep::Delete(key) => target.delete(&format!("/v1/kv/{}", segment(key))),
    }
}

/// What the source has had since the import began.
#[derive(Debug, Default)]
pub struct ImportWatch {
    nodes: BTreeSet<String>,
    keys: BTreeSet<String>,
}

/// The calls that make the nodes and keys of `wanted` in `present` what they are in `wanted`. Those that only `present`
/// has are left alone, unless they were `seen` in the source before: then they are gone from it.
pub fn plan(present: &Catalog, wanted: &Catalog, seen: &ImportWatch) -> Vec<ImportStep> {
    let mut steps = Vec::new();
    let gone = present.nodes.keys().filter(|it| seen.nodes.contains(*it) && !wanted.nodes.contains_key(*it));
    steps.extend(gone.map(|name| ImportStep::Deregister(json!({ "Node": name }))));
    for (name, node) in &wanted.nodes {
        let nothing = ListedNode::default();
        let there = present.nodes.get(name).unwrap_or(&nothing);
        plan_removals(name, there, node, &mut steps);
        plan_registrations(there, node, &mut steps);
    }
    let gone = present.pairs.keys().filter(|it| seen.keys.contains(*it) && !wanted.pairs.contains_key(*it));
    steps.extend(gone.cloned().map(ImportStep::Delete));
    let is_new =
        |(key, pair): &(&String, &Value)| present.pairs.get(*key).is_none_or(|other| !is_same(other, pair));
    steps.extend(wanted.pairs.iter().filter(is_new).map(|(_, pair)| ImportStep::Write(pair.clone())));
    steps
}

fn plan_removals(name: &str, there: &ListedNode, node: &ListedNode, steps: &mut Vec<ImportStep>) {
    for id in there.services.keys().filter(|id| !node.services.contains_key(*id)) {
        steps.push(ImportStep::Deregister(json!({ "Node": name, "ServiceID": id })));
    }
    let is_left = |check: &Value| {
        let service_id = text(check, "ServiceID");
        service_id.is_empty() || node.services.contains_key(service_id)
    };
    let checks = there.checks.iter().filter(|(id, check)| !node.checks.contains_key(*id) && is_left(check));
    steps.extend(checks.map(|(id, _)| ImportStep::Deregister(json!({ "Node": name, "CheckID": id }))));
}

/// One call for the node with its own checks, and one for each instance with its checks, where anything differs.
fn plan_registrations(there: &ListedNode, node: &ListedNode, steps: &mut Vec<ImportStep>) {
    let changed_checks = |service_id: &str| -> Vec<Value> {
        let of_service = node.checks.iter().filter(|(_, check)| text(check, "ServiceID") == service_id);
        let changed =
            of_service.filter(|(id, check)| there.checks.get(*id).is_none_or(|other| !is_same(other, check)));
        changed.map(|(_, check)| Value::Object(content(check))).collect()
    };
    let record = &node.record;
    let base = json!({
        "Node": record["Node"],
        "ID": record["ID"],
        "Address": record["Address"],
        "TaggedAddresses": record["TaggedAddresses"],
        "NodeMeta": record["Meta"],
    });
    let checks = changed_checks("");
    if !is_same(record, &there.record) || !checks.is_empty() {
        let mut body = base.clone();
        body["Checks"] = checks.into();
        steps.push(ImportStep::Register(body));
    }
    for (id, service) in &node.services {
        let is_changed = there.services.get(id).is_none_or(|other| !is_same(other, service));
        let checks = changed_checks(id);
        if is_changed || !checks.is_empty() {
            let mut body = base.clone();
            body["Service"] = Value::Object(content(service));
            body["Checks"] = checks.into();
            steps.push(ImportStep::Register(body));
        }
    }
}

/// Watches the source's lists, each on a thread of its own; whenever one moves there is something to receive.
fn watch(from: &str, terms: &Terms) -> Result<Receiver<()>, (Exit, String)> {
    // One word is enough however many lists have moved.
    let (sender, receiver) = sync_channel(1);
    for path in WATCHED {
        let (remote, sender) = (Remote::new(from, terms)?, sender.clone());
        let thread = runtime::thread("watch", move || follow(&remote, path, &sender));
        thread.map_err(|error| (Exit::Failure, format!("no thread to watch the source with: {error}")))?;
    }
    Ok(receiver)
}

fn follow(remote: &Remote, path: &str, moved: &SyncSender<()>) {
    let mut index = 0;
    loop {
        let sign = if path.contains('?') { '&' } else { '?' };
        match remote.json(&format!("{path}{sign}index={index}&wait={WAIT}")) {
            Ok((_, at)) if at == index => {}
            Ok((_, at)) => {
                // An index that went back belongs to another life of the source: what was seen means nothing.
                index = at;
                // A signal that is there already means the same.
                let _ = moved.try_send(());
            }
            // It has no keys, and will have none.
            Err(RemoteError::Refused { status: 404 | 501, .. }) if path.starts_with("/v1/kv") => return,
            Err(error) => {
                print(&format!("{error}; trying again"));
                index = 0;
                runtime::sleep(RETRY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn node(address: &str, services: &[(&str, u16)], checks: &[(&str, &str, &str)]) -> ListedNode {
        let service =
            |(id, port): &(&str, u16)| ((*id).to_owned(), json!({"ID": id, "Service": "web", "Port": port}));
        let check = |(id, of, status): &(&str, &str, &str)| {
            ((*id).to_owned(), json!({"Node": "n", "CheckID": id, "ServiceID": of, "Status": status}))
        };
        ListedNode {
            record: json!({"Node": "n", "Address": address, "CreateIndex": 9}),
            services: services.iter().map(service).collect(),
            checks: checks.iter().map(check).collect(),
        }
    }

    fn catalog(name: &str, node: ListedNode) -> Catalog {
        let nodes = BTreeMap::from([(name.to_owned(), node)]);
        Catalog { own_node: "own".to_owned(), nodes, ..Catalog::default() }
    }

    fn planned(present: &Catalog, wanted: &Catalog, seen: &[&str]) -> Vec<String> {
        let nodes = seen.iter().map(|name| (*name).to_owned()).collect();
        let seen = ImportWatch { nodes, ..ImportWatch::default() };
        let text = |step: &ImportStep| match step {
            ImportStep::Register(body) => {
                let checks = body["Checks"].as_array().into_iter().flatten();
                let checks: Vec<&str> = checks.map(|check| text(check, "CheckID")).collect();
                format!("+{} {}", text(&body["Service"], "ID"), checks.join(","))
            }
            ImportStep::Deregister(body) => {
                format!("-{} {}{}", text(body, "Node"), text(body, "ServiceID"), text(body, "CheckID"))
            }
            ImportStep::Write(pair) => format!("+{}", text(pair, "Key")),
            ImportStep::Delete(key) => format!("-{key}"),
        };
        plan(present, wanted, &seen).iter().map(text).collect()
    }

    #[test]
    fn only_what_differs_is_registered_or_removed() {
        let source = node("a", &[("s", 1), ("t", 2)], &[("s1", "s", "passing"), ("n1", "", "passing")]);
        let wanted = catalog("n", source.clone());
        let nothing = Catalog { own_node: "own".to_owned(), ..Catalog::default() };
        assert_eq!(planned(&nothing, &wanted, &[]), ["+ n1", "+s s1", "+t "]);
        assert_eq!(planned(&wanted, &wanted, &[]), [""; 0]);
        let rows = [
            (node("b", &[("s", 1), ("t", 2)], &[("s1", "s", "passing"), ("n1", "", "passing")]), &["+ "][..]),
            (node("a", &[("s", 9), ("t", 2)], &[("s1", "s", "critical"), ("n1", "", "passing")]), &["+s s1"]),
            (
                node(
                    "a",
                    &[("s", 1), ("t", 2), ("u", 3)],
                    &[
                        ("s1", "s", "passing"),
                        ("n1", "", "passing"),
                        ("u1", "u", "passing"),
                        ("t1", "t", "passing"),
                    ],
                ),
                &["-n u", "-n t1"],
            ),
        ];
        for (present, expected) in rows {
            assert_eq!(planned(&catalog("n", present), &wanted, &[]), expected);
        }
        let other = catalog("m", source);
        assert_eq!(planned(&other, &nothing, &[]), [""; 0], "a node that was never the source's stays");
        assert_eq!(planned(&other, &nothing, &["m"]), ["-m "], "one that was is gone with it");
    }
}
