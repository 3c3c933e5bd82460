//! How a check is to be made: its type, and which settings go with it.

use std::time::Duration;

use crate::model::limits::OUTPUT_BYTES_MAX;
use crate::model::{CheckDefinition, Probe, ProbeTls};
use crate::stdx::text::Text;
use crate::wire::body::check::CheckBody;
use crate::wire::intake::criticality::Criticality;
use crate::wire::intake::damping::damping;
use crate::wire::intake::request::check_request;
use crate::wire::intake::{Invalid, rules};

/// Shortest time between runs; what is below is raised to it, as by Consul. Faster ones would load those
/// checked.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Time that a program may take when its definition does not say, as in Consul.
const PROGRAM_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Arguments of a program, itself included.
const ARGUMENTS_MAX: usize = 64;

/// Bytes in one of them.
const ARGUMENT_BYTES_MAX: usize = 4096;

/// Bytes in the name of a unit of systemd (its own bound).
const UNIT_BYTES_MAX: usize = 255;

/// Whether this muster can speak HTTP/2 to targets.
const HAS_HTTP2: bool = cfg!(feature = "grpc");

/// Whether checks may run programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// They may: the definition stands in a file of this machine, and the operator has said so.
    Allowed,
    /// The definition stands in a file, but the operator has not said so.
    Off,
    /// Whoever can reach the API must not run programs here.
    Remote,
}

impl Scripts {
    /// Refuses them unless they are allowed.
    fn check(self) -> Result<(), Invalid> {
        let sentence = match self {
            Scripts::Allowed => return Ok(()),
            Scripts::Off => {
                "Scripts are disabled on this agent; to run them from definition files, set \
                 enable_local_script_checks to true"
            }
            // Consul's words; clients match on them.
            Scripts::Remote => {
                "Scripts are disabled on this agent from remote calls; to enable, configure \
                 'enable_script_checks' to true"
            }
        };
        Err(Invalid::rejected(sentence))
    }
}

/// The complete definition of a check that the agent is to run; `of_service` is what the check's instance says of how
/// much depends on it.
pub fn definition(
    body: &CheckBody,
    scripts: Scripts,
    of_service: Option<Criticality>,
) -> Result<CheckDefinition, Invalid> {
    let criticality = Criticality::of_check(&body.criticality)?.or(of_service);
    check_combination(body, criticality.is_some())?;
    check_texts(body)?;
    let reap_after = body.deregister_critical_service_after;
    let mut definition = CheckDefinition {
        probe: Some(probe(body, scripts)?),
        interval: rules::duration("Interval", body.interval)?,
        timeout: rules::duration("Timeout", body.timeout)?,
        success_before_passing: rules::count("SuccessBeforePassing", body.success_before_passing)?,
        failures_before_warning: rules::count("FailuresBeforeWarning", body.failures_before_warning)?,
        failures_before_critical: rules::count("FailuresBeforeCritical", body.failures_before_critical)?,
        deregister_critical_service_after: rules::duration("DeregisterCriticalServiceAfter", reap_after)?,
        output_max_size: body.output_max_size.min(OUTPUT_BYTES_MAX as i64) as u32,
        watch: watch(body)?,
        damping: damping(&body.damping)?,
    };
    if runs_at_intervals(body) {
        if let Some(criticality) = criticality {
            criticality.complete(&mut definition);
        }
        let is_program = matches!(definition.probe, Some(Probe::Script { .. } | Probe::OsService { .. }));
        if is_program && definition.timeout.is_zero() {
            definition.timeout = PROGRAM_TIMEOUT_DEFAULT;
        }
        definition.interval = definition.interval.max(INTERVAL_MIN);
    }
    check_thresholds(&definition)?;
    Ok(definition)
}

/// Refuses settings that do not go together, in Consul's order and words. `has_pace`: an interval need not be given.
fn check_combination(body: &CheckBody, has_pace: bool) -> Result<(), Invalid> {
    let runs = runs_at_intervals(body);
    let fault = if body.interval.is_positive() && body.ttl.is_positive() {
        "Interval and TTL cannot both be specified"
    } else if runs && !body.interval.is_positive() && !has_pace {
        "Interval must be > 0 for Script, HTTP, or TCP checks"
    } else if runs && is_alias(body) {
        "Interval cannot be set for Alias checks"
    } else if is_alias(body) && body.ttl.is_positive() {
        "TTL must be not be set for Alias checks"
    } else if !runs && !is_alias(body) && !body.ttl.is_positive() {
        "TTL must be > 0 for TTL checks"
    } else if body.output_max_size < 0 {
        "MaxOutputMaxSize must be positive"
    } else {
        return Ok(());
    };
    Err(invalid(fault))
}

/// Refuses targets and names that no target can have.
fn check_texts(body: &CheckBody) -> Result<(), Invalid> {
    let texts = [
        ("HTTP", &body.http),
        ("TCP", &body.tcp),
        ("UDP", &body.udp),
        ("GRPC", &body.grpc),
        ("H2PING", &body.h2ping),
        ("TLSServerName", &body.tls_server_name),
        ("AliasNode", &body.alias_node),
        ("AliasService", &body.alias_service),
    ];
    match texts.into_iter().find(|(_, text)| text.chars().any(char::is_control)) {
        Some((name, _)) => Err(invalid(format!("control characters are not allowed in {name}"))),
        None => check_request(&body.method, &body.header),
    }
}

