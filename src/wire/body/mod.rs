//! What bodies say: one table per body, with the names of its keys. What it means, and what is allowed, is
//! for `intake`.

pub mod acl;
pub mod check;
pub mod service;
pub mod proxy;
pub mod catalog;
