//! What the system knows of a thread: that it is there, that it is held still, or that it is gone.
//!
//! It takes one read of a file that stays open, so a look at a thread that waits wakes nothing and costs no more than
//! a system call.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::base::sys::supervision::own_number;

/// Bytes of the file that are read. The thread's number and its name, fifteen bytes at most, stand before its state.
const READ_BYTES: usize = 48;

/// How a thread was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadSeen {
    /// It is there, asleep or at work, or the system does not say.
    There,
    /// It is stopped: by a debugger, or a signal.
    Held,
    Gone,
}

/// A thread, and the file in which the system describes it.
#[derive(Debug, Default)]
pub(super) struct Presence {
    thread: i32,
    stat: Option<File>,
}

impl Presence {
    /// How the thread of this process with this number is.
    pub(super) fn of(&mut self, thread: i32) -> ThreadSeen {
        if self.thread != thread || self.stat.is_none() {
            (self.thread, self.stat) = (thread, None);
            match File::open(directory(thread).join("stat")) {
                Ok(file) => self.stat = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound && has_proc() => {
                    return ThreadSeen::Gone;
                }
                Err(_) => return ThreadSeen::There,
            }
        }
        let mut bytes = [0; READ_BYTES];
        match self.stat.as_ref().map(|file| file.read_at(&mut bytes, 0)) {
            Some(Ok(length)) => seen(&bytes[..length]),
            Some(Err(error)) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => ThreadSeen::Gone,
            Some(Err(_)) | None => ThreadSeen::There,
        }
    }
}

/// How the thread is of which the file says this: `NUMBER (NAME) STATE ...`.
fn seen(stat: &[u8]) -> ThreadSeen {
    // A name may hold a parenthesis as well.
    let end = stat.iter().rposition(|byte| *byte == b')');
    match end.and_then(|end| stat.get(end + 2)) {
        Some(b'T' | b't') => ThreadSeen::Held,
        Some(b'Z' | b'X' | b'x') => ThreadSeen::Gone,
        _ => ThreadSeen::There,
    }
}

fn directory(thread: i32) -> PathBuf {
    Path::new("/proc/self/task").join(thread.to_string())
}

/// Whether the system describes threads at all.
fn has_proc() -> bool {
    directory(own_number()).exists()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::base::sys::runtime;

    #[test]
    fn the_state_stands_behind_the_name() {
        let rows = [
            ("12 (writer) S 1 2", ThreadSeen::There),
            ("12 (writer) R 1 2", ThreadSeen::There),
            ("12 (writer) t 1 2", ThreadSeen::Held),
            ("12 (a) b) c) T 1 2", ThreadSeen::Held),
            ("2147483647 (fifteen letters) Z 2147483647", ThreadSeen::Gone),
            ("2147483647 (fifteen letters) t 2147483647", ThreadSeen::Held),
            ("", ThreadSeen::There),
            ("12 (x)", ThreadSeen::There),
        ];
        for (stat, expected) in rows {
            assert_eq!(seen(&stat.as_bytes()[..stat.len().min(READ_BYTES)]), expected, "{stat}");
        }
    }

    #[test]
    fn a_thread_is_there_until_it_is_gone() {
        let (mut presence, number) = (Presence::default(), own_number());
        assert_eq!([presence.of(number), presence.of(number)], [ThreadSeen::There; 2]);
        let (tell, told) = channel();
        let (go, wait) = channel::<()>();
        let thread = runtime::thread("test presence", move || {
            tell.send(own_number()).unwrap();
            let _ = wait.recv();
        })
        .unwrap();
        let other = told.recv().unwrap();
        assert_eq!(presence.of(other), ThreadSeen::There);
        drop(go);
        thread.join().unwrap();
        // Joined a moment before the system has cleared it away.
        while presence.of(other) != ThreadSeen::Gone {
            std::thread::yield_now();
        }
        assert_eq!(Presence::default().of(other), ThreadSeen::Gone);
        // Number 1 is a thread of another process.
        assert!(Presence::default().of(1) == ThreadSeen::Gone || std::process::id() == 1);
    }
}
