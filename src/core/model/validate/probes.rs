//! What the way of a check may be: whom it asks, how often, and what muster does not serve.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::stdx::target_url::TargetUrl;
use crate::base::stdx::text::Text;
use crate::core::model::limits::{CHECK_INTERVAL_MIN, CHECK_TIMEOUT_MAX, OUTPUT_BYTES_MAX};
use crate::core::model::validate::{Violation, requests};
use crate::core::model::{CheckDefinition, Damping, Probe, ProbeTls};

/// Arguments of a program, itself included.
const ARGUMENTS_MAX: usize = 64;

/// Bytes in one of them.
const ARGUMENT_BYTES_MAX: usize = 4096;

/// Bytes in the name of a unit of systemd (its own bound).
const UNIT_BYTES_MAX: usize = 255;

/// Whether this muster can speak HTTP/2 to targets.
const HAS_HTTP2: bool = cfg!(feature = "grpc");

/// Shorter ones forget between two runs; longer ones would keep an instance out for days.
const HALF_LIFE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// A hundred falls. With more, damping would as well be off.
const SUPPRESS_MAX: u32 = 100 * Damping::PENALTY;

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
    ///
    /// # Errors
    /// With the way to allow them, if there is one.
    pub fn check(self) -> Result<(), Violation> {
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
        Err(Violation::new(sentence))
    }
}

/// Refuses a way of checking that no body could ask for.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_way(probe: &Probe) -> Result<(), Violation> {
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
            requests::check(method, header)
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
///
/// # Errors
/// With what is too large.
pub fn check_size(probe: &Probe) -> Result<(), Violation> {
    probe.excess().map_or(Ok(()), |excess| Err(invalid(excess)))
}

/// Refuses times that a body's would have been raised or lowered to.
///
/// # Errors
/// The first that is out of its bounds.
pub fn check_pace(definition: &CheckDefinition, probe: &Probe) -> Result<(), Violation> {
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
///
/// # Errors
/// When they do.
pub fn check_thresholds(definition: &CheckDefinition) -> Result<(), Violation> {
    let (warning, critical) = (definition.failures_before_warning, definition.failures_before_critical);
    if critical > 0 && warning > critical {
        return Err(invalid("FailuresBeforeWarning can't be higher than FailuresBeforeCritical"));
    }
    Ok(())
}

/// Refuses characters that no target and no name has. `name` is the key of the text.
///
/// # Errors
/// When there is one.
pub fn check_text(name: &str, text: &str) -> Result<(), Violation> {
    match text.chars().any(char::is_control) {
        true => Err(invalid(format!("control characters are not allowed in {name}"))),
        false => Ok(()),
    }
}

/// Refuses what is no URL that a run could ask.
///
/// # Errors
/// With what is wrong with it.
pub fn check_url(url: &str) -> Result<(), Violation> {
    TargetUrl::parse(url)
        .map(drop)
        .map_err(|error| invalid(format!("HTTP must be a URL such as http://127.0.0.1:8080/health: {error}")))
}

/// Refuses what is no host with its port. `name` is the key of the address.
///
/// # Errors
/// When it is none.
pub fn check_address(name: &str, address: &str) -> Result<(), Violation> {
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

/// Refuses what no program can be started with.
///
/// # Errors
/// The first rule that they break.
pub fn check_arguments(args: &[Text]) -> Result<(), Violation> {
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
///
/// # Errors
/// When it is none.
pub fn check_unit(name: &Text) -> Result<(), Violation> {
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

/// Refuses ways of checking that need HTTP/2, where this muster has none. `name` is the key of the way.
///
/// # Errors
/// Where it has none.
pub fn check_http2(name: &str) -> Result<(), Violation> {
    if HAS_HTTP2 {
        return Ok(());
    }
    Err(invalid(format!("{name} checks need HTTP/2, and this muster was built without it (feature grpc)")))
}

/// Refuses to watch where there is nothing to be watched.
///
/// # Errors
/// When there is not.
pub fn check_watch(watch: Option<bool>, keeps_connections: bool) -> Result<(), Violation> {
    if watch == Some(true) && !keeps_connections {
        return Err(invalid("Watch is for HTTP and TCP checks: no other keeps a connection"));
    }
    Ok(())
}

/// Refuses damping that keeps nobody out, or for ever.
///
/// # Errors
/// The first number that is out of its bounds.
pub fn check_damping(damping: &Damping) -> Result<(), Violation> {
    let Damping { half_life, suppress, reuse } = *damping;
    let fault = if !HALF_LIFE.contains(&half_life) {
        "Damping.HalfLife must be between 1s and 1h".to_owned()
    } else if suppress > SUPPRESS_MAX {
        format!("Damping.Suppress must be at most {SUPPRESS_MAX}; one fall counts {}", Damping::PENALTY)
    } else if reuse >= suppress {
        "Damping.Reuse must be below Damping.Suppress".to_owned()
    } else {
        return Ok(());
    };
    Err(Violation::new(format!("Invalid check: {fault}")))
}

/// The rule of a check, by what is wrong with it.
pub fn invalid(fault: impl AsRef<str>) -> Violation {
    Violation::new(format!("Invalid check: {}", fault.as_ref()))
}
