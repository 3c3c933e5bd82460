//! What checks may be. Who may run a program is not asked of a finished one: that needs to know what stands in
//! definition files.

use crate::base::stdx::text::Text;
use crate::core::model::limits::{CHECKS_PER_SERVICE_MAX, DURATION_MAX, OUTPUT_BYTES_MAX, SAID_BYTES_MAX};
use crate::core::model::validate::bounds::{check_indexes, check_time, depth};
use crate::core::model::validate::{Violation, names, probes};
use crate::core::model::{Cadence, Check, CheckDefinition, Origin, Probe, hold, said};

/// The keys of all that can be said of a way of checking.
pub const TOLD_KEYS: &[&str] = &[
    "HTTP",
    "Header",
    "Method",
    "Body",
    "DisableRedirects",
    "TLSSkipVerify",
    "TLSServerName",
    "TCP",
    "TCPUseTLS",
    "UDP",
    "GRPC",
    "GRPCUseTLS",
    "H2PING",
    "H2PingUseTLS",
    "OSService",
    "ScriptArgs",
    "DockerContainerID",
    "Shell",
    "AliasNode",
    "AliasService",
    "TTL",
];

/// Levels in what a check says beside its way of checking: headers have their values in lists.
const TOLD_DEPTH_MAX: usize = 2;

/// Refuses a check that could not have come anew, names apart that only newcomers may not have.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_held(check: &Check) -> Result<(), Violation> {
    check_but_run(check)?;
    match (check.origin, &check.definition.probe) {
        (Origin::Agent, Some(probe)) => run(&check.definition, probe),
        (Origin::Agent, None) if !hold::is_hold(check) => {
            Err(Violation::new("Invalid check: it says no way of checking"))
        }
        _ => Ok(()),
    }
}

/// As [`check_held`], of one that comes anew.
///
/// # Errors
/// As [`check_held`].
pub fn check_new(check: &Check) -> Result<(), Violation> {
    check_new_names(check)?;
    check_held(check)
}

/// Refuses names of a check that comes anew, unless everybody sees them.
///
/// # Errors
/// The first that is none.
pub fn check_new_names(check: &Check) -> Result<(), Violation> {
    names_of(check).into_iter().try_for_each(|(what, name)| names::check(what, name))
}

fn names_of(check: &Check) -> [(&'static str, &str); 4] {
    [
        ("check ID", &check.id),
        ("check name", &check.name),
        ("check type", &check.kind),
        ("service ID", &check.service_id),
    ]
}

/// Refuses a check that muster would run and that is larger than any run takes: a rule for those that come anew, and
/// not for those that were acknowledged before it was one.
///
/// # Errors
/// With what is too large.
pub fn check_size(check: &Check) -> Result<(), Violation> {
    match (check.origin, &check.definition.probe) {
        (Origin::Agent, Some(way)) => probes::check_size(way),
        _ => Ok(()),
    }
}

/// As [`check_held`], of one whose way of checking is known to be one that can be run.
///
/// # Errors
/// As [`check_held`].
pub fn check_but_run(check: &Check) -> Result<(), Violation> {
    if check.id.is_empty() {
        return Err(Violation::new("Must provide check ID or name"));
    }
    names_of(check).into_iter().try_for_each(|(what, name)| names::check_held(what, name))?;
    if check.notes.len() > said::notes_bytes_max(check) || check.output.len() > SAID_BYTES_MAX {
        let sentence = format!("Invalid check: notes and output must each be at most {SAID_BYTES_MAX} bytes");
        return Err(Violation::new(sentence));
    }
    check_time("Invalid check", check.status_since_ms)?;
    check_indexes(check.indexes)?;
    check_spans(&check.definition)?;
    check_told(check)
}

/// Refuses the definition of a check that muster runs.
fn run(definition: &CheckDefinition, way: &Probe) -> Result<(), Violation> {
    probes::check_way(way)?;
    probes::check_pace(definition, way)?;
    probes::check_thresholds(definition)?;
    definition.damping.as_ref().map_or(Ok(()), probes::check_damping)?;
    let keeps_connections = matches!(way, Probe::Http { .. } | Probe::Tcp { .. });
    probes::check_watch(definition.watch, keeps_connections)
}

/// What a check says beside its way of checking: only the catalog's do, by keys of Consul's that show nothing else.
fn check_told(check: &Check) -> Result<(), Violation> {
    let told = &check.definition.told;
    let is_told = !told.is_empty() || check.definition.owner != Cadence::default();
    if is_told && check.origin != Origin::Catalog {
        return Err(Violation::new(
            "Invalid check: only a check of the catalog says more than its way of checking",
        ));
    }
    for (key, value) in told {
        if !TOLD_KEYS.contains(&key.as_str()) {
            return Err(Violation::new(format!("Invalid check: there is no {:?} in it", key.as_str())));
        }
        if depth(value) > TOLD_DEPTH_MAX {
            let sentence = format!("Invalid check: {key} is nested deeper than {TOLD_DEPTH_MAX} levels");
            return Err(Violation::new(sentence));
        }
    }
    Ok(())
}

/// Durations of any check, whoever runs it: what moves a clock out of its range is none.
fn check_spans(definition: &CheckDefinition) -> Result<(), Violation> {
    let ttl = match &definition.probe {
        Some(Probe::Ttl { ttl }) => *ttl,
        _ => Default::default(),
    };
    let spans = [
        ("Interval", definition.interval),
        ("Timeout", definition.timeout),
        ("Interval", definition.owner.interval),
        ("Timeout", definition.owner.timeout),
        ("DeregisterCriticalServiceAfter", definition.deregister_critical_service_after),
        ("TTL", ttl),
    ];
    match spans.into_iter().find(|(_, span)| *span > DURATION_MAX) {
        Some((name, _)) => Err(Violation::new(format!("Invalid check: {name} is longer than 292 years"))),
        None => Ok(()),
    }
}

/// Refuses more checks than one registration may bring.
///
/// # Errors
/// When there are.
pub fn check_count(count: usize) -> Result<(), Violation> {
    if count > CHECKS_PER_SERVICE_MAX {
        let sentence = format!("too many checks: at most {CHECKS_PER_SERVICE_MAX} are kept");
        return Err(Violation::new(sentence));
    }
    Ok(())
}

/// The first part of an output that is too long to keep, with a remark; any other as it is.
pub fn cut_output(output: Text) -> Text {
    if output.len() <= OUTPUT_BYTES_MAX {
        return output;
    }
    let kept = &output[..output.floor_char_boundary(OUTPUT_BYTES_MAX)];
    format!("{kept} ... (captured {} of {} bytes)", kept.len(), output.len()).into()
}
