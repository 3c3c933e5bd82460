//! Facts about the machine, as Linux shows them under `/proc`.

use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::sync::OnceLock;

/// Where a file system is looked at.
const DISK_PATH: &str = "/";

/// What `/v1/agent/host` shows. A fact that the system does not give is zero or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Memory in all, in KiB.
    pub memory_total_kib: u64,
    /// Memory that programs could still get without swapping, in KiB.
    pub memory_available_kib: u64,
    /// Memory that nothing uses, in KiB.
    pub memory_free_kib: u64,
    /// The model of each processor.
    pub processors: Vec<String>,
    /// The host's name.
    pub host_name: String,
    /// Release of the kernel.
    pub kernel_version: String,
    /// The path whose disk this is about.
    pub disk_path: &'static str,
    /// Size of that disk, in bytes.
    pub disk_total_bytes: u64,
    /// What is free on it, in bytes.
    pub disk_free_bytes: u64,
    /// Seconds since the machine started.
    pub uptime_seconds: u64,
}

impl HostFacts {
    /// Reads the facts. Opens files: call it off the coroutine workers.
    pub fn read() -> HostFacts {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let memory = file("/proc/meminfo");
        let disk = rustix::fs::statvfs(DISK_PATH).ok();
        let (total_blocks, free_blocks, block_bytes) =
            disk.map_or((0, 0, 0), |disk| (disk.f_blocks, disk.f_bavail, disk.f_frsize));
        HostFacts {
            memory_total_kib: kib(&memory, "MemTotal"),
            memory_available_kib: kib(&memory, "MemAvailable"),
            memory_free_kib: kib(&memory, "MemFree"),
            processors: values(&file("/proc/cpuinfo"), "model name").map(str::to_owned).collect(),
            host_name: file("/proc/sys/kernel/hostname").trim().to_owned(),
            kernel_version: file("/proc/sys/kernel/osrelease").trim().to_owned(),
            disk_path: DISK_PATH,
            disk_total_bytes: total_blocks * block_bytes,
            disk_free_bytes: free_blocks * block_bytes,
            uptime_seconds: uptime_seconds(&file("/proc/uptime")),
        }
    }
}

/// The processors that this process may use. They are read from files, once: call it before there are workers.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Whether `address` is one of this machine's own, loopback included: the system does not let a process bind another's.
pub fn has_address(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

/// Values of the lines `name : value`.
fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(move |(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

fn kib(text: &str, name: &str) -> u64 {
    let value = values(text, name).next().and_then(|value| value.split(' ').next());
    value.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn uptime_seconds(text: &str) -> u64 {
    text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        let text = "MemTotal:       24576 kB\nMemFree: 12 kB\nmodel name\t: A CPU\nmodel name\t: B\n";
        assert_eq!((kib(text, "MemTotal"), kib(text, "MemFree"), kib(text, "Mem")), (24576, 12, 0));
        assert_eq!(values(text, "model name").collect::<Vec<_>>(), ["A CPU", "B"]);
        assert_eq!(uptime_seconds("123.45 99.0"), 123);
    }

    #[test]
    fn loopback_is_ours_and_a_documentation_address_is_not() {
        for (address, expected) in [("127.9.8.7", true), ("::1", true), ("192.0.2.1", false)] {
            assert_eq!(has_address(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(HostFacts::read().memory_total_kib > 0);
    }
}
