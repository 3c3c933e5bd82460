//! One thread that notices the end of idle connections.
//!
//! A connection that is neither read nor written costs no coroutine here: it is in an epoll of the watcher's
//! own until its owner wants it back. Only its end is looked for (end of file, reset, error), so what a peer sends
//! meanwhile wakes nothing. Whose connection it is, and what its end means, is decided by the owner.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use crate::base::sys::supervision::{self, WAIT_MAX};

/// Ends that are taken up at a time. When a host dies all its connections end at once; fewer would lock and ring more
/// often, more would keep the first ones waiting for the last.
const ENDS_AT_A_TIME: usize = 256;

/// Watches idle connections for their end.
#[derive(Debug)]
pub struct HangupWatcher {
    epoll: OwnedFd,
}

impl HangupWatcher {
    /// A watcher of nothing yet.
    ///
    /// # Errors
    /// The operating system's: it gives no descriptor.
    pub fn new() -> io::Result<HangupWatcher> {
        Ok(HangupWatcher { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// Waits for ends as long as the process lives; call it on a thread of its own. `on_ends` is given the tokens of
    /// connections that have ended, each once. A token can come although its connection has left meanwhile, so tokens
    /// must not be used again.
    pub fn run(&self, on_ends: impl Fn(&[u64])) {
        let wait = Timespec::try_from(WAIT_MAX).expect("a few seconds fit");
        let mut events = Vec::with_capacity(ENDS_AT_A_TIME);
        let mut tokens = Vec::with_capacity(ENDS_AT_A_TIME);
        loop {
            let room = spare_capacity(&mut events);
            match supervision::waiting(|| epoll::wait(&self.epoll, room, Some(&wait))) {
                Ok(0) => {}
                Ok(_) => {
                    tokens.clear();
                    tokens.extend(events.drain(..).map(|event: epoll::Event| event.data.u64()));
                    on_ends(&tokens);
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    log::error!("idle connections are no longer watched for their end: {error}");
                    return;
                }
            }
        }
    }

    /// Watches `connection` from now on. If it has ended already, that is reported at once.
    ///
    /// # Errors
    /// The operating system's, when it has no room (`fs.epoll.max_user_watches`).
    pub fn watch(&self, connection: impl AsFd, token: u64) -> io::Result<()> {
        // Reset and error are always reported. Once is enough: the owner takes the connection out.
        let flags = EventFlags::RDHUP | EventFlags::ONESHOT;
        Ok(epoll::add(&self.epoll, connection, EventData::new_u64(token), flags)?)
    }

    /// Ends the watch. To be called before the connection is used or closed.
    pub fn leave(&self, connection: impl AsFd) {
        if let Err(error) = epoll::delete(&self.epoll, connection) {
            log::debug!("a connection left the sentinel that it does not know: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::mpsc::{self, Receiver};
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::base::sys::runtime;

    /// Generous: an end is reported within microseconds.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Ends a connection; what is left of it is held.
    type End = fn(TcpStream) -> Option<TcpStream>;

    fn sentinel() -> (Arc<HangupWatcher>, Receiver<u64>) {
        let (tell, told) = mpsc::channel();
        let sentinel = Arc::new(HangupWatcher::new().unwrap());
        let running = sentinel.clone();
        runtime::thread("sentinel", move || {
            running.run(move |tokens| tokens.iter().for_each(|token| tell.send(*token).unwrap()));
        })
        .unwrap();
        (sentinel, told)
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    #[test]
    fn every_way_to_end_is_told() {
        let (sentinel, told) = sentinel();
        let rows: [(&str, End); 4] = [
            ("closed", |_| None),
            ("reset", |theirs| {
                SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
                None
            }),
            ("half closed", |theirs| {
                theirs.shutdown(Shutdown::Write).unwrap();
                Some(theirs)
            }),
            ("closed after a word", |mut theirs| {
                theirs.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
                None
            }),
        ];
        for (token, (what, end)) in (0..).zip(rows) {
            let (ours, theirs) = pair();
            sentinel.watch(&ours, token).unwrap();
            let _held = end(theirs);
            assert_eq!(told.recv_timeout(PATIENCE), Ok(token), "{what}");
        }
    }

    #[test]
    fn what_ended_before_the_watch_is_told() {
        let (sentinel, told) = sentinel();
        let (ours, theirs) = pair();
        drop(theirs);
        sentinel.watch(&ours, 7).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok(7));
    }

    #[test]
    fn neither_a_word_nor_a_connection_that_left_is_told() {
        let (sentinel, told) = sentinel();
        let (talking, mut talker) = pair();
        let (leaving, left) = pair();
        let (ending, ended) = pair();
        sentinel.watch(&talking, 1).unwrap();
        sentinel.watch(&leaving, 2).unwrap();
        sentinel.watch(&ending, 3).unwrap();
        talker.write_all(b"hello").unwrap();
        sentinel.leave(&leaving);
        drop(left);
        drop(ended);
        // The last of the three comes alone.
        assert_eq!(told.recv_timeout(PATIENCE), Ok(3));
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn a_connection_may_come_back() {
        let (sentinel, told) = sentinel();
        let (ours, theirs) = pair();
        for token in 0..3 {
            sentinel.watch(&ours, token).unwrap();
            sentinel.leave(&ours);
        }
        sentinel.watch(&ours, 9).unwrap();
        drop(theirs);
        assert_eq!(told.recv_timeout(PATIENCE), Ok(9));
    }
}
