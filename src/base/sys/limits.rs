//! What the operating system allows this process.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Assumed where `/proc` does not say: the usual soft limit of a login shell.
const OPEN_FILES_ASSUMED: usize = 1024;

/// Assumed where neither `/proc` nor `/sys` says: a small machine.
const MEMORY_ASSUMED: u64 = 1 << 30;

/// Raises the soft limit of open descriptors to the hard one. The soft one is low for programs that `select(2)`, which
/// cannot wait for a descriptor past 1023; muster does not.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("the limit of open descriptors stays at {:?}: {error}", limit.current);
    }
}

/// Descriptors this process may have open (the soft limit `nofile`). Reads `/proc`; for start-up only.
pub fn open_files_max() -> usize {
    fs::read_to_string("/proc/self/limits").ok().and_then(|text| parse(&text)).unwrap_or(OPEN_FILES_ASSUMED)
}

/// Bytes of memory this process may use: what the machine has, or what its control group (of either version) allows, if
/// that is less. Reads `/proc` and `/sys`; for start-up only.
pub fn memory_bytes_max() -> u64 {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let of_machine = read(Path::new("/proc/meminfo")).and_then(|text| total_memory(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let of_groups = group_files(&groups).filter_map(|file| read(&file)?.trim().parse().ok());
    of_machine.into_iter().chain(of_groups).min().unwrap_or(MEMORY_ASSUMED)
}

/// `MemTotal` of `/proc/meminfo`.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The files that bound the memory of the groups in `/proc/self/cgroup` (`4:memory:/a/b` or `0::/a/b`) and of all that
/// they lie in. In a container the group's own path may not be there, but its root is.
fn group_files(groups: &str) -> impl Iterator<Item = PathBuf> {
    let parts = groups.lines().map(|line| line.splitn(3, ':').skip(1));
    let bounded = parts.filter_map(|mut parts| match (parts.next()?, parts.next()?) {
        ("", path) => Some(("/sys/fs/cgroup", "memory.max", path.to_owned())),
        (controllers, path) if controllers.split(',').any(|it| it == "memory") => {
            Some(("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path.to_owned()))
        }
        _ => None,
    });
    bounded.flat_map(|(root, file, path)| {
        let path = PathBuf::from(path.trim_start_matches('/'));
        let levels: Vec<PathBuf> = path.ancestors().map(Path::to_owned).collect();
        levels.into_iter().map(move |level| Path::new(root).join(level).join(file))
    })
}

fn parse(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_found() {
        let header = "Limit                     Soft Limit           Hard Limit           Units\n";
        for (line, expected) in [
            ("Max open files            1024                 20000                files", Some(1024)),
            ("Max open files            unlimited            unlimited            files", Some(usize::MAX)),
            ("Max processes             7                    7                    processes", None),
        ] {
            assert_eq!(parse(&format!("{header}{line}\n")), expected, "{line}");
        }
    }

    #[test]
    fn the_bounds_of_all_groups_are_looked_at() {
        let groups = "9:memory:/a/b\n4:cpu,cpuacct:/a\n0::/c\n";
        let files: Vec<String> = group_files(groups).map(|it| it.display().to_string()).collect();
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/c/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files, expected);
        assert_eq!(total_memory("MemTotal:       2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert!(memory_bytes_max() > 0);
    }
}
