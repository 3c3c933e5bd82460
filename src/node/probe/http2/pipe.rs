//! The library's end of a connection: two buffers in memory, which are always ready.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A handle; its clones are one pipe. One coroutine holds all of them, so its lock is never waited for.
#[derive(Clone, Debug, Default)]
pub struct Pipe {
    buffers: Arc<Mutex<Buffers>>,
}

#[derive(Debug, Default)]
struct Buffers {
    /// From the target, not read yet. As large as one read of the socket, for the library reads all there is.
    incoming: Vec<u8>,
    /// The target will send nothing more.
    is_over: bool,
    /// For the target, not sent yet. What the library writes at a time is bounded by the target's window.
    outgoing: Vec<u8>,
}

impl Pipe {
    /// Takes what is to be sent.
    pub fn take_outgoing(&self) -> Vec<u8> {
        std::mem::take(&mut self.buffers.lock().outgoing)
    }

    /// Gives what was received; nothing is the end.
    pub fn give_incoming(&self, bytes: &[u8]) {
        let mut buffers = self.buffers.lock();
        buffers.incoming.extend_from_slice(bytes);
        buffers.is_over |= bytes.is_empty();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut buffers = self.buffers.lock();
        let amount = buffers.incoming.len().min(into.remaining());
        if amount == 0 && !buffers.is_over {
            // Everything is polled again once there is more, so no waker need be kept.
            return Poll::Pending;
        }
        into.put_slice(&buffers.incoming[..amount]);
        buffers.incoming.drain(..amount);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.buffers.lock().outgoing.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
