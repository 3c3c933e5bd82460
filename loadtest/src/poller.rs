//! Waiting for many sockets, with the resolution a constant rate needs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};

/// Events taken at once.
const EVENTS_MAX: usize = 512;

/// Sockets, each with a number, of which some can be read.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    /// # Errors
    /// This process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Watches a socket from now on until it is closed.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn add(&self, socket: impl AsFd, number: usize) -> io::Result<()> {
        let data = epoll::EventData::new_u64(number as u64);
        Ok(epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)?)
    }

    /// The numbers of sockets that can be read: at once if there are any, else after `nanoseconds` at most.
    ///
    /// # Errors
    /// The kernel refuses to wait.
    pub fn wait(&mut self, nanoseconds: u64) -> io::Result<impl Iterator<Item = usize>> {
        self.events.clear();
        if self.take()? == 0 && nanoseconds > 0 {
            // Only this waits with the resolution of the kernel's timers: epoll's own counts milliseconds.
            let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            let wait = Timespec { tv_sec: seconds as i64, tv_nsec: rest as i64 };
            if poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&wait))? > 0 {
                self.take()?;
            }
        }
        Ok(self.events.drain(..).map(|event| event.data.u64() as usize))
    }

    fn take(&mut self) -> io::Result<usize> {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&now))?)
    }
}
