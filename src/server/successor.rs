//! The other side of a takeover: the process that asks a running agent for everything it has.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::base::sys::handover::{self, HandoverMessage};
use crate::base::sys::runtime;
use crate::config::validated::Config;
use crate::net::http::{Departure, Entrance};
use crate::server::error::ServerError;
use crate::server::takeover::{ASK, CONNECTION, FAILED, FREE, OVER, PROTOCOL, SERVING, SOCKET, socket_path};

/// How long the agent may take to put everything down: its writes, its deliveries, its Redis.
const FREE_WAIT_MAX: Duration = Duration::from_secs(30);

/// The longest silence of an agent that is handing over.
const CONNECTIONS_WAIT_MAX: Duration = Duration::from_secs(60);

/// An agent that has put everything down and waits.
pub(super) struct Predecessor {
    stream: UnixStream,
    process: i32,
}

/// Asks the agent on the same data directory to hand over; gives it with the sockets that it listens on. `None` when
/// there is none. When this returns an agent, the store is free.
///
/// # Errors
/// It does not hand over; it goes on then.
pub(super) fn ask(config: &Config) -> Result<Option<(Predecessor, Vec<OwnedFd>)>, ServerError> {
    let Some(path) = socket_path(config) else {
        return Err(refused("a registry in memory cannot be handed over: start without --takeover"));
    };
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            log::info!(
                "nobody on {SOCKET} in {} to take over from: a plain start",
                config.data_dir.display()
            );
            return Ok(None);
        }
        Err(error) => return Err(refused(&format!("{} cannot be reached: {error}", path.display()))),
    };
    let broken = |error: io::Error| refused(&format!("the running agent does not answer: {error}"));
    let process = handover::other(&stream).map_err(broken)?.process;
    stream.set_read_timeout(Some(FREE_WAIT_MAX)).map_err(broken)?;
    handover::send(&stream, ASK, PROTOCOL.as_bytes(), &[]).map_err(broken)?;
    match handover::receive(&stream).map_err(broken)? {
        Some(HandoverMessage { kind: FREE, descriptors, .. }) => {
            Ok(Some((Predecessor { stream, process }, descriptors)))
        }
        Some(HandoverMessage { payload, .. }) => Err(refused(&String::from_utf8_lossy(&payload))),
        None => Err(refused("the running agent said nothing; its log may say why")),
    }
}

fn refused(sentence: &str) -> ServerError {
    ServerError::Takeover(sentence.to_owned())
}

impl Predecessor {
    /// This process cannot go on, for this reason; the agent does.
    pub(super) fn fail(self, reason: &str) {
        // Without a word it knows as well, from the end of the connection.
        let _ = handover::send(&self.stream, FAILED, reason.as_bytes(), &[]);
    }

    /// This process serves: takes the agent's connections in by `entrance`, on a thread of its own, and calls `ended`
    /// when it has them all.
    ///
    /// # Errors
    /// The operating system's, when it gives no thread.
    pub(super) fn take_connections(
        self,
        entrance: Entrance,
        ended: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        self.stream.set_read_timeout(Some(CONNECTIONS_WAIT_MAX))?;
        let told = handover::send(&self.stream, SERVING, b"", &[]);
        runtime::thread("takeover", move || {
            let mut connections = 0_usize;
            let outcome = told.and_then(|()| self.receive_all(&entrance, &mut connections));
            match outcome {
                Ok(()) => log::info!(process = self.process, connections = connections; "took over"),
                Err(error) => {
                    log::warn!(process = self.process, connections = connections;
                        "took over, without what the process before had left: {error}");
                }
            }
            ended();
        })
        .map(drop)
    }

    fn receive_all(&self, entrance: &Entrance, connections: &mut usize) -> io::Result<()> {
        loop {
            match handover::receive(&self.stream)? {
                Some(HandoverMessage { kind: CONNECTION, payload: unanswered, descriptors }) => {
                    for socket in descriptors {
                        *connections += 1;
                        if let Err(error) =
                            entrance.take_over(Departure { socket, unanswered: unanswered.clone() })
                        {
                            log::debug!("a connection broke on its way: {error}");
                        }
                    }
                }
                Some(HandoverMessage { kind: OVER, .. }) => return Ok(()),
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}
