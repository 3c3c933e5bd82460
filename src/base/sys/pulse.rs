//! The pulse of the coroutine runtime: whether each of its workers, and its timer, still take up what is due.
//!
//! The runtime's threads are not ours to start, so nothing in them can say that it lives. Instead each worker has a
//! socket among those it looks after, and a coroutine that waits for a byte on it: the byte is sent, and that it was
//! heard is the sign of life. Where the number of a descriptor says which worker looks after it is the runtime's own
//! arrangement (`fd % workers`); were that to change, one worker would answer for another and a stall show later.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use socket2::{Domain, Socket, Type};

use crate::base::sys::registered::Registered;
use crate::base::sys::runtime;
use crate::base::sys::supervision::{self, Habit, ThreadPost, WAIT_MAX};

/// Begins to feel the pulse of `workers` workers and of the timer; [`runtime::start`] calls this once. Without
/// descriptors or coroutines there is none, and nothing to supervise either.
pub(crate) fn start(workers: usize) -> io::Result<()> {
    for worker in 0..workers {
        let (asking, place) = socket_to(worker, workers)?;
        let habit = Habit::Beats(supervision::SILENT_LOOKS_OF_WORKER_MAX);
        let post = ThreadPost::enter_asked(&format!("worker-{worker}"), habit, move || {
            // A worker that has not read the last byte still has it to read.
            drop((&asking).write(&[1]));
        });
        runtime::spawn("pulse", move || answer(&place, &post)).map_err(io::Error::other)?;
    }
    let post = ThreadPost::enter("timer", Habit::BEATS);
    post.set_waiting(true);
    runtime::spawn("pulse", move || {
        loop {
            may::coroutine::sleep(WAIT_MAX / 2);
            // On the timer's own thread, which is the point: so no yield before, and nothing else done here.
            beat(&post, c"timer");
        }
    })
    .map_err(io::Error::other)
}

/// A socket pair to `worker` of `workers`: what is written into the first end without waiting, a coroutine reads at the
/// second once that worker looks at its sockets.
///
/// # Errors
/// The operating system's: it gives no descriptor.
pub(crate) fn socket_to(worker: usize, workers: usize) -> io::Result<(Socket, Registered)> {
    let (asking, hearing) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
    asking.set_nonblocking(true)?;
    let place = Registered::new(looked_after_by(worker, workers, hearing)?)?;
    Ok((asking, place))
}

/// A descriptor for `socket` that `worker` of `workers` looks after.
fn looked_after_by(worker: usize, workers: usize, mut socket: Socket) -> io::Result<Socket> {
    let mut others = Vec::new();
    while socket.as_raw_fd() as usize % workers != worker {
        let next = socket.try_clone()?;
        others.push(std::mem::replace(&mut socket, next));
    }
    Ok(socket)
}

fn answer(place: &Registered, post: &Arc<ThreadPost>) {
    let mut bytes = [0; 64];
    loop {
        match (&**place).read(&mut bytes) {
            Ok(0) => return post.leave("nobody asks it any more"),
            Ok(_) => beat(post, c"worker"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                place.wait_io();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return post.leave(&error.to_string()),
        }
    }
}

/// A sign of life from the present thread, which is given a name for those who look at it from outside.
fn beat(post: &ThreadPost, name: &std::ffi::CStr) {
    let thread = supervision::own_number();
    if post.is_from_another(thread) {
        let _ = rustix::thread::set_name(name);
    }
    post.beat_from(thread);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_descriptor_is_found_for_every_worker() {
        for workers in 1..6 {
            for worker in 0..workers {
                let (_other, socket) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
                let socket = looked_after_by(worker, workers, socket).unwrap();
                assert_eq!(socket.as_raw_fd() as usize % workers, worker);
            }
        }
    }

    #[test]
    fn a_question_is_heard() {
        runtime::start(2);
        let (asking, hearing) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let place = Registered::new(hearing).unwrap();
        let post = ThreadPost::enter("test", Habit::Lives);
        let own = post.clone();
        runtime::spawn("test", move || answer(&place, &own)).unwrap();
        for questions in 1..4 {
            (&asking).write_all(&[1]).unwrap();
            let deadline = Instant::now() + Duration::from_secs(30);
            while post.beats() < questions {
                assert!(Instant::now() < deadline);
                std::thread::yield_now();
            }
        }
    }
}
