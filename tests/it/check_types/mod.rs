//! Every kind of check against the real thing: the built program looks at servers, services and programs that are what
//! they are elsewhere, sees them live and die, and says so in the right words. What is refused, and what the short
//! words of a definition stand for, is seen from outside as well.

mod datagram;
mod defaults;
#[cfg(feature = "grpc")]
mod grpc;
mod guard;
#[cfg(feature = "grpc")]
mod http2;
mod kept;
mod metadata;
pub mod registry;
mod script;
mod secured;
pub mod target;
mod unit;
