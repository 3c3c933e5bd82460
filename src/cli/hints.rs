//! What is printed for a command line that does not parse: the flag that was probably meant, Consul's hidden ones
//! included, and of words that are commands elsewhere how muster has what they do.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use crate::base::stdx::nearest::nearest;

/// `(words that are commands of Consul's or of other servers, alone or with the next one, how to do it here)`.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["start", "run", "serve", "server"], "`muster agent` starts it"),
    (
        &["stop", "leave", "quit"],
        "end the process with SIGTERM: `systemctl stop muster`, or kill \"$(cat DATA_DIR/LOCK)\"",
    ),
    (
        &["restart", "upgrade"],
        "`systemctl restart muster`; SIGUSR2 puts the program that is on disk in its place, and nobody notices \
         (`muster help restart`)",
    ),
    (&["reload"], "send SIGHUP: `systemctl reload muster`, or kill -HUP \"$(cat DATA_DIR/LOCK)\""),
    (
        &["status", "ready", "info"],
        "`muster health` says whether it is ready; /v1/agent/self and /metrics say more",
    ),
    (
        &["services register", "service register", "register"],
        "curl -X PUT -d '{\"Name\":\"web\",\"Port\":80}' localhost:8500/v1/agent/service/register",
    ),
    (
        &["services deregister", "service deregister", "deregister"],
        "curl -X PUT localhost:8500/v1/agent/service/deregister/ID",
    ),
    (&["services", "service"], "curl -s localhost:8500/v1/catalog/services (one: /v1/health/service/NAME)"),
    (&["catalog nodes", "nodes"], "curl -s localhost:8500/v1/catalog/nodes"),
    (&["catalog"], "curl -s localhost:8500/v1/catalog/services (nodes: /v1/catalog/nodes)"),
    (
        &["members"],
        "muster is one server without members; its nodes: curl -s localhost:8500/v1/catalog/nodes",
    ),
    (
        &["maint", "maintenance"],
        "curl -X PUT 'localhost:8500/v1/agent/service/maintenance/ID?enable=true&reason=WHY'",
    ),
    (&["drain"], "curl -X PUT 'localhost:8500/v1/muster/drain/ID?deadline=60s' (`muster help drain`)"),
    (&["explain", "why"], "curl -s localhost:8500/v1/muster/explain/ID (`muster help explain`)"),
    (&["history", "events"], "curl -s localhost:8500/v1/muster/history/service/NAME (`muster help explain`)"),
    (&["watch"], "`muster help watching` says how to follow services"),
    (&["monitor", "logs"], "the log is where muster's stderr goes: `journalctl -u muster` under systemd"),
    (
        &["kv", "get", "put"],
        "curl -X PUT -d VALUE localhost:8500/v1/kv/KEY, and curl -s 'localhost:8500/v1/kv/KEY?raw' (`muster help kv`)",
    ),
    (&["backup", "save"], "`muster snapshot save FILE`"),
    (&["restore"], "`muster snapshot restore FILE`, or `muster agent --restore FILE` on a new machine"),
    (&["config", "configtest", "check"], "`muster validate` checks a configuration"),
    (
        &[
            "connect",
            "debug",
            "event",
            "exec",
            "force-leave",
            "intention",
            "join",
            "keygen",
            "keyring",
            "lock",
            "login",
            "logout",
            "operator",
            "peering",
            "rtt",
            "txn",
        ],
        "muster does not have what it does, over HTTP neither (501): `muster help compatibility` lists what is missing",
    ),
];

/// What is printed for an error in `typed`, by the grammar.
pub fn message(error: &Error, typed: &[OsString], grammar: Command) -> String {
    let rendered = error.render().to_string().trim_end().to_owned();
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let hint = match error.kind() {
        ErrorKind::UnknownArgument => {
            let flag = context(ContextKind::InvalidArg).and_then(|it| it.strip_prefix("--"));
            let command = named(&grammar, typed);
            let longs = command.get_arguments().filter_map(Arg::get_long);
            let near = flag.and_then(|flag| nearest(flag.split('=').next().unwrap_or_default(), longs));
            near.map(|near| format!("did you mean --{near}?"))
        }
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let next = typed.iter().skip_while(|it| *it != word).nth(1).and_then(|it| it.to_str());
            let both = format!("{word} {}", next.unwrap_or_default());
            let row = |named: &str| ELSEWHERE.iter().find(|(words, _)| words.contains(&named));
            row(&both).or_else(|| row(word)).map(|(_, how)| {
                let instead = if how.starts_with("curl ") { "Type instead: " } else { "" };
                format!("muster has no command for that. {instead}{how}")
            })
        }
        _ => None,
    };
    match hint {
        // clap shows the flags of a usage that was not meant.
        Some(hint) => format!("{}\n\n{hint}", rendered.split("\n\n").next().unwrap_or_default()),
        None => rendered,
    }
}

/// The command that the words name, as far as they name one.
fn named<'g>(grammar: &'g Command, typed: &[OsString]) -> &'g Command {
    let words = typed.iter().skip(1).map_while(|word| word.to_str().filter(|it| !it.starts_with('-')));
    words
        .fold((grammar, true), |(command, goes_on), word| {
            match command.find_subcommand(word).filter(|_| goes_on) {
                Some(below) => (below, true),
                None => (command, false),
            }
        })
        .0
}
