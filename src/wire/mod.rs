//! Consul's JSON, both ways: bytes to model values, model values to bytes.
//!
//! Owns the names, the order and the `null`-against-`[]` conventions of every key, the defaults and bounds of
//! what a request may say, and the texts that tell a client what is wrong with it. Pure: no I/O, no clock, no
//! lock, and it does not know HTTP; that every [`intake::Invalid`] is the client's fault is all it says of
//! statuses.
//!
//! Reading goes [`decode`] (JSON as Go reads it) -> [`body`] (what a body says) -> [`intake`] (what it means:
//! a command). Writing goes [`show`] (model values in Consul's shapes) -> [`json`] (bytes as Go writes them);
//! [`select`] lets filters look at the same shapes.

pub mod json;
pub mod decode;
pub mod body;
pub mod intake;
pub mod show;
pub mod select;
