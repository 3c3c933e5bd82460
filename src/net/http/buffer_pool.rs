//! Memory that idle connections give back and busy ones take again: a few buffers and requests for each
//! thread.
//!
//! Between two requests a connection holds neither, which keeps ten thousand idle ones small; without the
//! spares every request would pay for five allocations, a third of its instructions outside the kernel. The
//! lists are thread-local and each function takes or gives and leaves: none waits, so no reference outlives a
//! change of thread.

use std::cell::RefCell;

use crate::net::http::request::Request;

/// Size of a buffer: most requests, and most batches of pipelined ones, fit one read.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;
/// Buffers of each kind kept by a thread: more than are filled at once on it, little enough to forget.
const BUFFERS_MAX: usize = 16;
/// Requests kept by a thread. Each is held while its handler waits, and some dozens of clients may wait for one commit.
const REQUESTS_MAX: usize = 128;
/// A request whose body grew beyond this is dropped instead of kept.
const BODY_BYTES_KEPT: usize = 16 * 1024;

#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "a request is taken and given with every exchange: 8 bytes move instead of 300"
)]
struct BufferPool {
    /// Zeroed or used before, all of [`BUFFER_BYTES`].
    inputs: Vec<Vec<u8>>,
    /// Empty, all with room for [`BUFFER_BYTES`].
    outputs: Vec<Vec<u8>>,
    requests: Vec<Box<Request>>,
}

thread_local! {
    static SPARES: RefCell<BufferPool> = RefCell::default();
}

/// A buffer of [`BUFFER_BYTES`] bytes of no meaning, to be read into.
#[inline(never)]
pub(crate) fn take_input() -> Vec<u8> {
    SPARES.with_borrow_mut(|spares| spares.inputs.pop()).unwrap_or_else(|| vec![0; BUFFER_BYTES])
}

/// Gives an input buffer back; one that has grown is dropped.
#[inline(never)]
pub(crate) fn give_input(buffer: Vec<u8>) {
    if buffer.len() == BUFFER_BYTES {
        SPARES.with_borrow_mut(|spares| keep(&mut spares.inputs, buffer, BUFFERS_MAX));
    }
}

/// An empty buffer to be appended to.
#[inline(never)]
pub(crate) fn take_output() -> Vec<u8> {
    SPARES.with_borrow_mut(|spares| spares.outputs.pop()).unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
}

/// Gives an output buffer back; one that has grown is dropped.
#[inline(never)]
pub(crate) fn give_output(mut buffer: Vec<u8>) {
    buffer.clear();
    if buffer.capacity() == BUFFER_BYTES {
        SPARES.with_borrow_mut(|spares| keep(&mut spares.outputs, buffer, BUFFERS_MAX));
    }
}

/// A request to be filled.
#[inline(never)]
pub(crate) fn take_request() -> Box<Request> {
    SPARES.with_borrow_mut(|spares| spares.requests.pop()).unwrap_or_else(|| Box::new(Request::empty()))
}

/// Gives a request back.
#[inline(never)]
pub(crate) fn give_request(request: Box<Request>) {
    if request.body.capacity() <= BODY_BYTES_KEPT {
        SPARES.with_borrow_mut(|spares| keep(&mut spares.requests, request, REQUESTS_MAX));
    }
}

fn keep<T>(list: &mut Vec<T>, item: T, max: usize) {
    if list.len() < max {
        list.push(item);
    }
}
