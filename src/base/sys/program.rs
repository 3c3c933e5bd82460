//! Other programs: run one to its end or to the end of its time, together with whatever it started.
//!
//! Blocks its thread for as long as the program takes: call it through [`offload`](crate::base::sys::offload). Nothing
//! is handed to a shell. The program leads a process group of its own, and when it has ended, by itself or by force, so
//! has the group: a check that forgets its children every ten seconds would fill the machine by tomorrow. A child that
//! leaves the group (`setsid`) is its own master.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// Bytes of output read at a time.
const READ_BYTES: usize = 8 * 1024;

/// Variables that are for this process alone. With those of its supervisor a program could report that muster is ready
/// or ends, or take its sockets to be its own; the others are how muster reaches its Redis.
pub const NOT_INHERITED: [&str; 9] = [
    "NOTIFY_SOCKET",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "MUSTER_REDIS_PASSWORD",
    "MUSTER_REDIS_URL",
];

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramEnd {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal, which was not ours.
    Signalled(i32),
    /// It was still there at the deadline, and was killed.
    TimedOut,
}

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub end: ProgramEnd,
    /// The last bytes of what it wrote to its standard output and error, in the order of writing.
    pub output: Vec<u8>,
    /// How many bytes it wrote in all.
    pub output_bytes_total: u64,
}

/// The path by which this program was started, once [`remember_origin`] has looked.
static ORIGIN: OnceLock<PathBuf> = OnceLock::new();

/// Remembers by which path this program was started, for [`start_again`]. Called first of all: once the file has been
/// moved, Linux tells only where it went.
pub fn remember_origin() {
    if let Some(path) = origin(Path::new(&env::args_os().next().unwrap_or_default())) {
        // Who has looked before has seen the same.
        let _ = ORIGIN.set(path);
    }
}

/// Where the program lies that was started as `typed`: there, in a folder of PATH, or where Linux says.
fn origin(typed: &Path) -> Option<PathBuf> {
    // What Linux calls a program whose file was replaced since.
    const REPLACED: &[u8] = b" (deleted)";
    let is_path = typed.as_os_str().as_bytes().contains(&b'/');
    let path = env::var_os("PATH").filter(|_| !is_path).unwrap_or_default();
    let places = env::split_paths(&path).filter_map(|folder| std::path::absolute(folder.join(typed)).ok());
    places.into_iter().find(|place| is_running(place)).or_else(|| {
        let said = env::current_exe().ok()?.into_os_string().into_vec();
        let place = said.strip_suffix(REPLACED).unwrap_or(&said);
        Some(PathBuf::from(OsStr::from_bytes(place)))
    })
}

/// Whether the file at `path` is the one that this process runs.
fn is_running(path: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
    file(path).is_some_and(|found| Some(found) == file(Path::new("/proc/self/exe")))
}

/// Starts what is by now at the path by which this program was started, with `arguments` and `flag` and without the
/// variables that are `removed`, and waits until it ends. How it fares is logged.
///
/// # Errors
/// The operating system's: nothing is there, or no process is to be had.
pub fn start_again(arguments: &[OsString], flag: &str, removed: &[&str]) -> io::Result<()> {
    let program = ORIGIN.get().ok_or_else(|| io::Error::other("it is not known where it lies"))?;
    let place = program.display();
    let which = if is_running(program) { "the file that runs already" } else { "another file than runs" };
    let mut command = Command::new(program);
    command.args(arguments).arg(flag).stdin(Stdio::null());
    for name in removed {
        command.env_remove(name);
    }
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{place}: {error}"));
    let mut child = command.spawn().map_err(failed)?;
    let process = child.id();
    log::info!(process = process; "started the program anew, to take over: {place}, {which}");
    match child.wait() {
        Ok(status) if status.success() => {}
        Ok(status) => {
            log::error!(process = process; "the program that was started anew has failed: {status}")
        }
        Err(error) => log::error!(process = process; "the program that was started anew is lost: {error}"),
    }
    Ok(())
}

/// Becomes another program, called `name`, with this one's environment and files. A program without a folder is looked
/// for on PATH. Returns only when it cannot.
pub fn replace_with(program: &Path, name: &str, arguments: &[OsString]) -> io::Error {
    Command::new(program).arg0(name).args(arguments).exec()
}

/// Runs `program` with `arguments` until it ends, at most until `deadline`, and keeps the last `output_bytes_max`
/// bytes of its output. It inherits muster's working directory and its environment but for [`NOT_INHERITED`], and reads
/// nothing.
///
/// # Errors
/// The operating system's, when the program cannot be started; nothing of it runs then.
pub fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    deadline: Instant,
    output_bytes_max: usize,
) -> io::Result<Report> {
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    let mut command = Command::new(program);
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    let child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()?;
    // Its copies of the pipe's end are open until it is dropped.
    drop(command);
    let mut group = Group { child };
    let mut output = Tail { bytes: Vec::new(), bytes_max: output_bytes_max, bytes_total: 0 };
    let has_ended = watch(&group, reader, &mut output, deadline)?;
    group.kill();
    let status = group.child.wait()?;
    let end = match (has_ended, status.code()) {
        (false, _) => ProgramEnd::TimedOut,
        (true, Some(code)) => ProgramEnd::Exited(code),
        (true, None) => ProgramEnd::Signalled(status.signal().unwrap_or_default()),
    };
    Ok(Report { end, output: output.bytes, output_bytes_total: output.bytes_total })
}

