//! How a check is to be made: its type, and which settings go with it.

use std::time::Duration;

use crate::model::limits::OUTPUT_BYTES_MAX;
use crate::model::{CheckDefinition, Probe};
use crate::wire::body::check::CheckBody;
use crate::wire::intake::{Invalid, rules};

/// Shortest time between runs; what is below is raised to it, as by Consul. Faster ones would load those
/// checked.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What becomes of checks that run a program.
const SCRIPTS_DISABLED: &str = "Scripts are disabled on this agent from remote calls; to enable, configure \
                                'enable_script_checks' to true";

/// The complete definition of a check that the agent is to run.
pub fn definition(body: &CheckBody) -> Result<CheckDefinition, Invalid> {
    check_combination(body)?;
    let mut interval = rules::duration("Interval", body.interval)?;
    if runs_at_intervals(body) {
        interval = interval.max(INTERVAL_MIN);
    }
    let reap_after = body.deregister_critical_service_after;
    Ok(CheckDefinition {
        probe: Some(probe(body)?),
        interval,
        timeout: rules::duration("Timeout", body.timeout)?,
        success_before_passing: rules::count("SuccessBeforePassing", body.success_before_passing)?,
        failures_before_warning: rules::count("FailuresBeforeWarning", body.failures_before_warning)?,
        failures_before_critical: rules::count("FailuresBeforeCritical", body.failures_before_critical)?,
        deregister_critical_service_after: rules::duration("DeregisterCriticalServiceAfter", reap_after)?,
        output_max_size: body.output_max_size.min(OUTPUT_BYTES_MAX as i64) as u32,
        watch: None,
        damping: None,
    })
}

/// Refuses settings that do not go together, in Consul's order and words.
fn check_combination(body: &CheckBody) -> Result<(), Invalid> {
    let runs = runs_at_intervals(body);
    let fault = if body.interval.is_positive() && body.ttl.is_positive() {
        "Interval and TTL cannot both be specified"
    } else if runs && !body.interval.is_positive() {
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
    Err(Invalid::rejected(format!("Invalid check: {fault}")))
}

fn is_alias(body: &CheckBody) -> bool {
    !body.alias_node.is_empty() || !body.alias_service.is_empty()
}

fn is_script(body: &CheckBody) -> bool {
    !body.args.is_empty() || !body.script.is_empty()
}

fn runs_at_intervals(body: &CheckBody) -> bool {
    let targets = [&body.http, &body.tcp, &body.grpc, &body.h2ping, &body.udp, &body.os_service];
    is_script(body) || targets.iter().any(|target| !target.is_empty())
}

/// The way of checking. Where several are given, Consul's order decides.
fn probe(body: &CheckBody) -> Result<Probe, Invalid> {
    for (target, name) in
        [(&body.grpc, "GRPC"), (&body.h2ping, "H2PING"), (&body.udp, "UDP"), (&body.os_service, "OSService")]
    {
        if !target.is_empty() {
            let sentence = format!(
                "Invalid check: {name} checks are not supported yet; use an HTTP, TCP, TTL or alias check"
            );
            return Err(Invalid::rejected(sentence));
        }
    }
    if !body.http.is_empty() {
        return Ok(http(body));
    }
    if body.ttl.is_positive() {
        return Ok(Probe::Ttl { ttl: rules::duration("TTL", body.ttl)? });
    }
    if !body.tcp.is_empty() {
        return Ok(Probe::Tcp { address: body.tcp.clone(), tls: None });
    }
    if is_alias(body) {
        return Ok(Probe::Alias { node: body.alias_node.clone(), service_id: body.alias_service.clone() });
    }
    Err(Invalid::rejected(SCRIPTS_DISABLED))
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
