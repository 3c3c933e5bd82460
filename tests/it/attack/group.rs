//! Processes that may use little memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What is said where there is no such group.
pub const SKIPPED: &str = "skipped: no control group for memory can be made here; it takes root and cgroups";

/// A control group with a bound on memory, removed with its value. `None` where there is no right or no such group.
pub struct Group(PathBuf);

impl Group {
    pub fn new(bytes_max: u64) -> Option<Group> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("muster-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        for (root, file) in
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")]
        {
            let path = Path::new(root).join(&name);
            if fs::create_dir(&path).is_err() {
                continue;
            }
            let group = Group(path);
            if fs::write(group.0.join(file), bytes_max.to_string()).is_ok() {
                return Some(group);
            }
        }
        None
    }

    /// What has a shell join it.
    pub fn join(&self) -> String {
        format!("echo $$ > {}/cgroup.procs", self.0.display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process may be a moment from gone.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
