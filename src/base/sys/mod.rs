//! The only door to the clock, to sockets, to operating-system threads and to the coroutine runtime.
//!
//! Everything above asks here for time, for a place to run, for a socket to wait on, so the rules of the
//! runtime are kept in one place: coroutines are started by [`runtime`], waiting on a socket goes through
//! [`stream`], what another thread may do to a waiting coroutine is [`park`], and whatever blocks a thread
//! goes to [`offload`]. This layer knows neither HTTP nor the registry. Start reading at [`runtime`].

pub mod budget;
pub mod clock;
pub mod datagram;
pub mod dial;
pub mod disk;
pub mod file;
pub mod handover;
pub mod host;
pub mod background;
pub mod limits;
pub mod listen;
pub mod memory;
pub mod offload;
pub mod oneshot;
pub mod output;
pub mod park;
pub mod recall;
pub mod program;
mod pulse;
pub mod deadline_timer;
mod registered;
pub mod runtime;
pub mod hangup;
pub mod sealing;
pub mod signals;
pub mod stream;
pub mod supervision;
pub mod systemd;
pub mod turnstile;