fn check_thresholds(definition: &CheckDefinition) -> Result<(), Invalid> {
    let (warning, critical) = (definition.failures_before_warning, definition.failures_before_critical);
    if critical > 0 && warning > critical {
        return Err(invalid("FailuresBeforeWarning can't be higher than FailuresBeforeCritical"));
    }
    Ok(())
}

fn watch(body: &CheckBody) -> Result<Option<bool>, Invalid> {
    if body.watch == Some(true) && body.http.is_empty() && body.tcp.is_empty() {
        return Err(invalid("Watch is for HTTP and TCP checks: no other keeps a connection"));
    }
    Ok(body.watch)
}

fn invalid(fault: impl AsRef<str>) -> Invalid {
    Invalid::rejected(format!("Invalid check: {}", fault.as_ref()))
}

fn is_alias(body: &CheckBody) -> bool {
    !body.alias_node.is_empty() || !body.alias_service.is_empty()
}

fn is_program(body: &CheckBody) -> bool {
    !body.args.is_empty() || !body.script.is_empty() || !body.docker_container_id.is_empty()
}

fn runs_at_intervals(body: &CheckBody) -> bool {
    let targets = [&body.http, &body.tcp, &body.grpc, &body.h2ping, &body.udp, &body.os_service];
    is_program(body) || targets.iter().any(|target| !target.is_empty())
}

/// The way of checking. Where several are given, Consul's order decides.
fn probe(body: &CheckBody, scripts: Scripts) -> Result<Probe, Invalid> {
    if !body.grpc.is_empty() {
        check_http2("GRPC")?;
        let (address, service) = body.grpc.split_once('/').unwrap_or((&body.grpc, ""));
        let tls = security(body, body.grpc_use_tls);
        return Ok(Probe::Grpc { address: address.into(), service: service.into(), tls });
    }
    if !body.http.is_empty() {
        return Ok(http(body));
    }
    if body.ttl.is_positive() {
        return Ok(Probe::Ttl { ttl: rules::duration("TTL", body.ttl)? });
    }
    if !body.tcp.is_empty() {
        return Ok(Probe::Tcp { address: body.tcp.clone(), tls: security(body, body.tcp_use_tls) });
    }
    if !body.udp.is_empty() {
        return Ok(Probe::Udp { address: body.udp.clone() });
    }
    if is_alias(body) {
        return Ok(Probe::Alias { node: body.alias_node.clone(), service_id: body.alias_service.clone() });
    }
    if is_program(body) {
        return script(body, scripts);
    }
    if !body.h2ping.is_empty() {
        check_http2("H2PING")?;
        let tls = security(body, body.h2ping_use_tls.unwrap_or(true));
        return Ok(Probe::H2Ping { address: body.h2ping.clone(), tls });
    }
    check_unit(&body.os_service)?;
    Ok(Probe::OsService { name: body.os_service.clone() })
}

fn http(body: &CheckBody) -> Probe {
    Probe::Http {
        url: body.http.clone(),
        method: body.method.clone(),
        header: body.header.clone(),
        body: body.body.clone(),
        tls_skip_verify: body.tls_skip_verify,
        tls_server_name: body.tls_server_name.clone(),
        disable_redirects: body.disable_redirects,
    }
}

fn security(body: &CheckBody, use_tls: bool) -> Option<ProbeTls> {
    use_tls.then(|| ProbeTls { skip_verify: body.tls_skip_verify, server_name: body.tls_server_name.clone() })
}

fn check_http2(name: &str) -> Result<(), Invalid> {
    if HAS_HTTP2 {
        return Ok(());
    }
    Err(invalid(format!("{name} checks need HTTP/2, and this muster was built without it (feature grpc)")))
}

/// A program with its arguments, as they are: there is no shell to read them.
fn script(body: &CheckBody, scripts: Scripts) -> Result<Probe, Invalid> {
    if !body.docker_container_id.is_empty() {
        return Err(invalid(
            "Docker checks are not run: muster enters no containers; check a port of the container instead",
        ));
    }
    scripts.check()?;
    let Some(program) = body.args.first() else {
        return Err(invalid(
            "Script is a line for a shell, and there is none: give program and arguments in Args",
        ));
    };
    if program.is_empty() {
        return Err(invalid("Args must begin with the program"));
    }
    if body.args.len() > ARGUMENTS_MAX {
        return Err(invalid(format!("Args must be at most {ARGUMENTS_MAX}")));
    }
    if body.args.iter().any(|it| it.len() > ARGUMENT_BYTES_MAX || it.contains('\0')) {
        let sentence = format!("Args must each be at most {ARGUMENT_BYTES_MAX} bytes, none of them NUL");
        return Err(invalid(sentence));
    }
    Ok(Probe::Script { args: body.args.clone() })
}

/// Refuses what is no name of a unit of systemd (`systemd.unit(5)`). It becomes an argument, so it must not look like
/// an option either.
fn check_unit(name: &Text) -> Result<(), Invalid> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let is_unit = name.len() <= UNIT_BYTES_MAX && !name.starts_with('-') && name.bytes().all(is_part);
    if is_unit {
        return Ok(());
    }
    let sentence = format!(
        "OSService must be the name of a unit: at most {UNIT_BYTES_MAX} letters, digits and :-_.\\@, no hyphen first"
    );
    Err(invalid(sentence))
}
