//! How a check is to be made: its type, and which settings go with it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::limits::{CHECK_INTERVAL_MIN, CHECK_TIMEOUT_MAX, OUTPUT_BYTES_MAX};
use crate::model::{Cadence, CheckDefinition, Probe, ProbeTls};
use crate::stdx::target_url::TargetUrl;
use crate::stdx::text::Text;
use crate::wire::body::check::CheckBody;
use crate::wire::intake::criticality::Criticality;
use crate::wire::intake::damping::damping;
use crate::wire::intake::request::check_request;
use crate::wire::intake::{Invalid, rules};

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
            // It begins with Consul's words, which clients match on. Consul then names a key that would not help here.
            Scripts::Remote => {
                "Scripts are disabled on this agent from remote calls; to run one, define the check in a file and set \
                 enable_local_script_checks to true"
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
    let probe = probe(body, scripts)?;
    check_size(&probe)?;
    let reap_after = body.deregister_critical_service_after;
    let mut definition = CheckDefinition {
        probe: Some(probe),
        interval: rules::duration("Interval", body.interval)?,
        timeout: rules::duration("Timeout", body.timeout)?,
        success_before_passing: rules::count("SuccessBeforePassing", body.success_before_passing)?,
        failures_before_warning: rules::count("FailuresBeforeWarning", body.failures_before_warning)?,
        failures_before_critical: rules::count("FailuresBeforeCritical", body.failures_before_critical)?,
        deregister_critical_service_after: rules::duration("DeregisterCriticalServiceAfter", reap_after)?,
        output_max_size: body.output_max_size.min(OUTPUT_BYTES_MAX as i64) as u32,
        watch: watch(body)?,
        damping: damping(&body.damping)?,
        owner: Cadence::default(),
        told: BTreeMap::new(),
    };
    if runs_at_intervals(body) {
        if let Some(criticality) = criticality {
            criticality.complete(&mut definition);
        }
        let is_program = matches!(definition.probe, Some(Probe::Script { .. } | Probe::OsService { .. }));
        if is_program && definition.timeout.is_zero() {
            definition.timeout = PROGRAM_TIMEOUT_DEFAULT;
        }
        definition.interval = definition.interval.max(CHECK_INTERVAL_MIN);
        definition.timeout = definition.timeout.min(CHECK_TIMEOUT_MAX);
    }
    check_thresholds(&definition)?;
    Ok(definition)
}

/// Refuses settings that do not go together, in Consul's order and words. `has_pace`: an interval need not be given.
fn check_combination(body: &CheckBody, has_pace: bool) -> Result<(), Invalid> {
    let runs = runs_at_intervals(body);
    let fault = if body.interval.is_positive() && has_ttl(body) {
        "Interval and TTL cannot both be specified"
    } else if runs && !body.interval.is_positive() && !has_pace {
        "Interval must be > 0 for Script, HTTP, or TCP checks"
    } else if runs && is_alias(body) {
        "Interval cannot be set for Alias checks"
    } else if is_alias(body) && has_ttl(body) {
        "TTL must be not be set for Alias checks"
    } else if !runs && !is_alias(body) && !has_ttl(body) {
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
    texts.into_iter().try_for_each(|(name, text)| check_text(name, text))?;
    check_request(&body.method, &body.header)?;
    check_targets(body)
}

fn check_text(name: &str, text: &str) -> Result<(), Invalid> {
    match text.chars().any(char::is_control) {
        true => Err(invalid(format!("control characters are not allowed in {name}"))),
        false => Ok(()),
    }
}

/// Refuses targets that no run could ask.
fn check_targets(body: &CheckBody) -> Result<(), Invalid> {
    if !body.http.is_empty() {
        check_url(&body.http)?;
    }
    let addresses = [("TCP", &body.tcp), ("UDP", &body.udp), ("GRPC", &body.grpc), ("H2PING", &body.h2ping)];
    for (name, address) in addresses.into_iter().filter(|(_, address)| !address.is_empty()) {
        // Behind the address of gRPC stands the service that is asked for.
        check_address(
            name,
            if name == "GRPC" { address.split('/').next().unwrap_or_default() } else { address },
        )?;
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), Invalid> {
    TargetUrl::parse(url)
        .map(drop)
        .map_err(|error| invalid(format!("HTTP must be a URL such as http://127.0.0.1:8080/health: {error}")))
}

fn check_address(name: &str, address: &str) -> Result<(), Invalid> {
    if is_host_and_port(address) {
        return Ok(());
    }
    Err(invalid(format!(
        "{name} must be host:port, as 127.0.0.1:5432 or [::1]:5432, with a port up to 65535 or its name"
    )))
}

fn is_host_and_port(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let is_host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.contains(':')),
        None => !host.is_empty() && !host.contains([':', ' ', '/', '@']),
    };
    let is_name = port.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && port.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_host && (is_name || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()))
}

