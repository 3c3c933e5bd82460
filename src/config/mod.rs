//! What an operator may set: from what was written to what is used.
//!
//! Owns the table of settings ([`settings::SETTINGS`]), where their values come from and in which order they
//! win ([`raw`]), what each accepts ([`kind`]), and the finished [`validated::Config`]. Every complaint about
//! every setting is given at once ([`problem::Problems`]), before any port is bound. It refuses to know what
//! the settings do: the layers that are configured by them are not known here, and service definitions leave
//! as the JSON they were written in.
//!
//! Start reading at [`load::load`].

pub mod acl;
pub mod address;
pub mod closing;
pub mod consul;
mod consul_tls;
mod callers;
pub mod definitions;
pub mod files;
pub mod hcl;
pub mod invocation;
pub mod json;
mod key_finder;
pub mod kind;
pub mod listening;
pub mod load;
pub mod plan;
pub mod problem;
pub mod raw;
pub mod redis_url;
pub mod reload;
pub mod service_defaults;
pub mod settings;
pub mod tls;
pub mod validated;
pub mod webhooks;

#[cfg(test)]
mod document;