/// Collects output until the program ends or its time is over; whether it ended.
///
/// Its end is heard of from the process itself and not from the pipe, which a forgotten child may keep open.
fn watch(group: &Group, mut reader: PipeReader, output: &mut Tail, deadline: Instant) -> io::Result<bool> {
    let process = pidfd_open(Pid::from_child(&group.child), PidfdFlags::empty())?;
    let mut is_open = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let wanted = if is_open { PollFlags::IN } else { PollFlags::empty() };
        let mut ready = [PollFd::new(&process, PollFlags::IN), PollFd::new(&reader, wanted)];
        match poll(&mut ready[..if is_open { 2 } else { 1 }], Timespec::try_from(left).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let has_ended = !ready[0].revents().is_empty();
        // What it wrote before its end is in the pipe by now. What a child goes on writing is left at the first gap.
        is_open = is_open && output.take_from(&mut reader, has_ended)?;
        if has_ended {
            return Ok(true);
        }
    }
}

/// A process and the group it leads. Dropping it kills both.
struct Group {
    child: Child,
}

impl Group {
    /// Kills whatever is in the group. Until the leader is waited for its number is taken, so no other group can have
    /// it.
    fn kill(&mut self) {
        // It fails only when no process is left.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Known to be over and waited for, unless something failed on the way.
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last bytes of an output.
struct Tail {
    bytes: Vec<u8>,
    bytes_max: usize,
    bytes_total: u64,
}

impl Tail {
    /// Takes what is there: one piece, or `all` up to the first gap. Whether there may be more later.
    fn take_from(&mut self, reader: &mut PipeReader, all: bool) -> io::Result<bool> {
        let mut piece = vec![0; READ_BYTES];
        loop {
            match reader.read(&mut piece) {
                Ok(0) => return Ok(false),
                Ok(length) => self.push(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if !all {
                return Ok(true);
            }
        }
    }

    fn push(&mut self, piece: &[u8]) {
        self.bytes_total += piece.len() as u64;
        self.bytes.extend_from_slice(piece);
        let surplus = self.bytes.len().saturating_sub(self.bytes_max);
        self.bytes.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_program_is_found_by_what_was_typed_or_by_what_runs() {
        let own = env::current_exe().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        let rows = [(&*own, &own), (&*link, &link), (Path::new("/bin/sh"), &own), (Path::new("sh"), &own)];
        for (typed, expected) in rows {
            assert_eq!(origin(typed).as_ref(), Some(expected), "{}", typed.display());
        }
    }

    fn shell(line: &str, patience: Duration) -> Report {
        run("/bin/sh", &["-c", line], Instant::now() + patience, 10).unwrap()
    }

    #[test]
    fn ends_and_outputs_are_told() {
        let rows: [(&str, ProgramEnd, &str, u64); 6] = [
            ("exit 0", ProgramEnd::Exited(0), "", 0),
            ("echo out; echo err >&2; exit 3", ProgramEnd::Exited(3), "out\nerr\n", 8),
            ("printf 0123456789", ProgramEnd::Exited(0), "0123456789", 10),
            ("printf 0123456789x", ProgramEnd::Exited(0), "123456789x", 11),
            ("kill -TERM $$", ProgramEnd::Signalled(15), "", 0),
            ("cat", ProgramEnd::Exited(0), "", 0),
        ];
        for (line, end, output, output_bytes_total) in rows {
            let expected = Report { end, output: output.into(), output_bytes_total };
            assert_eq!(shell(line, PATIENCE), expected, "{line}");
        }
    }

    #[test]
    fn arguments_are_not_read_by_a_shell() {
        let report = run("/bin/echo", &["$HOME;", "*"], Instant::now() + PATIENCE, 100).unwrap();
        assert_eq!(report.output, b"$HOME; *\n");
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let nothing: [&str; 0] = [];
        let error = run("/no/such/program", &nothing, Instant::now() + PATIENCE, 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    /// The child holds a pipe of ours open for as long as it lives, so the pipe tells when it has died.
    #[test]
    fn children_end_with_the_program_whatever_ends_it() {
        let rows = [
            ("a child left behind", "exit 0", PATIENCE, ProgramEnd::Exited(0)),
            ("a program that takes too long", "wait", Duration::from_millis(300), ProgramEnd::TimedOut),
        ];
        for (name, then, patience, end) in rows {
            let directory = tempfile::tempdir().unwrap();
            let fifo = directory.path().join("alive");
            let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
            assert!(made.success());
            // Opening waits for the other side. The child has the shell's descriptor; nobody else does.
            let path = fifo.to_str().unwrap();
            let line = format!("exec 3>{path}; sleep 1000 & {then}");
            let watching = {
                let fifo = fifo.clone();
                std::thread::spawn(move || std::fs::read(fifo))
            };
            assert_eq!(shell(&line, patience).end, end, "{name}");
            // End of file: the last writer is gone.
            assert!(watching.join().unwrap().unwrap().is_empty(), "{name}");
        }
    }

    #[test]
    fn an_endless_output_is_bounded() {
        let report = shell("yes", Duration::from_millis(200));
        assert_eq!((report.end, report.output.len()), (ProgramEnd::TimedOut, 10));
        assert!(report.output_bytes_total > 10);
    }
}
