//! What the kernel knows of a process: its processor time and its memory.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// User and system time of all its threads and of its children that run, in seconds; 0 if there is no such process.
    pub fn cpu_seconds(&self) -> f64 {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.0)).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|it| it.parse().ok());
        self.own_cpu_seconds() + children.map(|it| Self(it).own_cpu_seconds()).sum::<f64>()
    }

    fn own_cpu_seconds(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        // The name, in brackets, may hold anything; behind it the 12th and 13th fields are the two times.
        let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    /// Resident memory in bytes; 0 if there is no such process.
    pub fn rss_bytes(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or_default() * 1024
    }
}

/// A short name that no other run of this machine has.
pub fn unique_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", now.as_micros(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_processor_and_memory() {
        let before = Process::own().cpu_seconds();
        let mut sum = 0_u64;
        while Process::own().cpu_seconds() <= before {
            (0..100_000_u64).for_each(|it| sum = std::hint::black_box(sum.wrapping_add(it)));
        }
        assert!(Process::own().rss_bytes() > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_uses_nothing() {
        let nobody = Process(u32::MAX);
        assert_eq!((nobody.cpu_seconds(), nobody.rss_bytes()), (0.0, 0));
    }
}
