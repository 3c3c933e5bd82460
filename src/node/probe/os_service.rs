//! Checks of the operating system's services: a unit of systemd that must be active.

use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::base::sys::program::{ProgramEnd, Report};
use crate::core::model::{Observation, Status};
use crate::node::probe::critical;
use crate::node::probe::programs::{Programs, timed_out};

/// What systemd is asked with. Found on the `PATH` of muster's environment.
const PROGRAM: &str = "systemctl";

/// Bytes of its answer, a word, that are kept.
const ANSWER_BYTES_MAX: usize = 512;

/// Asks how the unit `name` is, within `timeout`.
pub fn run(programs: &Programs, name: &Text, timeout: Duration) -> Observation {
    let arguments = ["is-active", "--", name.as_str()].map(Text::from).to_vec();
    match programs.run(&PROGRAM.into(), arguments, timeout, ANSWER_BYTES_MAX) {
        Ok(Report { end: ProgramEnd::TimedOut, .. }) => critical(timed_out(timeout)),
        Ok(report) => observe(name, String::from_utf8_lossy(&report.output).trim()),
        Err(error) => critical(format!("systemd cannot be asked: {error}")),
    }
}

/// What systemd's answer means: the state of the unit, or else why there is none.
fn observe(name: &str, answer: &str) -> Observation {
    let status = match answer {
        "active" | "reloading" | "refreshing" => {
            let output = format!("Service {name:?} is healthy").into();
            return Observation { status: Status::Passing, output };
        }
        "activating" | "deactivating" | "maintenance" => Status::Warning,
        "inactive" | "failed" | "unknown" => Status::Critical,
        _ => return critical(format!("systemd cannot be asked: {answer}")),
    };
    let unhealthy = if status == Status::Critical { " - OS Service unhealthy" } else { "" };
    Observation { status, output: format!("service status: {answer}{unhealthy}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_the_unit_decides() {
        let rows = [
            ("active", Status::Passing, "Service \"web\" is healthy"),
            ("reloading", Status::Passing, "Service \"web\" is healthy"),
            ("activating", Status::Warning, "service status: activating"),
            ("failed", Status::Critical, "service status: failed - OS Service unhealthy"),
            ("inactive", Status::Critical, "service status: inactive - OS Service unhealthy"),
            ("", Status::Critical, "systemd cannot be asked: "),
            ("Host is down", Status::Critical, "systemd cannot be asked: Host is down"),
        ];
        for (answer, status, output) in rows {
            assert_eq!(observe("web", answer), Observation { status, output: output.into() }, "{answer}");
        }
    }
}
