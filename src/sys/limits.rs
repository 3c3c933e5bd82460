//! What the operating system allows this process.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Assumed where `/proc` does not say: the usual soft limit of a login shell.
const OPEN_FILES_ASSUMED: usize = 1024;

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
}
