//! One thread of another process, killed or held still by the means of a debugger: nothing in the program under test
//! knows of it, and every other thread goes on.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Longest wait for the thread to be where it can be killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The system call that ends one thread, and the instruction that makes a system call, on this architecture.
const EXIT: u64 = 60;
const SYSCALL: i64 = 0x050f;

pub struct Thread(Pid);

impl Thread {
    /// The first thread of process `pid` with this name, its main thread apart.
    pub fn of(pid: u32, name: &str) -> Option<Thread> {
        all(pid).into_iter().find(|(_, found)| found == name).map(|(id, _)| Thread(Pid::from_raw(id)))
    }

    /// The names of all threads of process `pid` but its main thread.
    pub fn names(pid: u32) -> Vec<String> {
        all(pid).into_iter().map(|(_, name)| name).collect()
    }

    /// How often it has gone to sleep of its own accord, and so was woken.
    pub fn sleeps(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).expect("it is there");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.and_then(|count| count.trim().parse().ok()).expect("a count")
    }

    /// Whether it has begun and waits for work: it sleeps, and of its own accord.
    pub fn is_idle(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        self.sleeps() > 0 && stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }

    /// Stops it.
    pub fn hold(self) -> Held {
        ptrace::seize(self.0, ptrace::Options::empty()).expect("a test may trace its child");
        ptrace::interrupt(self.0).expect("it is traced");
        waitpid(self.0, Some(WaitPidFlag::__WALL)).expect("it stops");
        Held(self.0)
    }

    /// Ends it, and it alone, without a word to the program: it makes the system call for it. Everything it holds stays
    /// held.
    pub fn kill(self) {
        let deadline = Instant::now() + PATIENCE;
        let id = self.0;
        loop {
            let held = Thread(id).hold();
            let mut registers = ptrace::getregs(id).expect("it is held");
            let before = registers.rip - 2;
            // Where it waits, the instruction before is the call that waits, and can make another.
            let word = ptrace::read(id, before as ptrace::AddressType).expect("its code can be read");
            if word & 0xffff == SYSCALL {
                (registers.rip, registers.rax, registers.rdi) = (before, EXIT, 0);
                // Not within a call any more, so that none is begun again.
                registers.orig_rax = u64::MAX;
                ptrace::setregs(id, registers).expect("it is held");
                return held.let_go();
            }
            held.let_go();
            assert!(Instant::now() < deadline, "it never waits");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A thread that stands still.
pub struct Held(Pid);

impl Held {
    /// Waits until it ends with its process.
    pub fn ended(self) {
        waitpid(self.0, Some(WaitPidFlag::__WALL)).expect("it is held");
    }

    pub fn let_go(self) {
        ptrace::detach(self.0, None).expect("it is held");
    }
}

fn all(pid: u32) -> Vec<(i32, String)> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    let ids = threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let others = ids.filter(|id: &i32| id.unsigned_abs() != pid);
    others
        .filter_map(|id| {
            let name = fs::read_to_string(format!("/proc/{pid}/task/{id}/comm")).ok()?;
            Some((id, name.trim_end().to_owned()))
        })
        .collect()
}
