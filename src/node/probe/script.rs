//! Script checks: a program whose exit code decides.

use std::time::Duration;

use crate::base::stdx::text::Text;
use crate::base::sys::program::{ProgramEnd, Report};
use crate::core::model::{Observation, Status};
use crate::node::probe::critical;
use crate::node::probe::programs::{Programs, timed_out};

/// Runs `args`, the program and its arguments, for at most `timeout`. Exit code 0 passes, 1 warns, any other is
/// critical.
pub fn run(programs: &Programs, args: &[Text], timeout: Duration, output_bytes_max: usize) -> Observation {
    let Some((program, arguments)) = args.split_first() else { return critical("no program is given") };
    let report = match programs.run(program, arguments.to_vec(), timeout, output_bytes_max) {
        Ok(report) => report,
        Err(error) => return critical(error.to_string()),
    };
    let status = match report.end {
        ProgramEnd::Exited(0) => Status::Passing,
        ProgramEnd::Exited(1) => Status::Warning,
        ProgramEnd::Exited(_) => Status::Critical,
        ProgramEnd::Signalled(signal) => {
            return critical(format!("{}\nsignal: {signal}", output_text(&report)));
        }
        ProgramEnd::TimedOut => return critical(timed_out(timeout)),
    };
    Observation { status, output: output_text(&report).into() }
}

/// The end of the output, with a remark when that is not all of it.
fn output_text(report: &Report) -> String {
    let output = String::from_utf8_lossy(&report.output);
    let (kept, total) = (report.output.len(), report.output_bytes_total);
    if total > kept as u64 {
        format!("Captured {kept} of {total} bytes\n...\n{output}")
    } else {
        output.into()
    }
}