/// Refuses a way of checking that no body could ask for.
pub fn check_probe(probe: &Probe) -> Result<(), Invalid> {
    let text = |name: &str, text: &Text| {
        if text.is_empty() { Err(invalid(format!("{name} is empty"))) } else { check_text(name, text) }
    };
    let target = |name: &str, address: &Text| text(name, address).and_then(|()| check_address(name, address));
    let secured = |tls: &Option<ProbeTls>| {
        tls.as_ref().map_or(Ok(()), |tls| check_text("TLSServerName", &tls.server_name))
    };
    match probe {
        Probe::Ttl { ttl } if ttl.is_zero() => Err(invalid("TTL must be > 0 for TTL checks")),
        Probe::Ttl { .. } => Ok(()),
        Probe::Http { url, method, header, tls_server_name, .. } => {
            text("HTTP", url).and_then(|()| check_url(url))?;
            check_text("TLSServerName", tls_server_name)?;
            check_request(method, header)
        }
        Probe::Tcp { address, tls } => target("TCP", address).and_then(|()| secured(tls)),
        Probe::Udp { address } => target("UDP", address),
        Probe::Grpc { address, service, tls } => {
            target("GRPC", address)?;
            check_text("GRPC", service)?;
            secured(tls)
        }
        Probe::H2Ping { address, tls } => target("H2PING", address).and_then(|()| secured(tls)),
        Probe::OsService { name } => check_unit(name),
        Probe::Script { args } => check_arguments(args),
        Probe::Alias { node, service_id } if node.is_empty() && service_id.is_empty() => {
            Err(invalid("AliasNode and AliasService are both empty"))
        }
        Probe::Alias { node, service_id } => {
            check_text("AliasNode", node)?;
            check_text("AliasService", service_id)
        }
    }
}

/// Refuses what is larger than any run takes.
pub fn check_size(probe: &Probe) -> Result<(), Invalid> {
    probe.excess().map_or(Ok(()), |excess| Err(invalid(excess)))
}

/// Refuses times that a body's would have been raised or lowered to.
pub fn check_pace(definition: &CheckDefinition, probe: &Probe) -> Result<(), Invalid> {
    if matches!(probe, Probe::Ttl { .. } | Probe::Alias { .. }) {
        return Ok(());
    }
    if definition.interval < CHECK_INTERVAL_MIN {
        return Err(invalid(format!("Interval must be at least {CHECK_INTERVAL_MIN:?}")));
    }
    if definition.timeout > CHECK_TIMEOUT_MAX {
        return Err(invalid(format!("Timeout must be at most {CHECK_TIMEOUT_MAX:?}")));
    }
    if definition.output_max_size > OUTPUT_BYTES_MAX as u32 {
        return Err(invalid(format!("OutputMaxSize must be at most {OUTPUT_BYTES_MAX}")));
    }
    Ok(())
}

/// Refuses thresholds that exclude each other.
pub fn check_thresholds(definition: &CheckDefinition) -> Result<(), Invalid> {
    let (warning, critical) = (definition.failures_before_warning, definition.failures_before_critical);
    if critical > 0 && warning > critical {
        return Err(invalid("FailuresBeforeWarning can't be higher than FailuresBeforeCritical"));
    }
    Ok(())
}

fn watch(body: &CheckBody) -> Result<Option<bool>, Invalid> {
    let keeps_connections = !body.http.is_empty() || !body.tcp.is_empty();
    check_watch(body.watch, keeps_connections).map(|()| body.watch)
}

/// Refuses to watch where there is nothing to be watched.
pub fn check_watch(watch: Option<bool>, keeps_connections: bool) -> Result<(), Invalid> {
    if watch == Some(true) && !keeps_connections {
        return Err(invalid("Watch is for HTTP and TCP checks: no other keeps a connection"));
    }
    Ok(())
}

fn invalid(fault: impl AsRef<str>) -> Invalid {
    Invalid::rejected(format!("Invalid check: {}", fault.as_ref()))
}

fn is_alias(body: &CheckBody) -> bool {
    !body.alias_node.is_empty() || !body.alias_service.is_empty()
}

fn has_ttl(body: &CheckBody) -> bool {
    body.ttl.is_some_and(|ttl| ttl.is_positive())
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
    if has_ttl(body) {
        return Ok(Probe::Ttl { ttl: rules::duration("TTL", body.ttl.unwrap_or_default())? });
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
    check_arguments(&body.args)?;
    Ok(Probe::Script { args: body.args.clone() })
}

/// Refuses what no program can be started with.
fn check_arguments(args: &[Text]) -> Result<(), Invalid> {
    let Some(program) = args.first() else {
        return Err(invalid(
            "Script is a line for a shell, and there is none: give program and arguments in Args",
        ));
    };
    if program.is_empty() {
        return Err(invalid("Args must begin with the program"));
    }
    if args.len() > ARGUMENTS_MAX {
        return Err(invalid(format!("Args must be at most {ARGUMENTS_MAX}")));
    }
    if args.iter().any(|it| it.len() > ARGUMENT_BYTES_MAX || it.contains('\0')) {
        let sentence = format!("Args must each be at most {ARGUMENT_BYTES_MAX} bytes, none of them NUL");
        return Err(invalid(sentence));
    }
    Ok(())
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
