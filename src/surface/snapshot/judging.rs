//! Work that takes long for a client that may leave meanwhile.

use crate::base::stdx::stop::StopFlag;
use crate::base::sys::offload::{Offload, OffloadError};
use crate::base::sys::oneshot;
use crate::net::http::Waker;
use crate::surface::context::call::Call;
use crate::surface::context::error::{ApiError, CLIENT_GONE};
use crate::surface::snapshot::unavailable;

/// Rings when it is dropped, however that comes about.
struct Ring(Waker);

impl Drop for Ring {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Runs `work` on a thread of `pool` while the client is there. Once it is gone `stop` is asked, and the work is
/// nobody's any more: it ends by itself as soon as it looks.
///
/// # Errors
/// 503 when the pool is full or the work failed by itself.
pub fn run_attended<T: Send + 'static>(
    call: &mut Call<'_, '_>,
    pool: &Offload,
    stop: &StopFlag,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let (sender, mut receiver) = oneshot::oneshot();
    let waker = call.exchange.waker();
    let attended = move || {
        // Dropped last, when there is a value or none will come.
        let _ring = Ring(waker);
        let sender = sender;
        sender.send(work());
    };
    pool.post(attended).map_err(unavailable)?;
    loop {
        receiver = match receiver.try_recv() {
            Ok(value) => return value.map_err(|_lost| unavailable(OffloadError::Panicked)),
            Err(receiver) => receiver,
        };
        if !call.exchange.attend() {
            stop.ask();
            return Err(ApiError::new(CLIENT_GONE, "the client is gone"));
        }
    }
}
