//! Driving an HTTP/2 connection: futures polled by hand, bytes carried in between.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use h2::PingPong;
use h2::client::{Builder, SendRequest};

use crate::node::probe::http2::Http2Error;
use crate::node::probe::http2::pipe::Pipe;

/// Bytes read at a time. On the heap: a coroutine's stack is small.
const READ_BYTES: usize = 16 * 1024;

/// Bytes of headers that are taken. Larger ones than a health answer's are none.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Has `exchange` work over `channel` until it is done. It gets what sends requests, and what sends pings.
///
/// # Errors
/// When the connection ends or times out first, or the target does not speak HTTP/2.
pub fn drive<T, F>(
    channel: &mut (impl Read + Write),
    exchange: impl FnOnce(SendRequest<Bytes>, Option<PingPong>) -> F,
) -> Result<T, Http2Error>
where
    F: Future<Output = Result<T, h2::Error>>,
{
    let pipe = Pipe::default();
    let driven = async {
        let mut builder = Builder::new();
        builder.enable_push(false).max_header_list_size(HEADER_BYTES_MAX);
        let (requests, mut connection) = builder.handshake::<_, Bytes>(pipe.clone()).await?;
        let pings = connection.ping_pong();
        let (mut exchange, mut connection) = (pin!(exchange(requests, pings)), pin!(connection));
        let mut has_ended = false;
        poll_fn(move |context| {
            if !has_ended {
                match connection.as_mut().poll(context) {
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Http2Error::from(error))),
                    Poll::Ready(Ok(())) => has_ended = true,
                    Poll::Pending => {}
                }
            }
            match exchange.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(outcome.map_err(Http2Error::from)),
                Poll::Pending if has_ended => {
                    Poll::Ready(Err(Http2Error::Io(ErrorKind::UnexpectedEof.into())))
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    };
    let mut driven = Box::pin(driven);
    let mut buffer = vec![0; READ_BYTES];
    let flag = Arc::new(WakeFlag::default());
    let waker = Waker::from(flag.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        let outcome = driven.as_mut().poll(&mut context);
        let outgoing = pipe.take_outgoing();
        if !outgoing.is_empty() {
            channel.write_all(&outgoing).and_then(|()| channel.flush()).map_err(Http2Error::Io)?;
        }
        match outcome {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending if flag.take() => {}
            Poll::Pending => {
                let amount = channel.read(&mut buffer).map_err(Http2Error::Io)?;
                pipe.give_incoming(&buffer[..amount]);
            }
        }
    }
}

/// Whether one part of the connection has something for another.
#[derive(Default)]
struct WakeFlag(AtomicBool);

impl WakeFlag {
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
