//! How a check is to be made: its type, and which settings go with it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::model::limits::{CHECK_INTERVAL_MIN, CHECK_TIMEOUT_MAX, OUTPUT_BYTES_MAX};
use crate::core::model::validate::probes::{
    Scripts, check_address, check_arguments, check_http2, check_size, check_text, check_thresholds,
    check_unit, check_url, check_watch, invalid,
};
use crate::core::model::validate::{bounds, requests};
use crate::core::model::{Cadence, CheckDefinition, Criticality, Probe, ProbeTls};
use crate::wire::body::check::CheckBody;
use crate::wire::intake::damping::damping;
use crate::wire::intake::{Invalid, rules};

/// Time that a program may take when its definition does not say, as in Consul.
const PROGRAM_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

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
        success_before_passing: bounds::count("SuccessBeforePassing", body.success_before_passing)?,
        failures_before_warning: bounds::count("FailuresBeforeWarning", body.failures_before_warning)?,
        failures_before_critical: bounds::count("FailuresBeforeCritical", body.failures_before_critical)?,
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
    Err(invalid(fault).into())
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
    requests::check(&body.method, &body.header)?;
    check_targets(body)
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

fn watch(body: &CheckBody) -> Result<Option<bool>, Invalid> {
    let keeps_connections = !body.http.is_empty() || !body.tcp.is_empty();
    check_watch(body.watch, keeps_connections)?;
    Ok(body.watch)
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

/// A program with its arguments, as they are: there is no shell to read them.
fn script(body: &CheckBody, scripts: Scripts) -> Result<Probe, Invalid> {
    if !body.docker_container_id.is_empty() {
        let fault =
            "Docker checks are not run: muster enters no containers; check a port of the container instead";
        return Err(invalid(fault).into());
    }
    scripts.check()?;
    check_arguments(&body.args)?;
    Ok(Probe::Script { args: body.args.clone() })
}
